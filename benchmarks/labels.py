"""Does a variant still ask the same question? A sheet of variants of real texts, to be judged by reading.

    python benchmarks/labels.py prune FOLDER                         # drop judgements of variants that are made no more
    python benchmarks/labels.py draw FOLDER --out sheet.jsonl        # 60 rows of each perturbation and severity
    …                                                                # set "verdict" to kept, broken or unnatural
    python benchmarks/labels.py keep sheet.jsonl                     # into the project's judgements
    python benchmarks/labels.py table                                # broken k of n, with its upper limit

FOLDER holds data sets as JSON lines: objects with ``input`` (or ``premise`` and ``hypothesis``, ``question1`` and
``question2``), ``target`` and perhaps ``choices``. Rows judged before are not drawn again; a variant that comes out
differently has another digest and is. The judgements hold digests and no text.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Case, Draft, Prompt, Variant, derive_seed
from robusttest.errors import RobusttestError
from robusttest.perturbations import PERTURBATIONS, Perturbation, make
from robusttest.perturbations.base.judged import SpecJudgements, judgements, merged, row_digest
from robusttest.perturbations.words.words_random import tfidf
from robusttest.report.judged import broken_of, made_now
from robusttest.tasks.render import prompt_text, render
from robusttest.variants.expand import expand_case

JUDGEMENTS = Path(__file__).parents[1] / "robusttest/perturbations/data/judgements.json"
FEW = 6
"""Fewer data sets say too little of texts in general."""
ROWS, HIGHER = 60, 0.3
FORMS = 8
"""Which of a case's variants is taken, in turn, where a perturbation makes as many as are asked for."""
AGAIN = FORMS
"""Variants of one case at most, where a perturbation acts on few cases."""
WITH_DEMOS = ("demo_order", "system")
"""What acts on examples or on a system prompt; for the others a prompt without them is shorter to read."""
ASKED = (
    "Read the text carefully and answer with a few words alone.",
    "You help people who have a question. Keep to what is asked, and give one answer.",
    "Think about what the following means before you say anything; then reply in one line.",
    "Decide what is right here. Write the answer and leave out how you got there.",
    "Somebody sent us this message. Tell what should be said about it, as short as possible.",
)
"""System prompts for what varies the instruction, one after the other."""
PAIRS = (("premise", "hypothesis"), ("question1", "question2"))
LONGEST, LAST = 300, 1500
"""Characters of a text: longer ones are drawn where the short ones give too few rows, and none beyond the last."""


