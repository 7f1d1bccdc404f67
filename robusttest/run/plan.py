"""What a run plans, for a shard of it to say: `robusttest merge` joins parts of one plan alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from robusttest.core.nouns import CellKey, Json, canonical_json, digest
from robusttest.engine.job import Job

ALIKE = ("seed", "variants", "limit", "case", "only", "skip", "writer", "by")
"""Settings that decide what is asked, and how it is told."""


def key_text(key: CellKey) -> str:
    """A cell's key as a key of JSON."""
    return canonical_json([key.test, key.task, key.model])


def planned(jobs: Iterable[Job]) -> dict[str, Json]:
    """By cell: ``plan``, a digest of what is asked and how; ``places``, each case's place in the whole; how it is judged."""
    return {key_text(job.key): _cell(job) for job in jobs}


def digest_of(plan: Mapping[str, Mapping[str, Json]]) -> str:
    """Of the whole plan, whatever the order of its tests."""
    return digest(canonical_json({key: cell["plan"] for key, cell in plan.items()}), size=8)


def _cell(job: Job) -> Mapping[str, Json]:
    task, settings = job.task, job.settings
    whole = replace(job, settings=replace(settings, shard=None)).selected()
    asked = [
        [
            s.case.id,
            _shown(dict(s.case.fields)),
            _shown(s.case.target),
            _shown(s.case.choices),
            s.case.cluster,
        ]
        for s in whole
    ]
    how = {
        "prompt": None if task.prompt is None else _shown(asdict(task.prompt)),
        "params": _shown(dict(task.params)),
        "scorer": None if task.scorer is None else task.scorer.name,
        "perturbations": [p.spec for p in job.wanted],
        "settings": {name: _shown(getattr(settings, name)) for name in ALIKE},
    }
    return {
        "plan": digest(canonical_json([asked, how]), size=8),
        "places": {s.case.id: i for i, s in enumerate(whole)},
        "wanted": [p.spec for p in job.wanted],
        "inconclusive": settings.inconclusive,
        "min_coverage": settings.min_coverage,
    }


def _shown(value: Any) -> str:
    try:
        return canonical_json(value)
    except (TypeError, ValueError):
        return repr(value)
