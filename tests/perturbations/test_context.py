import random

import pytest
from _corpus_check import HOPELESS, NASTY, check

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.words import context
from robusttest.variants.expand import expand_case

INSERTIONS = [context.distractor(), context.politeness(), context.url()]
FAMILIES = [*INSERTIONS, context.statement(), context.sentence_order()]


def run(p, text, index=0, seed=0):
    out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), index)
    return out if isinstance(out, NotApplicable) else out.case.input


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", NASTY)
def test_the_promises_hold_on_nasty_texts(p, text):
    for i in range(4):
        check(p, text, index=i, seed=i, moves=p.name == "sentence_order")


@pytest.mark.parametrize("p", FAMILIES, ids=str)
@pytest.mark.parametrize("text", HOPELESS[:3])
def test_hopeless_texts_are_not_applicable(p, text):
    assert isinstance(check(p, text), NotApplicable)


@pytest.mark.parametrize("p", INSERTIONS, ids=str)
@pytest.mark.parametrize("text", NASTY)
def test_the_text_itself_stands_whole(p, text):
    assert text.strip() in run(p, text)


def test_distractors_stand_where_they_are_asked_for():
    for i in range(10):
        assert run(context.distractor("before"), "Where is it?", i, i).endswith(" Where is it?")
        assert run(context.distractor("after"), " Where is it?\n", i, i).startswith(" Where is it? ")
        assert run(context.distractor("after"), " Where is it?\n", i, i).endswith(".\n")
    assert run(context.distractor("after", sentences=["It rains."]), "a\nb") == "a\nb\nIt rains."


def test_distractors_of_ones_own():
    p = context.distractor(sentences=["Snow is white.", "Grass is green."])
    assert {run(p, "Who?", 0, s) for s in range(40)} == {
        "Snow is white. Who?", "Who? Snow is white.", "Grass is green. Who?", "Who? Grass is green."
    }  # fmt: skip
    assert p.limit == 4
    assert isinstance(run(p, "Snow is white. Grass is green."), NotApplicable)


@pytest.mark.parametrize("sentences", [[], [""], [3]])
def test_empty_distractors_are_refused(sentences):
    with pytest.raises(UsageError, match="sentences"):
        context.distractor(sentences=sentences)


@pytest.mark.parametrize("make", [context.distractor, context.politeness, context.url])
def test_unknown_places_are_refused_by_name(make):
    with pytest.raises(UnknownNameError):
        make("bfore")


def test_courtesy_surrounds_the_text():
    before = {run(context.politeness("before"), "Where?", 0, s) for s in range(200)}
    after = {run(context.politeness("after"), "Where?", 0, s) for s in range(200)}
    assert before == {f"{p.strip()} Where?" for p in table("context")["polite_prefixes"]}
    assert after == {f"Where? {s.strip()}" for s in table("context")["polite_suffixes"]}


def test_links_and_handles_are_random():
    links = {run(context.url("link"), "Hi!", i, i) for i in range(20)}
    assert len(links) == 20
    assert all(x.startswith("Hi! https://t.co/") and len(x) == 27 for x in links)
    assert run(context.url("handle"), "Hi!").startswith("Hi! @")


@pytest.mark.parametrize("p", INSERTIONS, ids=str)
@pytest.mark.parametrize("text", ["Coal is formed from", "2 + 2 =", "The judge ruled so, because:"])
def test_what_breaks_off_is_not_completed(p, text):
    assert all(run(p, text, i, i).endswith(f" {text}") for i in range(20))


@pytest.mark.parametrize(
    ("question", "clause"),
    [
        ("How can I pay?", "how I can pay"),
        ("Is it late?", "whether it is late"),
        ("Do you ship to Canada?", "whether you ship to Canada"),
        ("How many items can I return?", "how many items I can return"),
        ("What time is it?", "what time it is"),
        ("Who wrote Hamlet?", "who wrote Hamlet"),
        ("Which department handles this ticket?", "which department handles this ticket"),
        ("How long do I have to wait?", "how long I have to wait"),
        ("Where is my order?", None),
        ("Does it work?", None),
        ("What did you say?", None),
        ("The end?", None),
        ("", None),
        ("?", None),
    ],
)
def test_a_question_as_a_clause(question, clause):
    assert context.as_clause(question) == clause


