"""``--robust-report=json:PATH``: every number, for programs. Never NaN; keys are only ever added.

``{"schema_version", "run", "cells": [{"task", "model", "n_cases", "n_variants", "n_calls", "coverage", "metrics":
[{"metric", "perturbation", "value", "low", "high", "n", "method"}], "verdicts": [{"threshold", "status",
"reason"}]}]}``. A value that is undefined is null, with its ``reason``.
"""

from __future__ import annotations

from robusttest.core import codec
from robusttest.core.nouns import Json
from robusttest.report.model import CellReport, FailureReport, Report

SCHEMA = 1


def render(report: Report) -> str:
    """The report as JSON text, ASCII only (so that lone surrogates survive), ending in a newline."""
    return codec.dumps(as_dict(report), indent=1) + "\n"


def as_dict(report: Report) -> dict[str, Json]:
    """The report as plain data."""
    data: dict[str, Json] = {
        "schema_version": SCHEMA,
        "run": codec.plain(report.run),
        "cells": [_cell(c) for c in report.cells],
        "notes": list(report.notes),
        "reply_age": report.reply_age,
    }
    for name in ("emergence", "comparison", "history", "prompts", "factors", "suite"):
        if (value := getattr(report, name)) not in (None, ()):
            data[name] = codec.plain(value)
    return data


def _cell(c: CellReport) -> dict[str, Json]:
    data: dict[str, Json] = {
        **c.key._asdict(),
        "outcome": c.outcome,
        "reason": c.reason,
        "n_cases": c.n_cases,
        "n_variants": c.n_variants,
        "n_calls": c.n_calls,
        "coverage": c.coverage,
        "ways": None if c.ways is None else list(c.ways),
        "graded": c.graded,
        "weakest": codec.plain(c.weakest),
        "metrics": codec.plain(c.metrics),
        "verdicts": codec.plain(c.verdicts),
        "counts": dict(c.counts),
        "reasons": codec.plain(c.tallies),
        "n_failures": c.n_failures,
        "failures": [_failure(f) for f in c.failures],
        "first": list(c.first),
        "notes": list(c.notes),
    }
    for name in (
        "advice",
        "lever",
        "reaction",
        "spread",
        "over_prompts",
        "adaptive",
        "factors",
        "blame",
        "judge",
        "turns",
        "slices",
        "confusion",
    ):
        if (value := getattr(c, name)) not in (None, ()):
            data[name] = codec.plain(value)
    return data


def _failure(f: FailureReport) -> dict[str, Json]:
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
