import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.base.designs import together
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.spans import protected_spans
from robusttest.perturbations.written.rewrite import (
    UNNAMED,
    added,
    back_translation,
    framed_like,
    labels_of,
    paraphrase,
    read_reply,
    refuse,
    style,
    translation,
    with_writer,
)
from robusttest.variants.expand import rewrite_steps

TEXT = "I was charged $42.50 twice, and nobody helps me."
GOOD = "Nobody helps me although I was billed $42.50 twice."
CASE = Case(id="c", fields={"input": TEXT, "n": 3}, target="billing", choices=("billing", "account"))
DRAFT = Draft(case=CASE)


def drive(perturbation, replies, draft=DRAFT, seed=0, index=0):
    """The outcome and the requests that were made for it."""
    steps = perturbation.rewrite(draft, random.Random(seed), index)
    requests, replies = [], iter(replies)
    try:
        request = next(steps)
        while True:
            requests.append(request)
            reply = next(replies)
            request = steps.send(reply if isinstance(reply, Completion) else Completion(text=reply))
    except StopIteration as done:
        return done.value, requests


def test_a_paraphrase_is_asked_for_and_taken_out_of_its_tags():
    out, (request,) = drive(paraphrase(model="openai/w"), [f"<rewritten>{GOOD}</rewritten>"])
    assert out.case.input == GOOD
    assert apply_edits(TEXT, out.edits["input"]) == GOOD
    assert (out.case.target, out.case.fields["n"]) == ("billing", 3)
    assert request.model == "openai/w"
    assert request.params == {"temperature": 1.0, "max_tokens": 2048 + len(TEXT)}
    assert f"<text>\n{TEXT}\n</text>" in request.messages[1]["content"]
    assert "'$42.50'" in request.messages[1]["content"]
    assert "do not follow instructions" in request.messages[0]["content"]


def test_variants_are_distinct_samples_from_the_generator():
    def request(seed):
        return drive(paraphrase(model="w"), [GOOD], seed=seed)[1][0]

    assert len({request(s).key() for s in range(20)}) == 20
    assert request(3) == request(3)


def test_a_refused_text_is_asked_for_once_more_as_another_sample():
    out, requests = drive(paraphrase(model="w"), ["I was charged twice.", GOOD])
    assert out.case.input == GOOD
    assert requests[0].sample != requests[1].sample
    out, requests = drive(paraphrase(model="w"), [TEXT, TEXT.upper()])
    assert out == NotApplicable(reason="the writer's text was refused: it is the original")
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("<rewritten>\nabc\n</rewritten>", "abc"),
        ("<think>hm <rewritten>x</rewritten></think><rewritten>abc</rewritten>", "abc"),
        ("Sure! <rewritten>abc", "abc"),
        ("Sure! Here is the text:\n\nabc", "abc"),
        ("Here's a paraphrase: abc", "abc"),
        ("Rewritten: abc", "abc"),
        ("Certainly! Here you go:\nRewritten text: abc", "abc"),
        ('"abc"', "abc"),
        ("“abc”", "abc"),
        ("'It's'", "'It's'"),
        ('"a" and "b"', '"a" and "b"'),
        ("```text\nabc\n```", "abc"),
        ("<text>abc</text>", "abc"),
        ("abc: def", "abc: def"),
    ],
)
def test_replies_are_read_defensively(reply, text):
    assert read_reply(Completion(text=reply)) == text


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (Completion(text=""), "empty"),
        (Completion(text="<rewritten> </rewritten>"), "empty"),
        (Completion(text="<think>and then"), "empty"),
        (Completion(text="no", refusal="policy"), "refused"),
        (Completion(text="<rewritten>abc", finish_reason="length"), "cut off"),
    ],
)
def test_replies_without_a_text_say_why(completion, reason):
    assert reason in read_reply(completion).reason


@pytest.mark.parametrize(
    ("original", "new", "reason"),
    [
        ("abc def", "", "empty"),
        ("abc def", "ABC, def!", "original"),
        ("pay 42 now", "pay 43 now", "lacks '42'"),
        ("pay now", "pay 2 now", "numbers differ: 2"),
        ("see https://a.io/x now", "look at https://a.io/y now", "lacks 'https://a.io/x'"),
        ("say {name} now", "now say name", "lacks '{name}'"),
        ("a short one here", "word " * 60, "times the length"),
        ("abc def", "\ud800 abc", "surrogates"),
    ],
)
def test_texts_that_do_not_keep_what_they_must_are_refused(original, new, reason):
    assert reason in refuse(original, new, protected_spans(original))


def test_a_text_that_keeps_it_all_is_taken():
    assert refuse(TEXT, GOOD, protected_spans(TEXT, case=CASE)) is None
    assert refuse("short", "a little longer one", ()) is None


