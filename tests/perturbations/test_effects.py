"""The declared effect of every perturbation, against readers that know what a text says.

A reader takes from a text what its question is about (the table's number, the date, whether it is denied), and nothing else. A
perturbation whose effect is ``same`` never changes what the reader finds; one that alters the meaning does, and is refused
without a rule. Every registered perturbation stands in one of the tables.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from robusttest.core.nouns import Case, Completion, Prompt, Variant
from robusttest.errors import UsageError
from robusttest.perturbations import PERTURBATIONS, Perturbation, directional, make
from robusttest.perturbations.base.protocol import need_rules
from robusttest.perturbations.prompt.prompt import demos, instructions, template
from robusttest.perturbations.tools.described import tool_description
from robusttest.perturbations.words.pairs import counterpart
from robusttest.perturbations.words.words_random import reserved, tfidf
from robusttest.variants.expand import expand_case

Reader = Callable[[str], Any]


def plain(text: str) -> str:
    """As a person reads it: without zero-width characters, and with usual letters and digits."""
    shown = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(shown.split())


def table(text: str) -> Any:
    """The number of the table, the question of most texts here; it stands alone in brackets."""
    return re.findall(r"\[(\d+)\]", plain(text))


def denials(text: str) -> bool:
    """Whether the statement is denied: an odd number of negations."""
    return len(re.findall(r"\b(?:not|never|cannot)\b|(?:n['’]t|[a-z]nae)\b", plain(text).lower())) % 2 == 1


def both(text: str) -> Any:
    return table(text), denials(text)


UNITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def values(text: str) -> list[float]:
    """The numbers, in digits or in words."""
    text = re.sub(r"(?<=\d)[\s’'](?=\d{3}\b)", "", plain(text))  # groups of digits
    return [
        float(UNITS.index(w) if w in UNITS else w.replace(",", ""))
        for w in re.findall(r"[a-z]+|\d[\d,]*(?:\.\d+)?", plain(text).lower())
        if w in UNITS or w[0].isdigit()
    ]


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def date(text: str) -> Any:
    """Day, month and year: the day is above 12, so that no order of them is another date."""
    named = {
        MONTHS.index(m[:3].lower()) + 1 for m in re.findall(r"[A-Za-z]{3,}", text) if m[:3].lower() in MONTHS
    }
    numbers = [int(n) for n in re.findall(r"\d+", plain(text))]
    year = next(n if n > 99 else 2000 + n for n in sorted(numbers, reverse=True) if n in (2025, 25) or n > 99)
    day = 23 if 23 in numbers else None
    month = next(iter(named), None) or next((n for n in numbers if n <= 12), None)
    return day, month, year


def clock(text: str) -> Any:
    """Minutes since midnight."""
    m = re.search(r"(\d{1,2})(?:[:.h](\d\d))?\s*([ap])?\.?\s?m?", plain(text).lower().partition("at ")[2])
    assert m is not None, text
    hour = int(m[1]) % 12 + 12 * (m[3] == "p") if m[3] else int(m[1])
    return 60 * hour + int(m[2] or 0)


METRES = {"km": 1000, "kilometres": 1000, "kilometers": 1000, "m": 1, "metres": 1, "meters": 1, "mi": 1609.344, "miles": 1609.344,
          "ft": 0.3048, "feet": 0.3048, "yd": 0.9144, "yards": 0.9144}  # fmt: skip


def length(text: str) -> float:
    """In metres, to two digits."""
    m = re.search(r"([\d.,]+)\s?([a-z]+)", plain(text).lower().partition("of ")[2])
    assert m is not None, text
    return float(f"{float(m[1].replace(',', '')) * METRES[m[2]]:.2g}")


def euros(text: str) -> Any:
    """The sum and its currency."""
    found = re.search(r"\d[\d,]*(?:\.\d+)?", plain(text))
    assert found is not None, text
    return float(found[0].replace(",", "")), bool(re.search(r"€|\beur", plain(text).lower()))


def parsed(text: str) -> Any:
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


LONG = (
    "Yesterday we sat at table [37] of your restaurant near the theatre centre. It's true that the soup was warm, and we'll come "
    "again. Emily couldn't find the way, but she realised it at last."
)
TEXTS = (
    LONG,
    "My colleague says the big parcel for table [12] is here. Perhaps it is already too late to send it back, I think.",
)
OFTEN = (*TEXTS, "The food at table [5] was not warm at all, and nobody helped us there. We don't know why.")
LETTER = "Where is my parcel? Emily ordered it for table [37] two weeks ago, and she doesn't know whether it was sent."

SAME: dict[str, tuple[Reader, Iterable[str]]] = {
    **dict.fromkeys(
        ("keyboard", "ocr", "insert", "substitute", "swap", "delete", "spelling", "split", "casing", "whitespace", "punctuation",
         "doubled", "missing_space", "line_wrap", "line_ends", "confusables", "zero_width", "normal_form", "full_width",
         "spelling_variant", "fillers", "slang", "speech", "homophones", "dialect", "persons", "gender", "places", "religions", "distractor", "emoji",
         "politeness", "url", "statement", "sentence_order", "synonym", "mail", "reserved", "contractions", "acronyms"),
        (both, (*OFTEN, LETTER, "Dr. Emily Brown café résumé [8], said the NASA.\nHe gave his word to her brother.",
         "Table [37] is ours. How can I find it?", "From Boston we went to Denver for table [4].", "A Jewish guest of table [9] came.", "The FAQ for table [3] was sent by the HR team, and a PDF with it.")),
    ),
    "numeric_distractor": (table, TEXTS),
    "numbers": (values, ("We were 3 people and had 12 bottles.", "There were seven of us, and two were late.")),
    "dates": (date, ("It came on 23 July 2025.", "It came on 2025-07-23.", "It came on July 23, 2025.")),
    "times": (clock, ("Come at 10:30 pm, please.", "Come at 17:05, please.", "Come at 9 am, please.")),
    "amounts": (values, ("It has 12,500 pages.", "There are 1200000 of them.")),
    "currency": (euros, ("I paid 12.50 euros for it.", "It costs €1,300 here.")),
    "units": (length, ("It is a way of 5 km from here.", "It has a length of 300 m.")),
    "json_keys": (parsed, ('Read this: {"table": 37, "food": "soup", "warm": true}',)),
}  # fmt: skip
"""The reader never finds anything else, whatever the variant."""

MOVED: dict[str, tuple[Reader, Iterable[str]]] = {
    "negation": (denials, OFTEN),
    "antonym": (lambda t: bool(re.search(r"\bwarm\b", t)), ("The soup was warm.", "The warm soup was good.")),
    "word_delete": (lambda t: "warm" in t, ("The soup was not warm.", "It was warm there.")),
    "word_crop": (lambda t: "warm" in t, ("The soup was not warm.", "It was warm there.")),
    "word_swap": (lambda t: re.findall("ann|beats", t.lower()), ("Ann beats Bob.", "Ann always beats Bob.")),
    "tfidf": (lambda t: "the red one" in t, ("the red one is here", "it is the red one")),
}
"""The reader finds something else in some variants: without a rule no answer to them is right."""

BESIDE = ("format", "option_order", "option_position", "option_labels", "rendering", "demo_order", "demos", "template", "instruction",
    "instructions",
          "system", "filler_turns", "language_switch", "prompt_edges", "temperature", "top_p", "sampling_seed", "repeat")  # fmt: skip
"""What stands around the case, or how it is decoded: the case's fields, target and set of options stay."""
TOOLS = ("tool_order", "tool_decoy", "tool_duplicate", "tool_description", "tool_rename", "tool_schema")
"""What tools are offered: the right call stays."""
WRITTEN = (
    "instruction_paraphrase",
    "translation",
    "paraphrase",
    "back_translation",
    "style",
    "contextual",
    "machine_translation",
)
"""A model writes them, and nobody reads before they are asked: *probably* the same."""
OWN = ("counterpart", "document_order", "tool_fault", "turn_split", "correction")
"""What they act on is no text of a usual task: tests of their own."""

