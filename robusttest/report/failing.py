"""Failing variants as lines of a terminal: the answers, what was changed, the command that runs it again."""

from __future__ import annotations

from robusttest.report import text
from robusttest.report.blocks import Failing
from robusttest.report.build import answer_text
from robusttest.report.escape import cut, visible, width_of
from robusttest.report.inline import diff_lines
from robusttest.report.model import FailureReport
from robusttest.report.page import Page

NAME_LINES = 3
"""A case's id that is longer than so many lines loses its middle."""


def failing_lines(page: Page, block: Failing, limit: int) -> list[str]:
    shown = block.failures[:limit]
    if not shown:
        return []
    head = text.count(block.total, "failing variant")
    lines = [f"  {head}, the worst {len(shown)}:" if block.total > len(shown) else f"  {head}:"]
    for failure in shown:
        lines += _failure(page, failure)
    return lines


def _failure(page: Page, f: FailureReport) -> list[str]:
    g = page.glyphs
    name = visible(f.name)
    answers = _answers(page, f)
    if 2 + width_of(name) + 2 + width_of(answers) <= page.width:
        lines = [page.style.bold(f"  {name}") + "  " + answers]
    else:
        lines = [page.style.bold(f"  {x}") for x in page.broken(name, page.width - 2, NAME_LINES)]
        lines.append("    " + cut(answers, page.width - 4, g.more))
    diff = f.shrunk or f.diff
    lines += diff_lines(diff, f.text, width=page.width - 4, style=page.style, glyphs=g, indent="    ")
    if f.enough is not None:
        lines += [page.style.dim(x) for x in page.wrapped(f"    {visible(f.enough)}", indent=4)]
    if f.replay is not None:
        lines.append(page.style.dim(f"    {visible(f.replay)}"))
    return lines


def _answers(page: Page, f: FailureReport) -> str:
    g = page.glyphs

    def said(value: object) -> str:
        return "<none>" if value is None else cut(visible(answer_text(value)), 28, g.more)

    unread = f": {said(f.reply)}" if f.reply else ""
    answer = said(f.answer) if f.status == "ok" else f"<{f.status}{unread}>"
    if f.variant:
        answer = f"{said(f.reference_answer)} {g.arrow} {answer}"
    right = f.reference_answer if f.broken and f.variant else None
    if f.target is not None and f.target != right:
        answer += f"  (target {said(f.target)})"
    return answer