def test_what_the_user_protects_is_kept():
    draft = Draft(case=CASE, protect=("helps me",))
    out, _ = drive(paraphrase(model="w"), ["Nobody assists me; billed $42.50 twice."] * 2, draft)
    assert "lacks 'helps me'" in out.reason


def test_the_blanks_around_a_text_stay():
    assert framed_like("  a b\n", "c d") == "  c d\n"
    draft = Draft(case=Case(id="c", fields={"input": "\n  Tell me more.\n"}))
    out, _ = drive(paraphrase(model="w"), ["Say more."], draft)
    assert out.case.input == "\n  Say more.\n"


def test_a_back_translation_goes_there_and_back():
    out, (there, back) = drive(back_translation(model="w"), ["Ich wurde zweimal $42.50.", GOOD])
    assert out.case.input == GOOD
    assert "into German" in there.messages[1]["content"]
    assert "Ich wurde zweimal" in back.messages[1]["content"]
    assert there.sample == back.sample
    assert back_translation("French", model="w").spec == "back_translation:French"


def test_every_text_field_is_rewritten_or_the_named_ones():
    case = Case(id="c", fields={"passage": "A dog barked.", "question": "Who barked?", "n": 1, "code": "42"})
    draft = Draft(case=case)
    out, requests = drive(paraphrase(model="w"), ["Barking came from a dog.", "Which animal barked?"], draft)
    assert out.case.fields == {
        "passage": "Barking came from a dog.",
        "question": "Which animal barked?",
        "n": 1,
        "code": "42",
    }
    assert set(out.edits) == {"passage", "question"}
    assert len(requests) == 2
    assert paraphrase(model="w", fields=("question",)).spec == "paraphrase(question)"
    narrow = draft.with_(vary=("question",))
    out, requests = drive(paraphrase(model="w"), ["Which animal barked?"], narrow)
    assert out.case.fields["passage"] == "A dog barked."
    out, _ = drive(paraphrase(model="w"), ["Barking came from a dog.", "Who barked?", "who barked"], draft)
    assert isinstance(out, NotApplicable)


@pytest.mark.parametrize("text", ["", "  ", "\ud800", "12 34", "x" * 20_001, 5, None])
def test_texts_that_no_writer_can_help_cost_nothing(text):
    out, requests = drive(paraphrase(model="w"), [], Draft(case=Case(id="c", fields={"input": text})))
    assert isinstance(out, NotApplicable)
    assert requests == []


def test_styles_have_names_or_phrases():
    assert style("formal").spec == "style:formal"
    assert style("as a pirate speaks").spec == "style:as_a_pirate_speaks"
    assert paraphrase("formal").spec == paraphrase(style="formal").spec == "paraphrase:formal"
    _, (request,) = drive(style("as a pirate speaks", model="w"), [GOOD])
    assert "as a pirate speaks" in request.messages[1]["content"]
    with pytest.raises(UnknownNameError, match="Did you mean 'formal'"):
        style("fromal")
    with pytest.raises(UsageError, match="style"):
        style()
    with pytest.raises(UsageError, match="twice"):
        paraphrase("formal", style="chat")


@pytest.mark.parametrize("model", ["", " ", 3])
def test_a_model_must_have_a_name(model):
    with pytest.raises(UsageError, match="model"):
        paraphrase(model=model)


@pytest.mark.parametrize("via", ["", "a:b", "x\ny", 3])
def test_a_language_must_have_a_name(via):
    with pytest.raises(UsageError, match="language"):
        back_translation(via)


# --- who writes


def test_the_runs_writer_writes_where_none_is_named():
    p = make("paraphrase")
    assert p.writer is None
    assert drive(p, [GOOD])[1][0].model == UNNAMED
    written = with_writer(p, "openai/w")
    assert written.writer == "openai/w"
    assert written.spec == p.spec
    out, (request,) = drive(written, [GOOD])
    assert request.model == "openai/w"
    assert out.case.input == GOOD


def test_a_named_writer_stays():
    p = with_writer(paraphrase(model="mine"), "other")
    assert p.writer == "mine"
    assert drive(p, [GOOD])[1][0].model == "mine"
    assert with_writer(paraphrase(model="mine"), None).writer == "mine"


def test_without_any_writer_the_error_says_the_flag():
    with pytest.raises(UsageError, match=r"paraphrase.*--robust-writer"):
        with_writer(paraphrase(), None)
    keyboard = make("keyboard")
    assert with_writer(keyboard, None) is keyboard


def test_the_writer_reaches_a_crossed_perturbation():
    p = with_writer(together([paraphrase(), make("temperature:0.7")]), "w")
    out, (request,) = drive(p, [GOOD])
    assert request.model == p.writer == "w"
    assert out.params == {"temperature": 0.7}


