from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from robusttest.core.nouns import Record
from robusttest.stats.cell.frame import Frame, frames

GOLD = "ABCDAB"
ANSWERS = ["AAAA", "BBBC", "CCDC", "DAAB", "BABB", "CCCC"]


def records_of(
    answers: Sequence[str], gold: str, *, perturbation: str = "p", clusters: Sequence[str] | None = None
) -> list[Record]:
    """A string of one-letter answers for each case, the reference first; ``.`` is a failed call, ``?`` and ``!``
    are two unreadable replies, a space no row."""
    rows = []
    for i, line in enumerate(answers):
        for v, letter in enumerate(line):
            if letter == " ":
                continue
            status = {".": "error", "?": "unparsed", "!": "refused"}.get(letter, "ok")
            rows.append(
                Record(
                    task="t",
                    model="m",
                    case_id=f"c{i}",
                    variant=f"{perturbation}#{v - 1}" if v else "",
                    perturbation=perturbation if v else "",
                    level="input" if v else "reference",
                    index=max(v - 1, 0),
                    status=status,
                    score=None if status == "error" else float(letter == gold[i]),
                    answer=letter if status == "ok" else None,
                    target=gold[i],
                    reply=f"I say {letter}",
                    cluster=clusters[i] if clusters else None,
                )
            )
    return rows


def cell_of(answers: Sequence[str], gold: str, **kwargs: object) -> Frame:
    (cell,) = frames(records_of(answers, gold, **kwargs))
    return cell


def right_wrong(rows: Sequence[str], *, clusters: Sequence[str] | None = None) -> Frame:
    """Rows of ``1`` and ``0``."""
    return cell_of(rows, "1" * len(rows), clusters=clusters)


@pytest.fixture
def example_a() -> Frame:
    return cell_of(ANSWERS, GOLD)


@pytest.fixture(scope="session")
def example_a_rows() -> list[Record]:
    return records_of(ANSWERS, GOLD)


@pytest.fixture(scope="session", name="cell_of")
def cell_of_fixture() -> Callable[..., Frame]:
    return cell_of


@pytest.fixture(scope="session", name="right_wrong")
def right_wrong_fixture() -> Callable[..., Frame]:
    return right_wrong


@pytest.fixture(scope="session", name="records_of")
def records_of_fixture() -> Callable[..., list[Record]]:
    return records_of
