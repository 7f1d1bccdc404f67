"""Runs in a row: accuracy, robust accuracy and chance-corrected consistency of each task × model over versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from robusttest.compare import served
from robusttest.core.nouns import CellKey, CellSummary, Estimate, RunInfo
from robusttest.report.blocks import Number, Table, TableColumn, TableRow, Value
from robusttest.report.escape import encodable, visible
from robusttest.report.layout import table_lines
from robusttest.report.model import Report
from robusttest.report.page import Page
from robusttest.store.summaries import METRICS, summary

BRIEF = {"robust accuracy": "robust acc."}
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """One run's numbers on one task × model."""

    run: RunInfo
    n_cases: int
    estimates: tuple[Estimate, ...]
    """Of `METRICS`, in that order."""
    model: str = ""
    version: str | None = None
    """What the model's own name says, where a line is of several models."""

    @property
    def name(self) -> str:
        """The version in the model's name (with the label, if that is another), else the label, else the version that the
        model declares, else the commit's beginning, else the run's id.
        """
        if self.version is not None:
            return self.version + (
                f" ({self.run.label})" if self.run.label not in (None, self.version) else ""
            )
        return self.declared or (self.run.commit or "")[:8] or self.run.id

    @property
    def declared(self) -> str | None:
        """What somebody called it."""
        return self.version or self.run.label or self.run.model_versions.get(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One task × model over the versions, the oldest first."""

    task: str
    model: str
    test: str | None
    versions: tuple[HistoryPoint, ...]

    def changes(self) -> list[str]:
        """What the provider says of having changed the model from one version to the next."""
        return [
            f"{now.run.created[:10]} {now.name}: {said}"
            for then, now in pairwise(self.versions)
            if then.model == now.model
            for said in served.changes(then.run, now.run, now.model)
        ]


def build(runs: Iterable[tuple[RunInfo, Iterable[CellSummary]]]) -> list[HistoryLine]:
    """The history of every test × task × model in ``runs``, given the oldest first."""
    found: dict[CellKey, list[HistoryPoint]] = {}
    for info, cells in runs:
        for cell in cells:
            found.setdefault(cell.key, []).append(_point(info, cell))
    return [
        HistoryLine(task=task, model=model, test=test, versions=tuple(versions))
        for (test, task, model), versions in found.items()
    ]


def _point(run: RunInfo, cell: CellSummary) -> HistoryPoint:
    return HistoryPoint(run=run, n_cases=cell.n_cases, estimates=cell.estimates, model=cell.key.model)


def summaries(report: Report) -> list[CellSummary]:
    """What a report says of its own run."""
    return [summary(c.key, c.n_cases, c.overall.__getitem__) for c in report.cells if c.overall]


_VERSIONED = re.compile(r"(?P<stem>.*(?<![A-Za-z0-9]))v(?P<version>\d+(?:\.\d+)*)")
"""``python:desk:v3``: a name that ends in a version, with its ``v``. (gpt-4 and gpt-5 are two models, not two versions.)"""


def over_models(lines: Iterable[HistoryLine]) -> list[HistoryLine]:
    """Lines of one test and task whose models' names differ in their version alone are one line, ordered by version, then time.

    It stands where the first of them stood.
    """
    families: dict[tuple[str | None, str, str], list[tuple[tuple[int, ...], HistoryLine]]] = {}
    for line in lines:
        named = _VERSIONED.fullmatch(line.model)
        stem = line.model if named is None else named["stem"] + "v*"
        number = () if named is None else tuple(map(int, named["version"].split(".")))
        families.setdefault((line.test, line.task, stem), []).append((number, line))
    return [_joined(family) if len(family) > 1 else family[0][1] for family in families.values()]


def _joined(family: list[tuple[tuple[int, ...], HistoryLine]]) -> HistoryLine:
    ordered = sorted(family, key=lambda f: f[0])
    first, last = ordered[0][1], ordered[-1][1]
    names = ["v" + ".".join(map(str, number)) for number, _ in ordered]
    return HistoryLine(
        task=first.task,
        model=f"{first.model} … {last.model[last.model.rindex('v') :]}",
        test=first.test,
        versions=tuple(
            replace(point, version=name)
            for name, (_, line) in zip(names, ordered, strict=True)
            for point in line.versions
        ),
    )


def lines_of(report: Report) -> list[HistoryLine]:
    """One version each: what a report says of its own run."""
    return build([(report.run, summaries(report))])


def render(
    lines: Sequence[HistoryLine], *, width: int = 80, color: bool = False, encoding: str = "utf-8"
) -> list[str]:
    """A table for each task × model, a sparkline of each metric under it."""
    page = Page.of(width, color, encoding)
    out: list[str] = []
    for line in lines:
        name = visible(line.task) + (f" {page.glyphs.dot} {visible(line.model)}" if line.model else "")
        out += ["", *map(page.style.bold, page.broken(name, width, 3))]
        out += table_lines(page, table(line, width, encoding))
        for said in line.changes():
            out += page.broken(visible(said), width, 3)
    return [encodable(x.rstrip(), encoding) for x in out[1:]]


def table(line: HistoryLine, width: int, encoding: str) -> Table:
    """A row for each version."""
    times = [v.run.created[:16].replace("T", " ") for v in line.versions]
    days = [t[:10] for t in times]
    if width < 100:  # the day; the time where several runs share one
        times = [t[5:] if days.count(t[:10]) > 1 else t[:10] for t in times]
    rows = [
        TableRow(
            cells=(
                (at,),
                (v.name + ("*" if v.run.dirty and not v.declared else ""),),
                (Number(v.n_cases, f"{v.n_cases:,}"),),
                *((Value(e),) for e in v.estimates),
            )
        )
        for at, v in zip(times, line.versions, strict=True)
    ]
    if len(rows) > 1 and (bars := _sparks(line, encoding)):
        rows.append(TableRow(cells=((), (), (), *((b,) for b in bars))))
    heads = ("accuracy", "robust accuracy", "ICC")
    return Table(
        label="Versions",
        columns=(
            TableColumn(head=("",), aside="{}"),
            TableColumn(head=("version",), name=True),
            TableColumn(head=("n",), align="right", aside="n={}"),
            *(TableColumn(head=(head,), brief=BRIEF.get(head, "")) for head in heads),
        ),
        rows=tuple(rows),
    )


def _sparks(line: HistoryLine, encoding: str) -> list[str]:
    """One bar a version on a scale from the metric's lowest to its highest value; none where it is undefined."""
    try:
        _BARS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return []
    return [spark([v.estimates[i].value for v in line.versions]) for i in range(len(METRICS))]


def spark(values: Sequence[float | None]) -> str:
    """``▁▅█``: the lowest value is the lowest bar; equal values are middle bars; a missing one is a space."""
    there = [v for v in values if v is not None]
    if not there:
        return ""
    low, high = min(there), max(there)
    scale = len(_BARS) - 1
    return "".join(
        " "
        if v is None
        else _BARS[scale // 2]
        if high == low
        else _BARS[round((v - low) / (high - low) * scale)]
        for v in values
    )
