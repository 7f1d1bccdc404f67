"""What the case explorer holds: the failing and flipped variants, a seeded sample of the others, within a budget."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from robusttest.core.equality import flipped
from robusttest.core.nouns import REFERENCE, Json, Record, derive_seed
from robusttest.engine.record import failing, references
from robusttest.report.build import answer_text, failure
from robusttest.report.escape import visible
from robusttest.report.model import CellReport, Report, Segment

ROWS = 5_000
"""Variants at most: what a browser filters without a pause."""
BYTES = 1_600_000
"""JSON at most: 10,000 variants make a file of at most 3 MB."""
SAMPLE = 400
"""Passing variants at most, over all cells."""
STRETCH = 700
"""Characters of unchanged text between two changes; a longer stretch loses its middle."""
TEXT = 2_000
"""Characters of an answer, a reply, a changed stretch."""

KINDS = {"failing": 0.7, "flipped": 0.85, "passing": 1.0}
"""What is held, in this order, each until the budget is so far spent."""

FIELDS = (
    "cell", "case", "variant", "perturbation", "status", "score", "reference_score", "flipped", "diff", "answer",
    "reference_answer", "target", "reply", "reason", "name", "shrunk",
)  # fmt: skip
"""A row's columns. ``diff`` and ``shrunk`` alternate: same, old, new, same, old, new, same …; ``name`` is quoted for a shell."""


@dataclass(slots=True)
class Explorer:
    """Rows for the page's script, and how many there would be."""

    rows: list[list[Json]] = field(default_factory=list)
    failing: int = 0
    """Failing variants held, of ``all_failing``."""
    all_failing: int = 0
    flipped: int = 0
    """Variants that score full marks with another answer than the unperturbed prompt, of ``all_flipped``."""
    all_flipped: int = 0
    passing: int = 0
    """Sampled, of ``all_passing``."""
    all_passing: int = 0
    size: int = 0

    def filled(self, share: float) -> bool:
        return len(self.rows) >= share * ROWS or self.size >= share * BYTES


def explorer(report: Report) -> Explorer:
    """Cells take turns, so that none crowds out another: first the failing, then the flipped, then the sample."""
    found = Explorer()
    turns = [_Turns(i, c, report) for i, c in enumerate(report.cells)]
    for kind, share in KINDS.items():
        total = sum(len(getattr(t, kind)) for t in turns)
        setattr(found, f"all_{kind}", total)
        limit = SAMPLE if kind == "passing" else total
        for turn, r in _in_turn([[(t, r) for r in getattr(t, kind)] for t in turns]):
            if found.filled(share) or getattr(found, kind) >= limit:
                break
            row = turn.row(r)
            found.rows.append(row)
            found.size += len(json.dumps(row, ensure_ascii=True))
            setattr(found, kind, getattr(found, kind) + 1)
    return found


class _Turns:
    """One cell's variants by kind, in the order they are wanted."""

    def __init__(self, index: int, cell: CellReport, report: Report) -> None:
        self.index = index
        self.references = references(cell.records)
        self.failing = [r for _, r in failing(cell.records)]
        self.flipped: list[Record] = []
        self.passing: list[Record] = []
        for r in cell.records:
            if r.perturbation != REFERENCE and r.score is not None and r.score >= 1 and r.repeat == 0:
                (self.flipped if self.flip(r) else self.passing).append(r)
        seed = derive_seed(report.run.id, "explorer", cell.test or "", cell.task, cell.model)
        random.Random(seed).shuffle(self.passing)

    def flip(self, r: Record) -> bool | None:
        """Whether the answer is another than to the unperturbed prompt; None where that can't be said."""
        before = self.references.get(r.case_id)
        return None if before is None or r.perturbation == REFERENCE else flipped(before, r)

    def row(self, r: Record) -> list[Json]:
        f = failure(r, self.references.get(r.case_id))
        return [
            self.index, visible(r.case_id), visible(r.variant), visible(r.perturbation), r.status, f.score,
            f.reference_score, self.flip(r), _diff(f.diff or _whole(f.text)), _said(f.answer), _said(f.reference_answer), _said(f.target),
            _said(f.reply), _said(f.reason), visible(shlex.quote(f.name)),
            _diff(f.shrunk) if f.shrunk else None,
        ]  # fmt: skip


def _in_turn(piles: Sequence[Sequence[tuple[_Turns, Record]]]) -> Iterator[tuple[_Turns, Record]]:
    for layer in zip_longest(*piles):
        yield from (item for item in layer if item is not None)


def _whole(text: str | None) -> tuple[Segment, ...]:
    return (Segment(text, text),) if text else ()


def _diff(parts: Sequence[Segment]) -> list[str]:
    out: list[str] = []
    for i, part in enumerate(parts):
        if part.changed:
            if len(out) % 3 == 0:
                out.append("")
            out += [_cut(shown(part.old), TEXT), _cut(shown(part.new), TEXT)]
        else:
            first, last = i == 0, i == len(parts) - 1
            out.append(
                _elided(shown(part.old), 0 if first and not last else 1, 0 if last and not first else 1)
            )
    return out


def _elided(text: str, head: int, tail: int) -> str:
    """The ends that are near a change (both where both are), and how much is left out."""
    if len(text) <= STRETCH:
        return text
    half = STRETCH // 2 if head and tail else STRETCH
    left = len(text) - half * (head + tail)
    middle = f" … {left:,} characters … "
    return (text[:half] if head else "") + middle + (text[-half:] if tail else "")


def _said(value: Json) -> str | None:
    return None if value is None else _cut(shown(answer_text(value)), TEXT)


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]} … {len(text) - size:,} more characters"


def shown(text: str) -> str:
    """Lines stay lines; whatever else a reader would not see is shown as its escape."""
    return "\n".join(map(visible, text.split("\n")))
