"""Every sentence of a report, as blocks: `sections` makes the one list that terminal, Markdown and HTML lay out."""

from robusttest.report.words.run import sections

__all__ = ["sections"]
