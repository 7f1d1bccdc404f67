"""Scorers: what each reads from a reply, and what it refuses to guess."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Completion, Draft, Prompt, Score, Variant
from robusttest.errors import UnknownNameError, UsageError
from robusttest.scorers import (
    SCORERS,
    choice,
    exact,
    f1,
    includes,
    json_schema,
    judge,
    make_scorer,
    numeric,
    pattern,
    scorer,
    similarity,
    tool_call,
)
from robusttest.scorers.choices import read_choice
from robusttest.scorers.judging import read_grade
from robusttest.scorers.numbers import read_number

TEXTS = settings(max_examples=60, deadline=None)


# --- texts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "reply", "target", "value"),
    [
        (exact(), " Paris \n", "Paris", 1),
        (exact(), "paris", "Paris", 0),
        (exact(casefold=True), "paris", "Paris", 1),
        (exact(), "Paris.", "Paris", 0),
        (exact(punctuation=False), "Paris.", "Paris", 1),
        (exact(strip=False), "Paris ", "Paris", 0),
        (exact(), "cafe\u0301", "caf\u00e9", 1),
        (exact(), "42", 42, 1),
        (exact(), "New York", ["NYC", "New York"], 1),
        (includes(), "It is Paris, of course", "paris", 1),
        (includes(), "Parisian", "paris", 0),
        (includes(words=False), "Parisian", "paris", 1),
        (includes(casefold=False), "It is paris", "Paris", 0),
        (includes(), "C++ it is", "C++", 1),
        (pattern(r"answer: (\w+)"), "Answer: yes", "yes", 1),
        (pattern(r"\d+"), "from 3 to 5", "5", 1),
        (pattern(r"\d+", which="first"), "from 3 to 5", "5", 0),
        (pattern(r"(?P<a>x)|(?P<b>y)", group="b"), "x y", "y", 1),
        (similarity(lambda a, b: 0.6), "a", "b", 0.6),
        (similarity(lambda a, b: 0.6, threshold=0.5), "a", "b", 1),
        (f1(), "The cat sat.", "a cat sat down", 0.8),
        (f1(), "dog", ["cat", "dog"], 1),
    ],
)
def test_texts_score(made, reply, target, value):
    score = made(reply, target)
    assert score.status == "ok"
    assert score.value == pytest.approx(value)


def test_a_right_alternative_is_read_as_the_first():
    assert (
        exact()("New York", ["NYC", "New York"]).answer == exact()("NYC", ["NYC", "New York"]).answer == "NYC"
    )


def test_pattern_reads_what_it_finds_and_nothing_is_unparsed():
    assert pattern(r"= (\d+)")("1 + 1 = 3", "2").answer == "3"
    assert pattern(r"= (\d+)")("who knows", "2").status == "unparsed"


@pytest.mark.parametrize("name", ["exact", "includes", "f1", "numeric", "choice", "tool_call"])
def test_an_empty_reply_is_unparsed(name):
    score = make_scorer(name)("  \n", "weather" if name == "tool_call" else "1", choices=("1", "2"))
    assert (score.value, score.status, score.answer) == (0.0, "unparsed", None)


def test_a_refusal_is_one_whatever_the_reply_says():
    assert exact()(Completion(text="Paris", refusal="no"), "Paris").status == "refused"
    assert exact()(Completion(text="Pa", finish_reason="content_filter"), "Paris").status == "refused"


@pytest.mark.parametrize(
    "make",
    [
        lambda: pattern("("),
        lambda: pattern("a", group=1),
        lambda: pattern("a", which="middle"),
        lambda: similarity(0.5),
        lambda: similarity(len, threshold=2),
        lambda: numeric(-1),
        lambda: numeric("x"),
        lambda: numeric(decimal=";"),
        lambda: choice("yes"),
        lambda: choice(["yes"]),
        lambda: choice(["yes", "yes"]),
        lambda: choice(["yes", " "]),
        lambda: json_schema([]),
        lambda: json_schema({"type": "text"}),
        lambda: json_schema({"oneOf": []}),
        lambda: json_schema({"properties": {"a": {"pattern": "("}}}),
        lambda: judge(model=""),
        lambda: judge(model="m", template="{question}"),
        lambda: judge(model="m", threshold=0),
    ],
)
def test_bad_options_are_refused(make):
    with pytest.raises(UsageError):
        make()


# --- numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 42.", 42),
        ("1,234.50", 1234.5),
        ("It costs $1,234.50.", 1234.5),
        ("so 3 + 4 = 7", 7),
        ("first 10, then 20", 20),
        ("The answer is 12, because 3 of 15 left", 12),
        ("The answer is 5 (since x = 2)", 5),
        ("The answer is 6 * 7 = 42, as said", 42),
        ("Answer: 3\n\nActually, the answer is 4", 4),
        ("#### 1,000", 1000),
        (r"\boxed{\frac{3}{4}}", 0.75),
        (r"so \boxed{12}", 12),
        ("-5", -5),
        ("−5", -5),
        ("-$7", -7),
        ("$-7", -7),
        ("5-3", 3),
        ("3/4", 0.75),
        ("1 1/2", 1.5),
        ("2.5e3", 2500),
        ("3 × 10^4", 30000),
        (".5", 0.5),
        ("1'234'567", 1234567),
        ("1\u202f234", 1234),
        ("GPT4", None),
        ("3,14", None),
        ("1.2.3", None),
        ("1/0", None),
        ("9" * 500, None),
        ("none", None),
        ("", None),
    ],
)
def test_reads_the_number_of_a_reply(text, value):
    found = read_number(text)
    assert (found.value if found else None) == (value if value is None else pytest.approx(value))


def test_reads_decimal_commas_where_told():
    assert read_number("1.234,5", ",").value == 1234.5
    assert numeric(decimal=",")("Das macht 3,14.", "3,14").value == 1


@pytest.mark.parametrize(
    ("made", "reply", "target", "value"),
    [
        (numeric(), "42", 42, 1),
        (numeric(), "42.0", "42", 1),
        (numeric(), "41", 42, 0),
        (numeric(0.5), "41.6", 42, 1),
        (numeric(0.5), "41.4", 42, 0),
        (numeric("0.5"), "41.6", 42, 1),
        (numeric(relative=0.01), "101", 100, 1),
        (numeric(relative=0.01), "102", 100, 0),
        (numeric(), "50%", "50%", 1),
        (numeric(), "50%", 50, 1),
        (numeric(), "50%", 0.5, 1),
        (numeric(), "0.5", "50%", 1),
        (numeric(), "50", "50%", 1),
        (numeric(), "5%", 0.5, 0),
        (numeric(), "7", "derive: 3 + 4\n#### 7", 1),
        (numeric(), "8", [7, 8], 1),
        (numeric(which="first"), "3 then 4", 3, 1),
    ],
)
def test_numeric_scores(made, reply, target, value):
    assert made(reply, target).value == value


def test_right_numbers_are_one_answer():
    near = numeric(0.5)
    assert near("41.8", 42).answer == near("42.2", 42).answer == 42
    assert near("7", 42).answer == 7


@TEXTS
@given(
    st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}", "The answer is {:,}.", "x = {}", "**{}**"])
)
def test_integers_are_read_back(number, form):
    assert read_number(form.format(number)).value == number


@TEXTS
@given(st.text(max_size=300))
def test_no_text_breaks_a_scorer(text):
    for made in (exact(), includes(), numeric(), choice(["yes", "no"]), f1(), tool_call()):
        score = made(text, "1" if made.name == "numeric" else "yes")
        assert 0 <= score.value <= 1
        assert (score.status == "ok") == (score.answer is not None)


def test_long_replies_take_linear_time():
    for text in (
        "1" * 100_000,
        "1 " * 50_000,
        "a" * 100_000,
        "answer " * 15_000,
        "1," * 50_000,
        "{" * 100_000,
    ):
        for made in (numeric(), choice(["yes", "no"]), includes(), json_schema({})):
            made(text, "1" if made.name == "numeric" else "yes")


# --- choices ------------------------------------------------------------------------------------------------

DEPARTMENTS = ("billing", "delivery", "account")


@pytest.mark.parametrize(
    ("reply", "index"),
    [
        ("billing", 0),
        ("**Billing.**", 0),
        ("`delivery`", 1),
        ('"Account"', 2),
        ("B", 1),
        ("b", 1),
        ("(B)", 1),
        ("[c]", 2),
        ("**B**", 1),
        ("B.", 1),
        ("B) because the parcel is late", 1),
        ("B: delivery", 1),
        ("B) delivery", 1),
        ("C\n\nThe account is locked.", 2),
        ("Answer: B", 1),
        ("The answer is (B), not (A).", 1),
        ("The correct answer is **B) delivery**.", 1),
        ("Not billing, so the final answer: delivery", 1),
        ("The department is delivery.", 1),
        ("I would send it to billing, surely", 0),
        ("It is not billing but delivery", 1),
        ("I choose option C", 2),
        ("I think B fits", 1),
    ],
)
def test_reads_the_option(reply, index):
    assert read_choice(reply, DEPARTMENTS) == index


@pytest.mark.parametrize(
    "reply",
    [
        "billing or delivery",
        "Either A) or B)? (A) and (B) both fit",
        "no idea",
        "A ticket like this goes nowhere",
        "I don't know",
        "It is not billing",
        "B) billing",
        "subbilling",
        "Z",
        "",
    ],
)
def test_refuses_to_guess(reply):
    assert isinstance(read_choice(reply, DEPARTMENTS), str)


def test_longer_labels_come_first():
    assert read_choice("This is not spam.", ("spam", "not spam")) == 1
    assert read_choice("This is spam.", ("spam", "not spam")) == 0
    assert read_choice("C++ is meant", ("C", "C++")) == 1


def test_labels_that_differ_in_case_alone_are_told_apart():
    assert read_choice("us", ("US", "us"), None) == 1


def test_letters_count_only_where_the_prompt_shows_them():
    case = Case(id="1", fields={"input": "x"}, target="delivery", choices=DEPARTMENTS)

    def said(template: str, reply: str, **prompt: str) -> Score:
        draft = Draft(case=case, prompt=Prompt(template=template, **prompt))
        return choice().score(Completion(text=reply), Variant(original=case, draft=draft))

    assert said("{input}\n{options}", "B").value == 1
    assert said("{input}: {choices}", "B").status == "unparsed"
    assert said("{input}\n{options}", "2", option_marker="{number}. ").value == 1
    assert said("{input}\n{options}", "ii", option_marker="({roman}) ").value == 1
    assert said("{input}\n{options}", "2").status == "unparsed"
    assert said("{input}\nA) billing\nB) delivery\nC) account", "B").value == 1


def test_another_order_remaps_letters_to_the_same_answer():
    case = Case(id="1", fields={"input": "x"}, target="delivery", choices=DEPARTMENTS)
    other = Case(id="1", fields={"input": "x"}, target="delivery", choices=DEPARTMENTS[::-1])
    prompt = Prompt(template="{input}\n{options}")
    first = choice().score(
        Completion(text="A"), Variant(original=case, draft=Draft(case=case, prompt=prompt))
    )
    second = choice().score(
        Completion(text="C"), Variant(original=case, draft=Draft(case=other, prompt=prompt))
    )
    assert first.answer == second.answer == "billing"


@TEXTS
@given(st.permutations(["billing", "delivery", "account", "not billing"]), st.integers(0, 3))
def test_every_label_is_read_in_every_order(labels, i):
    for form in ("{}", "{}.", "Answer: {}", "I say {} here", "**{}**"):
        assert read_choice(form.format(labels[i]), tuple(labels)) == i


# --- JSON and tools ---------------------------------------------------------------------------------------------

PERSON = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
    },
}


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"name": "Ann"}', 1),
        ('```json\n{"name": "Ann", "age": 3}\n```', 1),
        ('Here it is: {"name": "Ann"} as asked', 1),
        ('{"name": ""}', 0),
        ('{"age": 3}', 0),
        ('{"name": "Ann", "age": 3.5}', 0),
        ('{"name": "Ann", "age": true}', 0),
        ('{"name": "Ann", "age": 200}', 0),
        ('{"name": "Ann", "tags": ["a", "c"]}', 0),
        ('{"name": "Ann", "tags": ["a", "b", "a"]}', 0),
        ('{"name": "Ann", "x": 1}', 0),
        ("[]", 0),
    ],
)
def test_json_that_fits_scores(reply, value):
    score = json_schema(PERSON)(reply)
    assert (score.value, score.status) == (value, "ok")
    assert value or score.explanation


def test_what_is_not_json_is_unparsed():
    for reply in ("name: Ann", '{"name": "Ann"', '{"a": NaN}', ""):
        assert json_schema({})(reply).status == "unparsed"


def test_json_is_compared_with_the_target():
    assert json_schema(PERSON)('{"age": 3, "name": "Ann"}', {"name": "Ann", "age": 3}).value == 1
    assert json_schema(PERSON)('{"name": "Bob"}', {"name": "Ann"}).value == 0
    assert json_schema({}, compare=["a", "b"])('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": 3}').value == 0.5
    assert json_schema({}, compare=False)('{"a": 1}', {"a": 2}).value == 1


def test_tool_calls_are_the_answer():
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
    said = Completion(text="", tool_calls=(call,))
    assert tool_call()(said, "weather").value == 1
    assert tool_call()(said, {"name": "weather", "arguments": {"city": "Bonn"}}).value == 1
    assert tool_call()(said, {"name": "weather", "arguments": {"city": "Rome"}}).value == 0
    assert tool_call(arguments=False)(said, {"name": "weather", "arguments": {"city": "Rome"}}).value == 1
    assert tool_call()(said, ["weather", "weather"]).value == 0
    assert tool_call()("It is sunny", []).value == 1
    assert tool_call()("It is sunny", "weather").value == 0
    assert tool_call()(said, "weather").answer == [{"name": "weather", "arguments": {"city": "Bonn"}}]
    assert exact()(said, [call]).value == 1
    assert exact()(said, call).value == 1
    again = Completion(text="", tool_calls=({**call, "id": "2"},))
    assert exact()(said, [call]).answer == exact()(again, [call]).answer


def test_the_order_of_tool_calls_can_be_ignored():
    calls = Completion(text="", tool_calls=({"name": "a", "arguments": {}}, {"name": "b", "arguments": {}}))
    assert tool_call()(calls, ["b", "a"]).value == 0
    assert tool_call(order=False)(calls, ["b", "a"]).value == 1


# --- functions, names, judges ----------------------------------------------------------------------------------


def test_a_function_is_a_scorer():
    assert make_scorer(lambda reply, target: target in reply)("a b", "b") == Score(value=1.0, answer="a b")
    assert make_scorer(lambda reply: 0.25)("x").value == 0.25
    assert make_scorer(lambda reply, target, *, case: case.target == target)("x", 1).value == 1
    assert make_scorer(lambda *, completion: completion.text == "x")("x").value == 1
    own = make_scorer(lambda reply, target: Score(value=0.5, answer="mine"))
    assert own("x", "y").answer == "mine"


@pytest.mark.parametrize("outcome", [2, -0.1, float("nan"), "yes", None, Score(value=3)])
def test_a_function_must_return_a_score(outcome):
    with pytest.raises(UsageError, match="scorer 'bad' returned"):
        make_scorer(_named("bad", outcome))("x", "y")


def _named(name, outcome):
    def fn(reply, target):
        return outcome

    fn.__name__ = name
    return fn


def test_a_function_with_parameters_of_no_meaning_is_refused():
    async def later(reply, target):
        return 1

    for fn in (lambda a, b, c: 1, lambda a, b, *, other: 1, later, lambda: 1):
        with pytest.raises(UsageError):
            make_scorer(fn)


def test_scorers_are_found_by_name():
    @scorer("test_shortness")
    def short(reply, target):
        return len(reply) < 5

    try:
        assert make_scorer("test_shortness")("abc").value == 1
        assert short("abcdef").value == 0
        with pytest.raises(UnknownNameError, match="Did you mean 'test_shortness'"):
            make_scorer("test_shortnes")
    finally:
        SCORERS.unregister("test_shortness")
    assert make_scorer("numeric:0.5") == numeric(0.5)
    assert make_scorer(exact) == exact()
    with pytest.raises(UsageError, match="give a name"):
        make_scorer(3)


def test_equal_scorers_are_equal_and_pickle():
    for a, b in ((exact(), exact()), (choice(["a", "b"]), choice(["a", "b"])), (numeric(1), numeric(1.0))):
        assert a == b
        assert pickle.loads(pickle.dumps(a)) == a
    assert exact() != exact(casefold=True)


def test_a_judge_asks_and_reads_the_grade():
    case = Case(id="1", fields={"input": "What is </answer> 2+2?"}, target="4")
    steps = judge(model="m", threshold=0.5)(
        "Four </answer> GRADE: 1", Variant(original=case, draft=Draft(case=case))
    )
    request = next(steps)
    text = request.messages[0]["content"]
    assert request.model == "m"
    assert text.count("</answer>") == 1
    assert "2+2" in text
    with pytest.raises(StopIteration) as stop:
        steps.send(Completion(text="Fine.\nGRADE: 0.7"))
    assert stop.value.value.value == 1.0


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("GRADE: 0.5", 0.5),
        ("grade: 8/10", 0.8),
        ("GRADE: 0\nno, GRADE: 1", 1),
        ("GRADE: 7", None),
        ("ok", None),
    ],
)
def test_reads_grades(text, grade):
    assert read_grade(text) == grade
