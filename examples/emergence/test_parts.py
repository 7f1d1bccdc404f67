"""The parts of the study by themselves: questions, answers, splits, models, configurations."""

import re

import pytest
from design import configurations
from learners import KINDS, SIZES, answers, specialist, version
from tasks import DAYS, DESIGNS, NUMBERS, TEST, questions, task

from robusttest.variants.expand import expand_case


def numbers(text: str) -> list[int]:
    return [NUMBERS.index(word) + 1 for word in re.findall(r"[a-z]+", text.lower()) if word in NUMBERS]


@pytest.mark.parametrize("name", DESIGNS)
def test_questions_are_distinct_held_out_and_the_same_each_time(name):
    test, train = questions(name, "test", TEST), questions(name, "train", max(SIZES))
    texts = [text for text, _ in (*test, *train)]
    assert len(set(texts)) == len(texts)
    assert train[:20] == questions(name, "train", 20)
    asked = {answer for _, answer in test}
    assert asked == set(DESIGNS[name].answers), "every answer occurs"
    most = max(sum(a == answer for _, a in test) for answer in asked) / TEST
    assert most < 0.6, "always saying one answer must not look like skill"


def test_answers_follow_from_the_texts():
    """Worked out here again, from the words alone."""
    for text, answer in questions("parity", "test", TEST):
        assert answer == ("odd" if sum(numbers(text)) % 2 else "even"), text
    for text, answer in questions("total", "test", TEST):
        # the thing and "one day" of the third wording are no numbers that count
        counted = numbers(text.replace("one day", "a day"))
        assert answer == ("yes" if sum(counted) > 12 else "no"), text
    for text, answer in questions("comparison", "test", TEST):
        a, b = numbers(text)
        assert answer == ("first" if a > b else "second"), text
    for text, answer in questions("promise", "test", TEST):
        flips = sum(word in text.split() for word in ("false", "refused", "drop"))
        assert answer == ("no" if flips % 2 else "yes"), text
    for text, answer in questions("calendar", "test", TEST):
        day = next(i for i, day in enumerate(DAYS) if day in text)
        (step,) = numbers(text)
        reached = DAYS[(day + (step if " after " in text else -step)) % 7]
        part = {"Monday": "early", "Tuesday": "early", "Wednesday": "middle", "Thursday": "middle"}
        assert answer == part.get(reached, "late"), text


@pytest.mark.parametrize("name", DESIGNS)
def test_each_task_has_24_configurations_that_differ(name):
    asked, case = task(name), task(name).cases[0]
    made = configurations(name)
    variants = list(expand_case(case, made, prompt=asked.prompt, params=asked.params, variants=1))
    put = {(str(asked.render(v)), v.params.get("temperature", 0)) for v in variants if v.status == "ok"}
    assert len(made) == 23
    assert len(put) == 24


def test_more_data_helps_and_tasks_differ():
    def right(kind, size, name):
        asked = task(name)
        given = answers(kind, size, [asked.render(c) for c in asked.cases], 0.0)
        return sum(a == c.target for a, c in zip(given, asked.cases, strict=True)) / len(given)

    assert right("logistic", 600, "topic") > 0.95
    assert right("logistic", 600, "parity") < 0.65, "no sum of single words and pairs says it"
    assert right("network", 600, "comparison") > right("network", 20, "comparison") + 0.15


def test_answers_are_the_same_each_time_and_vary_only_above_temperature_zero():
    asked = task("mood")
    conversations = [asked.render(c) for c in asked.cases[:40]]
    cold = answers("bayes", 20, conversations, 0.0)
    warm = answers("bayes", 20, conversations, 2.0)
    assert cold == answers("bayes", 20, conversations, 0.0)
    assert warm == answers("bayes", 20, conversations, 2.0)
    assert cold != warm
    assert answers("bayes", 20, conversations[:3], 2.0) == warm[:3], "whatever else is in the batch"


def test_a_prompt_of_no_task_is_refused():
    with pytest.raises(ValueError, match="which task"):
        answers("bayes", 20, [[{"role": "system", "content": "Task: chess."}]], 0.0)


def test_six_kinds_at_five_sizes():
    assert len(KINDS) * len(SIZES) * len(DESIGNS) >= 240
    assert specialist("bayes", 20, "topic") is specialist("bayes", 20, "topic")
    assert re.fullmatch(r"[\d.]+\w*-[0-9a-f]{12}", version())
