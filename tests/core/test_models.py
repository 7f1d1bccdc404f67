"""A model is a string with more to it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from robusttest import Model, Task, UsageError
from robusttest.core.formats import json_params
from robusttest.core.models import asked, merged, one_temperature, table_of
from robusttest.core.names import is_callable


def test_it_is_its_name_wherever_a_name_is_wanted():
    model = Model("openai/gpt-5-mini", name="gpt5", params={"reasoning_effort": "low"})
    assert model == "gpt5"
    assert {model: 1}["gpt5"] == 1
    assert json.dumps([model]) == '["gpt5"]'
    assert f"{model}" == "gpt5"
    assert asked(model) == "openai/gpt-5-mini"
    assert asked("openai/x") == "openai/x"
    assert Model("openai/x") == "openai/x"
    assert is_callable(Model("python:m:f", name="mine"))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_keep_what_it_is(again):
    model = Model("openai/x", name="x", params={"seed": 1}, drop=["top_p"], endpoints=["http://a/v1"])
    made = again(model)
    assert (made, made.asked, made.params, made.drop, made.endpoints, made.named) == (
        model, model.asked, model.params, model.drop, model.endpoints, True,
    )  # fmt: skip


def test_a_key_in_its_parameters_is_not_shown():
    assert "sk-secret" not in repr(Model("openai/x", params={"api_key": "sk-secret"}))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": ""}, "first argument is a model's name"),
        ({"model": 3}, "first argument is a model's name"),
        ({"name": "a]b"}, "without brackets"),
        ({"name": ""}, "without brackets"),
        ({"params": [1]}, "a mapping"),
        ({"params": {"a": float("nan")}}, "not JSON values"),
        ({"drop": "temperature"}, "are lists"),
        ({"drop": ["seed"], "params": {"seed": 1}}, "seed is in params and in drop"),
        ({"endpoints": ["localhost:8000"]}, "write the whole address, as in http://localhost:8000/v1"),
        ({"endpoints": ["http://a", "http://a"]}, "listed twice"),
        ({"endpoints": ["http://a"], "params": {"api_base": "http://b"}}, "not both"),
        ({"model": "python:m:f", "endpoints": ["http://a"]}, "no endpoints"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(UsageError, match=said):
        Model(arguments.pop("model", "openai/x"), **arguments)


def test_parameters_of_the_model_stand_over_those_of_the_task():
    model = Model("openai/x", params={"seed": 2, "top_p": None}, drop=["stop", "user"])
    given = {"seed": 1, "top_p": 0.5, "stop": "x", "temperature": 0}
    assert merged(model, given) == ({"seed": 2, "temperature": 0}, ("stop", "top_p"))
    assert merged("openai/x", given) == (given, ())


def test_models_that_take_one_temperature_are_not_sent_another():
    assert merged("openai/gpt-5-mini", {"temperature": 0, "max_tokens": 8}) == (
        {"max_tokens": 8},
        ("temperature",),
    )
    assert merged("openai/gpt-5-mini", {"temperature": 1}) == ({"temperature": 1}, ())
    assert merged(Model("openai/o3", name="best"), {"temperature": 0.7})[1] == ("temperature",)


def test_which_those_are_says_litellm():
    from robusttest.gateway.litellm.preflight import load_litellm

    litellm, _ = load_litellm()

    def refuses(name):
        try:
            litellm.utils.get_optional_params(
                model=name, custom_llm_provider="openai", temperature=0, drop_params=False
            )
        except litellm.UnsupportedParamsError:
            return True
        return False

    names = [
        name
        for name, facts in litellm.model_cost.items()
        if facts.get("litellm_provider") == "openai" and facts.get("mode") == "chat" and "/" not in name
    ]
    assert len(names) > 50
    assert {n for n in names if one_temperature(n)} == {n for n in names if refuses(n)}
    assert one_temperature("openai/o3-mini")
    assert not one_temperature("openrouter/openai/o3-mini")


# --- response_format


def test_a_pydantic_class_is_its_schema_as_litellm_writes_it():
    import pydantic
    from litellm.llms.base_llm.base_utils import type_to_response_format_param

    class Part(pydantic.BaseModel):
        name: str
        size: int | None = None

    class Order(pydantic.BaseModel):
        """What was ordered."""

        number: int
        parts: list[Part]
        note: str = pydantic.Field(description="free text")

    made = json_params({"response_format": Order, "seed": 1})
    assert made["seed"] == 1
    assert made["response_format"] == type_to_response_format_param(Order)
    task = Task(cases=[{"input": "a", "target": "b"}], prompt="{input}", params={"response_format": Order})
    assert task.params["response_format"] == made["response_format"]
    assert json.dumps(made)


def test_other_formats_pass_unchanged():
    for value in ({"type": "json_object"}, None, "text"):
        assert json_params({"response_format": value}) == {"response_format": value}


# --- the table


def test_models_of_a_pyproject(tmp_path):
    file = tmp_path / "pyproject.toml"
    assert table_of(file) == {}
    file.write_text(
        '[tool.robusttest.models.gpt5]\nmodel = "openai/gpt-5-mini"\nparams = {reasoning_effort = "low"}\n'
        'drop = ["temperature"]\n[tool.robusttest.models.local]\nmodel = "hosted_vllm/x"\n'
        'endpoints = ["http://a:1/v1", "http://b:1/v1"]\n'
    )
    found = table_of(file)
    assert found["gpt5"].asked == "openai/gpt-5-mini"
    assert found["gpt5"].params == {"reasoning_effort": "low"}
    assert found["gpt5"].drop == ("temperature",)
    assert found["local"].endpoints == ("http://a:1/v1", "http://b:1/v1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.robusttest]\nmodels = 3", "a table of tables"),
        ("[tool.robusttest.models]\nx = 3", "a table with model"),
        ("[tool.robusttest.models.x]\nparams = {}", "a table with model"),
        (
            '[tool.robusttest.models.x]\nmodel = "a/b"\nparam = {}',
            "unknown key 'param'. Did you mean 'params'",
        ),
        ('[tool.robusttest.models.x]\nmodel = "a/b"\ndrop = "seed"', "drop and endpoints are lists"),
    ],
)
def test_a_wrong_table_is_refused_by_its_place(tmp_path, text, said):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=said) as e:
        table_of(tmp_path / "pyproject.toml")
    assert "tool.robusttest.models" in str(e.value)