def test_the_last_sure_question_becomes_a_statement():
    out = run(context.statement(), "I ordered a lamp. Where is it? Thanks.")
    assert out.startswith("I ordered a lamp. ")
    assert out.endswith("where it is. Thanks.")
    assert isinstance(run(context.statement(), "I ordered a lamp."), NotApplicable)


def test_sentences_are_found():
    text = 'He left. "Why?" she asked!  Mr. Smith of e.g. Ulm\nA line\n\n今天。我们'
    assert [text[s:e] for s, e in context.sentences_of(text)] == [
        "He left.", '"Why?"', "she asked!", "Mr. Smith of e.g. Ulm", "A line", "今天。", "我们"
    ]  # fmt: skip


def test_sentence_orders_are_distinct_and_keep_the_blanks():
    text = " One here.  Two there!\nThree up. "
    made = [run(context.sentence_order(), text, i) for i in range(5)]
    assert len(set(made)) == 5
    assert " Two there!  One here.\nThree up. " in made
    assert isinstance(run(context.sentence_order(), text, 5), NotApplicable)
    assert isinstance(run(context.sentence_order(), "One."), NotApplicable)
    assert isinstance(run(context.sentence_order(), "One. One."), NotApplicable)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (
            "Ann has 3 pens. Bob has 2 pens. How many are there?",
            "Bob has 2 pens. Ann has 3 pens. How many are there?",
        ),
        ("Ann has 3 pens. Then she buys 2. Bob has 4.", "Bob has 4. Ann has 3 pens. Then she buys 2."),
        ("A candle was lit. It burned down. The candle is", None),
        ("Go on.\nStop now.\nOptions:\n(A) yes\n(B) no", "Stop now.\nGo on.\nOptions:\n(A) yes\n(B) no"),
        ("Where is it? Ann has it. Bob had one.", "Where is it? Bob had one. Ann has it."),
    ],
)
def test_questions_lists_and_what_leans_on_a_sentence_keep_their_places(text, other):
    out = run(context.sentence_order(), text)
    assert isinstance(out, NotApplicable) if other is None else out == other
    assert isinstance(run(context.sentence_order(), text, 1), NotApplicable)


def test_distractors_are_neutral_plain_sentences():
    own = table("context")["distractors"]
    assert len(own) == len(set(own)) >= 20
    assert all(s.endswith(".") and "?" not in s and not any(c.isdigit() for c in s) for s in own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("पार्सल देर से आया। डिब्बा फटा था॥ क्या आप मदद करेंगे?", ["पार्सल देर से आया।", "डिब्बा फटा था॥", "क्या आप मदद करेंगे?"]),
        ("กล่องสีแดง เปิดอยู่ครับ พัสดุมาช้าค่ะ ช่วยได้ไหมคะ", ["กล่องสีแดง เปิดอยู่ครับ", "พัสดุมาช้าค่ะ", "ช่วยได้ไหมคะ"]),
        ("荷物は赤い。箱は開いている！誰が？", ["荷物は赤い。", "箱は開いている！", "誰が？"]),
        ("الطرد متأخر. العلبة مفتوحة؟", ["الطرد متأخر.", "العلبة مفتوحة؟"]),
        ("กล่องสีแดง เปิดอยู่", ["กล่องสีแดง เปิดอยู่"]),  # a blank alone ends no sentence
    ],
)  # fmt: skip
def test_sentences_end_as_the_script_ends_them(text: str, said: list[str]) -> None:
    assert [text[s:e] for s, e in context.sentences_of(text)] == said


def test_sentences_of_thai_and_hindi_change_places_and_questions_stay() -> None:
    thai = "กล่องเปิดอยู่ครับ พัสดุมาช้าค่ะ ช่วยได้ไหมคะ"
    hindi = "पार्सल देर से आया। डिब्बा फटा था। क्या आप मदद करेंगे?"
    for text, new in (
        (thai, "พัสดุมาช้าค่ะ กล่องเปิดอยู่ครับ ช่วยได้ไหมคะ"),
        (hindi, "डिब्बा फटा था। पार्सल देर से आया। क्या आप मदद करेंगे?"),
    ):
        made = expand_case(Case(id="c", fields={"input": text}), ["sentence_order"], variants=1)
        assert [v.input for v in made if v.perturbation and v.status == "ok"] == [new]