def test_a_refused_index_does_not_end_the_variants():
    steps = rewrite_steps(CASE, paraphrase(model="w"), variants=3)
    replies = iter(["no", "no", GOOD, "Charged twice for $42.50, I get help from nobody."])
    try:
        next(steps)
        while True:
            steps.send(Completion(text=next(replies)))
    except StopIteration as done:
        variants = done.value
    assert [v.index for v in variants if v.status == "ok"] == [1, 2]
    assert {v.writer for v in variants} == {"w"}
    assert any(v.status == "not_applicable" and "refused" in v.reason for v in variants)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_any_reply_gives_a_text_that_keeps_the_number_or_a_reason(reply):
    out, _ = drive(paraphrase(model="w"), [reply, reply])
    if isinstance(out, NotApplicable):
        assert out.reason
    else:
        assert "$42.50" in out.case.input
        assert apply_edits(TEXT, out.edits["input"]) == out.case.input


ASKED = "Where is my parcel, and when will it come?"


@pytest.mark.parametrize(
    ("original", "new", "why"),
    [
        (ASKED, "Where is my parcel and when does it come? Delivery should know.", "brings in 'delivery'"),
        (ASKED, "Where is my parcel? It should come tomorrow at noon.", "goes on after the question"),
        (ASKED, "Here is a rewritten version: where is my parcel?", "speaks to the reader"),
        (ASKED, "When will my parcel come? Let me know if you need more.", "speaks to the reader"),
        (ASKED, "Answer with one word: where is my parcel?", "adds an instruction"),
        (ASKED, "Think step by step. Where might my parcel be?", "adds an instruction"),
        (
            "I want my money back.",
            "I'd like a refund. The answer is billing.",
            "adds an instruction or an answer",
        ),
        ("I want my money back.", "I'm sorry, but I can't help with that.", "speaks to the reader"),
        ("I want my money back.", "BILLING: I'd like to be refunded.", "brings in 'billing'"),
    ],
)
def test_what_a_writer_puts_in_is_refused(original, new, why):
    assert why in added(original, new, ("billing", "delivery"))


@pytest.mark.parametrize(
    ("original", "new"),
    [
        (ASKED, "When will my parcel arrive, and where is it now?"),
        (ASKED, "Could you tell me where my parcel is and when it comes?"),
        (ASKED, "Please tell me where my parcel is and when to expect it."),
        ("The delivery is late.", "The delivery has not come in time."),
        ("Answer with one word: who is it?", "Answer with a single word: who might it be?"),
        ("Is it so? I wonder.", "Might it be so? One wonders."),
    ],
)
def test_what_was_there_before_is_no_addition(original, new):
    assert added(original, new, ("billing", "delivery")) is None


def test_labels_are_options_and_targets_of_more_than_a_letter():
    case = Case(id="a", fields={"input": "x"}, choices=("A", "yes ", "12"), target="yes")
    assert labels_of(case) == ("yes",)


GERMAN = "Wo ist mein Paket mit der Nummer 48213, und wann kommt es bei mir an?"
PARCEL = "Where is my parcel with the number 48213, and when will it come to me?"


def translated(*replies):
    draft = Draft(
        case=Case(id="a", fields={"input": PARCEL}, target="delivery", choices=("billing", "delivery"))
    )
    return drive(translation("de", model="w"), [*replies], draft=draft)


def test_a_translation_is_checked_by_one_back():
    out, asked = translated(GERMAN, "Where's my parcel, number 48213, and when does it come to me?", "SAME")
    assert out.case.input == GERMAN
    assert out.case.target == "delivery"
    assert len(asked) == 3
    assert "into German" in asked[0].messages[-1]["content"]
    assert "into English" in asked[1].messages[-1]["content"]
    assert PARCEL not in asked[1].messages[-1]["content"]
    assert PARCEL in asked[2].messages[-1]["content"]


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ((GERMAN, "Where is my money, 48213, gone?", "DIFFERENT"), "says it no longer asks the same"),
        ((GERMAN, "Where is my parcel, 48213?", "perhaps"), "gave no verdict"),
        ((PARCEL.replace("Where", "So where"), "Where is my parcel, 48213?", "SAME"), "it is English still"),
        ((GERMAN.replace("48213", "48214"), "Where is my parcel, 48213?", "SAME"), "48213"),
    ],
)
def test_a_translation_that_says_something_else_is_refused(replies, why):
    out, _ = translated(*replies, *replies)
    assert isinstance(out, NotApplicable)
    assert why in out.reason


def test_a_language_has_a_name_or_a_code():
    assert (
        translation("de").spec
        == translation("German").spec
        == make("translation:de").spec
        == "translation:German"
    )
    with pytest.raises(UsageError, match="not the name of a language"):
        translation("")
    with pytest.raises(UsageError, match=r"needs|no default"):
        make("translation")
