"""``--robust-report=csv:PATH``: the records, one row for each variant of each case and model.

The columns are the fields of `robusttest.core.nouns.Record`; what is not a text or a number is JSON. A text that a
spreadsheet would run as a formula begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import fields

from robusttest.core.nouns import Json, Record
from robusttest.report.escape import csv_cell
from robusttest.report.model import Report

COLUMNS = tuple(f.name for f in fields(Record))


def render(report: Report) -> str:
    """The records of the report as CSV (RFC 4180), a header first."""
    return render_records(r for cell in report.cells for r in cell.records)


def render_records(records: Iterable[Record]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for r in records:
        writer.writerow([_cell(getattr(r, name)) for name in COLUMNS])
    return out.getvalue()


def _cell(value: Json) -> Json:
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=True, default=str)
    return csv_cell(value)