def data_sets(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found = {p.stem: _lines(p) for p in sorted(folder.glob("*.jsonl"))}
    if len(found) < FEW:
        sys.exit(f"{folder}: {len(found)} data sets (*.jsonl), {FEW} at least are needed")
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def case_of(name: str, row: Mapping[str, Any]) -> Case:
    """The row as a case: of a pair both texts, of options by letter the option itself."""
    pair = next((p for p in PAIRS if all(isinstance(row.get(f), str) for f in p)), ("input",))
    target, choices = row.get("target"), row.get("choices")
    labels = row.get("choice_labels") or []
    if choices and target not in choices and target in labels:
        target = choices[labels.index(target)]
    distinct = tuple(choices) if choices and len(set(choices)) == len(choices) and target in choices else None
    return Case(id=f"{name}/{row['id']}", fields={f: row[f] for f in pair}, target=target, choices=distinct)


Made = Callable[[str], Perturbation]
"""The perturbation for a data set: the same for all, or one that learnt from that data set's texts."""

LEARN = ("tfidf", f"tfidf:{HIGHER}")
"""What learns from texts of the user's own: here from those of each data set."""


def specs(only: Sequence[str]) -> list[str]:
    """Each perturbation at its default, and at a higher severity where it has one."""
    if only:
        return list(only)
    made: list[str] = []
    for name in PERTURBATIONS:
        try:
            default = make(name)
        except RobusttestError:
            continue  # has no default, needs something that is not installed, or a rule for the right answer
        if default.apply is None or default.preserves == "alters" or default.level not in ("input", "prompt"):
            continue
        made.append(default.spec)
        if default.severity is not None and default.severity < HIGHER:
            made.append(f"{name}:{HIGHER}")
    return [*made, *LEARN]


def maker(spec: str, sets: Mapping[str, list[dict[str, Any]]]) -> Made:
    if spec not in LEARN:
        p = make(spec)
        return lambda _: p

    @cache
    def learnt(name: str) -> Perturbation:
        texts = [str(v) for row in sets[name] for v in case_of(name, row).fields.values()]
        return tfidf(texts, severity=HIGHER if ":" in spec else None)

    return learnt


def cases(sets: Mapping[str, list[dict[str, Any]]], seed: int, spec: str) -> Iterator[Case]:
    """One case of each data set in turn, in an order drawn for this perturbation; texts that are long to read come last."""
    for longest, shortest in ((LONGEST, 0), (LAST, LONGEST + 1)):
        yield from _by_turns(sets, seed, spec, shortest, longest)


def _by_turns(
    sets: Mapping[str, list[dict[str, Any]]], seed: int, spec: str, shortest: int, longest: int
) -> Iterator[Case]:
    orders = []
    for name, rows in sets.items():
        order = list(range(len(rows)))
        random.Random(derive_seed(seed, spec, name)).shuffle(order)
        orders.append([(name, rows[i]) for i in order])
    for i in range(max(map(len, orders))):
        for order in orders:
            if i < len(order):
                case = case_of(*order[i])
                if shortest <= sum(len(str(v)) for v in case.fields.values()) <= longest:
                    yield case


def drawn(
    sets: Mapping[str, list[dict[str, Any]]], spec: str, rows: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Up to ``rows`` rows of one perturbation, one of a case; a case where it has nothing to do is passed by.

    Where it acts on fewer cases than that, further forms of the same cases follow.
    """
    seen: set[str] = set()
    perturbation = maker(spec, sets)
    found: list[tuple[int, Case]] = list(enumerate(cases(sets, seed, spec)))
    for form in range(AGAIN):
        acted: list[tuple[int, Case]] = []
        for looked, case in found:
            if len(seen) >= rows:
                return
            p = perturbation(case.id.partition("/")[0])
            prompt = _prompt(case) if p.level == "prompt" else None
            if p.name in WITH_DEMOS:
                prompt = replace(prompt or Prompt(), system="Answer briefly.", demos=_demos(case, sets))
            if p.name == "instruction":
                prompt = replace(prompt or Prompt(), system=ASKED[looked % len(ASKED)])
            index = (looked + form) % (p.limit or FORMS)  # so that each of its forms is seen
            for v in expand_case(case, [p], prompt=prompt, variants=index + 1, seed=seed):
                if v.perturbation and v.status == "ok" and v.index == index:
                    acted.append((looked, case))
                    row = _row(p, case, prompt, v)
                    if row["variant"] != row["original"] and row["digest"] not in seen:
                        seen.add(row["digest"])
                        yield row
        found = acted


def _prompt(case: Case) -> Prompt:
    shown = [f"{name.capitalize()}: {{{name}}}" for name in case.fields]
    return Prompt(template="\n".join([*shown, *(["{options}"] if case.choices else []), "Answer:"]))


def _demos(case: Case, sets: Mapping[str, list[dict[str, Any]]]) -> tuple[Case, ...]:
    name = case.id.partition("/")[0]
    others = (case_of(name, row) for row in sets[name][:20])
    alike = [d for d in others if d.id != case.id and d.target and bool(d.choices) == bool(case.choices)]
    return tuple(alike[:3])


def _row(p: Perturbation, case: Case, prompt: Prompt | None, v: Variant) -> dict[str, Any]:
    if p.level == "input":
        original, variant = dict(case.fields), dict(v.fields)
        if list(original) == ["input"]:
            original, variant = original["input"], variant["input"]
    else:
        original, variant = prompt_text(render(Draft(case=case, prompt=prompt))), prompt_text(render(v.draft))
    return {
        "digest": row_digest(p.spec, original, variant),
        "verdict": "",
        "perturbation": p.spec,
        "severity": p.severity,
        "data": case.id.partition("/")[0],
        "case": case.id,
        "original": original,
        "variant": variant,
        "edits": {f: marked(str(case.fields.get(f, "")), e) for f, e in v.draft.edits.items() if e},
        "target": v.target,
        "choices": v.choices,
        "effect": v.effect,
    }


def marked(text: str, edits: Sequence[Sequence[Any]]) -> str:
    """``the ⟦cat→cta⟧ sat``"""
    out, at = [], 0
    for start, end, new in edits:
        out += [text[at:start], f"⟦{text[start:end]}→{new}⟧"]
        at = end
    return "".join([*out, text[at:]])


def draw(folder: Path, out: Path, only: Sequence[str], rows: int, seeds: Sequence[int]) -> None:
    sets, count, old = data_sets(folder), 0, 0
    known = {d for read in judgements().values() for d in read["rows"]}
    with out.open("w", encoding="utf-8") as f:
        for spec in specs(only):
            for row in (row for seed in seeds for row in drawn(sets, spec, rows, seed)):
                if row["digest"] in known:
                    old += 1
                    continue
                known.add(row["digest"])
                f.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    print(f"{out}: {count} rows to judge; {old} were judged before")


def keep(sheet: Path) -> None:
    _write(merged(judgements(), _lines(sheet), made_now))


def prune(folder: Path, only: Sequence[str], rows: int, seeds: Sequence[int]) -> None:
    """Judgements of what is made no more go; what is left stands for the perturbation as it is now."""
    kept, sets = judgements(), data_sets(folder)
    out: dict[str, SpecJudgements] = {}
    for spec, read in kept.items():
        if only and spec not in only:
            out[spec] = read
            continue
        now: set[str] = set()
        for seed in seeds if _known(spec) else ():
            if not set(read["rows"]) <= now:
                now |= {row["digest"] for row in drawn(sets, spec, rows, seed)}
        left = {d: v for d, v in read["rows"].items() if d in now}
        print(f"{spec}: {len(read['rows']) - len(left)} of {len(read['rows'])} dropped")
        if left:
            out[spec] = SpecJudgements(made=made_now(spec), rows=left)
    _write(out)


def _known(spec: str) -> bool:
    try:
        return spec in LEARN or make(spec).apply is not None
    except RobusttestError:
        return False


def _write(kept: Mapping[str, SpecJudgements]) -> None:
    JUDGEMENTS.write_text(json.dumps(kept, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["draw", "keep", "prune", "table"])
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sheet.jsonl"))
    parser.add_argument("--only", nargs="*", default=[], metavar="SPEC")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[0], help="one draw each; prune wants all of them"
    )
    a = parser.parse_args(argv)
    if a.what == "table":
        for spec in judgements():
            print(f"{spec:30} {broken_of(spec)}")
    elif a.path is None:
        parser.error(f"{a.what} needs a path")
    elif a.what == "draw":
        draw(a.path, a.out, a.only, a.rows, a.seed)
    elif a.what == "keep":
        keep(a.path)
    else:
        prune(a.path, a.only, a.rows, a.seed)


if __name__ == "__main__":
    main()
