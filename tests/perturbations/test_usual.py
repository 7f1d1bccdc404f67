"""The usual list, by the task's kind."""

from __future__ import annotations

import pytest

from robusttest import Task, evaluate, load_cases
from robusttest.core.nouns import Prompt
from robusttest.engine.job import Job
from robusttest.errors import UsageError
from robusttest.perturbations import make, make_all
from robusttest.perturbations.base.usual import GROUPS, USUAL, fitting
from robusttest.scorers import choice

PLAIN = Task("plain", cases=[{"id": "a", "input": "where is my refund", "target": "x"}], scorer="exact")
OPTIONS = Task(
    "options",
    cases=[{"id": "a", "input": "where is my refund", "target": "billing"}],
    prompt="{input}\n{options}",
    scorer=choice(["billing", "account"]),
)


def specs(job: Job) -> list[str]:
    return [p.spec for p in job.wanted]


def test_each_kind_of_task_gets_what_it_can_show() -> None:
    plain = specs(Job(PLAIN, "python:m:f", "usual"))
    assert plain == [s for s in USUAL if s not in ("option_order", "demo_order")]
    assert specs(Job(OPTIONS, "python:m:f", ["usual"])) == [s for s in USUAL if s != "demo_order"]
    demos = Task(
        "demos",
        cases=[{"input": "a b c", "target": "x"}],
        demos=[{"input": "one", "target": "x"}, {"input": "two", "target": "y"}],
        scorer="exact",
    )
    assert "demo_order" in specs(Job(demos, "python:m:f", "usual"))


def test_a_body_is_tried_with_the_texts_alone() -> None:
    wanted = fitting(make_all("usual"), None, load_cases([{"input": "x"}]))
    assert {p.level for p in wanted} == {"input"}


def test_what_is_named_beside_it_is_not_listed_twice_and_stays() -> None:
    wanted = specs(Job(PLAIN, "python:m:f", ["usual", "ocr", "keyboard:0.3", "option_order"]))
    assert wanted.count("ocr") == 1
    assert {"keyboard", "keyboard:0.3", "option_order"} <= set(wanted)


@pytest.mark.parametrize("group", GROUPS)
def test_all_of_it_leaves_the_right_answer(group: str) -> None:
    assert [p.spec for p in make_all(group)] == list(GROUPS[group])
    for p in make_all(group):
        assert p.usual
        assert p.preserves in ("preserves", "probably"), p.spec
        assert p.rewrite is None
    assert not make("ocr").usual


def test_no_perturbation_may_take_its_name() -> None:
    with pytest.raises(UsageError, match="usual"):
        make("usual")


def test_a_prompt_without_options_shows_none() -> None:
    p = Prompt(template="{input}")
    assert "option_order" not in [q.spec for q in fitting(make_all("usual"), p, OPTIONS.cases)]


def test_evaluate_takes_it(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "usual_model.py").write_text("def f(prompt): return 'x'\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = evaluate(PLAIN, model="python:usual_model:f", perturbations="usual", variants=1)
    assert {"keyboard", "ocr"} <= set(result.perturbations)
    assert result.accuracy.value == 1


def test_groups_side_by_side_hold_each_once() -> None:
    found = [p.spec for p in make_all(["usual", "typos", "layout"])]
    assert len(found) == len(set(found)) == len({*USUAL, *GROUPS["typos"], *GROUPS["layout"]})
    layout = fitting(make_all("layout"), Prompt(template="{input}"), OPTIONS.cases)
    assert [p.spec for p in layout] == ["format", "rendering", "prompt_edges"]
