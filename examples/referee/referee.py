"""Does robustness follow competence? A verdict on a folder of results of each example, whatever tool left them.

    python referee.py FOLDER [--map OURS=THEIRS …] [--factors COLUMNS] [--out verdict.md] [--figure verdict.svg]

Reads what `robusttest analyze` reads (inspect_ai, lm-eval, promptfoo, HELM, OpenAI evals, DeepEval, Every Eval Ever, runs of
robusttest, tables of replies, tables of finished numbers), says what it passed over, and answers with three lines, a
figure and the limits of what the folder can say. A ``--map`` holds for those files that have the column.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figure import drawn

from robusttest.core.nouns import Record
from robusttest.errors import RobusttestError
from robusttest.stats.across.emergence import Emergence, analyse
from robusttest.stats.across.factors import FactorRow, designs, table
from robusttest.stats.across.spreads import CaseSpread, case_spreads
from robusttest.stats.cell import cell_tables
from robusttest.stats.cell.frame import Frame, frames
from robusttest.store.readers import open_file, read
from robusttest.store.readers.sniff import is_run

ENDS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".eval", ".gz", ".zst", ".log")


@dataclass
class Found:
    """What the folder holds."""

    records: list[Record] = field(default_factory=list)
    finished: list[tuple[str, Emergence]] = field(default_factory=list)
    """Tables of numbers without replies: they show the relation, and can't be judged."""
    passed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    lines: tuple[str, ...]
    limits: tuple[str, ...]
    emergence: Emergence
    spreads: tuple[CaseSpread, ...]
    factors: tuple[FactorRow, ...]


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path)
    p.add_argument("--map", action="append", default=[], metavar="OURS=THEIRS")
    p.add_argument("--factors", default="", metavar="COLUMNS")
    p.add_argument("--reference", default=None, metavar="VARIANT")
    p.add_argument("--out", type=Path, help="also write the text as Markdown")
    p.add_argument("--figure", type=Path, help="also draw it")
    a = p.parse_args(argv)
    if not a.folder.is_dir():
        p.error(f"{a.folder} is not a folder")
    mapping = [tuple(pair.split("=", 1)) for pair in a.map]
    if any(len(pair) != 2 for pair in mapping):
        p.error("--map: write OURS=THEIRS, as in --map case_id=item_id")
    factors = tuple(name.strip() for name in a.factors.split(",") if name.strip())
    found = gathered(a.folder, mapping, factors, a.reference)  # type: ignore[arg-type]
    verdict = judged(found.records)
    text = told(found, verdict)
    print(text)
    if a.out:
        a.out.write_text(text + "\n", encoding="utf-8")
    if a.figure and verdict is not None:
        a.figure.write_text(drawn(verdict.emergence, verdict.spreads), encoding="utf-8")
    return 0 if verdict is not None or found.finished else 1


def gathered(
    folder: Path,
    mapping: Sequence[tuple[str, str]] = (),
    factors: Sequence[str] = (),
    reference: str | None = None,
) -> Found:
    """Every file that can be read. Files that are told apart by each other alone (repeats) are read together."""
    found, groups = Found(), {}
    for path in sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and not any(x.startswith(".") for x in p.relative_to(folder).parts)
    ):
        if path.suffix not in ENDS:
            continue
        try:
            if is_run(path):
                groups[path] = ("run", {}, [path])
                continue
            file = open_file(path)
            columns = _columns(file.rows) if file.format == "table" else None
            own = {ours: theirs for ours, theirs in mapping if columns is not None and _has(theirs, columns)}
            if file.format == "table" and cell_tables.is_cell_table(path, own):
                found.finished.append((path.name, cell_tables.emergence_of(path, mapping=own)))
                continue
            if file.format == "table":
                groups[path] = ("table", own, [path])
            else:
                groups.setdefault(file.format, (file.format, {}, []))[2].append(path)
        except RobusttestError as e:
            found.passed.append(f"{path.relative_to(folder)}: {e}")
    for kind, own, paths in groups.values():
        more = {"mapping": own, "reference": reference, "factors": factors} if kind == "table" else {}
        try:
            records, notes = read(paths, **more)
        except RobusttestError as e:
            found.passed.append(f"{', '.join(str(p.relative_to(folder)) for p in paths)}: {e}")
            continue
        found.records += records
        found.notes += notes
    return found


def _columns(rows: Iterator) -> set[str]:
    first = next(rows, None)
    return set() if first is None else set(first.values)


def _has(theirs: str, columns: set[str]) -> bool:
    return theirs in columns or all(part in columns for part in theirs.split("+"))


def judged(records: Sequence[Record]) -> Verdict | None:
    """None without a single reply."""
    cells = frames(records)
    if not cells:
        return None
    e = analyse(cells)
    lines = tuple(f"{c.claim} {c.sentence}" for c in e.claims) or (f"No claim can be tested: {e.reason}.",)
    return Verdict(
        lines=lines, limits=tuple(_limits(cells, e)), emergence=e, spreads=case_spreads(cells),
        factors=table(d for cell in cells for d in designs(cell)),
    )  # fmt: skip