SHOTS = tuple(Case(id=f"d{i}", fields={"input": f"Some example [{i}] here"}, target="blue") for i in range(4))
PROMPT = Prompt(
    template="Decide with care.\nQuestion: {input}\nOptions:\n{options}\nAnswer:",
    system="You help.",
    demos=SHOTS[:3],
)
GIVEN: dict[str, Callable[[], Perturbation]] = {
    "template": lambda: template(["Q: {input} {options}", "{input}\n{options} ="]),
    "instructions": lambda: instructions(["Choose carefully.", "Pick one."], of="Decide with care."),
    "demos": lambda: demos(SHOTS, k=2),
    "reserved": lambda: reserved([["parcel", "package", "box"], ["soup", "broth"]]),
    "tfidf": lambda: tfidf(["the blue one is here", "a green one was there", "we took it and the red one"], severity=1.0),
    "style": lambda: make("style:formal"),
    "translation": lambda: make("translation:de"),
    "word_delete": lambda: make("word_delete:0.5"),
    "word_crop": lambda: make("word_crop:0.5"),
    "word_swap": lambda: make("word_swap:1"),
    "antonym": lambda: make("antonym:1"),
    "tool_description": lambda: tool_description({"order": ["Look up an order."], "ticket": ["A person answers."]}),
}  # fmt: skip


def made(name: str) -> Perturbation:
    try:
        return GIVEN[name]() if name in GIVEN else make(name)
    except UsageError as e:
        if "pip install" in str(e):
            pytest.skip(str(e))
        raise


def variants(p: Perturbation, text: str, n: int = 4, **facts: Any) -> list[Variant]:
    case = Case(id="c", fields={"input": text}, target="blue", choices=("blue", "green", "red"))
    found = expand_case(case, [p], prompt=PROMPT, variants=n, seed=3, **facts)
    return [v for v in found if isinstance(v, Variant) and v.perturbation and v.status == "ok"]


def test_every_perturbation_stands_in_one_table():
    listed = [*SAME, *MOVED, *BESIDE, *TOOLS, *WRITTEN, *OWN]
    assert sorted(listed) == sorted(PERTURBATIONS), "a new one goes into the table that is true of it"


