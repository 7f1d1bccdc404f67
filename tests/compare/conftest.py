from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from robusttest.compare import Version
from robusttest.core.nouns import Record, RunInfo

INFO = RunInfo(
    id="0123abcd", created="2026-11-24T12:00:00Z", label="v1", complete=True, versions={"nlpaug": "1.1.11"}
)


def row(case: str, variant: str = "", score: float | None = 1.0, **more: object) -> Record:
    """A right answer is ``yes``, a wrong one ``no``."""
    level = "reference" if not variant else "repeat" if variant.startswith("repeat") else "input"
    values: dict[str, object] = {
        "task": "t", "model": "m", "test": "a.py::test_t", "case_id": case, "variant": variant, "level": level,
        "perturbation": variant.partition("#")[0], "score": score, "target": "yes", "text": f"{case} {variant}",
        "input_hash": f"{abs(len(case)):04d}{case}{variant}".ljust(16, "0")[:16],
        "answer": None if score is None else "yes" if score >= 1 else "no",
        "status": "error" if score is None else "ok",
    }  # fmt: skip
    return Record(**{**values, **more})


def rows(outcomes: Mapping[str, str], variants: Iterable[str], **more: object) -> list[Record]:
    """``{"c1": "110"}``: a letter for each variant; ``.`` is a failed call, a space no row."""
    names = list(variants)
    return [
        row(case, name, None if letter == "." else float(letter), **more)
        for case, letters in outcomes.items()
        for name, letter in zip(names, letters, strict=True)
        if letter != " "
    ]


def version(records: Iterable[Record], **info: object) -> Version:
    from dataclasses import replace

    return Version.of(replace(INFO, **info), records, name=str(info.get("label", "v1")))


@pytest.fixture(scope="session", name="row")
def row_fixture():
    return row


@pytest.fixture(scope="session", name="rows")
def rows_fixture():
    return rows


@pytest.fixture(scope="session", name="version")
def version_fixture():
    return version
