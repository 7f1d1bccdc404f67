"""What is drawn, laid out: the templates write it as SVG. Every number was computed before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Literal

from robusttest.core.names import split_spec
from robusttest.core.nouns import Estimate, Verdict
from robusttest.metrics import METRICS
from robusttest.report import text
from robusttest.report.history import HistoryLine
from robusttest.report.html.geometry import Axis, Tick, path, spanning
from robusttest.report.model import CellReport, PerturbationRow, label

if TYPE_CHECKING:
    from robusttest.stats.across.advice import Advice
    from robusttest.stats.across.emergence import Emergence

HUES = 8
"""Colours that a reader can tell apart; what comes after them is grey."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval and the value in it, on one axis. ``low`` and ``high`` are None where there is no interval."""

    value: float
    low: float | None
    high: float | None
    limit: float | None = None


def whisker(
    axis: Axis, value: float, low: float | None, high: float | None, limit: float | None = None
) -> Whisker:
    if low is None or high is None:
        return Whisker(axis.at(value), None, None, None if limit is None else axis.at(limit))
    return Whisker(axis.at(value), axis.at(low), axis.at(high), None if limit is None else axis.at(limit))


def marked(axis: Axis, e: Estimate | None, limit: float | None = None) -> Whisker | None:
    """An estimate; None without a value."""
    return None if e is None or e.value is None else whisker(axis, e.value, e.low, e.high, limit)


GAUGE = 120
"""Pixels."""


def gauge(v: Verdict) -> Whisker | None:
    """A threshold's estimate beside its limit, over the metric's range."""
    metric = METRICS.get(v.threshold.metric)
    low = -1.0 if metric is None or metric.low is None else metric.low
    high = 1.0 if metric is None or metric.high is None else metric.high
    return marked(Axis(low, high, 4, GAUGE - 4), v.estimate, v.threshold.limit)


FOREST = 260
"""Pixels."""


def effects(cell: CellReport) -> list[tuple[PerturbationRow, Estimate]]:
    """What each perturbation does, as it is drawn: the drop, over the noise floor where there is one; the repeats, which
    are the floor, as they are.
    """
    net = any(r.net_drop is not None and r.net_drop.value is not None for r in cell.perturbations)
    return [
        (r, r.net_drop if net and r.level != "repeat" and r.net_drop is not None else r.drop)
        for r in cell.perturbations
    ]


def effect_axis(found: Iterable[Estimate]) -> Axis:
    """One for all effects that stand on a page."""
    limits = [v for e in found for v in (e.value, e.low, e.high)]
    return spanning(limits, 6, FOREST - 6, least=(-0.02, 0.1), most=(-1.0, 1.0))


def side(e: Estimate) -> Literal["loss", "gain", ""]:
    """Of an effect, where its interval excludes none."""
    if e.low is None or e.high is None:
        return ""
    return "loss" if e.low > 0 else "gain" if e.high < 0 else ""


@dataclass(frozen=True, slots=True)
class Split:
    """A cell's error as two lengths: what stays under another wording, and what goes away."""

    persistent: float
    recoverable: float


SPLIT = 180
"""Pixels of an error of 1, or of the largest one."""


def splits(advice: Iterable[Advice]) -> list[Split | None]:
    """On one scale for all cells."""
    found = list(advice)
    most = max((a.error for a in found if a.error is not None), default=0) or 1.0
    return [
        None
        if a.persistent is None or a.recoverable is None
        else Split(a.persistent / most * SPLIT, a.recoverable / most * SPLIT)
        for a in found
    ]


@dataclass(frozen=True, slots=True)
class SeverityPoint:
    x: float
    y: float
    low: float | None
    high: float | None
    label: str


@dataclass(frozen=True, slots=True)
class SeverityCurve:
    """Pass rate of one family over its severities on one cell; the unperturbed prompts are severity 0."""

    family: str
    title: str
    points: tuple[SeverityPoint, ...]
    path: str
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    reference: float | None


PANEL = (250, 170)
"""Pixels of a small plot."""


def severity_curves(cells: Iterable[CellReport]) -> list[SeverityCurve]:
    """One for each cell and family of which several severities ran."""
    out = []
    for c in cells:
        families: dict[str, list[PerturbationRow]] = {}
        for r in c.perturbations:
            if not r.pooled and r.severity is not None and r.pass_rate.value is not None:
                families.setdefault(split_spec(r.perturbation)[0], []).append(r)
        out += [_severity(c, f, rows) for f, rows in families.items() if len(rows) > 1]
    return out


def _severity(c: CellReport, family: str, rows: Sequence[PerturbationRow]) -> SeverityCurve:
    known = [(float(r.severity or 0), r.pass_rate, f"{r.perturbation}: pass rate") for r in rows]
    reference = c.overall.get("accuracy")
    if reference is not None and reference.value is not None:
        known.append((0.0, reference, "unperturbed: accuracy"))
    known.sort(key=lambda k: k[0])
    width, height = PANEL
    x = Axis(0.0, known[-1][0] * 1.05, 34, width - 8)
    y = Axis(0.0, 1.0, height - 24, 8)
    points = tuple(
        SeverityPoint(
            x.at(s), y.at(e.value or 0.0), None if e.low is None else y.at(e.low), None if e.high is None else y.at(e.high),
            f"{said} {text.value_interval(e)}, n={e.n:,}",
        )
        for s, e, said in known
    )  # fmt: skip
    return SeverityCurve(
        family=family,
        title=c.title,
        points=points,
        path=path((p.x, p.y) for p in points),
        x=tuple(x.ticks(4)),
        y=tuple(y.ticks(4)),
        reference=None if reference is None or reference.value is None else y.at(reference.value),
    )


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    y_low: float | None
    y_high: float | None
    hue: int
    letter: str
    """Of its model; empty where they are one, or too many."""
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Null:
    """A curve of what accuracy alone gives."""

    key: str
    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Scatter:
    metric: str
    title: str
    dots: tuple[Dot, ...]
    nulls: tuple[Null, ...]
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    missing: int
    """Cells that have no value of it."""
    caption: str
    """What is to be seen in it, for who has read nothing else."""


