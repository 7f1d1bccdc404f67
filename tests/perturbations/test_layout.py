import json
import random
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, NotApplicable, Prompt
from robusttest.errors import UsageError
from robusttest.perturbations.prompt import as_data, layout
from robusttest.perturbations.prompt.as_data import rendering
from robusttest.perturbations.prompt.templates import field_lines, placeholders, rewrite_lines

CASE = Case(
    id="t1",
    fields={"passage": "A dog\nbarked.", "question": 'Who "barked"?'},
    target="dog",
    choices=("dog", "cat"),
)
TEMPLATE = "Read and answer.\n\nPassage: {passage}\nQuestion: {question}\n\nOptions:\n{options}\nAnswer:"
PROMPT = Prompt(template=TEMPLATE)
DRAFT = Draft(case=CASE, prompt=PROMPT)


def run(perturbation, index=0, draft=DRAFT, seed=0):
    return perturbation.apply(draft, random.Random(seed), index)


def identity(prompt):
    return (
        prompt.template,
        prompt.demo_template,
        prompt.option_marker,
        prompt.option_separator,
        prompt.choice_separator,
    )


def test_field_lines_and_the_cue_are_found_and_sentences_are_not():
    found = [(line.descriptor, line.separator, line.value) for line in field_lines(TEMPLATE)]
    assert found == [
        ("Passage", ": ", "{passage}"),
        ("Question", ": ", "{question}"),
        ("Options", ":\n", "{options}"),
        ("Answer", ":", ""),
    ]
    assert field_lines("Which one handles this? One of: {choices}\nWrite only one of the words above:") == []
    assert field_lines('{{"a": {input}}}') == []


def test_lines_are_rewritten_and_the_rest_is_left():
    out = rewrite_lines(TEMPLATE, descriptor=str.upper, separator=" - ", gap="\n\n", order=(1, 0, 2))
    assert (
        out
        == "Read and answer.\n\nQUESTION - {question}\n\nPASSAGE - {passage}\n\nOPTIONS - {options}\n\nANSWER -"
    )


def test_formats_are_distinct_keep_the_placeholders_and_do_not_repeat():
    made = [run(layout.format_(), i) for i in range(300)]
    assert len({identity(d.prompt) for d in made} | {identity(PROMPT)}) == 301
    for d in made:
        assert sorted(placeholders(d.prompt.template)) == sorted(placeholders(TEMPLATE))
        assert d.prompt.template.startswith("Read and answer.\n\n")
        assert re.split(r"\W+", d.prompt.template.lower()).count("answer") == 2
        assert d.prompt.template == d.prompt.template.rstrip(" \t")
        assert d.case == CASE


def test_variant_i_is_the_same_format_for_every_case_and_generator():
    other = DRAFT.with_(case=Case(id="t9", fields={"passage": "x", "question": "y"}, choices=("a", "b")))
    for i in range(10):
        assert run(layout.format_(), i, other, seed=i).prompt == run(layout.format_(), i).prompt
    assert [run(layout.format_("1"), i).prompt for i in range(5)] != [
        run(layout.format_(), i).prompt for i in range(5)
    ]
    assert layout.format_("1").spec == "format:1"


def test_every_dimension_is_reached():
    made = [run(layout.format_(), i).prompt for i in range(300)]
    assert any("PASSAGE" in m.template for m in made)
    assert any("passage - {passage}" in m.template.lower() for m in made)
    assert any(m.template.lower().index("question") < m.template.lower().index("passage") for m in made)
    assert any(" || " in m.template for m in made)
    assert len({m.option_marker for m in made}) > 6
    assert len({m.option_separator for m in made}) > 2
    assert {m.choice_separator for m in made} == {PROMPT.choice_separator}


def test_demo_templates_follow_the_format():
    prompt = Prompt(template="Q: {input}\nA:", demo_template="Q: {input}\nA: {target}")
    draft = Draft(case=Case(id="a", fields={"input": "x"}), prompt=prompt)
    for i in range(40):
        made = run(layout.format_(), i, draft).prompt
        assert made.demo_template.partition("{input}")[0] == made.template.partition("{input}")[0]
        assert made.demo_template.endswith("{target}")


def test_a_small_space_ends_and_says_so():
    draft = Draft(case=CASE, prompt=Prompt(template="One of {choices}: {question}"))
    made = []
    while not isinstance(out := run(layout.format_(), len(made), draft), NotApplicable):
        made.append(out.prompt.choice_separator)
    assert sorted(made) == sorted(set(layout.CHOICE_SEPARATORS) - {", "})
    assert "4 other formats only" in out.reason


@pytest.mark.parametrize("prompt", [None, Prompt(), Prompt(template="Say {input} again.")])
def test_nothing_to_lay_out_is_not_applicable(prompt):
    assert isinstance(run(layout.format_(), draft=DRAFT.with_(prompt=prompt)), NotApplicable)


