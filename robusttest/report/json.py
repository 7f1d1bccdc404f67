"""``--robust-report=json:PATH``: every number, for programs. Never NaN; keys are only ever added.

``{"schema_version", "run", "cells": [{"task", "model", "n_cases", "n_variants", "n_calls", "coverage", "metrics":
[{"metric", "perturbation", "value", "low", "high", "n", "method"}], "verdicts": [{"threshold", "status",
"reason"}]}]}``. A value that is undefined is null, with its ``reason``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from robusttest.core.nouns import Estimate, Json, Verdict
from robusttest.report.escape import finite
from robusttest.report.model import CellReport, Failure, Report

SCHEMA = 1


def render(report: Report) -> str:
    """The report as JSON text, ASCII only (so that lone surrogates survive), ending in a newline."""
    return json.dumps(as_dict(report), indent=1, allow_nan=False, default=str) + "\n"


def as_dict(report: Report) -> dict[str, Json]:
    """The report as plain data."""
    data: dict[str, Json] = {
        "schema_version": SCHEMA,
        "run": report.run.to_json(),
        "cells": [_cell(c) for c in report.cells],
        "notes": list(report.notes),
    }
    for name in ("emergence", "comparison", "history"):
        if (value := getattr(report, name)) is not None:
            data[name] = _plain(value)
    cleaned: dict[str, Json] = finite(data)
    return cleaned


def _cell(c: CellReport) -> dict[str, Json]:
    data: dict[str, Json] = {
        "task": c.task,
        "model": c.model,
        "test": c.test,
        "outcome": c.outcome,
        "n_cases": c.n_cases,
        "n_variants": c.n_variants,
        "n_calls": c.n_calls,
        "coverage": c.coverage,
        "metrics": [_estimate(e) for e in c.metrics],
        "verdicts": [_verdict(v) for v in c.verdicts],
        "counts": dict(c.counts),
        "reasons": [asdict(t) for t in c.tallies],
        "n_failures": c.n_failures,
        "failures": [_failure(f) for f in c.failures],
        "notes": list(c.notes),
    }
    for name in ("advice", "spread", "over_prompts", "adaptive"):
        if (value := getattr(c, name)) is not None:
            data[name] = _plain(value)
    return data


def _estimate(e: Estimate) -> dict[str, Json]:
    return {
        "metric": e.metric,
        "perturbation": e.perturbation,
        "value": e.value,
        "low": e.low,
        "high": e.high,
        "lower": e.lower,
        "upper": e.upper,
        "n": e.n,
        "k": e.k,
        "method": e.method,
        "level": e.level,
        "reason": e.reason,
    }


def _verdict(v: Verdict) -> dict[str, Json]:
    return {
        "threshold": str(v.threshold),
        "status": v.status,
        "reason": v.reason,
        "settled": v.settled,
        "cases_needed": v.cases_needed,
        "estimate": None if v.estimate is None else _estimate(v.estimate),
    }


def _failure(f: Failure) -> dict[str, Json]:
    return {
        "case": f.case_id,
        "variant": f.variant,
        "perturbation": f.perturbation,
        "status": f.status,
        "score": f.score,
        "reference_score": f.reference_score,
        "answer": f.answer,
        "reference_answer": f.reference_answer,
        "target": f.target,
        "original": f.original,
        "text": f.text,
        "edits": f.edits,
        "reply": f.reply,
        "reason": f.reason,
        "replay": f.replay,
    }


def _plain(value: Any) -> Json:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
