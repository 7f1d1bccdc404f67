"""The weaknesses of one model on one task, ranked, a sentence each: what ``robusttest scan`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.core.names import split_spec
from robusttest.core.nouns import Estimate
from robusttest.report import text
from robusttest.report.build import answer_text
from robusttest.report.escape import clip, visible
from robusttest.report.inline import diff_lines
from robusttest.report.model import CellReport, FailureReport, PerturbationRow
from robusttest.report.page import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """What one perturbation costs."""

    row: PerturbationRow
    loss: Estimate
    """The drop of accuracy on the cases that it applies to, or, without labels, the flip rate."""
    labelled: bool
    failure: FailureReport | None
    """The worst failing variant; of equally bad ones that with the smallest edit."""

    @property
    def sure(self) -> bool:
        """Whether its interval excludes none."""
        return self.loss.low is not None and self.loss.low > 0


def weaknesses(cell: CellReport, failures: Sequence[FailureReport] | None = None) -> tuple[Weakness, ...]:
    """Every perturbation that costs something: first what is sure, then by size. A pooled family stands for its severities.

    ``failures``: all failing variants of the cell, the worst first, to choose the examples from; its worst few if not given.
    """
    every = cell.failures if failures is None else failures
    labelled = any(r.drop.value is not None for r in cell.perturbations)
    found = []
    for row in cell.perturbations:
        loss = row.drop if labelled else row.flip_rate
        if row.within is not None or loss.value is None or loss.value <= 0:
            continue
        found.append(Weakness(row=row, loss=loss, labelled=labelled, failure=_first(row, every)))
    return tuple(sorted(found, key=lambda w: (not w.sure, -(w.loss.value or 0), w.row.perturbation)))


def _first(row: PerturbationRow, failures: Sequence[FailureReport]) -> FailureReport | None:
    """The worst failing variant of this perturbation: `robusttest.engine.record.failing` has the order."""
    return next(
        (f for f in failures if row.perturbation in (f.perturbation, split_spec(f.perturbation)[0])), None
    )


def sentence(w: Weakness) -> str:
    """``ocr: right on 71 % instead of 90 %: 19 points lost (12 to 26, n=60)``."""
    e, name = w.loss, w.row.perturbation
    if not w.labelled:
        return (
            f"{name}: another answer on {text.percent(e.value)} of the variants ({_range(e, ' %')}n={e.n:,})"
        )
    after = w.row.pass_rate.value
    before = None if after is None or e.value is None else after + e.value
    return (
        f"{name}: right on {text.percent(after)} instead of {text.percent(before)}: "
        f"{_points(e.value)} lost ({_range(e, '')}n={e.n:,})"
    )


def _points(loss: float | None) -> str:
    said = f"{100 * (loss or 0):.1f}".removesuffix(".0")
    return f"{said} point{'s' * (said != '1')}"


def _range(e: Estimate, unit: str) -> str:
    """Its 95 % interval, in points."""
    return "" if e.low is None or e.high is None else f"{100 * e.low:.1f} to {100 * e.high:.1f}{unit}, "


def lines(page: Page, cell: CellReport, found: Sequence[Weakness], cost: str = "") -> list[str]:
    """One cell's list for a terminal."""
    g = page.glyphs
    out = [page.style.bold(f"{visible(cell.task)} {g.dot} {visible(cell.model)}")]
    for said in cell.first:
        out += page.wrapped(f"  {visible(said)}", indent=4)
    sure = [w for w in found if w.sure]
    for rank, w in enumerate(sure, 1):
        out += page.wrapped(f"  {rank}. {sentence(w)}", indent=5)
        out += _example(page, w)
    if sure and cell.n_cases:
        out.append(page.style.dim("     (with 95 % intervals, each perturbation for itself)"))
    if not sure:
        out += page.wrapped(f"  no weakness is sure on {text.count(cell.n_cases, 'case')}", indent=4)
    chance = [w for w in found if not w.sure]
    if chance:
        out += page.wrapped(f"  may be chance: {'; '.join(map(sentence, chance))}", indent=4)
    rest = [
        r for r in cell.perturbations
        if r.within is None and (r.pass_rate.n or r.flip_rate.n) and r.perturbation not in {w.row.perturbation for w in found}
    ]  # fmt: skip
    if rest:
        out += page.wrapped(f"  nothing lost to: {', '.join(r.perturbation for r in rest)}", indent=4)
    idle = [r for r in cell.perturbations if r.within is None and not r.pass_rate.n and not r.flip_rate.n]
    if idle:
        out += page.wrapped(
            f"  not tried, nothing to act on: {', '.join(r.perturbation for r in idle)}", indent=4
        )
    return [*out, *([page.style.dim(f"  {cost}")] if cost else [])]


def _example(page: Page, w: Weakness) -> list[str]:
    f = w.failure
    if f is None:
        return []
    diff = f.shrunk or f.diff
    shown = diff_lines(
        diff, f.text, width=page.width - 5, style=page.style, glyphs=page.glyphs, indent=" " * 5
    )
    before, after = answer_text(f.reference_answer), answer_text(f.answer)
    said = f"     {clip(visible(before), 40)} {page.glyphs.arrow} {clip(visible(after), 40)}"
    if f.target is not None and answer_text(f.target) not in (before, after):
        said += f" (right: {clip(visible(answer_text(f.target)), 40)})"
    return [*shown, page.style.dim(said)]
