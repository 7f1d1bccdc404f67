from __future__ import annotations

import random
import subprocess
import sys

import pytest

from robusttest import perturbations
from robusttest.core.nouns import Case, Draft, NotApplicable, Variant
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations import PERTURBATIONS, Perturbation, keyboard, make, make_all, perturbation
from robusttest.variants.expand import expand_case


@pytest.fixture(autouse=True)
def forget() -> object:
    known = set(PERTURBATIONS)
    yield
    for name in set(PERTURBATIONS) - known:
        PERTURBATIONS.unregister(name)


def variants(p: object, text: str = "Say hello to 12 friends", n: int = 2, **case: object) -> list[Variant]:
    return list(expand_case(Case(id="c", fields={"input": text}, **case), [p], variants=n))[1:]


def test_specs_and_objects_mean_the_same() -> None:
    assert make("keyboard").spec == keyboard().spec == "keyboard"
    assert make("keyboard:0.1").spec == make("keyboard:0.10").spec == keyboard(0.1).spec == "keyboard"
    assert make("keyboard:0.20").spec == keyboard(0.2).spec == "keyboard:0.2"
    assert make("keyboard:0.2").severity == 0.2
    assert make(keyboard).spec == "keyboard"
    assert make(p := keyboard(0.3)) is p
    assert str(make(" ocr:0.2")) == "ocr:0.2"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("keybord", "Did you mean 'keyboard'"),
        ("keyboard:2", r"keyboard:2: the severity .* \(0, 1\]"),
        ("keyboard:", "nothing after the colon"),
        ("repeat:3", "'repeat' takes no argument, but 'repeat:3' gives it '3'"),
        ("keyboard+casng", "unknown perturbation"),
        (3, r"holds 3 \(int\)"),
        (lambda text, rng: text, "has no name"),
    ],
)
def test_what_is_no_perturbation_is_refused(spec: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(spec)


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="keybord"):
        perturbations.keybord
    assert "keyboard" in dir(perturbations)


def test_every_registered_name_is_a_factory_of_the_package() -> None:
    for name in PERTURBATIONS:
        assert getattr(perturbations, name) is PERTURBATIONS.get(name), name
        assert callable(PERTURBATIONS.get(name))


def test_lists_are_laid_out_flat_and_doubles_refused() -> None:
    made = make_all(["ocr", [keyboard, ["casing"]]])
    assert [p.spec for p in made] == ["ocr", "keyboard", "casing"]
    assert [p.spec for p in make_all("ocr")] == ["ocr"]
    with pytest.raises(UsageError, match="'ocr' is listed twice"):
        make_all(["ocr", "ocr"])


