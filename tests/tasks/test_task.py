"""Tasks: what is refused before any call, and what becomes of cases and prompt."""

from __future__ import annotations

import pickle

import pytest

from robusttest.core.nouns import Case, Completion, Draft, Prompt, Score, Variant
from robusttest.errors import CaseError, UnknownNameError, UsageError
from robusttest.scorers import choice, exact, judge, numeric
from robusttest.tasks.task import Task

PAIRS = [("pay", "billing"), ("where", "delivery")]
LABELS = ["billing", "delivery"]


def test_labels_become_the_choices_of_each_case():
    task = Task("t", cases=PAIRS, prompt="{choices}: {input}", scorer=choice(LABELS))
    assert task.choices == ("billing", "delivery")
    assert all(c.choices == task.choices for c in task.cases)
    assert task.render(task.cases[0])[0]["content"] == "billing, delivery: pay"
    assert len(task) == 2


def test_the_prompt_defaults_to_the_input_and_the_scorer_to_what_fits():
    assert Task(cases=PAIRS).render(Task(cases=PAIRS).cases[0]) == ({"role": "user", "content": "pay"},)
    assert Task(cases=PAIRS).scorer == exact()
    assert Task(cases=PAIRS, choices=LABELS).scorer == choice()
    assert Task(cases=PAIRS).name == "task"


def test_columns_that_the_prompt_shows_become_fields():
    rows = [{"input": "q", "target": "a", "context": "c", "other": 1}]
    task = Task(cases=rows, prompt="{context} {input}")
    assert task.cases[0].fields == {"input": "q", "context": "c"}
    assert task.cases[0].metadata == {"other": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "{imput}"}, r"prompt shows \{imput\}.*Did you mean \{input\}"),
        ({"prompt": "{input}", "system": "{name}"}, r"system shows \{name\}"),
        ({"messages": [{"role": "user", "content": "{x}"}]}, r"messages\[0\] shows \{x\}"),
        ({"prompt": "{input.x}"}, r"write \{input\} alone"),
        ({"prompt": '{input} {"a": {{1}}'}, "single and doubled braces"),
        ({"prompt": "{input} {options}"}, "has no choices: give choices="),
        ({"prompt": 3}, "is not a text"),
        ({"prompt": "a", "messages": [{"role": "user"}]}, "not both"),
        ({"messages": []}, "not a non-empty list"),
        ({"messages": [{"content": "x"}]}, "not a dict with a role"),
        ({"prompt": Prompt(), "system": "x"}, "prompt is a Prompt already"),
        ({"name": " "}, "a name is a non-empty text"),
        ({"params": {"x": {1}}}, "are not JSON values"),
        ({"scorer": choice(LABELS), "choices": ["x", "y"]}, "differ; give one"),
    ],
)
def test_mistakes_are_refused_by_name(arguments, message):
    with pytest.raises(UsageError, match=message):
        Task(**{"cases": PAIRS, **arguments})


@pytest.mark.parametrize(
    ("cases", "scorer", "message"),
    [
        ([], None, "no cases"),
        (PAIRS, choice(["billing", "account"]), "'delivery' is none of its choices"),
        ([("a", "b")], numeric(), "the target 'b' is no number"),
        ([{"input": "a"}], exact(), "has no target"),
        (PAIRS, choice(), "it has no choices"),
        ([{"input": "a", "target": []}], exact(), "empty list"),
    ],
)
def test_cases_that_a_scorer_cannot_judge_are_refused(cases, scorer, message):
    with pytest.raises(CaseError, match=message):
        Task("t", cases=cases, scorer=scorer)


def test_an_unknown_scorer_says_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'exact'"):
        Task(cases=PAIRS, scorer="exakt")


def test_literal_braces():
    def said(prompt):
        task = Task(cases=PAIRS, prompt=prompt)
        return task.render(task.cases[0])[0]["content"]

    assert said('{input}: {"a": 1}') == 'pay: {"a": 1}'
    assert said("{input}: {{choices}}") == "pay: {choices}"


def test_a_function_needs_no_target():
    task = Task(cases=["a"], scorer=lambda reply, target: reply == "a")
    variant = Variant(original=task.cases[0], draft=Draft(case=task.cases[0], prompt=task.prompt))
    assert task.score(Completion(text="a"), variant).value == 1
    assert task.render(variant)[0]["content"] == "a"


def test_examples_are_cases_with_the_same_choices():
    task = Task(cases=PAIRS, prompt="{choices}? {input}", scorer=choice(LABELS), demos=[("refund", "B")])
    assert task.prompt.demos[0].target == "delivery"
    assert "refund delivery" in task.render(task.cases[0])[0]["content"]


def test_tasks_compare_pickle_and_stay_as_they_are():
    make = lambda: Task("t", cases=PAIRS, scorer=choice(LABELS), params={"temperature": 0})  # noqa: E731
    assert make() == make()
    assert pickle.loads(pickle.dumps(make())) == make()
    assert make() != Task("u", cases=PAIRS, scorer=choice(LABELS))
    with pytest.raises(AttributeError):
        make().name = "x"
    assert repr(make()) == "<task 't': 2 cases, scorer choice>"


