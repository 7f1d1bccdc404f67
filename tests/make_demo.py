"""Record the answers of the support desk's four versions: ``python tests/make_demo.py`` writes the demo's cassette anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CASSETTE = ROOT / "robusttest" / "demo" / "answers.json"
PER_INTENT = 25
"""Tickets of each intent: the first ones that the versions were not trained on."""


def recorded() -> dict[str, Any]:
    """What the cassette has to hold today."""
    sys.path.insert(0, str(ROOT / "examples" / "support_desk"))
    from train import fingerprint, tickets, train

    from robusttest.demo.desk import PERTURBATIONS, VARIANTS, VERSIONS, digest, task
    from robusttest.engine.job import Job
    from robusttest.settings import Settings

    labels = sorted({row["intent"] for row in tickets()[1]})
    taken: dict[str, int] = dict.fromkeys(labels, 0)
    cases = []
    for row in tickets()[1]:
        taken[row["intent"]] += 1
        if taken[row["intent"]] <= PER_INTENT:
            cases.append(
                {
                    "id": f"{row['intent']}-{taken[row['intent']]}",
                    "input": row["text"],
                    "target": row["intent"],
                }
            )
    job = Job(
        task(cases, labels), "python:robusttest.demo.desk:v1", PERTURBATIONS, (), Settings(variants=VARIANTS)
    )
    made = (v for selected in job.selected() for v in job.variants(selected))
    prompts = sorted({str(v.draft.case.fields["input"]) for v in made if v.status == "ok"})
    said = [train(version).predict(prompts) for version in VERSIONS]
    answers = {digest(p): "".join(str(labels.index(s[i])) for s in said) for i, p in enumerate(prompts)}
    return {
        "versions": {v: fingerprint(v) for v in VERSIONS},
        "labels": labels,
        "cases": cases,
        "answers": dict(sorted(answers.items())),
    }


def text(held: dict[str, Any]) -> str:
    """As the file holds it."""
    return json.dumps(held, ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    CASSETTE.write_text(text(recorded()), encoding="utf-8")
    print(f"wrote {CASSETTE.relative_to(ROOT)}: {CASSETTE.stat().st_size:,} bytes")