@pytest.mark.parametrize("arg", ["x", "-1", "1.5", ""])
def test_a_wrong_set_of_formats_is_refused(arg):
    with pytest.raises(UsageError, match="format"):
        layout.format_(arg)


def test_messages_are_laid_out_and_content_parts_pass_unchanged():
    image = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    messages = ({"role": "user", "content": image}, {"role": "user", "content": "Ticket: {input}\nTeam:"})
    draft = Draft(case=Case(id="a", fields={"input": "x"}), prompt=Prompt(template=None, messages=messages))
    out = run(layout.format_(), 0, draft).prompt.messages
    assert out[0] == messages[0]
    assert out[1] != messages[1]
    assert "{input}" in out[1]["content"]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("Ab{}x:\n -|=\t."), max_size=80))
def test_rewriting_never_touches_a_placeholder(text):
    out = rewrite_lines(text, descriptor=str.upper, separator=": ", gap="\n\n")
    assert [m for m in re.findall(r"\{[^{}]*\}", out)] == [m for m in re.findall(r"\{[^{}]*\}", text)]
    assert rewrite_lines(text) == text


# --- labels


def test_option_labels_come_one_after_the_other():
    p = layout.option_labels()
    made = [run(p, i) for i in range(11)]
    assert {d.prompt.option_marker for d in made} == set(layout.OPTION_MARKERS) - {"{letter}) "}
    assert "11 other labels" in run(p, 11).reason
    assert [run(layout.option_labels("roman"), i).prompt.option_marker for i in range(2)] == [
        "{roman}. ",
        "{roman}) ",
    ]


def test_a_prompt_that_asks_for_the_letter_keeps_letters():
    draft = DRAFT.with_(prompt=Prompt(template="{question}\n{options}\nAnswer with the letter."))
    p = layout.option_labels()
    assert all("{letter}" in run(p, i, draft).prompt.option_marker for i in range(4))
    assert isinstance(run(p, 4, draft), NotApplicable)


def test_labels_need_options():
    assert isinstance(
        run(layout.option_labels(), draft=DRAFT.with_(prompt=Prompt(template="{question} {choices}"))),
        NotApplicable,
    )
    no_choices = DRAFT.with_(case=Case(id="x", fields=CASE.fields))
    assert isinstance(run(layout.option_labels(), draft=no_choices), NotApplicable)


# --- rendering


def fill(draft):
    return draft.prompt.template.format_map({**draft.case.fields, "options": "A) dog\nB) cat"})


def test_json_reads_back_as_the_fields():
    out = run(rendering("json"))
    text = fill(out)
    data = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert data == {"Passage": "A dog\nbarked.", "Question": 'Who "barked"?', "Options": ["dog", "cat"]}
    assert text.startswith("Read and answer.\n\n{")
    assert text.endswith("}\nAnswer:")


def test_yaml_reads_back_as_the_fields():
    nasty = Case(id="y", fields={"passage": "yes", "question": "- a: 'b' # c\n\té"}, choices=("no", "1"))
    text = fill(run(rendering("yaml"), draft=DRAFT.with_(case=nasty)))
    data = yaml.safe_load(text[len("Read and answer.\n\n") : -len("\nAnswer:")])
    assert data == {"Passage": "yes", "Question": "- a: 'b' # c\n\té", "Options": ["no", "1"]}


@given(st.text(max_size=40), st.text(max_size=10))
def test_any_text_reads_back_from_yaml(passage, option):

    text = as_data.STYLES["yaml"]([("Passage", passage), ("Options", [option, "1"]), ("Yes", True)])
    assert yaml.safe_load(text) == {"Passage": passage, "Options": [option, "1"], "Yes": True}
    assert not text.endswith("\n\n")


def test_markdown_has_a_heading_for_each_field():
    assert fill(run(rendering("markdown"))) == (
        'Read and answer.\n\n## Passage\nA dog\nbarked.\n## Question\nWho "barked"?\n'
        "## Options\n- dog\n- cat\nAnswer:"
    )


def test_three_renderings_then_no_more():
    made = [run(rendering(), i).prompt.template for i in range(3)]
    assert len(set(made)) == 3
    assert isinstance(run(rendering(), 3), NotApplicable)
    assert rendering().limit == 3


def test_fields_that_are_yaml_already_are_not_rendered_so():
    draft = DRAFT.with_(
        case=Case(id="a", fields={"a": "one", "b": "two"}), prompt=Prompt(template="A: {a}\nB: {b}\nC:")
    )
    assert "as yaml already" in run(rendering("yaml"), draft=draft).reason
    quoted = draft.with_(case=Case(id="a", fields={"a": "one: 1", "b": "two"}))
    assert "A: 'one: 1'" in fill_fields(run(rendering("yaml"), draft=quoted))


