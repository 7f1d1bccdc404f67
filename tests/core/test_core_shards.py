"""Shards: complete, disjoint, and one more case moves one case."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robusttest.core.shards import Shard
from robusttest.errors import UsageError

IDS = st.lists(st.text(st.characters(exclude_categories=()), max_size=8), unique=True, max_size=30)


@given(IDS, st.integers(1, 9))
def test_each_case_is_in_one_shard(ids: list[str], of: int) -> None:
    for case_id in ids:
        assert sum(Shard(i, of).has(case_id) for i in range(1, of + 1)) == 1


@given(IDS, st.text(max_size=4), st.integers(1, 9))
def test_one_more_case_moves_no_other(ids: list[str], new: str, of: int) -> None:
    def where(case_id: str) -> int:
        return next(i for i in range(1, of + 1) if Shard(i, of).has(case_id))

    before = {c: where(c) for c in ids}
    assert {c: where(c) for c in [*ids, new] if c in before} == before


def test_cases_spread_evenly() -> None:
    counts = [sum(Shard(i, 8).has(f"case-{j}") for j in range(4000)) for i in range(1, 9)]
    assert sum(counts) == 4000
    assert min(counts) > 400


def test_it_is_written_as_it_is_read() -> None:
    assert str(Shard.parse(" 3/64 ")) == "3/64"


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "x/3", "1/3/5", "1.0/3"])
def test_what_is_none_is_said_to_be(text: str) -> None:
    with pytest.raises(UsageError):
        Shard.parse(text)


SLURM = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "16", "SLURM_ARRAY_TASK_MIN": "1"}


@pytest.mark.parametrize(
    ("text", "environ", "shard"),
    [
        ("slurm", SLURM, "3/16"),
        ("slurm", {**SLURM, "SLURM_ARRAY_TASK_MIN": "0"}, "4/16"),
        (
            "slurm",
            {
                "SLURM_ARRAY_TASK_ID": "8",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "2",
                "SLURM_ARRAY_TASK_STEP": "3",
            },
            "3/4",
        ),
        ("kubernetes/16", {"JOB_COMPLETION_INDEX": "0"}, "1/16"),
        ("kubernetes/16", {"JOB_COMPLETION_INDEX": "15"}, "16/16"),
    ],
)
def test_the_environments_index_where_it_is_told(text, environ, shard):
    assert str(Shard.parse(text, environ)) == shard
    assert str(Shard.parse("2/5", environ)) == "2/5"


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("slurm", {}, "the environment has no SLURM_ARRAY_TASK_ID: write K/N instead"),
        ("slurm", {**SLURM, "SLURM_ARRAY_TASK_COUNT": "x"}, "no SLURM_ARRAY_TASK_COUNT, but 'x'"),
        ("kubernetes/16", {}, "the environment has no JOB_COMPLETION_INDEX"),
        ("kubernetes/16", {"JOB_COMPLETION_INDEX": "16"}, "of 16 shards there are 1/16 to 16/16"),
        ("kubernetes", {"JOB_COMPLETION_INDEX": "1"}, "or kubernetes/64, for the environment's index"),
        ("kubernetes/", {"JOB_COMPLETION_INDEX": "1"}, "write K/N"),
    ],
)
def test_an_environment_that_does_not_say_it_is_refused(text, environ, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        Shard.parse(text, environ)
