"""What testing tools of applications leave, as rows under our names: promptfoo and DeepEval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robusttest.store.readers.file import FileFacts
from robusttest.tasks.sources import SourceRow

PROMPTFOO_ERROR = 2
"""promptfoo's ``failureReason`` of a call that failed, where 1 is a missed assertion."""


def is_promptfoo(value: Any) -> bool:
    rows = _promptfoo_rows(value)
    return bool(rows) and isinstance(rows[0], dict) and "provider" in rows[0] and "success" in rows[0]


def _promptfoo_rows(value: Any) -> list[dict[str, Any]]:
    found = value.get("results") if isinstance(value, dict) else None
    found = found.get("results") if isinstance(found, dict) else found
    return found if isinstance(found, list) else []


def promptfoo(path: Path, value: Mapping[str, Any]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """``promptfoo eval -o results.json``: prompts are variants, providers are models, a test asked again is a repeat."""
    rows = _promptfoo_rows(value)
    config = value.get("config") or {}
    said = FileFacts(
        task=str(config.get("description") or "") or path.name.partition(".")[0], run=value.get("evalId")
    )
    labels: dict[int, str] = {}
    for row in rows:
        label = str((row.get("prompt") or {}).get("label") or "")
        index = int(row.get("promptIdx") or 0)
        labels.setdefault(
            index, label if label and len(label) <= 60 and "\n" not in label else f"prompt {index}"
        )
    twice = {label for label, n in Counter(labels.values()).items() if n > 1}

    def made() -> Iterator[SourceRow]:
        asked: Counter[tuple[Any, ...]] = Counter()
        for i, row in enumerate(rows):
            provider = row.get("provider") or {}
            model = provider if isinstance(provider, str) else provider.get("label") or provider.get("id")
            index = int(row.get("promptIdx") or 0)
            variant = f"{labels[index]} ({index})" if labels[index] in twice else labels[index]
            case = row.get("testIdx", i)
            response = row.get("response") or {}
            failed = row.get("failureReason") == PROMPTFOO_ERROR or (not response and row.get("error"))
            key = (model, index, case)
            yield SourceRow(
                f"{path}: result {i}",
                {
                    **row,
                    "model": model,
                    "case_id": case,
                    "variant": variant if len(labels) > 1 else "",
                    "repeat": asked[key],
                    "score": _share(row),
                    "reply": response.get("output"),
                    "answer": response.get("output"),
                    "status": "error" if failed else None,
                    "reason": row.get("error") if failed else None,
                },
            )
            asked[key] += 1

    return said, made()


def _share(row: Mapping[str, Any]) -> Any:
    """Promptfoo's own score where it is a share, else whether the test passed."""
    score = row.get("score")
    if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
        return score
    return float(bool(row.get("success")))


def is_deepeval(value: Any) -> bool:
    rows = _deepeval_rows(value)
    return bool(rows) and isinstance(rows[0], dict) and _metrics(rows[0]) is not None


def _deepeval_rows(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    return next(
        (value[k] for k in ("testCases", "test_cases", "test_results", "testResults") if value.get(k)), []
    )


def _metrics(case: Mapping[str, Any]) -> list[Any] | None:
    found = case.get("metricsData", case.get("metrics_data"))
    return found if isinstance(found, list) else None


def deepeval(path: Path, value: Any) -> tuple[FileFacts, Iterator[SourceRow]]:
    """A DeepEval test run: one row a test case, the score of its first metric, others by ``--map score=NAME``."""
    whole = value if isinstance(value, dict) else {}
    settings = whole.get("hyperparameters") or {}
    said = FileFacts(
        model=settings.get("model"),
        task=whole.get("identifier") or whole.get("testFile") or path.name.partition(".")[0],
        run=whole.get("testRunId"),
        settings={k: v for k, v in settings.items() if k != "model"},
    )
    rows = _deepeval_rows(value)

    def made() -> Iterator[SourceRow]:
        asked: Counter[str] = Counter()
        for i, case in enumerate(rows):
            metrics = _metrics(case) or []
            scores = {str(m.get("name")): m.get("score") for m in metrics}
            first: Mapping[str, Any] = next(iter(metrics), {})
            given = str(case.get("input"))
            score = first.get("score")
            yield SourceRow(
                f"{path}: test case {i}",
                {
                    **case,
                    **scores,
                    "case_id": given if given != "None" else case.get("name", i),
                    "variant": str(
                        (case.get("additionalMetadata") or case.get("additional_metadata") or {}).get(
                            "variant", ""
                        )
                    ),
                    "repeat": asked[given],
                    "score": score,
                    "answer": case.get("actualOutput", case.get("actual_output")),
                    "target": case.get("expectedOutput", case.get("expected_output")),
                    "status": "error" if score is None else None,
                },
            )
            asked[given] += 1

    return said, made()
