"""Every Eval Ever, the common schema of instance-level results, read; `robusttest.report.eee` writes it.

What the schema has no field for is in ``metadata``: ``variant``, ``perturbation``, ``repeat``, ``cluster``, ``status``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from robusttest.errors import CaseError
from robusttest.store.readers.file import FileFacts, cells_of
from robusttest.tasks.sources import SourceRow, rows

STATUSES = ("ok", "unparsed", "refused", "error", "skipped")


def is_instance(row: Any) -> bool:
    return isinstance(row, dict) and {"evaluation_id", "sample_id", "evaluation"} <= row.keys()


def is_summary(value: Any) -> bool:
    return isinstance(value, dict) and {"evaluation_id", "evaluation_results"} <= value.keys()


def summary(path: Path, value: Mapping[str, Any]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """A summary with the instance-level file that it names, beside it."""
    named = (value.get("detailed_evaluation_results") or {}).get("file_path")
    if not named:
        raise CaseError(f"{path}: a summary without instance-level results: only these can be analysed")
    file = path.parent / Path(str(named)).name
    if not file.exists():
        raise CaseError(f"{path}: its instance-level results {file.name!r} are not beside it")
    return instances(file, rows(file, "utf-8")[1])


def instances(path: Path, lines: Iterable[SourceRow]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """Instance-level lines: the answer is the terminal extracted value, a line with an error has no score."""

    def made() -> Iterator[SourceRow]:
        for one in lines:
            row = cells_of(one)
            meta = row.get("metadata") or {}
            given = row.get("input") or {}
            reference = given.get("reference") or []
            answers = [a for a in row.get("answer_attribution") or () if a.get("is_terminal", True)]
            replies = (row.get("output") or {}).get("raw") or []
            result = row.get("evaluation") or {}
            score = result.get("score")
            if not isinstance(score, int | float) or not 0 <= score <= 1:
                score = result.get("is_correct")
            yield SourceRow(
                one.place,
                {
                    **row,
                    "model": row.get("model_id"),
                    "task": row.get("evaluation_name"),
                    "case_id": meta.get("case_id", row.get("sample_id")),
                    "variant": meta.get("variant", ""),
                    "perturbation": meta.get("perturbation", meta.get("variant", "")),
                    "repeat": meta.get("repeat", 0),
                    "cluster": meta.get("cluster"),
                    "score": score,
                    "answer": answers[-1].get("extracted_value") if answers else next(iter(replies), None),
                    "target": reference[0] if len(reference) == 1 else (reference or None),
                    "reply": next(iter(replies), None),
                    "status": _status(row, meta),
                    "reason": row.get("error"),
                },
            )

    return FileFacts(), made()


def _status(row: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    said = meta.get("status")
    if said in STATUSES:
        return str(said)
    return "error" if row.get("error") else None
