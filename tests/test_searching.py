"""`format_search`: on models for which it is known which layouts they can't read."""

from __future__ import annotations

import random
import re

import pytest

from robusttest import Task, format_search
from robusttest.core.nouns import Case
from robusttest.errors import UnknownNameError, UsageError
from robusttest.searching import halves

MODULE = '''
import random, re

def right(prompt):
    return "even" if int(re.search(r"no (\\d+)", prompt, re.I)[1]) % 2 == 0 else "odd"

def some(prompt, rate):
    answer = right(prompt)
    return answer if random.Random(prompt).random() < rate else {"even": "odd", "odd": "even"}[answer]

def breaks(prompt):
    """Half as often right behind a double bar."""
    return some(prompt, 0.45 if " || " in prompt else 0.95)

def steady(prompt):
    """As often right whatever the layout, on other cases."""
    return some(prompt, 0.7)

def perfect(prompt):
    return right(prompt)

def down(prompt):
    raise RuntimeError("no mood")
'''
ROWS = [{"id": f"c{i}", "input": f"no {i} of all", "target": ["even", "odd"][i % 2]} for i in range(160)]


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    (tmp_path / "parity_for_search.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def task(rows=ROWS, prompt="Even or odd?\n\nNumber: {input}\nAnswer:", **more):
    return Task("parity", cases=rows, prompt=prompt, choices=["even", "odd"], **more)


def search(name, budget=600, **more):
    more.setdefault("replies", "off")
    return format_search(
        task(more.pop("rows", ROWS)), model=f"python:parity_for_search:{name}", budget=budget, **more
    )


def test_the_layout_that_breaks_the_model_is_found():
    found = search("breaks")
    assert " || " in found.worst.prompt
    assert " || " not in found.best.prompt
    assert found.spread.low > 0.2
    assert found.spread.low < 0.5 < found.spread.high
    assert found.written.accuracy.low < 0.95
    assert found.calls <= 600
    assert found.failed == 0
    assert found.spread.n == 80
    assert "layouts tried" in str(found)
    assert "surely" not in str(found)
    assert found.formats[0].searched >= found.formats[-1].searched


def test_of_layouts_that_change_nothing_no_spread_is_claimed():
    """What chose best and worst would show one: the cases that confirm do not."""
    shown, claimed = [], 0
    for seed in range(6):
        found = search("steady", seed=seed)
        shown.append(found.best.searched - found.worst.searched)
        claimed += found.spread.low > 0
    assert sum(shown) / len(shown) > 0.15
    assert claimed <= 1
    assert "not surely apart" in str(found) or claimed


def test_a_perfect_model_has_none():
    found = search("perfect")
    assert found.spread.value == 0
    assert found.best.accuracy.value == found.worst.accuracy.value == 1


def test_the_same_seed_gives_the_same_answer():
    assert search("breaks") == search("breaks")
    state = random.getstate()
    search("breaks", seed=3)
    assert random.getstate() == state


@pytest.mark.parametrize("budget", [120, 121, 250])
def test_no_more_calls_than_the_budget(budget):
    assert search("breaks", budget=budget).calls <= budget


def test_a_model_that_fails_is_no_bad_layout():
    with pytest.raises(UsageError, match=r"no call came back with a score.*no mood"):
        search("down", budget=120)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rows": ROWS[:39]}, "39 cases with a target; 40 are needed"),
        ({"budget": 119}, r"budget=119\): 120 calls at least"),
        ({"formats": 1}, "two formats"),
        ({"batch": 0}, "a batch of one"),
    ],
)
def test_what_can_tell_nothing_is_refused_before_a_call(change, match):
    with pytest.raises(UsageError, match=match):
        search("down", **change)


def test_what_can_not_be_laid_out_is_refused():
    with pytest.raises(UsageError, match="can't be laid out"):
        format_search(task(prompt="{input}"), model="python:parity_for_search:perfect")
    with pytest.raises(UsageError, match="the first argument is a Task"):
        format_search("task", model="m")
    with pytest.raises(UsageError, match="0 cases with a target"):
        format_search(task(labels="none"), model="m")
    with pytest.raises(UnknownNameError, match="format_search"):
        search("perfect", sed=3)


def test_cases_of_a_cluster_stay_on_one_side():
    cases = [Case(id=f"c{i}", fields={"input": "x"}, cluster=f"u{i % 7}") for i in range(70)]
    first, rest = halves(cases, 0)
    assert len(first) + len(rest) == 70
    assert not {c.cluster for c in first} & {c.cluster for c in rest}
    assert 20 <= len(first) <= 35
    with pytest.raises(UsageError, match="one cluster"):
        halves([Case(id=f"c{i}", fields={"input": "x"}, cluster="u") for i in range(50)], 0)


def test_layouts_are_the_variants_of_format():
    found = search("breaks")
    assert re.fullmatch(r"format#\d+", found.worst.name)
    assert found.written.name == "as written"
