"""What is behind the numbers, as lines of ASCII for a terminal, which has no room for the tables of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robusttest.core.nouns import Estimate
from robusttest.report import text as written
from robusttest.report.model import label

if TYPE_CHECKING:
    from robusttest.stats.across.factors import Design
    from robusttest.stats.across.prompts import SideBySide
    from robusttest.stats.across.slices import Slice, Slices
    from robusttest.stats.cell.confusion import Confusion

ROWS = 12
"""Slices of a column that are shown: the worst and the two best."""
PAIRS = 3
"""Answers taken for others that are shown."""
SURE, LIKELY = 0.95, 0.8
"""Probabilities from which a prompt is surely, or likely, the best."""


def of_design(d: Design) -> list[str]:
    """One sentence, and a line for each factor."""
    mattering = [f.name for f in d.factors if f.matters]
    if mattering:
        does = "does" if len(mattering) == 1 else "do"
        head = f"{written.listed(mattering)} {does} (Holm over {len(d.factors)} factors)"
    elif any(f.p is not None for f in d.factors):
        head = f"none of {len(d.factors)} surely does (Holm)"
    else:
        head = "can't be told"
    out = [f"which knob matters: {head}; {d.n:,} cases x {d.configurations:,} configurations"]
    for f in d.factors:
        best, worst = f.levels[0], f.levels[-1]
        span = f"{best.name} {written.number(best.accuracy)}, {worst.name} {written.number(worst.accuracy)}"
        tested = f.reason if f.p_adjusted is None else f"p {written.p_value(f.p_adjusted)}"
        out.append(f"  {f.name}: {span}; partial eta2 {written.number(f.eta2)}, {tested}")
    if d.interacts and d.together is not None:
        out.append(
            f"  together: levels do more than each for itself (partial eta2 {written.number(d.together.eta2)}, "
            f"p {written.p_value(d.together.p)}): look at configurations, not at one knob"
        )
    return out


def of_prompts(found: SideBySide) -> list[str]:
    """Which is the best, and a line for each."""
    first = found.prompts[0]
    surely = "surely" if first.best >= SURE else "likely" if first.best >= LIKELY else "perhaps"
    name = found.key.task + (f" on {found.key.model}" if found.key.model else "")
    out = [
        f"prompts of {name}: {first.name} is {surely} the best (probability {first.best:.2f}); choosing it costs "
        f"{100 * first.regret:.2f} points at what is known ({found.n:,} of {found.of:,} cases)"
    ]
    for p in found.prompts:
        said = [_named(e) for e in p.metrics if e.value is not None][:3]
        if p is not first:
            limits = "" if p.low is None or p.high is None else f" [{100 * p.low:+.1f}, {100 * p.high:+.1f}]"
            tested = "" if p.p_adjusted is None else f", p {written.p_value(p.p_adjusted)}"
            said.append(f"behind by {100 * p.behind:.1f} points{limits}{tested}")
        out.append(f"  {p.name}: {', '.join(said)}")
    return out


def of_slices(found: Slices) -> list[str]:
    """For each column which slices differ from the rest, and a line for each slice."""
    out = []
    for column in dict.fromkeys(s.column for s in found.slices):
        mine = [s for s in found.slices if s.column == column]
        apart = sum(s.differs for s in mine)
        said = (
            f"{apart} of {len(mine)} differ from the rest" if apart else "none surely differs from the rest"
        )
        out.append(f"by {column}: {said} (Holm over {len(found.slices)} slices)")
        shown = mine if len(mine) <= ROWS else [*mine[: ROWS - 2], *mine[-2:]]
        for i, s in enumerate(shown):
            if len(shown) < len(mine) and i == ROWS - 2:
                out.append(f"  ... {len(mine) - len(shown)} more between these")
            out.append(f"  {s.value}: {_slice(s, found.compared)}")
    return [*out, *(f"note: {n}" for n in found.notes)]


def _slice(s: Slice, compared: str) -> str:
    names = ("flip_rate",) if compared == "flip_rate" else ("accuracy", "robust_accuracy")
    said = [*(_named(s.metric(name)) for name in names), f"n={s.n:,}"]
    if s.p_adjusted is not None and s.difference is not None:
        said += [f"{100 * s.difference:+.1f} points", f"p {written.p_value(s.p_adjusted)}"]
    return f"{', '.join(said)}{' *' if s.differs else ''}"


def of_confusion(c: Confusion) -> list[str]:
    """The most frequent pairs in one line; none without any. ASCII but for the answers."""
    from robusttest.stats.cell.confusion import text

    if not c.pairs:
        return []
    said = [
        f"{text(p.target)} taken for {text(p.answer)} {p.count:,} of {p.of:,} ({written.count(p.cases, 'case')})"
        for p in c.pairs[:PAIRS]
    ]
    more = len(c.pairs) - len(said)
    return [f"mistaken: {'; '.join(said)}" + (f"; {more} more" if more else "")]


def _named(e: Estimate) -> str:
    return f"{label(e.metric)} {written.value_interval(e)}"
