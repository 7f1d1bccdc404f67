"""Same seed, same text: for every registered perturbation, whatever the process, order, thread and hash seed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from robusttest.core.nouns import Case, Completion, Prompt, Variant, digest
from robusttest.errors import UsageError
from robusttest.perturbations import PERTURBATIONS, Perturbation, directional, make
from robusttest.perturbations.prompt.prompt import demos, instructions, template
from robusttest.perturbations.words.words_random import reserved, tfidf
from robusttest.testing import NASTY_TEXTS, check_perturbation
from robusttest.variants.expand import expand_case

SHOTS = tuple(Case(id=f"d{i}", fields={"input": f"Some example number {i}"}, target="blue") for i in range(5))
PROMPT = Prompt(
    template="Decide with care.\nQuestion: {input}\nOptions:\n{options}\nAnswer:",
    system="You help.",
    demos=SHOTS[:3],
)
ALTERING = ("antonym", "negation", "word_crop", "word_delete", "word_swap")
"""They change the right answer, so they are asked with a rule of what must become of it."""

GIVEN = {
    "template": lambda: template(["Q: {input} {options}", "{input}\n{options} ="]),
    "instructions": lambda: instructions(["Choose carefully.", "Pick one."], of="Decide with care."),
    "demos": lambda: demos(SHOTS, k=2),
    "reserved": lambda: reserved([["parcel", "package", "box"], ["phone", "telephone"]]),
    "tfidf": lambda: directional(
        tfidf(["the grey colour of it is the one", "it is late at last", "the one that is at it"]),
        expect="same",
    ),
    "style": lambda: make("style:formal"),
    "translation": lambda: make("translation:German"),
    **{name: lambda name=name: directional(name, expect="changes") for name in ALTERING},
}
"""Perturbations that have no default: what they are made with here."""


def writer(steps: Any) -> Any:
    """Drives what a model writes, with replies that depend on the request alone."""
    try:
        request = next(steps)
        while True:
            request = steps.send(Completion(text=f"Could you say {digest(request.key(), size=3)} instead?"))
    except StopIteration as end:
        return end.value


EXTRA_TEXTS = (
    "The grey colour of the theatre centre is lovely. She realised it at last. What is the capital of France?",
    "It's true that they're late, and we'll see whether he can't come. You have 3 cats.",
    "Emily took the train on 25 July 2025 at 10:30 pm. She paid $12.50 for 5 km, and NASA was told.\nWas it dear, perhaps?",
    "A Muslim friend of mine moved from Boston to Denver, and the parcel went to Boston again.",
)
TEXTS = (*NASTY_TEXTS, *EXTRA_TEXTS)


def made(name: str) -> Perturbation:
    try:
        return GIVEN[name]() if name in GIVEN else make(name)
    except UsageError as e:
        pytest.skip(f"{name} is not made without an argument or an extra: {e}")


def fingerprint(variants: list[Variant]) -> str:
    rows = [
        [v.id, v.status, v.reason, dict(v.fields), v.choices, repr(v.draft.prompt), dict(v.params), v.draft.sample,
         {k: [list(e) for e in edits] for k, edits in v.draft.edits.items()}]
        for v in variants
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def expand(p: Perturbation, i: int) -> str:
    case = Case(id=f"t{i}", fields={"input": TEXTS[i]}, target="blue", choices=("blue", "green", "red"))
    return fingerprint(list(expand_case(case, [p], prompt=PROMPT, variants=4, seed=11, drive=writer)))


def everything() -> dict[str, list[str]]:
    """Of every registered perturbation that can be made; also run as a program, under another hash seed."""
    out = {}
    for name in PERTURBATIONS:
        try:
            p = GIVEN[name]() if name in GIVEN else make(name)
            out[name] = [expand(p, i) for i in range(len(TEXTS))]
        except UsageError:
            continue
    return out


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    return everything()


def test_output_is_the_same_under_other_hash_seeds(here: dict[str, list[str]]) -> None:
    """This process's own is another each time, unless somebody sets it."""
    hash_seed = "12345" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    root = os.path.dirname(os.path.abspath(__file__))
    code = f"import sys, json; sys.path.insert(0, {root!r}); import test_determinism as t; print(json.dumps(t.everything()))"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    assert {n for n in here if here[n] != there.get(n)} == set()
    assert len(here) >= 30


@pytest.mark.parametrize("name", list(PERTURBATIONS))
def test_order_and_threads_do_not_matter(here: dict[str, list[str]], name: str) -> None:
    p = made(name)
    order = [*range(len(TEXTS)), *range(0, len(TEXTS), 4)]  # some beside themselves
    random.Random(1).shuffle(order)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda i: expand(p, i), order))
    finally:
        sys.setswitchinterval(switch)
    assert all(here[name][i] == result for i, result in zip(order, results, strict=True))


@pytest.mark.parametrize("name", list(PERTURBATIONS))
def test_every_perturbation_keeps_the_promises(name: str) -> None:
    import numpy  # noqa: F401  so that its global state is watched

    p = made(name)
    if p.rewrite is not None:
        pytest.skip("a model writes it")
    if name.startswith("tool_"):
        pytest.skip("it acts on the tools of a task: test_tools.py")
    if name == "document_order":
        pytest.skip("it acts on lists: test_structures.py")
    # Examples would stand between the parts of a split prompt.
    check_perturbation(p, TEXTS, prompt=replace(PROMPT, demos=()) if name == "turn_split" else PROMPT)


@pytest.mark.parametrize("name", list(PERTURBATIONS))
def test_variants_do_not_depend_on_how_many_are_asked_for(name: str) -> None:
    p = made(name)
    for i in (0, 1, 4, 21, len(TEXTS) - 1):
        case = Case(id="t", fields={"input": TEXTS[i]}, target="blue", choices=("blue", "green", "red"))
        few = [
            v
            for v in expand_case(case, [p], prompt=PROMPT, variants=2, drive=writer)
            if v.status != "not_applicable"
        ]
        many = [
            v
            for v in expand_case(case, [p], prompt=PROMPT, variants=6, drive=writer)
            if v.status != "not_applicable"
        ]
        assert many[: len(few)] == few
