"""Show what a perturbation does to a text or a file, before a call is paid for."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robusttest.cli.console import color, encoding, option, positive, say, width
from robusttest.errors import CaseError, RobusttestError, UsageError

if TYPE_CHECKING:
    from robusttest.core.nouns import Case, Edit, Json, Variant
    from robusttest.tasks.task import Task

HELP = "show what a perturbation does to a text or a file"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("spec", nargs="?", metavar="SPEC", help="a perturbation, as in 'keyboard' or 'ocr:0.2'")
    p.add_argument(
        "text", nargs="?", metavar="TEXT", help="the text to perturb; - reads it from standard input"
    )
    p.add_argument("--file", metavar="F.jsonl", help="perturb the field 'input' (or --field) of each row")
    p.add_argument(
        "--task",
        metavar="FILE.py:NAME",
        help="perturb the first cases of a task, with its prompt (see --cases)",
    )
    p.add_argument("--cases", type=positive, default=3, metavar="N", help="cases of the task (default 3)")
    p.add_argument(
        "--field", action="append", metavar="NAME", help="the input field to vary; several times for several"
    )
    p.add_argument("--target", metavar="T", help="the right answer to TEXT, which is protected in it")
    p.add_argument(
        "--language", metavar="CODE", help="the language of the texts, as 'de'; else it is detected"
    )
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
    sources = {"a TEXT": a.text, "--file F.jsonl": a.file, "--task FILE.py:NAME": a.task}
    if sum(given is not None for given in sources.values()) != 1:
        raise UsageError(f"give either {', '.join(list(sources)[:-1])} or {list(sources)[-1]}")
    if a.target is not None and a.text is None:
        raise UsageError("--target is the answer to a TEXT: the cases of a file or a task have their own")
    from robusttest.core.nouns import Prompt
    from robusttest.perturbations import make
    from robusttest.perturbations.base.acting import on_fields
    from robusttest.perturbations.base.languages import normalised
    from robusttest.variants.expand import expand_case

    made = make(a.spec)
    if made.apply is None:
        raise UsageError(
            f"perturbation {made.spec!r} is written by a model: it can't be previewed without calls; "
            "pytest --robust-dry-run says what it would cost"
        )
    if a.field and a.text is None:
        made = on_fields(made, a.field)
    prompt: Prompt | None = (
        Prompt() if not a.field else Prompt(template="\n".join(f"{{{f}}}" for f in a.field))
    )
    protect: tuple[Any, ...] = ()
    params: Mapping[str, Json] = {}
    if a.task is not None:
        task = _task(a.task)
        cases, prompt = iter(task.cases[: a.cases]), task.prompt
        params, protect = task.params, task.protect
    else:
        cases = (
            _cases(a.file, a.field) if a.file is not None else iter([_one_case(a.text, a.field, a.target)])
        )
    if a.language is not None:
        code = normalised(a.language, "--language")
        cases = (replace(case, language=code) for case in cases)
    for i, case in enumerate(cases):
        variants = expand_case(
            case, [made], prompt=prompt, params=params, variants=a.variants, seed=a.seed, protect=protect
        )
        reference = next(variants)
        if a.jsonl:
            _print_objects(case, variants)
        else:
            _preview(reference, variants, first=i == 0)


def _task(where: str) -> Task:
    from robusttest.cli.loading import load_task

    file, colon, name = where.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise UsageError(f"--task {where}: give the file and the name, as in tests/test_tickets.py:tickets")
    return load_task(Path(file), name)


def _one_case(text: str, field: list[str] | None, target: str | None) -> Case:
    from robusttest.tasks.cases import load_cases

    if field and len(field) > 1:
        raise UsageError(f"a TEXT is one field, not {len(field)}: {', '.join(field)}")

    if text == "-":
        text = sys.stdin.read().removesuffix("\n")
    name = field[0] if field else "input"
    row = {name: text} if target is None else {name: text, "target": target}
    return load_cases([row], fields=field)[0]


def _cases(path: str, fields: list[str] | None) -> Iterator[Case]:
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
                for name in fields or ["input"]:
                    if not isinstance(row.get(name), str):
                        known = ", ".join(map(repr, row)) or "none"
                        raise CaseError(f"{where}: no text in the field {name!r} (fields: {known})")
                try:
                    yield load_cases([row], fields=fields)[0]
                except CaseError as e:
                    raise CaseError(f"{where}: {e}") from None
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"can't read {path!r}: {getattr(e, 'strerror', None) or e}") from e


def _print_objects(case: Case, variants: Iterable[Variant]) -> None:
    for v in variants:
        if v.status != "ok":
            say(f"{case.id}: {v.perturbation}: {v.status.replace('_', ' ')}: {v.reason}", sys.stderr)
            continue
        edits: Any = {k: [list(edit) for edit in made] for k, made in v.draft.edits.items()}
        original: Any = case.input
        if set(edits) <= {"input"}:
            edits = edits.get("input", [])
        row = {
            "original": original,
            "text": v.input if v.level == "input" and not isinstance(v.input, str) else _text(v),
            "perturbation": v.perturbation,
            "severity": v.severity,
            "index": v.index,
            "edits": edits,
        }
        say(json.dumps(row, allow_nan=False, default=str))


def _text(v: Variant) -> str:
    """The perturbed text; for a prompt perturbation the whole prompt."""
    return str(v.input) if v.level == "input" else _shown(v)


def _pairs(reference: Variant, v: Variant) -> Iterator[tuple[str, str, str, tuple[Edit, ...] | None]]:
    """``(field, before, after, edits)`` of each text that the variant changed, or of the prompt as it is shown."""
    from robusttest.perturbations.base.fields import texts

    if v.level != "input" and v.draft.prompt is not None:
        yield "", _shown(reference), _shown(v), None
        return
    before, after = texts(reference.fields), texts(v.fields)
    for key, old in before.items():
        if old != after.get(key) or v.draft.edits.get(key):
            yield key, old, after.get(key, ""), v.draft.edits.get(key)


def _shown(v: Variant) -> str:
    """The whole prompt, and the tools that are offered with it."""
    from robusttest.tasks.render import prompt_text, render, tools_text

    return prompt_text(render(v.draft)) + tools_text(v.params.get("tools", v.draft.given.get("tools")))


def _preview(reference: Variant, variants: Iterable[Variant], *, first: bool) -> None:
    from robusttest.perturbations.base.fields import texts
    from robusttest.report.diff import segments
    from robusttest.report.escape import cut, visible
    from robusttest.report.inline import Glyphs, Style, diff_lines

    style, glyphs = Style(color()), Glyphs.for_encoding(encoding())
    held = texts(reference.fields)
    original = str(reference.input) if isinstance(reference.input, str) else " | ".join(held.values())
    if not first:
        say()
    say(style.dim(cut(f"{visible(reference.case.id)}: {visible(original)}", 4 * width(), glyphs.more)))
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
        pairs = list(_pairs(reference, v))
        found = [
            (key, after, diff) for key, old, after, edits in pairs if (diff := segments(old, after, edits))
        ]
        if not found:  # the text stands, the decoding changed
            diff_text = ", ".join(f"{k}={value}" for k, value in v.params.items())
            say(lead + visible(diff_text or f"sample {v.draft.sample}"))
            continue
        for key, after, diff in found:
            named = lead + (f"{visible(key)}: " if len(held) > 1 and key else "")
            lines = diff_lines(
                diff, after, width=max(40, width() - len(named)), style=style, glyphs=glyphs, indent=""
            )
            for i, line in enumerate(lines):
                say((named if i == 0 else " " * len(named)) + line)
            lead = " " * len(lead)


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