CAPTIONS = {
    "output_consistency": (
        "Up: the share of cases whose answer is the same in all ways of putting them, right or wrong. To the right: the share "
        "of right answers over all those ways. It rises by arithmetic alone, as the curves show: a dot on a curve is no evidence."
    ),
    "robust_accuracy": (
        "Up: the share of cases that are right in all ways of putting them. To the right: the share of right answers over all "
        "those ways. It rises by arithmetic alone, as the curves show: a dot above its curve is more robust than its accuracy says."
    ),
    "consistency_icc": (
        "Up: how much more alike the answers to one case are, in being right or wrong, than those to different cases: 1 is always "
        "alike, 0 is as chance has it. Its own constant is a level line, so this is the figure that the claims are tested on. Where "
        "easy tasks merely have as easy and as hard cases as hard tasks have, dots sink a little to the right."
    ),
}
SCATTER = (380, 320)
"""Pixels."""

SCATTERED = ("output_consistency", "robust_accuracy", "consistency_icc")


LETTERED = 60
"""Dots; where there are more, letters beside them could not be read."""


def letters(e: Emergence) -> dict[str, str]:
    """Of each model, for the dots of a study; none where there is one model, or too much to read."""
    models = sorted({p.model for p in e.points if p.model})
    if not 1 < len(models) <= len(ascii_lowercase) or len(e.points) > LETTERED:
        return {}
    return dict(zip(models, ascii_lowercase, strict=False))


def scatters(e: Emergence) -> list[Scatter]:
    """Robustness by each metric against accuracy; the hue of a dot is its task, its letter its model."""
    hues = {task: min(i, HUES) for i, task in enumerate(e.tasks)}
    named = letters(e)
    width, height = SCATTER
    seen = [p.accuracy.value for p in e.points]
    x = spanning(
        seen, 40, width - 10, least=(min([0.9, *(v for v in seen if v is not None)]), 1.0), most=(0.0, 1.0)
    )
    return [s for metric in SCATTERED if (s := _scatter(e, metric, hues, named, x, height)).dots]


def _scatter(
    e: Emergence, metric: str, hues: dict[str, int], named: dict[str, str], x: Axis, height: int
) -> Scatter:
    found: list[tuple[Any, Estimate]] = [(p, getattr(p, metric)) for p in e.points]
    values = [v for _, m in found for v in (m.value, m.low)]
    y = spanning(values, height - 34, 10, least=(0.0, 1.0), most=(-1.0, 1.0))
    dots = tuple(
        Dot(
            x.at(p.accuracy.value), y.at(m.value), None if m.low is None else y.at(m.low),
            None if m.high is None else y.at(m.high), hues[p.task], named.get(p.model, ""),
            f"{p.task} · {p.model}" if p.model else p.task,
            f"overall accuracy {text.value_interval(p.accuracy)}, {label(metric)} {text.value_interval(m)}, n={m.n:,}",
        )
        for p, m in found
        if m.value is not None and p.accuracy.value is not None
    )  # fmt: skip
    nulls = tuple(
        Null(
            c.key,
            c.label,
            path((x.at(a), y.at(b)) for a, b in zip(c.x, c.y, strict=True) if x.low <= a <= x.high),
        )
        for c in e.curves
        if metric in c.metrics
    )
    return Scatter(
        metric,
        label(metric),
        dots,
        nulls,
        tuple(x.ticks(5)),
        tuple(y.ticks(5)),
        len(found) - len(dots),
        CAPTIONS[metric],
    )


@dataclass(frozen=True, slots=True)
class HistoryPlot:
    """The versions of one task × model, evenly spaced: one line a metric."""

    lines: tuple[tuple[str, str, tuple[SeverityPoint, ...]], ...]
    """(metric's label, path, points)."""
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]


HISTORY = (520, 180)
"""Pixels."""


def history_plot(line: HistoryLine) -> HistoryPlot:
    width, height = HISTORY
    n = len(line.versions)
    x = Axis(0, max(1, n - 1), 40, width - 16)
    every = [e for v in line.versions for e in v.estimates]
    y = spanning([e.value for e in every], height - 26, 10, least=(0.0, 1.0), most=(-1.0, 1.0))
    lines = []
    for i in range(len(line.versions[0].estimates)):
        points = tuple(
            SeverityPoint(
                x.at(j), y.at(e.value), None if e.low is None else y.at(e.low), None if e.high is None else y.at(e.high),
                f"{v.name}: {label(e.metric)} {text.value_interval(e)}, n={e.n:,}",
            )
            for j, v in enumerate(line.versions)
            if (e := v.estimates[i]).value is not None
        )  # fmt: skip
        if points:
            lines.append(
                (label(line.versions[0].estimates[i].metric), path((p.x, p.y) for p in points), points)
            )
    step = max(1, n // 8)
    names = tuple(Tick(x.at(j), v.name[:12]) for j, v in enumerate(line.versions) if j % step == 0)
    return HistoryPlot(tuple(lines), names, tuple(y.ticks(4)))
