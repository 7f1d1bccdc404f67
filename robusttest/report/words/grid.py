"""Perturbations × models: what each costs whom, as one table for a task with several models."""

from __future__ import annotations

from collections.abc import Sequence

from robusttest.core.nouns import Estimate
from robusttest.report.blocks import (
    Block,
    Code,
    Heading,
    Number,
    Section,
    Sentence,
    Table,
    TableColumn,
    TableRow,
    Term,
    Text,
)
from robusttest.report.model import CellReport, PerturbationRow, Report
from robusttest.report.text import points

MOST = 12
"""Models side by side."""


def section(report: Report) -> Section | None:
    """For each task that several models ran under the same perturbations; None where there is none."""
    tasks: dict[str, list[CellReport]] = {}
    for c in report.cells:
        tasks.setdefault(c.name, []).append(c)
    blocks: list[Block] = []
    for task, of in tasks.items():
        if (
            len({c.model for c in of}) < 2
        ):  # said before the perturbations are looked at: they are computed then
            continue
        cells = [c for c in of if c.perturbations]
        if len(cells) > 1 and len({c.model for c in cells}) == len(cells):
            made = _table(task, cells)
            if any(isinstance(x, Number) for row in made.rows for cell in row.cells for x in cell):
                blocks.append(made)  # without an unperturbed prompt nothing costs anything
    if not blocks:
        return None
    hint: Text = (
        "What each perturbation costs each model, in ", Term("points", "points"), " of accuracy (without right answers: the "
        "share of answers that flip), over the noise floor where repeats ran.",
    )  # fmt: skip
    return Section(
        key="map", heading=Heading(text=("Perturbations and models",)), on="page",
        blocks=(Sentence(text=hint), *blocks),
    )  # fmt: skip


def _table(task: str, cells: Sequence[CellReport]) -> Table:
    shown = cells[:MOST]
    rows = [
        {r.perturbation: r for r in c.perturbations if r.within is None and r.level != "repeat"}
        for c in shown
    ]
    names = list(dict.fromkeys(name for r in rows for name in r))
    left = f", {len(cells) - MOST} more models not shown" if len(cells) > MOST else ""
    return Table(
        label=f"Cost of each perturbation on {task}{left}",
        columns=(TableColumn(head=(f"{task}{left}",)), *(TableColumn(head=(c.model,), align="right") for c in shown)),
        rows=tuple(
            TableRow(cells=((Code(name),), *(_cost(r.get(name), c) for r, c in zip(rows, shown, strict=True)))) for name in names
        ),
        shape="map",
    )  # fmt: skip


def _cost(r: PerturbationRow | None, c: CellReport) -> Text:
    if r is None:
        return ()
    e: Estimate | None
    if c.overall["accuracy"].reason == "no_labels":
        e = r.net_flip_rate or r.flip_rate
        return ("-",) if e.value is None else (Number(e.value, f"{100 * e.value:.0f} %"),)
    e = r.net_drop or r.drop
    return ("-",) if e.value is None else (Number(e.value, points(-e.value)),)
