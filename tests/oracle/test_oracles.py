"""What the tool says of models whose truth is known: verdict, advice and sentence, for each of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import oracle_models as models
import pytest

from robusttest import Result, Task, evaluate
from robusttest.perturbations.words.meaning import directional, negation
from robusttest.report import html, json, markdown
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.report.terminal import render
from robusttest.scorers import choice, numeric
from robusttest.store import new_run

NOUNS = ("food", "room", "view", "staff")
WORDS = ("good", "awful", "great", "bad", "warm", "cold", "clean", "dirty")
TEXTS = [(f"at table {i} the {NOUNS[i % 4]} was {WORDS[i % 8]} today", WORDS[i % 8]) for i in range(96)]
MOOD = Task(
    "mood",
    cases=[
        {"id": f"c{i:02}", "input": text, "target": "positive" if word in models.GOOD else "negative"}
        for i, (text, word) in enumerate(TEXTS)
    ],
    scorer=choice(["positive", "negative"]),
)
COUNT = Task(
    "count",
    cases=[{"id": f"c{i:02}", "input": text, "target": i} for i, (text, _) in enumerate(TEXTS)],
    scorer=numeric(),
)
FREE = Task(
    "free",
    cases=[{"id": f"c{i:02}", "input": text} for i, (text, _) in enumerate(TEXTS)],
    scorer=choice(["positive", "negative"]),
    labels="none",
)
SAME = ("casing", "whitespace", "repeat")
OTHER = {"positive": "negative", "negative": "positive"}
TURNED = directional(negation(), target=lambda case, draft: OTHER[case.target])
"""The right answer is the other one."""
MOVED = directional(negation(), expect="changes")
LESS = directional(negation(), expect="decreases")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of one model on one task, and is said."""

    model: str
    task: Task = MOOD
    perturbations: tuple = (*SAME, TURNED)
    numbers: dict[str, float] = field(default_factory=dict)
    """Metrics whose value follows from how the model is made; None: undefined."""
    about: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Metrics that are known but for chance: the range that has to hold them."""
    advice: str | None = None
    reacts: bool = True
    said: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    """Thresholds that are met."""
    missed: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()


RIGHT = {
    "accuracy": 1.0, "robust_accuracy": 1.0, "drop": 0.0, "flip_rate": 0.0, "output_consistency": 1.0, "flip_rate[repeat]": 0.0,
    "unreadable": 0.0,
}  # fmt: skip

TRUTHS = [
    Truth(
        model="reader",
        numbers={**RIGHT, "sensitivity": 1.0, "unmoved": 0.0},
        advice="saturated",
        said=("does it stay right?", "does it react?"),
        never=("fragile", "does not react", "unreadable", "failing variant"),
        held=("accuracy >= 0.95", "robust_accuracy >= 0.95", "sensitivity >= 0.95", "flip_rate[casing] <= 0.01"),
        undefined=("consistency_icc >= 0.1",),
    ),
    Truth(
        model="deaf",
        numbers={**RIGHT, "sensitivity": 0.0, "unmoved": 1.0},
        advice="saturated",
        reacts=False,
        said=("does not react: at least 97 % of answers stay where the right one changes",),
        never=("fragile",),
        held=("robust_accuracy >= 0.95", "drop <= 0.01"),
        missed=("sensitivity >= 0.9", "unmoved <= 0.1"),
    ),
    Truth(
        model="deaf", perturbations=(*SAME, MOVED),
        numbers={**RIGHT, "sensitivity": 0.0, "unmoved": 1.0}, advice="saturated", reacts=False,
    ),
    Truth(
        model="constant",
        numbers={
            "accuracy": 0.5, "robust_accuracy": 0.5, "flip_rate": 0.0, "drop": 0.0, "output_consistency": 1.0,
            "consistency_icc": 1.0, "unmoved": 1.0, "sensitivity": 0.5,
        },
        advice="competence-limited",
        reacts=False,
        said=("of errors stay when reworded: raise accuracy", "does not react"),
        never=("fragile", "at least 100 %"),
        held=("flip_rate <= 0.01",),
        missed=("accuracy >= 0.9",),
    ),
    Truth(
        model="shy",
        numbers={
            "accuracy": 1.0, "pass_rate[whitespace]": 1.0, "flip_rate[whitespace]": 0.0, "pass_rate[casing]": 0.0,
            "flip_rate[casing]": 1.0, "robust_accuracy": 0.0, "sensitivity": 1.0, "flip_rate[repeat]": 0.0,
        },
        advice="fragile",
        said=("of errors go when reworded", "casing"),
        never=("competence-limited", "does not react", "unreadable"),
        held=("accuracy >= 0.95", "flip_rate[whitespace] <= 0.01"),
        missed=("robust_accuracy >= 0.9", "flip_rate[casing] <= 0.05"),
    ),
    Truth(
        model="weak",
        numbers={"flip_rate": 0.0, "drop": 0.0, "consistency_icc": 1.0, "output_consistency": 1.0, "accuracy": 69 / 96},
        advice="competence-limited",
        never=("fragile", "does not react"),
        missed=("accuracy >= 0.9",),
        held=("drop <= 0.01",),
    ),
    Truth(
        model="mumbler",
        numbers={
            "accuracy": 1 / 3, "unreadable": 2 / 3, "flip_rate": 0.0, "flip_rate[repeat]": 0.0, "robust_accuracy": 1 / 3,
            "net_flip_rate": 0.0,
        },
        advice="format-limited",
        said=("unreadable: 0.667", "format-limited", "mend the prompt"),
        never=("competence-limited", "fragile", "does not react"),
        missed=("accuracy >= 0.5", "unreadable <= 0.05"),
    ),
    Truth(
        model="talker", perturbations=("casing", "whitespace"),
        numbers={
            "accuracy": 1.0, "pass_rate[casing]": 0.0, "unreadable[casing]": 1.0, "unreadable[whitespace]": 0.0,
            "flip_rate[casing]": 1.0, "pass_rate[whitespace]": 1.0,
        },
        said=("unreadable: ", "casing"),
        never=("competence-limited",),
        missed=("unreadable <= 0.05",),
    ),
    Truth(
        model="guesser", perturbations=("casing", "whitespace", "keyboard", "punctuation", "repeat"),
        about={"accuracy": (0.55, 0.85), "overall_accuracy": (0.64, 0.76), "consistency_icc": (-0.1, 0.1)},
        numbers={"flip_rate[repeat]": 0.0},
        advice="fragile",
        said=("of errors go when reworded",),
        never=("competence-limited", "unreadable"),
        missed=("accuracy >= 0.95", "robust_accuracy >= 0.6"),
    ),
    Truth(
        model="counter", task=COUNT, perturbations=(*SAME, LESS),
        numbers={**RIGHT, "sensitivity": 1.0, "unmoved": 0.0}, advice="saturated", never=("does not react",),
    ),
    Truth(
        model="shy", task=FREE, perturbations=SAME,
        numbers={"flip_rate[casing]": 1.0, "flip_rate[whitespace]": 0.0, "flip_rate[repeat]": 0.0, "accuracy": None,
                 "robust_accuracy": None, "drop": None, "consistency_icc": None},
        said=("no labels: nothing says what is right",),
        never=("robust accuracy  ", "ICC", "undecided", "fragile", "failing variant"),
        held=("flip_rate[whitespace] <= 0.01",),
        missed=("flip_rate[casing] <= 0.1",),
        undefined=("accuracy >= 0.5",),
    ),
]  # fmt: skip


def ran(truth: Truth, folder) -> Result:
    return evaluate(
        truth.task,
        model=f"python:oracle_models:{truth.model}",
        perturbations=list(truth.perturbations),
        variants=2,
        expect=[*truth.held, *truth.missed, *truth.undefined],
        directory=folder,
        replies="off",
    )


def name(truth: Truth) -> str:
    return f"{truth.task.name}-{truth.model}-{len(truth.perturbations)}"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[int, Result]:
    folder = tmp_path_factory.mktemp("oracles")
    return {id(truth): ran(truth, folder) for truth in TRUTHS}


def report_of(result: Result) -> Report:
    return build(new_run(), [result])


def metric(result: Result, text: str):
    family, _, where = text.rstrip("]").partition("[")
    return result.metric(family, where or None)


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_its_numbers_are_true(truth, results):
    result = results[id(truth)]
    found = {m: metric(result, m).value for m in truth.numbers}
    assert found == {m: None if v is None else pytest.approx(v) for m, v in truth.numbers.items()}
    for m, (low, high) in truth.about.items():
        assert low <= metric(result, m).value <= high, m


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_its_verdicts_are_true(truth, results):
    found = {str(v.threshold): v.status for v in results[id(truth)].verdicts}
    assert found == {
        **dict.fromkeys(truth.held, "passed"),
        **dict.fromkeys(truth.missed, "failed"),
        **dict.fromkeys(truth.undefined, "error"),
    }


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_its_advice_is_true(truth, results):
    (cell,) = report_of(results[id(truth)]).cells
    if truth.advice is not None or truth.task is FREE:
        assert getattr(cell.advice, "kind", None) == truth.advice, cell.advice
    assert getattr(cell.reaction, "kind", None) == (None if truth.reacts else "does not react")


@pytest.mark.parametrize("truth", TRUTHS, ids=name)
def test_what_is_said_of_it_is_true_in_every_format(truth, results):
    report = report_of(results[id(truth)])
    shown = " ".join("\n".join(render(report, width=160, verbosity=1)).split("\n"))
    for said in truth.said:
        assert said in shown
    for wrong in truth.never:
        assert wrong not in shown
    first = report.cells[0].first
    assert bool(first) == any(s.startswith(("unreadable", "no labels")) for s in truth.said)
    page, text, data = html.render(report), markdown.render(report), json.as_dict(report)["cells"][0]
    assert data["first"] == list(first)
    for line in first:
        word = line.partition(":")[0]
        assert word in page
        assert word in text
    assert ("does it react?" in page) == ("does it react?" in text) == bool(report.cells[0].reactions)
    if truth.advice == "format-limited":
        assert shown.index("unreadable: ") < shown.index("accuracy"), "first of all"


def test_every_kind_of_advice_is_met_by_a_model_of_which_it_is_true(results):
    kinds = {c.advice.kind for t in TRUTHS if (c := report_of(results[id(t)]).cells[0]).advice is not None}
    assert {"saturated", "competence-limited", "fragile", "format-limited"} <= kinds
