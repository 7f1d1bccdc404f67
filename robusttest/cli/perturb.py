"""Show what a perturbation does to a text or a file, before a call is paid for."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from robusttest.cli.console import color, encoding, option, say, width
from robusttest.errors import CaseError, RobusttestError, UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import Case, Variant

HELP = "show what a perturbation does to a text or a file"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("spec", nargs="?", metavar="SPEC", help="a perturbation, as in 'keyboard' or 'ocr:0.2'")
    p.add_argument(
        "text", nargs="?", metavar="TEXT", help="the text to perturb; - reads it from standard input"
    )
    p.add_argument("--file", metavar="F.jsonl", help="perturb the field 'input' of each row")
    option(p, "variants", help="variants of each text (default 5)")
    option(p, "seed", help="as --robust-seed (default 0)")
    p.add_argument("--jsonl", action="store_true", help="one JSON object for each variant, for programs")
    p.add_argument("--list", action="store_true", help="list the perturbations and what they do")


def run(a: argparse.Namespace) -> None:
    if a.list:
        _list_perturbations()
        return
    if a.spec is None:
        raise UsageError(
            "name a perturbation, as in: robusttest perturb keyboard 'a text'; --list shows them all"
        )
    if (a.text is None) == (a.file is None):
        raise UsageError("give either a TEXT or --file F.jsonl")
    from robusttest.core.nouns import Prompt
    from robusttest.perturbations import make
    from robusttest.variants.expand import expand_case

    made = make(a.spec)
    if made.apply is None:
        raise UsageError(
            f"perturbation {made.spec!r} is written by a model: it can't be previewed without calls; "
            "pytest --robust-dry-run says what it would cost"
        )
    cases = _cases(a.file) if a.file is not None else [_one_case(a.text)]
    for i, case in enumerate(cases):
        variants = expand_case(case, [made], prompt=Prompt(), variants=a.variants, seed=a.seed)
        next(variants)  # the reference
        if a.jsonl:
            _print_objects(case, variants)
        else:
            _preview(case, variants, first=i == 0)


def _one_case(text: str) -> Case:
    from robusttest.tasks.cases import load_cases

    if text == "-":
        text = sys.stdin.read().removesuffix("\n")
    return load_cases([{"input": text}])[0]


def _cases(path: str) -> Iterator[Case]:
    """The rows of a JSONL file as they come, each the case that a run makes of it: so the variants are a run's."""
    from robusttest.tasks.cases import load_cases

    try:
        with open(path, encoding="utf-8-sig") as f:
            for number, line in enumerate(f, 1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    row = json.loads(line)
                except ValueError as e:
                    raise CaseError(f"{where}: not JSON ({e})") from None
                if not isinstance(row, dict):
                    raise CaseError(
                        f'{where}: a row is an object like {{"input": "…"}}, not {line.strip()[:40]!r}'
                    )
                if not isinstance(row.get("input"), str):
                    known = ", ".join(map(repr, row)) or "none"
                    raise CaseError(f"{where}: no text in the field 'input' (fields: {known})")
                try:
                    yield load_cases([row])[0]
                except CaseError as e:
                    raise CaseError(f"{where}: {e}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"can't read {path!r}: {getattr(e, 'strerror', None) or e}") from e


def _print_objects(case: Case, variants: Iterable[Variant]) -> None:
    for v in variants:
        if v.status != "ok":
            say(f"{case.id}: {v.perturbation}: {v.status.replace('_', ' ')}: {v.reason}", sys.stderr)
            continue
        edits = [list(edit) for edit in v.draft.edits.get("input", ())]
        row = {
            "original": case.fields["input"],
            "text": _text(v),
            "perturbation": v.perturbation,
            "severity": v.severity,
            "index": v.index,
            "edits": edits,
        }
        say(json.dumps(row, allow_nan=False, default=str))


def _text(v: Variant) -> str:
    """The perturbed text; for a prompt perturbation the whole prompt."""
    if v.level == "input":
        return str(v.input)
    from robusttest.tasks.render import prompt_text, render

    return prompt_text(render(v.draft))


def _preview(case: Case, variants: Iterable[Variant], *, first: bool) -> None:
    from robusttest.report.diff import segments
    from robusttest.report.escape import cut, visible
    from robusttest.report.inline import Glyphs, Style, diff_lines

    style, glyphs = Style(color()), Glyphs.for_encoding(encoding())
    original = str(case.fields["input"])
    if not first:
        say()
    say(style.dim(cut(f"{visible(case.id)}: {visible(original)}", 4 * width(), glyphs.more)))
    for v in variants:
        lead = f"  {v.id}  "
        if v.status != "ok":
            say(
                lead
                + style.outcome("inconclusive", f"{v.status.replace('_', ' ')}: {visible(v.reason or '')}")
            )
            if v.status == "not_applicable":
                continue
            lead = " " * len(lead)
        text = _text(v)
        diff = segments(original, text, v.draft.edits.get("input"))
        if not diff:  # the text stands, the decoding changed
            diff_text = ", ".join(f"{k}={value}" for k, value in v.params.items())
            say(lead + visible(diff_text or f"sample {v.draft.sample}"))
            continue
        lines = diff_lines(
            diff, text, width=max(40, width() - len(lead)), style=style, glyphs=glyphs, indent=""
        )
        for i, line in enumerate(lines):
            say((lead if i == 0 else " " * len(lead)) + line)


def _list_perturbations() -> None:
    from robusttest.perturbations import PERTURBATIONS, make
    from robusttest.report.escape import visible

    rows: list[tuple[str, str, str, str]] = []
    for name in PERTURBATIONS:
        try:
            made = make(name)
            rows.append((name, made.level, made.preserves, made.description))
        except RobusttestError as e:  # has no default, or needs an extra
            said = (PERTURBATIONS.get(name).__doc__ or str(e)).replace("``", "")
            rows.append((name, "", "", said.strip().partition("\n")[0]))
    wide = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        head = "  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=False)) + "  "
        for line in textwrap.wrap(visible(row[3]), max(24, width() - len(head))) or [""]:
            say(head + line)
            head = " " * len(head)
