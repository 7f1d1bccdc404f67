import random

import pytest

from robusttest.core.nouns import Case, Draft
from robusttest.errors import UsageError
from robusttest.perturbations.prompt import decoding

DRAFT = Draft(case=Case(id="c", fields={"input": "How do I pay?"}), params={"max_tokens": 8})


def run(p, index=0, draft=DRAFT, seed=1):
    return p.apply(draft, random.Random(seed), index)


def test_repeats_ask_the_same_again_and_never_share_the_references_reply():
    drafts = [run(decoding.repeat(), i) for i in range(3)]
    assert [d.sample for d in drafts] == [1, 2, 3]
    assert all(d.with_(sample=0) == DRAFT for d in drafts)
    assert decoding.repeat().level == "repeat"


@pytest.mark.parametrize(
    ("make", "arg", "spec", "param", "value"),
    [
        (decoding.temperature, None, "temperature", "temperature", 0.7),
        (decoding.temperature, "0.7", "temperature:0.7", "temperature", 0.7),
        (decoding.temperature, 0, "temperature:0", "temperature", 0.0),
        (decoding.temperature, 1.50, "temperature:1.5", "temperature", 1.5),
        (decoding.top_p, None, "top_p", "top_p", 0.9),
        (decoding.top_p, "0.5", "top_p:0.5", "top_p", 0.5),
    ],
)
def test_a_decoding_parameter_is_set_over_the_tasks_own(make, arg, spec, param, value):
    p = make() if arg is None else make(arg)
    assert p.spec == spec
    assert p.level == "decoding"
    drafts = [run(p, i) for i in range(2)]
    assert [d.params for d in drafts] == [{"max_tokens": 8, param: value}] * 2
    assert drafts[0].sample != drafts[1].sample
    assert DRAFT.params == {"max_tokens": 8}


def test_the_temperature_of_the_task_itself_is_a_repeat_not_the_reference():
    base = DRAFT.with_(params={"temperature": 0.7})
    assert run(decoding.temperature(0.7), 0, base) == base.with_(sample=1)


@pytest.mark.parametrize("value", ["warm", "", "nan", -0.1, 2.5, float("nan"), True, "inf"])
def test_a_temperature_out_of_range_is_refused(value):
    with pytest.raises(UsageError, match="temperature"):
        decoding.temperature(value)


@pytest.mark.parametrize("value", ["0", 0, 1.01, "x"])
def test_a_nucleus_out_of_range_is_refused(value):
    with pytest.raises(UsageError, match="top_p"):
        decoding.top_p(value)


def test_sampling_seeds_differ_between_variants_and_come_from_the_generator_alone():
    p = decoding.sampling_seed()
    seeds = [run(p, i, seed=i).params["seed"] for i in range(20)]
    assert len(set(seeds)) == 20
    assert seeds == [run(p, 7, seed=i).params["seed"] for i in range(20)]
    assert all(0 <= s < 2**31 for s in seeds)
    taken = DRAFT.with_(params={"seed": seeds[0]})
    assert run(p, 0, taken, seed=0).params["seed"] != seeds[0]