def test_cases_with_their_own_ids_and_lists_of_cases():
    case = Case(id="1", fields={"q": "x"}, target="y")
    assert Task(cases=[case], prompt="{q}").cases == (case,)
    assert Task(cases=[case]).render(case)[0]["content"] == "x"


@pytest.mark.parametrize("prompt", ["Which letter comes first?", "One of {choices}."])
def test_a_prompt_that_shows_nothing_of_a_case_is_refused(prompt):
    cases = [{"input": "a or b", "target": "a"}, {"input": "b or a", "target": "b"}]
    with pytest.raises(UsageError, match=r"shows nothing of a case.*write \{input\}"):
        Task("t", cases=cases, prompt=prompt, scorer=choice(["a", "b"]))


def test_options_of_its_own_are_something_of_a_case():
    cases = [{"input": "", "choices": ["a", x], "target": x, "id": x} for x in ("b", "c")]
    assert len(Task("t", cases=cases, prompt="Which is a consonant?\n{options}")) == 2


def test_a_task_without_targets_needs_no_labels():
    bare = [{"input": "a"}, {"input": "b"}]
    assert Task("t", cases=bare).labels == "none"
    assert Task("t", cases=bare, scorer=choice(["a", "b"]), labels="none").labels == "none"
    assert Task("t", cases=[("a", "b")]).labels == "targets"
    with pytest.raises(CaseError, match="labels='none' measures how answers hold together"):
        Task("t", cases=bare, scorer=choice(["a", "b"]))
    with pytest.raises(UsageError, match="says what is right without a target"):
        Task("t", cases=bare, scorer=lambda reply: 1.0, labels="none")
    with pytest.raises(UsageError, match="'targets' or 'none'"):
        Task("t", cases=bare, labels="off")


def test_by_names_columns_by_which_results_are_broken_down() -> None:
    rows = [
        {"input": "a", "target": "yes", "topic": "billing", "length": 3},
        {"input": "b", "target": "no", "topic": "delivery", "length": None},
    ]
    task = Task("t", cases=rows, by=["topic", "target", "length"])
    assert [c.by for c in task.cases] == [
        {"topic": "billing", "target": "yes", "length": "3"},
        {"topic": "delivery", "target": "no"},
    ]
    with pytest.raises(UsageError, match=r"by='topics': no case has such a column. Did you mean 'topic'\?"):
        Task("t", cases=rows, by="topics")


def test_a_second_scorer_says_what_it_reads_in_the_same_reply() -> None:
    task = Task("t", cases=[{"input": "a", "target": "yes"}], scorer="exact", scorer_check="includes")
    variant = Variant(original=task.cases[0], draft=Draft(case=task.cases[0]))
    score = task.score(Completion(text="Well, yes"), variant)
    assert isinstance(score, Score)
    assert score.value == 0
    assert score.check == {"value": 1.0, "answer": "yes", "status": "ok"}
    judged = Task("t", cases=[{"input": "a", "target": "yes"}], scorer_check=judge(model="openai/j"))
    steps = judged.score(Completion(text="yes"), variant)
    assert not isinstance(steps, Score)
    next(steps)
    with pytest.raises(StopIteration) as done:
        steps.send(Completion(text="GRADE: 0.4"))
    assert done.value.value.check == {"value": 0.4, "answer": "yes", "status": "ok", "judge": True}
    assert done.value.value.value == 1
    with pytest.raises(CaseError, match=r"scorer_check: case .* no target"):
        Task(
            "t",
            cases=[{"input": "a"}],
            scorer=judge(model="openai/j", template="{answer}"),
            scorer_check="exact",
        )


def test_a_task_of_several_prompts_is_one_task_for_each():
    rows = [{"id": "1", "input": "a", "target": "yes"}, {"id": "2", "input": "b", "target": "no"}]
    task = Task("t", cases=iter(rows), prompts={"short": "{input}?", "long": "Say yes or no: {input}"})
    assert (task.name, list(task.prompts), task.prompt.template) == ("t", ["short", "long"], "{input}?")
    long = task.prompts["long"]
    assert (long.name, long.prompt_name, long.prompts) == ("t [long]", "long", {})
    assert long.render(long.cases[0])[0]["content"] == "Say yes or no: a"
    assert [c.id for c in long.cases] == ["1", "2"]
    assert pickle.loads(pickle.dumps(task)).prompts["long"] == long
    for wrong, said in (
        ({"prompts": {"one": "{input}"}}, "two prompts or more"),
        ({"prompts": {"a": "{input}", "b": 3}}, r"prompts\['b'\]=3 is neither"),
        ({"prompts": {"a": "{input}", "": "x {input}"}}, "no name of a prompt"),
        ({"prompts": {"a": "{input}", "b": "{inptu}"}}, r"task 't \[b\]'.*Did you mean"),
        ({"prompts": {"a": "{input}", "b": "x {input}"}, "prompt": "{input}"}, "one of them"),
    ):
        with pytest.raises(UsageError, match=said):
            Task("t", cases=rows, **wrong)
