"""Many cells as a table: one line for each where the page is wide enough, else two."""

from __future__ import annotations

from collections.abc import Sequence

from robusttest.report import text
from robusttest.report.escape import cut_middle, visible, width_of
from robusttest.report.model import HEADLINE, OUTCOMES, CellReport, label, outcome_word
from robusttest.report.page import Page

ROWS = 24
"""Cells shown where there are more and all others passed."""


def table_lines(page: Page, cells: Sequence[CellReport]) -> list[str]:
    rows = sorted(cells, key=lambda c: OUTCOMES.index(c.outcome))
    left = 0
    if page.verbosity <= 0:
        rows, left = _fewer(rows)
    lines = _lines(page, rows)
    if left:
        said = f"{page.glyphs.more} {left} more passed, all at least as robust (-v shows them)"
        lines.append(page.style.dim(said))
    return lines


def _fewer(rows: list[CellReport]) -> tuple[list[CellReport], int]:
    """Of many rows those that did not pass, and the passed ones with the lowest robust accuracy; how many are left out."""
    passed = [c for c in rows if c.outcome == "passed"]
    room = max(ROWS - (len(rows) - len(passed)), 0)
    if len(passed) <= room + 1:
        return rows, 0
    keep = {id(c) for c in sorted(passed, key=_robustness)[:room]}
    return [c for c in rows if c.outcome != "passed" or id(c) in keep], len(passed) - room


def _robustness(c: CellReport) -> float:
    e = c.overall.get("robust_accuracy")
    return 2.0 if e is None or e.value is None else e.value


def _lines(page: Page, rows: Sequence[CellReport]) -> list[str]:
    one_model = len({c.model for c in rows}) == 1
    heads = [label(m) for m in HEADLINE]
    numbers = [[text.short(e) for e in c.headline] or ["-"] * len(HEADLINE) for c in rows]
    widths = [max(map(len, column)) for column in zip(heads, *numbers, strict=True)]
    names = [_name(page, c, one_model) for c in rows]
    word = max(len(outcome_word(c.outcome)) for c in rows)
    kinds = [getattr(c.advice, "kind", "") for c in rows]
    advice = max(max(map(len, kinds)), len("where to work")) if any(kinds) else 0
    taken = sum(widths) + 2 * len(widths) + word + 2 + 6 + (advice + 2 if advice else 0)
    lines: list[str] = []
    if one_model and rows[0].model:
        lines.append(f"model {visible(rows[0].model)}")
    room = min(page.width - taken, max(map(width_of, names)))
    if room >= min(48, max(map(width_of, names))):
        if advice:
            heads, widths = [*heads, "where to work"], [*widths, advice]
            numbers = [[*values, kind] for values, kind in zip(numbers, kinds, strict=True)]
        lines.append(page.style.dim(_row(page, "", word, "task", "n", heads, widths, room)))
        for c, name, values in zip(rows, names, numbers, strict=True):
            lines.append(_row(page, c.outcome, word, name, f"{c.n_cases:,}", values, widths, room))
        return lines
    gap = "  " if sum(widths) + 2 * len(widths) + 2 <= page.width else " "
    if gap == " ":
        heads = [h.replace("robust accuracy", "robust acc.") for h in heads]
        widths = [max(map(len, column)) for column in zip(heads, *numbers, strict=True)]
    indent = " " * min(4, max(0, page.width - sum(widths) - len(gap) * (len(widths) - 1)))
    lines.append(page.style.dim(indent + gap.join(f"{h:<{w}}" for h, w in zip(heads, widths, strict=True))))
    for c, name, values, kind in zip(rows, names, numbers, kinds, strict=True):
        right = "  ".join(part for part in (kind, f"n={c.n_cases:,}", _missed(page, c)) if part)
        room = page.width - len(right) - 2
        left = cut_middle(name, room, page.glyphs.more)
        pad = " " * (page.width - width_of(left) - len(right))
        lines.append(page.style.bold(left) + pad + page.style.outcome(c.outcome, right))
        lines.append(indent + gap.join(f"{v:<{w}}" for v, w in zip(values, widths, strict=True)))
    return lines


def _row(
    page: Page,
    outcome: str,
    word: int,
    name: str,
    n: str,
    values: Sequence[str],
    widths: Sequence[int],
    room: int,
) -> str:
    shown = cut_middle(name, room, page.glyphs.more)
    said = page.style.outcome(outcome, f"{'' if outcome == 'none' else outcome_word(outcome):<{word}}")
    pad = " " * (room - width_of(shown))
    return f"{said}  {shown}{pad}{n:>6}  " + "  ".join(
        f"{v:<{w}}" for v, w in zip(values, widths, strict=True)
    )


def _name(page: Page, cell: CellReport, one_model: bool) -> str:
    if one_model or not cell.model:
        return visible(cell.name)
    return f"{visible(cell.name)} {page.glyphs.dot} {visible(cell.model)}"


def _missed(page: Page, cell: CellReport) -> str:
    return "" if cell.outcome == "none" else outcome_word(cell.outcome)
