"""``--robust-report=comment:PATH``: the Markdown report for a comment in a pull request, which a workflow finds again."""

from robusttest.report import markdown
from robusttest.report.model import Report

MARK = "<!-- robusttest -->"
"""The first line: a workflow writes over the comment that begins with it."""
LIMIT = 60_000
"""Bytes; GitHub takes 65,536 characters."""


def render(report: Report) -> str:
    """Whole sections as far as there is room; what is left out is said."""
    return f"{MARK}\n{markdown.render(report, max_bytes=LIMIT)}"