def _limits(cells: Sequence[Frame], e: Emergence) -> Iterator[str]:
    """What the data can't say, however many replies there are."""
    yield (
        f"The first line stands on {_n(len(e.tasks), 'point')}, one for each task, however many cases a task has; the folder has "
        f"{_n(len(e.models), 'model')}."
    )
    ks = sorted({p.k for p in e.points})
    if ks:
        span = f"{ks[0]}" if len(ks) == 1 else f"{ks[0]} to {ks[-1]}"
        yield f"Each case was put {span} times: what other wordings would do is not in it."
    levels = {c.level for cell in cells for c in cell.columns}
    if levels <= {"reference", "repeat", "decoding"}:
        yield "All variants are reruns or decoding: this is about run noise, not about wordings."
    unread = sum(int(cell.unreadable.sum()) for cell in cells) / max(1, sum(cell.n_calls for cell in cells))
    if unread >= 0.01:
        yield f"{100 * unread:.1f} % of the replies can't be read and count as wrong: part of what looks like a lack of robustness is format."
    fixed = sum(p.consistency_icc.value is None for p in e.points)
    if fixed:
        yield f"{fixed} of {len(e.points)} cells have no ICC (all right, all wrong, or too few cases that fail): they say nothing on the claims."
    yield "Results that go together are not causes: no model was trained here."
    yield from (f"{note[0].upper()}{note[1:]}." for note in e.notes)


def told(found: Found, v: Verdict | None) -> str:
    out = ["# Does robustness follow competence?", ""]
    if v is not None:
        e = v.emergence
        out += [
            f"{_count(len(e.models), 'model')}, {_count(len(e.tasks), 'task')}, {_count(len(e.points), 'cell')}, "
            f"{len(found.records):,} replies.",
            "",
        ]
        out += [f"{i}. {line}" for i, line in enumerate(v.lines, 1)]
        out += ["", "What it can't say:", "", *(f"- {line}" for line in v.limits)]
        out += ["", "## Consistency beside what accuracy alone gives", "", *_bars(e)]
        out += ["", "## How scores spread within a case", "", *_spread_rows(v.spreads)]
        if v.factors:
            out += ["", "## Which knob matters", "", *_factor_rows(v.factors)]
    else:
        out.append("No replies of single examples were found: no claim can be tested.")
    for name, e in found.finished:
        out += ["", f"## {name}: finished numbers, without replies", "", *_relations(e)]
    out += ["", *(f"- {note}" for note in found.notes)] if found.notes else []
    out += ["", "Passed over:", "", *(f"- {said}" for said in found.passed)] if found.passed else []
    return "\n".join(out)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _bars(e: Emergence) -> list[str]:
    rows: dict[str, list] = {}
    for p in e.points:
        rows.setdefault(p.task, []).append(p)
    out = [
        "| data set | models | accuracy | consistency | always right | accuracy^K | at one ICC everywhere | ICC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task, points in sorted(rows.items(), key=lambda kv: -_mean([p.accuracy.value for p in kv[1]])):
        values = [
            [p.accuracy.value for p in points], [p.output_consistency.value for p in points], [p.robust_accuracy.value for p in points],
            [p.by_accuracy_alone for p in points], [p.robust_accuracy_predicted for p in points], [p.consistency_icc.value for p in points],
        ]  # fmt: skip
        out.append(
            f"| {_cell(task)} | {len(points)} | " + " | ".join(_number(_mean(v)) for v in values) + " |"
        )
    return [
        *out,
        "",
        "Means over models. accuracy^K: how often all K answers were right if every example were equally hard.",
    ]


def _spread_rows(spreads: Sequence[CaseSpread]) -> list[str]:
    out = [
        "| data set | accuracy | always right | always wrong | moving | sd, 95th percentile | variance in the top tenth |",
        "|---|---|---|---|---|---|---|",
    ]
    for s in spreads:
        values = (s.accuracy, s.always_right, s.always_wrong, s.moving, s.tail, s.tail_share)
        out.append(f"| {_cell(s.task)} | " + " | ".join(_number(v) for v in values) + " |")
    return [
        *out,
        "",
        "Shares of examples. An example that always fails is as consistent as one that always succeeds.",
    ]


def _factor_rows(rows: Sequence[FactorRow]) -> list[str]:
    out = [
        "| factor | matters in | partial η², median | largest | best to worst level, median |",
        "|---|---|---|---|---|",
    ]
    for r in rows:
        values = (r.eta2_median, r.eta2_most, r.range_median)
        out.append(
            f"| {_cell(r.name)} | {r.mattering} of {r.cells} cells | "
            + " | ".join(_number(v) for v in values)
            + " |"
        )
    return out


def _relations(e: Emergence) -> list[str]:
    out = []
    for metric in ("output_consistency", "robust_accuracy", "consistency_icc"):
        r = e.relation(metric)
        if r is None or r.slope is None:
            continue
        interval = "" if r.slope_low is None else f" [{r.slope_low:.2f}, {r.slope_high:.2f}]"
        aside = ", arithmetic included" if r.arithmetic else ""
        out.append(
            f"- {metric.replace('_', ' ')} on overall accuracy: slope {r.slope:.2f}{interval}, R² {r.r_squared:.2f}, {r.n} cells{aside}"
        )
    out.append(
        f"- {_count(len(e.models), 'model')}, {_count(len(e.tasks), 'task')}. Without the replies no claim can be tested: {e.reason or 'ICCs are not in it'}."
    )
    return out


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _mean(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else float("nan")


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.3f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
