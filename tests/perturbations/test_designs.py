from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator

import pytest

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable, Prompt, Request
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations import crossed, make, paper24, preset
from robusttest.perturbations.base.designs import together
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.prompt.prompt import demos, template
from robusttest.variants.expand import expand_case

CASE = Case(id="c", fields={"input": "The quick brown foxes jump over many lazy dogs"}, target="x")


def test_a_product_of_levels_with_the_reference_left_out() -> None:
    made = crossed([None, "keyboard", "ocr"], [None, "temperature:0.7"])
    assert [p.spec for p in made] == [
        "temperature:0.7", "keyboard", "keyboard+temperature:0.7", "ocr", "ocr+temperature:0.7",
    ]  # fmt: skip
    assert all(p.limit == 1 for p in made)
    draft = next(v.draft for v in expand_case(CASE, [made[2]]) if v.perturbation)
    assert draft.factors == {"keyboard|ocr": "keyboard", "temperature": "temperature:0.7"}
    assert draft.params == {"temperature": 0.7}
    assert draft.case.input != CASE.input


def test_include_none_adds_the_level_to_every_factor() -> None:
    assert [p.spec for p in crossed("keyboard", "casing", include_none=True)] == [
        "casing",
        "keyboard",
        "keyboard+casing",
    ]
    assert [p.spec for p in crossed("keyboard", "casing")] == ["keyboard+casing"]


def test_a_composition_edits_the_edited_text_and_keeps_one_edit_list() -> None:
    both = make("swap:0.5+casing:upper")
    made = [v for v in expand_case(CASE, [both], variants=1) if v.perturbation]
    assert made[0].input.isupper()
    assert made[0].input.lower() != CASE.input.lower()
    assert apply_edits(CASE.input, made[0].draft.edits["input"]) == made[0].input
    assert (both.name, both.severity, both.level) == ("swap+casing", 0.5, "input")


def test_an_added_part_leaves_the_earlier_ones_as_they_were() -> None:
    first = make("keyboard")
    rng = lambda: random.Random(5)  # noqa: E731
    one = together([first, make("temperature:0.7")]).apply
    two = together([first, make("temperature:0.7"), make("repeat")]).apply
    assert one is not None
    assert two is not None
    a, b = one(Draft(case=CASE), rng(), 0), two(Draft(case=CASE), rng(), 0)
    assert isinstance(a, Draft)
    assert isinstance(b, Draft)
    assert a.case == b.case


def test_a_part_draws_the_same_however_much_the_one_before_it_draws() -> None:
    def drawing(times: int) -> Perturbation:
        def apply(draft: Draft, rng: random.Random, index: int) -> Draft:
            for _ in range(times):
                rng.random()
            return draft

        return Perturbation(name="first", spec="first", level="input", apply=apply)

    def last(draft: Draft, rng: random.Random, index: int) -> Draft:
        return draft.with_(params={"seed": rng.getrandbits(31)})

    second = Perturbation(name="second", spec="second", level="decoding", apply=last)
    drafts = []
    for times in (1, 1000):
        apply = together([drawing(times), second]).apply
        assert apply is not None
        drafts.append(apply(Draft(case=CASE), random.Random(5), 0))
    assert drafts[0] == drafts[1]


def test_a_composition_is_not_applicable_where_a_part_is_not() -> None:
    made = list(expand_case(Case(id="c", fields={"input": "今天"}), ["keyboard+temperature:0.7"]))
    assert made[1].status == "not_applicable"
    assert str(made[1].reason).startswith("keyboard: needs text in Latin")


def test_the_weakest_part_says_what_is_preserved_and_the_first_level_comes_first() -> None:
    def own(name: str, **options: object) -> Perturbation:
        return Perturbation(name=name, spec=name, apply=lambda d, r, i: d, **{"level": "prompt", **options})

    mixed = together([own("a", preserves="probably"), own("b", level="input", changes=("lines",))])
    assert (mixed.spec, mixed.level, mixed.preserves, mixed.changes) == (
        "b+a",
        "input",
        "probably",
        ("lines",),
    )
    assert together([own("a", expect="same"), own("b")]).expect == "same"
    with pytest.raises(UsageError, match="expect different answers"):
        together([own("a", expect="same"), own("b", expect="changes")])
    with pytest.raises(UsageError, match="with itself"):
        together([own("a"), own("a")])


