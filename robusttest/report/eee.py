"""``--robust-report=eee:PATH``: instance-level lines of Every Eval Ever, the common schema of evaluation results.

One line for each variant that was asked; what the schema has no field for is in ``metadata`` (texts): ``case_id``,
``variant``, ``perturbation``, ``repeat``, ``cluster``, ``status``. `robusttest.store.readers` reads them back.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from robusttest.core.nouns import Record, canonical_json
from robusttest.report.model import Report

SCHEMA = "0.3.0"


def render(report: Report) -> str:
    """The records of the report as JSON lines; variants that were never asked are left out."""
    run = report.run.id
    records = (r for cell in report.cells for r in cell.records)
    kept = (r for r in records if r.status not in ("rejected", "not_applicable"))
    return "".join(json.dumps(line(r, run), ensure_ascii=True, allow_nan=False) + "\n" for r in kept)


def line(record: Record, run: str) -> dict[str, Any]:
    """One record as an instance-level line; ``run`` is the id of the run.

    A record without a score has its reason under ``error`` and, as the schema wants a number, the score 0.
    """
    target = [] if record.target is None else [_text(record.target)]
    given = record.text or ""
    answer = record.answer if record.answer is not None else record.reply
    extracted = [] if answer is None else [
        {
            "turn_idx": 0,
            "source": "output.raw",
            "extracted_value": _text(answer),
            "extraction_method": "robusttest scorer",
            "is_terminal": True,
        }
    ]  # fmt: skip
    meta = {
        "case_id": record.case_id,
        "variant": record.variant,
        "perturbation": record.perturbation,
        "repeat": str(record.repeat),
        "status": record.status,
        "level": record.level,
        **({"severity": f"{record.severity:g}"} if record.severity is not None else {}),
        **({"cluster": record.cluster} if record.cluster is not None else {}),
        **({"test": record.test} if record.test is not None else {}),
    }
    out: dict[str, Any] = {
        "schema_version": SCHEMA,
        "evaluation_id": f"{record.task}/{record.model}/{run}",
        "model_id": record.model,
        "evaluation_name": record.task,
        "sample_id": record.case_id if not record.variant else f"{record.case_id}::{record.variant}",
        "sample_hash": hashlib.sha256((given + "".join(target)).encode("utf-8", "surrogatepass")).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": given, "reference": target},
        "output": {"raw": [] if record.reply is None else [record.reply]},
        "answer_attribution": extracted,
        "evaluation": {"score": record.score or 0.0, "is_correct": record.score == 1},
        "metadata": meta,
    }
    if record.input_tokens is not None and record.output_tokens is not None:
        out["token_usage"] = {
            "input_tokens": record.input_tokens,
            "output_tokens": record.output_tokens,
            "total_tokens": record.input_tokens + record.output_tokens,
        }
    if record.latency is not None:
        out["performance"] = {"latency_ms": 1000 * record.latency}
    if record.score is None:
        out["error"] = record.reason or record.status
    return out


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