def fill_fields(draft):
    return draft.prompt.template.format_map(draft.case.fields)


def test_rendering_keeps_what_the_case_says_of_its_input_and_target():
    case = Case(id="a", fields={"text": "hello"}, target="x")
    draft = Draft(
        case=case, prompt=Prompt(template="Text: {text}", demos=(Case(id="d", fields={"text": "demo"}),))
    )
    out = run(rendering("json"), draft=draft)
    assert out.case.input == "hello"
    assert out.case.target == "x"
    name = placeholders(out.prompt.template)[0]
    assert json.loads(out.prompt.demos[0].fields[name]) == {"Text": "demo"}


def test_a_bare_field_is_rendered_under_its_name():
    draft = Draft(case=Case(id="a", fields={"input": "hi"}), prompt=Prompt())
    assert fill(run(rendering("json"), draft=draft)) == '{\n  "input": "hi"\n}'
    inline = draft.with_(prompt=Prompt(template="Say {input} again"))
    assert isinstance(run(rendering("json"), draft=inline), NotApplicable)
    assert isinstance(run(rendering("json"), draft=draft.with_(prompt=None)), NotApplicable)


def test_the_answer_of_a_demo_stays_last():
    from robusttest.perturbations.prompt.templates import block

    assert block("A: {a}\nB: {b}\nAnswer: {target}") == (0, 2)
    assert block("A: {a}\n\nand then\nB: {b}\nC: {c}\nAnswer:") == (1, 2)
    assert block("Answer:") == (0, 0)


# --- the ways in which people write a prompt

WRITTEN = {
    "heading": "Read.\n\n## Passage\n{passage}\n\n## Question\n{question}\n\n## Answer\n",
    "bold": "**Passage:** {passage}\n**Question**: {question}\n**Answer:**",
    "xml": "<passage>\n{passage}\n</passage>\n<question>{question}</question>\nAnswer:",
    "inline": "Passage: {passage} Question: {question} Answer:",
    "bullet": "- Passage: {passage}\n- Question: {question}\n- Answer:",
    "bracket": "[Passage] {passage}\n[Question]\n{question}\n[Answer]",
    "chinese": "文章：{passage}\n问题：{question}\n答案：",
    "chinese, inline": "文章：{passage} 问题：{question} 答案：",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_lines_are_found_however_people_write_them(kind):
    template = WRITTEN[kind]
    lines = field_lines(template)
    names = ["文章", "问题", "答案"] if "chinese" in kind else ["passage", "question", "answer"]
    assert [line.descriptor.lower() for line in lines] == names
    assert [line.value for line in lines] == ["{passage}", "{question}", ""]
    assert {line.style for line in lines} <= {"plain", "inline", kind}
    assert rewrite_lines(template) == template


@pytest.mark.parametrize("kind", WRITTEN)
def test_formats_keep_the_kind_and_what_is_asked(kind):
    template = WRITTEN[kind]
    draft = Draft(case=CASE, prompt=Prompt(template=template))
    made = []
    while len(made) < 60 and not isinstance(out := run(layout.format_(), len(made), draft), NotApplicable):
        made.append(out.prompt.template)
    assert len(made) > 20
    assert len({*made, template}) == len(made) + 1
    for m in made:
        assert sorted(placeholders(m)) == ["passage", "question"]
        assert m == m.rstrip(" \t")
        words = re.findall(r"\w+", re.sub(r"\{\w+\}", "", m.lower()))
        assert sorted(words) == sorted(re.findall(r"\w+", re.sub(r"\{\w+\}", "", template.lower())))
        if kind == "heading":
            assert len(re.findall(r"(?m)^## \w+$", m)) == 3
        if kind == "bullet":
            assert len(re.findall(r"(?m)^- \w", m)) == 3
        if kind == "xml":
            assert re.search(r"(?s)<(question)>\s*\{question\}\s*</\1>", m.lower())
        if kind == "bold":
            assert m.count("**") == 6


@pytest.mark.parametrize(
    "template",
    [
        "Translate {passage} into German: {question}",
        "Is {passage} the same as {question}? Answer yes or no",
        "# Task\nAnswer {question}",
        "<b>Read {passage}</b>",
        "- Read {passage}.\n- Then answer {question}.",
    ],
)
def test_sentences_are_no_field_lines(template):
    assert field_lines(template) == []


@given(st.text(alphabet=st.sampled_from("Ab{}x:\n -#*[]<>/：\t."), max_size=60))
def test_no_template_loses_a_placeholder_whatever_marks_it_has(text):
    out = rewrite_lines(text, descriptor=str.upper, separator=" || ", gap="\n\n")
    assert re.findall(r"\{[^{}]*\}", out) == re.findall(r"\{[^{}]*\}", text)
    assert rewrite_lines(text) == text