def test_a_part_that_a_model_writes_makes_the_whole_one_that_a_model_writes() -> None:
    def rewrite(
        draft: Draft, rng: random.Random, index: int
    ) -> Generator[Request, Completion, Draft | NotApplicable]:
        reply = yield Request(model="writer", messages=({"role": "user", "content": draft.case.input},))
        return draft.with_(case=Case(id="c", fields={"input": reply.text}))

    written = Perturbation(name="para", spec="para", level="input", rewrite=rewrite, writer="writer")
    both = together([written, make("casing:upper")])
    assert both.apply is None
    assert both.rewrite is not None
    steps = both.rewrite(Draft(case=CASE), random.Random(0), 0)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Completion(text="other words"))
    assert end.value.value.case.input == "OTHER WORDS"
    assert both.writer == "writer"


def test_a_fraction_is_balanced_and_the_same_each_time() -> None:
    factors = (
        ["keyboard", "ocr", "swap", None],
        ["casing", "whitespace", None, "punctuation"],
        ["temperature:0.7", None],
    )
    taken = crossed(*factors, fraction=0.5)
    assert [p.spec for p in taken] == [p.spec for p in crossed(*factors, fraction=0.5)]
    assert [p.spec for p in taken] != [p.spec for p in crossed(*factors, fraction=0.5, seed=1)]
    assert len(taken) in (15, 16)
    counts = Counter(part for p in taken for part in p.spec.split("+"))
    assert all(
        3 <= counts[k] <= 4 for k in ("keyboard", "ocr", "swap", "casing", "whitespace", "punctuation")
    )
    assert 7 <= counts["temperature:0.7"] <= 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossed(), "at least one"),
        (lambda: crossed([]), "without levels"),
        (lambda: crossed("keyboard", fraction=0), "fraction=0"),
        (lambda: crossed("keyboard", variants=0), "variants=0"),
        (lambda: crossed(["keyboard", "keyboard"]), "listed twice"),
        (lambda: crossed("keyboard", "keyboard"), "with itself"),
        (lambda: crossed(*[[None, f"keyboard:0.{i}"] for i in range(1, 9)]), "256 combinations, more than cap=64.*fraction=0.25"),
        (lambda: crossed(["keyboard", "nope"]), "unknown perturbation"),
    ],
)  # fmt: skip
def test_designs_that_are_refused(call: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_the_design_of_24_configurations() -> None:
    shots = tuple(Case(id=f"d{i}", fields={"input": f"demo {i}"}, target="y") for i in range(4))
    wordings = [None, template(["Q: {input}\nA:"], name="qa"), template(["{input} =>"], name="arrow")]
    made = preset("paper24", wordings, [None, demos(shots, k=2)])
    assert len(made) == 23
    prompt = Prompt(template="Text: {input}")
    variants = list(expand_case(CASE, made, prompt=prompt))
    assert len(variants) == 24
    assert {v.status for v in variants} == {"ok"}
    assert len({(v.input, str(v.draft.prompt), str(v.params)) for v in variants}) == 24
    assert len({tuple(sorted(v.draft.factors.items())) for v in variants if v.perturbation}) == 23
    assert {v.level for v in variants if v.perturbation} == {"input", "prompt"}, (
        "all 24 count in the pooled metrics"
    )
    assert len(paper24(["casing", "ocr", "swap"], ["doubled", "delete"])) == 24


def test_a_design_of_another_size_says_so() -> None:
    with pytest.raises(UsageError, match="2 × 2 × 2 × 2 = 16 configurations, not 24"):
        preset("paper24", [None, "casing"], [None, "ocr"])
    with pytest.raises(UnknownNameError, match="paper24"):
        preset("paper42")