@pytest.mark.parametrize("name", SAME)
def test_what_keeps_the_answer_keeps_what_the_reader_finds(name):
    p, (read, texts) = made(name), SAME[name]
    assert (p.effect, p.ruled) == ("same", True)
    found = [(text, v) for text in texts for v in variants(p, text)]
    assert found, "it acts on none of the texts"
    for text, v in found:
        assert v.input != text
        assert (v.effect, v.target, v.choices) == ("same", "blue", ("blue", "green", "red"))
        assert read(v.input) == read(text), (text, v.input)


@pytest.mark.parametrize("name", MOVED)
def test_what_alters_the_answer_is_declared_and_needs_a_rule(name):
    p, (read, texts) = made(name), MOVED[name]
    assert p.preserves == "alters"
    with pytest.raises(UsageError, match=rf"{re.escape(p.spec)}.* changes the right answer"):
        need_rules([p])
    ruled = directional(p, expect="changes")
    need_rules([ruled])
    found = [(text, v) for text in texts for v in variants(ruled, text)]
    assert any(read(v.input) != read(text) for text, v in found), [v.input for _, v in found]
    assert {v.effect for _, v in found} == {"changes"}
    turned = directional(p, target=lambda case, draft: "red")
    assert {(v.effect, v.target) for text in texts for v in variants(turned, text)} == {("target", "red")}
    assert all(v.effect == "same" for text in texts for v in variants(directional(p, expect="same"), text))


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_around_the_case_leaves_it_alone(name):
    p = made(name)
    assert (p.effect, p.ruled, p.preserves) == ("same", True, "preserves")
    assert p.level in ("prompt", "decoding", "repeat")
    found = variants(p, LONG)
    assert found, "it does not act"
    for v in found:
        assert (v.effect, v.target, v.input) == ("same", "blue", LONG)
        assert sorted(v.choices or ()) == ["blue", "green", "red"]


@pytest.mark.parametrize("name", TOOLS)
def test_other_tools_leave_the_case_and_its_right_call(name):
    def tool(called: str, about: str) -> dict[str, Any]:
        held = {"id": {"type": "string"}, "note": {"type": "string", "enum": ["a", "b"]}}
        schema = {"type": "object", "properties": held, "required": ["id"]}
        return {"type": "function", "function": {"name": called, "description": about, "parameters": schema}}

    p = made(name)
    assert (p.effect, p.ruled, p.preserves) == ("same", True, "preserves")
    found = variants(
        p,
        LONG,
        params={"tools": [tool("order", "Where an order is."), tool("ticket", "Let a person answer.")]},
    )
    for v in found:
        assert (v.effect, v.target, v.input) == ("same", "blue", LONG)
    assert found, "it does not act"


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_model_writes_is_probably_the_same(name):
    p = made(name)
    assert (p.effect, p.ruled, p.preserves) == ("same", True, "probably")

    def writer(steps: Any) -> Any:
        try:
            next(steps)
            while True:
                steps.send(Completion(text=LONG.replace("Yesterday", "Last night")))
        except StopIteration as end:
            return end.value

    if p.rewrite is not None:
        found = variants(p, LONG, 1, drive=writer)
        assert found or name in ("instruction_paraphrase", "translation"), "others write another text"
        assert {(v.effect, v.target) for v in found} <= {("same", "blue")}


def test_a_counterpart_has_the_effect_that_its_case_says():
    def only(p: Perturbation, **held: Any) -> Variant:
        case = Case(
            id="c", fields={"input": "It is warm."}, target="blue", metadata={"other": "It is cold.", **held}
        )
        (v,) = list(expand_case(case, [p]))[1:]
        assert v.status == "ok"
        return v

    assert only(counterpart("other")).effect == "same"
    assert only(counterpart("other", expect="changes")).effect == "changes"
    assert only(counterpart("other", target="new"), new="red").effect == "target"
    assert only(counterpart("other", target="new"), new="blue").effect == "same", "the same answer after all"


def test_documents_in_another_order_are_the_same_documents():
    p = make("document_order")
    assert (p.effect, p.ruled) == ("same", True)
    held = ["The soup was warm.", "The room was cold.", "The view was fine."]
    case = Case(id="c", fields={"input": "Which was warm?", "documents": held}, target="soup")
    found = [v for v in expand_case(case, [p], variants=3) if v.perturbation and v.status == "ok"]
    assert found
    for v in found:
        assert (v.effect, v.target, v.input) == ("same", "soup", "Which was warm?")
        assert v.fields["documents"] != held
        assert sorted(v.fields["documents"]) == sorted(held)


def test_a_fault_of_a_tool_changes_no_text():
    p = make("tool_fault")
    assert (p.effect, p.ruled) == ("same", True)
    case = Case(id="c", fields={"input": "Where is it?"}, target="here")
    found = [v for v in expand_case(case, [p], variants=2) if v.perturbation and v.status == "ok"]
    assert [(v.effect, v.target, dict(v.fields)) for v in found] == [("same", "here", dict(case.fields))] * 2
