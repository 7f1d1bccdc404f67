"""Synthetic results: a seeded model that errs more under some perturbations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from robusttest.core.nouns import CellKey, Record, RunInfo, Threshold, Verdict
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.stats.cell.frame import frames
from robusttest.stats.cell.gates import judge

TEXTS = (
    "I was charged twice for order 4821, please refund one of them",
    "Where is my parcel? It should have arrived on Monday",
    "I cannot log in since you changed the password rules",
    "The courier left the parcel with a neighbour I do not know",
    "Please change the e-mail address of my account",
)
LABELS = ("billing", "delivery", "account")
HARM = {"keyboard": 0.03, "ocr:0.2": 0.06, "casing": 0.002, "format": 0.01}


def made_cell(
    task: str,
    model: str,
    test: str | None,
    records: Sequence[Record],
    thresholds: Sequence[Threshold] = (),
    verdicts: Sequence[Verdict] = (),
    notes: Sequence[str] = (),
) -> Cell:
    return Cell(
        CellKey(test, task, model),
        records,
        thresholds=tuple(thresholds),
        verdicts=tuple(verdicts),
        notes=tuple(notes),
    )


def typo(text: str, rng: random.Random) -> tuple[str, list[list[Any]]]:
    words = [w for w in text.split() if len(w) > 3 and w[1] != w[2]]
    word = rng.choice(words)
    at = text.index(word) + 1
    new = word[2] + word[1]
    return text[:at] + new + text[at + 2 :], [[at, at + 2, new]]


def records(
    task: str = "support-intents",
    model: str = "openai/gpt-4o-mini",
    *,
    cases: int = 60,
    variants: int = 5,
    accuracy: float = 0.97,
    harm: dict[str, float] = HARM,
    test: str | None = "tests/test_intents.py::test_intents",
    seed: int = 1,
) -> list[Record]:
    rng = random.Random(seed)
    out = []
    for i in range(cases):
        text, target = f"{TEXTS[i % 5]} ({i})", LABELS[i % 3]
        hard = rng.random() > accuracy
        common: dict[str, Any] = {
            "task": task,
            "model": model,
            "case_id": f"t{i}",
            "target": target,
            "test": test,
        }

        def answer(wrong: bool, target: str = target) -> dict[str, Any]:
            said = rng.choice([x for x in LABELS if x != target]) if wrong else target
            return {"answer": said, "reply": said.title(), "score": float(not wrong)}

        out.append(Record(**common, **answer(hard), text=f"Ticket: {text}\nDepartment:", input_hash=f"{i}"))
        for spec, p in harm.items():
            for v in range(variants):
                new, edits = typo(text, rng)
                wrong = hard if rng.random() > p else True
                row = {**common, "variant": f"{spec}#{v}", "perturbation": spec, "level": "input", "index": v}
                if spec == "ocr:0.2":
                    row["severity"] = 0.2
                if spec == "ocr:0.2" and v == 4 and i % 20 == 3:
                    out.append(Record(**row, status="not_applicable", reason="no word can be edited"))
                elif spec == "format" and v == 0 and i % 30 == 7:
                    out.append(
                        Record(
                            **row,
                            status="unparsed",
                            score=0.0,
                            text=new,
                            reason="no label in the reply",
                            reply="?",
                        )
                    )
                else:
                    out.append(
                        Record(
                            **row,
                            **answer(wrong),
                            text=new,
                            edits={"input": edits},
                            input_hash=f"{i}{spec}{v}",
                        )
                    )
    return out


EXPECT = ("accuracy >= 0.9", "robust_accuracy >= 0.75", "flip_rate[keyboard] <= 0.3")


def result(*expect: str, **options: Any) -> Cell:
    rows = records(**options)
    (cell,) = frames(rows)
    thresholds = [parse_threshold(e) for e in expect or EXPECT]
    return made_cell(
        rows[0].task, rows[0].model, rows[0].test, rows, thresholds, [judge(cell, t) for t in thresholds]
    )


def run_info(**changes: Any) -> RunInfo:
    values: dict[str, Any] = {
        "id": "1b1b148a", "created": "2026-11-24T12:00:00Z", "commit": "353a334d" * 5, "models": ("openai/gpt-4o-mini",),
        "complete": True, "duration": 38.2, "calls": 1260, "cached": 1200, "cost": 0.42,
        "oldest_reply": "2026-11-21T09:00:00Z", "versions": {"robusttest": "0.1.0"},
    }  # fmt: skip
    return RunInfo(**{**values, **changes})