def test_importing_and_naming_loads_neither_nlpaug_nor_numpy() -> None:
    code = (
        "import sys; from robusttest.perturbations import PERTURBATIONS, make, keyboard; "
        "make('keyboard:0.2'); make(keyboard); list(PERTURBATIONS); import robusttest.variants.expand; "
        "heavy = {'nlpaug','numpy','pandas','nltk','litellm','hypothesis','scipy'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_users_function_is_known_by_name_and_listed_itself() -> None:
    @perturbation("shout", description="loud")
    def shout(text: str, rng: random.Random) -> str:
        return text.upper()

    assert make("shout").spec == make(shout).spec == shout().spec == "shout"
    assert make("shout").description == "loud"
    assert shout("x", random.Random(0)) == "X"
    (v, end) = variants(shout, "Say hello to {name}")
    assert v.input == "SAY HELLO TO {name}"
    assert v.perturbation == "shout"
    assert v.draft.edits["input"]
    assert end.reason == "exhausted: 1 distinct variant of 2 asked for"


def test_a_plain_function_in_the_list_needs_no_decorator() -> None:
    def stammer(text: str, rng: random.Random) -> str:
        return text[0] + "-" + text

    assert variants(stammer)[0].input == "S-Say hello to 12 friends"
    assert "stammer" not in PERTURBATIONS


def test_the_bare_decorator_takes_the_functions_name_and_first_line() -> None:
    @perturbation
    def calm(text: str, rng: random.Random) -> str:
        """Quieter.

        More.
        """
        return text.lower()

    assert make("calm").description == "Quieter."


def test_a_parameter_severity_is_the_argument() -> None:
    @perturbation("noisy")
    def noisy(text: str, rng: random.Random, severity: float = 0.25) -> str:
        return text + "!" * round(severity * 4)

    assert (make("noisy").severity, make("noisy").spec) == (0.25, "noisy")
    assert make("noisy:0.5").spec == noisy(0.5).spec == "noisy:0.5"
    assert variants("noisy:0.5")[0].input.endswith("!!")
    with pytest.raises(UsageError, match="noisy:7"):
        make("noisy:7")


def test_an_argument_that_no_function_reads_is_refused() -> None:
    @perturbation("plain")
    def plain(text: str, rng: random.Random) -> str:
        return text

    with pytest.raises(UsageError, match="'plain' takes no argument"):
        make("plain:0.5")


def test_a_case_function_may_change_fields_target_and_expectation() -> None:
    @perturbation("negate", preserves="alters", expect="target")
    def negate(case: Case, rng: random.Random) -> Case:
        return Case(id="other", fields={"input": "Not: " + case.input}, target="no")

    (v, _) = variants(negate, target="yes")
    assert (v.input, v.target, v.case.id, v.status) == ("Not: Say hello to 12 friends", "no", "c", "ok")
    assert v.original.target == "yes"
    assert v.draft.edits["input"] == ((0, 0, "Not: "),)


def test_a_draft_function_changes_the_decoding() -> None:
    @perturbation("hot", level="decoding")
    def hot(draft: Draft, rng: random.Random) -> Draft:
        return draft.with_(params={"temperature": 2})

    assert variants(hot)[0].params == {"temperature": 2}


def test_a_function_may_say_that_there_is_nothing() -> None:
    @perturbation("maybe")
    def maybe(text: str, rng: random.Random) -> str | None:
        return None

    assert variants(maybe)[0].reason == "maybe: nothing to act on"
    no_op = variants(perturbation("same")(lambda text, rng: text))
    assert [(v.status, v.reason) for v in no_op] == [("not_applicable", "nothing changed in 20 draws")]


def test_a_function_that_raises_or_returns_something_else_is_named() -> None:
    @perturbation("bad")
    def bad(text: str, rng: random.Random) -> str:
        raise ZeroDivisionError("oh")

    @perturbation("wrong")
    def wrong(text: str, rng: random.Random) -> str:
        return 3

    with pytest.raises(UsageError, match=r"'bad' raised ZeroDivisionError: oh \(case 'c'\)"):
        variants(bad)
    with pytest.raises(UsageError, match=r"'wrong' returned int for case 'c': return a str"):
        variants(wrong)


def test_functions_of_another_shape_are_refused_at_once() -> None:
    async def waits(text: str, rng: random.Random) -> str:
        return text

    for fn in (lambda text: text, lambda a, b, c: a, waits):
        with pytest.raises(UsageError, match=r"must be a plain function of \(text, rng\)"):
            perturbation("odd")(fn)


def test_names_are_checked_and_not_taken_twice() -> None:
    perturbation("mine")(lambda text, rng: text)
    with pytest.raises(UsageError, match="registered already"):
        perturbation("mine")(lambda text, rng: text)
    with pytest.raises(UsageError, match="must be non-empty"):
        perturbation("a:b")(lambda text, rng: text)


def test_a_registered_factory_may_be_any_callable() -> None:
    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        return draft.with_(sample=index + 7)

    PERTURBATIONS.register("later")(
        lambda arg=None: Perturbation(name="later", spec="later", level="repeat", apply=apply)
    )
    assert [v.draft.sample for v in variants("later")] == [7, 8]
    PERTURBATIONS.register("broken")(lambda: None)
    with pytest.raises(UsageError, match="returned None, not a Perturbation"):
        make("broken")


def test_entry_points_are_loaded_for_a_name_that_is_not_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "from_outside"

        def load(self) -> object:
            return keyboard

    monkeypatch.setattr(
        "robusttest.core.names.entry_points",
        lambda group: [Point()] if group == "robusttest.perturbations" else [],
    )
    monkeypatch.setattr(PERTURBATIONS, "_entry_points_loaded", False)
    assert make("from_outside").name == "keyboard"
    with pytest.raises(UnknownNameError):
        make("not_from_outside")


@pytest.mark.parametrize("name", ["keyboard", "keyboard:0.1", "keyboard:0.10"])
def test_one_strength_has_one_name_in_thresholds_and_results(name):
    from robusttest import Record, Result
    from robusttest.metrics import flip_rate
    from robusttest.variants.select import check_thresholds, judged

    spec = make(name).spec
    check_thresholds([flip_rate[name] <= 0.1], [make("keyboard")])
    assert judged([flip_rate[name] <= 0.1], [make("keyboard")]) == ([flip_rate[name] <= 0.1], [])
    rows = [Record(task="t", model="m", case_id=f"c{i}", score=1.0, answer="x") for i in range(3)]
    rows += [
        Record(task="t", model="m", case_id=f"c{i}", variant=f"{spec}#0", perturbation=spec, level="input", score=1.0, answer="y")
        for i in range(3)
    ]  # fmt: skip
    result = Result("t", "m", rows, thresholds=[flip_rate[name] <= 0.1])
    assert result[name].flip_rate.value == 1.0
    assert result.verdicts[0].status == "failed"
    with pytest.raises(UnknownNameError):
        result["keyboard:0.3"]


def test_names_in_one_text_are_told_how_to_write_them():
    with pytest.raises(
        UsageError, match=r"several perturbations in one text: write \['keyboard', 'ocr:0.2'\]"
    ):
        make("keyboard, ocr:0.2")
