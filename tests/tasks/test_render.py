"""Rendering: templates, options, examples, conversations, content parts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.markers import letter, marker_text, roman
from robusttest.core.nouns import Case, Draft, Prompt
from robusttest.errors import UsageError
from robusttest.tasks.render import fill_in, prompt_text, render


def messages(prompt: Prompt, **case: object) -> tuple:
    fields = case.pop("fields", {"input": "hello"})
    return render(Draft(case=Case(id="1", fields=fields, **case), prompt=prompt))


def test_a_template_becomes_a_user_message():
    assert messages(Prompt(template="Say: {input}")) == ({"role": "user", "content": "Say: hello"},)


def test_a_system_prompt_comes_first_and_is_a_template():
    first, second = messages(Prompt(system="About {input}"))
    assert first == {"role": "system", "content": "About hello"}
    assert second["role"] == "user"


def test_options_in_one_line_and_marked():
    prompt = Prompt(template="{choices}\n{options}", choice_separator=" | ", option_marker="({roman}) ")
    assert messages(prompt, choices=("x", "y"))[0]["content"] == "x | y\n(i) x\n(ii) y"


def test_braces():
    assert fill_in("{{a}} {b} { } {1}", {"b": "x"}) == "{a} x { } {1}"
    assert fill_in("{{{b}}}", {"b": "x"}) == "{x}"
    with pytest.raises(UsageError, match="no such field"):
        fill_in("{c}", {"b": 1})
    with pytest.raises(UsageError, match=r"write \{b\} alone"):
        fill_in("{b.__class__}", {"b": 1})


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_what_is_filled_in_is_never_a_template(text):
    assert fill_in("<{x}>", {"x": text}) == f"<{text}>"
    assert fill_in("<{x}>", {"x": "{y}" + text, "y": "secret"}) == "<{y}" + text + ">"


def test_values_of_other_types():
    assert fill_in("{a} {b} {c} {d}", {"a": 1, "b": None, "c": [1, "é"], "d": True}) == '1  [1, "é"] true'


DEMO = Case(id="d", fields={"input": "hi"}, target="greeting", choices=("greeting", "other"))


def test_examples_come_before_the_question():
    prompt = Prompt(template="T: {input}\nA:", demos=(DEMO, DEMO))
    assert messages(prompt)[0]["content"] == "T: hi\nA: greeting\n\nT: hi\nA: greeting\n\nT: hello\nA:"


def test_examples_have_a_template_of_their_own():
    prompt = Prompt(
        template="{input} =>", demos=(DEMO,), demo_template="{input} => {target}!", demo_separator="\n"
    )
    assert messages(prompt)[0]["content"] == "hi => greeting!\nhello =>"


def test_a_conversation():
    prompt = Prompt(
        template=None,
        messages=(
            {"role": "user", "content": "I am {name}"},
            {"role": "assistant", "content": "Hello {name}"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "user", "content": "{input}"},
        ),
        demos=(DEMO,),
    )
    out = messages(prompt, fields={"input": "hello", "name": "Ann"})
    assert [m["content"] for m in out] == ["I am Ann", "Hello Ann", None, "hi greeting\n\nhello"]
    assert out[2]["tool_calls"] == [{"id": "1"}]
    assert "[assistant]\nHello Ann" in prompt_text(out)


def test_a_history_from_a_field():
    prompt = Prompt(
        template=None,
        messages=({"role": "placeholder", "content": "{history}"}, {"role": "user", "content": "{input}"}),
    )
    history = [{"role": "user", "content": "{not a field}"}]
    assert messages(prompt, fields={"input": "x", "history": history})[0] == history[0]
    with pytest.raises(UsageError, match="list of messages"):
        messages(prompt, fields={"input": "x", "history": "text"})


def test_content_parts_pass_unchanged():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,{AA}=="}}
    prompt = Prompt(
        template=None, messages=({"role": "user", "content": [{"type": "text", "text": "{input}"}, image]},)
    )
    assert messages(prompt)[0]["content"] == [{"type": "text", "text": "hello"}, image]
    parts = [{"type": "text", "text": "{x}"}, image]
    assert messages(Prompt(), fields={"input": parts})[0]["content"] == parts


def test_an_image_of_the_case():
    part = {"type": "image_url", "image_url": {"url": "{picture}"}}
    prompt = Prompt(template=None, messages=({"role": "user", "content": [part]},))
    out = messages(prompt, fields={"input": "x", "picture": "https://example.com/a.png"})
    assert out[0]["content"][0]["image_url"]["url"] == "https://example.com/a.png"
    assert part["image_url"]["url"] == "{picture}"


def test_without_a_prompt_there_is_nothing_to_render():
    with pytest.raises(UsageError, match="body of its own"):
        render(Draft(case=DEMO))


def test_markers():
    assert [letter(i) for i in (0, 25, 26, 27)] == ["A", "Z", "AA", "AB"]
    assert [roman(i) for i in (1, 4, 9, 14)] == ["i", "iv", "ix", "xiv"]
    assert marker_text("[{lower}] {number}", 2) == "[c] 3"


def test_a_prompt_that_is_a_conversation_alone_is_its_messages():
    turns = [
        {"role": "user", "content": "where is {it}"},
        {"role": "assistant", "content": "what?"},
        {"role": "user", "content": "my parcel"},
    ]
    case = Case(id="1", fields={"input": turns}, target="x")
    system = {"role": "system", "content": "Be brief."}
    assert render(Draft(case=case, prompt=Prompt(system="Be brief."))) == (system, *turns)
    assert render(Draft(case=case, prompt=Prompt(template="{input}"))) == tuple(turns)
    (within,) = render(Draft(case=case, prompt=Prompt(template="Sum it up: {input}")))
    assert within["content"].startswith('Sum it up: [{"role": "user"')
