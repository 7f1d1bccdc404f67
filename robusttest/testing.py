"""Check a perturbation of your own against what robusttest promises of every perturbation.

::

    from robusttest.testing import check_perturbation

    def test_shout():
        check_perturbation(shout)

Raises AssertionError with the text, the variant and the promise that is broken.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from robusttest.core.nouns import Case, Prompt, Variant
from robusttest.errors import RobusttestError
from robusttest.perturbations.base.catalog import Spec, make
from robusttest.perturbations.base.edits import apply_edits, lost, survive
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import KINDS, protected_spans, unusable
from robusttest.variants.expand import expand_case, identity

NASTY_TEXTS: tuple[str, ...] = (
    "The parcel was damaged when it arrived, and nobody answered the phone.",
    "I don't want a refund of $1,299.00 (5.5% off) before 5 May 2024; order 48213 isn't late.",
    "Dear {name},\n\n  your {{user.input}} costs ${PRICE}: see %s or %(id)d.\n\t- first point\n\t- second point\n",
    "Mail anna.smith+x@example.co.uk or visit https://example.com/a?b=1&c=[2] for https://docs.python.org.",
    'Return {"name": "Ann Miller", "age": 30, "tags": ["new", "vip"]} as it stands, please.',
    '{"question": "Which colour has the clear evening sky?", "options": ["blue", "green"]}',
    "| name | role |\n|------|------|\n| Anna | engineer |\n| Robert | manager |\n",
    "Run `pip install thing` and then:\n```python\ndef area(width, height):\n    return width * height\n```\nWhat happens?",
    "<|im_start|>user\nTell me something nice<|im_end|>\n[INST] Really [/INST]",
    "Which is right?\nA) Positive\nB) Negative\n(C) Neutral\nChoose one of them.",
    "NASA and the U.S. never said that my_variable or camelCase names were without meaning.",
    "PLEASE ANSWER THIS QUESTION ABOUT MY DELIVERY RIGHT NOW",
    "Das Café in Köln öffnet nicht vor acht Uhr; müde Gäste warten draußen.",
    "Le garçon naïf a déjà mangé les crêpes, n'est-ce pas ?",
    "Где находится ближайшая библиотека и когда она открывается?",
    "यह किताब बहुत अच्छी है और मैं इसे नहीं बेचूँगा।",
    "ฉันไม่ชอบอาหารเผ็ดมากเกินไป",
    "متى يصل القطار إلى المحطة الرئيسية؟",
    "今天的天气很好，我们去公园散步吧。",
    "日本語の文章には空白がありません。カタカナもあります。",
    "이 책은 정말 재미있어서 하루 만에 다 읽었습니다.",
    "Great job 👍🏽👩🏽‍🚀👨‍👩‍👧‍👦 from France 🇫🇷 with ❤️ and cafe\u0301s!",
    "a",
    "Ok.",
    "12 + 30 = 42",
    "...?!",
    "",
    "   \n\t ",
    "broken \ud800 surrogate",
    "Antidisestablishmentarianism" * 40,
    "The quick brown fox jumps over the lazy dog and does not stop. " * 60,
)
"""Texts that break careless string code: scripts, emoji, formats, code, empty, broken, long."""


def check_perturbation(
    perturbation: Spec,
    texts: Iterable[str] | None = None,
    *,
    variants: int = 3,
    seed: int = 0,
    prompt: Prompt | None = None,
    applies: bool = True,
) -> None:
    """Assert that a perturbation keeps robusttest's promises on ``texts`` (`NASTY_TEXTS` without them).

    Same seed, same text, in any order and in threads; the global random state (and numpy's, where loaded) untouched;
    the case given to it unchanged; edits that lead from the original to the variant; protected text standing; JSON
    that still parses; no no-op, no duplicate. ``applies``: at least one text must give a variant. ``prompt``
    is what prompt perturbations change.
    """
    p = make(perturbation)
    assert p.apply is not None, (
        f"{p.spec}: a model writes its variants; there is nothing to check without one"
    )
    cases = [
        Case(id=f"text{i}", fields={"input": text}, target="blue", choices=("blue", "green"))
        for i, text in enumerate(NASTY_TEXTS if texts is None else texts)
    ]
    assert cases, "check_perturbation: texts is empty"

    def expand(case: Case) -> list[Variant]:
        try:
            return list(expand_case(case, [p], prompt=prompt, variants=variants, seed=seed))
        except RobusttestError as e:
            raise AssertionError(f"{p.spec}: {e}\n  on the text {case.input[:200]!r}") from e

    first: list[list[Variant]] = []
    for case in cases:
        before, state = copy.deepcopy(case), _global_state()
        first.append(expand(case))
        assert case == before, f"{p.spec}: changed the case it was given, {case.id!r}: return a changed copy"
        _same_global_state(p, case, state)
    _check_repeatable(p, cases, first, expand)
    for case, made in zip(cases, first, strict=True):
        _check_case(p, case, made)
    if applies and not any(v.status == "ok" and v.perturbation for made in first for v in made):
        reasons = sorted({v.reason or "" for made in first for v in made if v.perturbation})
        raise AssertionError(
            f"{p.spec}: not one variant from {len(cases)} texts. Reasons: {'; '.join(reasons)}"
        )


def _check_repeatable(p: Perturbation, cases: list[Case], first: list[list[Variant]], expand: Any) -> None:
    # Deliberately backwards and in threads: whatever depends on the call before shows here.
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(expand, reversed(cases)))
    for case, one, two in zip(cases, first, reversed(again), strict=True):
        assert [v.draft for v in one] == [v.draft for v in two], (
            f"{p.spec}: another text for the same seed, when asked again in another order and thread\n"
            f"  original {case.input[:200]!r}\n  first    {_shown(one)}\n  then     {_shown(two)}\n"
            "  draw only from the rng that is handed in; sort sets before use; keep no state between calls"
        )


def _check_case(p: Perturbation, case: Case, made: list[Variant]) -> None:
    reference, *rest = made
    text = case.input
    seen = {identity(reference.draft, reference.draft, {}): "the original"}
    for v in rest:
        where = f"{v.id} of {text[:200]!r}"
        if v.status == "not_applicable":
            assert v.reason, f"{where}: not applicable without a reason"
            continue
        mark = identity(v.draft, reference.draft, {})
        assert mark not in seen, f"{where}: the same question as {seen[mark]}"
        seen[mark] = v.id
        if not isinstance(v.input, str) or v.input == text:
            continue
        assert unusable(text) is None, f"{where}: a variant of {unusable(text)}"
        edits = v.draft.edits.get("input", ())
        if v.level != "input" and not edits:
            # It moved text between the case and the prompt around it: all turns together hold what was protected.
            around = v.draft.prompt.messages if v.draft.prompt is not None else None
            turns = (str(m.get("content")).replace("{{", "{").replace("}}", "}") for m in around or ())
            whole = "\n".join([v.input, *turns])
            gone = lost(text, whole, protected_spans(text, case=case))
            assert gone is None, f"{where}: protected text {gone!r} is gone from {whole[:400]!r}"
            continue
        assert apply_edits(text, edits) == v.input, (
            f"{where}: its edits {edits} do not lead to {v.input[:200]!r}"
        )
        allow = [c for c in p.changes if c in KINDS]
        spans = protected_spans(text, case=case, allow=allow)
        gone = lost(text, v.input, spans)
        ok = survive(text, v.input, edits, spans) or gone is None
        assert ok or p.preserves == "alters" or v.status == "rejected", (
            f"{where}: protected text {gone!r} is gone from {v.input[:200]!r}"
        )
        if v.status == "ok" and "json" not in p.changes and text.lstrip()[:1] in ("{", "["):
            _check_json(where, text, v.input)


def _check_json(where: str, text: str, new: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        return
    try:
        json.loads(new)
    except ValueError as e:
        raise AssertionError(f"{where}: the JSON no longer parses: {e}") from e


def _global_state() -> tuple[Any, Any]:
    numpy = sys.modules.get("numpy")
    return random.getstate(), numpy.random.get_state(legacy=False) if numpy is not None else None


def _same_global_state(p: Perturbation, case: Case, before: tuple[Any, Any]) -> None:
    now = _global_state()
    hint = f"(on {case.input[:80]!r}): draw from the rng that is handed in"
    assert now[0] == before[0], f"{p.spec}: drew from the global random module {hint}"
    if before[1] is not None:
        a, b = before[1]["state"], now[1]["state"]
        same = a["pos"] == b["pos"] and bool((a["key"] == b["key"]).all())
        assert same, f"{p.spec}: drew from numpy's global generator {hint}"


def _shown(made: list[Variant]) -> str:
    return repr([str(v.input)[:120] for v in made[1:]])
