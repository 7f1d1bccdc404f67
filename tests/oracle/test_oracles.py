"""Models whose truth is known × tasks × perturbations: every verdict, advice and sentence, from a rule of the truth.

The rule (`Truth`) says what each model answers to each wording of each case, and the numbers are counted from that by the few
lines below: neither the models nor the project's statistics are asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from statistics import fmean, stdev
from typing import Any

import pytest
from oracle_models import FAMILIES, LABELS, label, text_of

from robusttest import Task
from robusttest.core.nouns import Case, Variant
from robusttest.engine.cell import Result, cell_of
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.gateway import Gateway
from robusttest.metrics import parse_threshold
from robusttest.perturbations.words.meaning import directional, negation
from robusttest.report import html, json, markdown, terminal
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.scorers import choice, numeric
from robusttest.settings import Settings
from robusttest.store import new_run

CASES = 60
"""The fewest of which all right is surely at least 95 % right are 59."""
FEWER = 40
"""Enough for whatever is not right on all of them."""
OTHER = dict(zip(LABELS, reversed(LABELS), strict=True))
TURNED = directional(negation(), target=lambda case, draft: OTHER[case.target])
"""The right answer is the other one."""
SAME = (*FAMILIES,)
AGAIN = (*SAME, "repeat")
"""The noise floor is measured on two tasks."""


def task(
    name: str, target: Callable[[int], Any] | None, scorer: Any, after: str = "", **options: Any
) -> Callable[[int], Task]:
    """The task with its first ``n`` cases."""

    def of(n: int) -> Task:
        cases = [{"id": f"c{i:02}", "input": text_of(i)} for i in range(n)]
        if target is not None:
            cases = [{**case, "target": target(i)} for i, case in enumerate(cases)]
        return Task(name, cases=cases, prompt=f"<{name}> {{input}}{after}", scorer=scorer, **options)

    return of


TASKS: dict[str, tuple[Callable[[int], Task], tuple[Any, ...]]] = {
    "exact": (task("exact", label, "exact"), (*AGAIN, TURNED)),
    "choice": (task("choice", label, choice([*LABELS])), (*SAME, TURNED)),
    "letters": (
        task("letters", label, choice([*LABELS]), "\n{options}\nAnswer with the letter."),
        (*SAME, "option_order", TURNED),
    ),
    "number": (task("number", lambda i: i, numeric()), (*SAME, directional(negation(), expect="decreases"))),
    "free": (
        task("free", None, choice([*LABELS]), labels="none"),
        (*AGAIN, directional(negation(), expect="changes")),
    ),
}
MODELS = ("reader", "deaf", "constant", "weak", "mumbler", "talker", "turner")
FRAGILE = dict(zip(TASKS, (*FAMILIES, *FAMILIES), strict=False))
"""Each task has a model that is fragile to one family: not always the same."""
CELLS = [*product(TASKS, MODELS), *((name, f"fragile_{family}") for name, family in FRAGILE.items())]
LIMITS = (
    "accuracy >= 0.85", "robust_accuracy >= 0.85", "drop <= 0.1", "output_consistency >= 0.85", "unreadable <= 0.05",
    *(f"flip_rate[{p}] <= 0.1" for p in FAMILIES), "sensitivity >= 0.85", "unmoved <= 0.15",
)  # fmt: skip
NO_REPLY = "I would rather not say"


@dataclass(frozen=True)
class Truth:
    """What is true of a model on a task, by the rule of how the model is made."""

    task: str
    model: str

    @property
    def n(self) -> int:
        return CASES if self.model in ("reader", "deaf") else FEWER

    @property
    def again(self) -> bool:
        return "repeat" in TASKS[self.task][1]

    @property
    def ways(self) -> tuple[str, ...]:
        """How a case is put where its right answer stays, but for the repeats."""
        return ("", *FAMILIES, *(("option_order",) if self.task == "letters" else ()))

    def right_answer(self, i: int, way: str) -> Any:
        turned = way == "negation"
        return i - turned if self.task == "number" else label(i, turned=turned)

    def wrong_answer(self, i: int, way: str) -> Any:
        return i + 1000 if self.task == "number" else OTHER[label(i, turned=way == "negation")]

    def answer(self, i: int, way: str) -> Any:
        """What it answers; None: nothing that can be read (all such replies of a case are the same text)."""
        right, wrong = self.right_answer(i, way), self.wrong_answer(i, way)
        match self.model:
            case "reader":
                return right
            case "deaf":
                return self.right_answer(i, "")
            case "constant" if self.task == "number":
                return 7
            case "constant":  # the letter A is another option where their order is another one
                return LABELS[way == "option_order"]
            case "weak":
                return right if i % 10 < 7 else wrong
            case "mumbler":
                return None if i % 3 else right
            case "talker" if way == "casing":  # any text is an answer of a task that is scored by equality
                return "What a thing to say!" if self.task == "exact" else None
            case "turner":
                return wrong if way in FAMILIES else right
            case model:
                return wrong if model == f"fragile_{way}" else right

    def right(self, i: int, way: str) -> bool:
        return bool(self.answer(i, way) == self.right_answer(i, way))

    def moved(self, i: int) -> bool:
        """Whether it does with the "not" what the rule asks for."""
        before, after = self.answer(i, ""), self.answer(i, "negation")
        if before is None or after is None or before == after:
            return False
        if self.task == "number":
            return bool(after < before)
        return self.task == "free" or self.right(i, "negation")

    def mean(self, value: Callable[[int], float]) -> float:
        return fmean(value(i) for i in range(self.n))

    def changes(self, way: str) -> float:
        return self.mean(lambda i: self.answer(i, way) != self.answer(i, ""))

    def rate(self, way: str) -> float:
        return self.mean(lambda i: self.right(i, way))

    @cached_property
    def numbers(self) -> dict[str, float | None]:
        ways = self.ways
        known = self.task != "free"
        return {
            "accuracy": self.rate("") if known else None,
            "robust_accuracy": self.mean(lambda i: all(self.right(i, w) for w in ways)) if known else None,
            "drop": self.rate("") - fmean(map(self.rate, ways[1:])) if known else None,
            "output_consistency": self.mean(lambda i: len({self.answer(i, w) for w in ways}) == 1),
            "unreadable": self.mean(lambda i: fmean(self.answer(i, w) is None for w in ways)),
            **({"flip_rate[repeat]": 0.0} if self.again else {}),
            **{f"flip_rate[{p}]": self.changes(p) for p in ways[1:]},
            **{f"pass_rate[{p}]": self.rate(p) if known else None for p in ways[1:]},
            "sensitivity": self.mean(self.moved),
            "unmoved": 1 - self.changes("negation"),
        }

    @property
    def verdicts(self) -> dict[str, str]:
        def status(limit: str) -> str:
            metric, side, bound = limit.split()
            value = self.numbers[metric]
            if value is None:
                return "error"
            return (
                "passed" if (value >= float(bound) if side == ">=" else value <= float(bound)) else "failed"
            )

        return {limit: status(limit) for limit in LIMITS}

    @property
    def advice(self) -> str | None:
        """Where work pays: all right; else whether surely more, or less, than half of the errors go when reworded."""
        if self.numbers["unreadable"] >= 0.5:
            return "format-limited"
        if self.task == "free":
            return None
        if self.numbers["robust_accuracy"] == 1:
            return "saturated"
        k = len(self.ways)
        means = [fmean(self.right(i, w) for w in self.ways) for i in range(self.n)]
        share = sum(m * (1 - m) * k / (k - 1) for m in means) / sum(1 - m for m in means)
        rest = [m * (1 - m) * k / (k - 1) - share * (1 - m) for m in means]  # the delta method's, of a ratio
        error = self.n**0.5 * stdev(rest) / sum(1 - m for m in means)
        if abs(share - 0.5) <= 1.68 * error + 1e-9:
            return "undecided"
        return "fragile" if share > 0.5 else "competence-limited"

    @property
    def reacts(self) -> bool:
        stays = self.numbers["unmoved"]
        return self.numbers["unreadable"] >= 0.5 or stays < 0.5

    @property
    def sentence(self) -> str:
        said = [
            p
            for p in (
                self._unreadable,
                self._right,
                self._again,
                self._weakest,
                self._reacts,
                self._thresholds,
            )
            if p
        ]
        return "; ".join(said)[:1].upper() + "; ".join(said)[1:] + "."

    @property
    def _unreadable(self) -> str:
        share = self.numbers["unreadable"]
        wrong = "" if self.task == "free" else " and count as wrong"
        return f"{percent(share)} of replies are unreadable{wrong}" if share >= 0.05 else ""

    @property
    def _right(self) -> str:
        ways = f"in all {len(self.ways)} ways"
        if self.task == "free":
            same = percent(self.numbers["output_consistency"])
            return f"no right answers are known; the answer stays the same {ways} on {same} of {self.n} cases"
        a, r = percent(self.numbers["accuracy"]), percent(self.numbers["robust_accuracy"])
        return f"right on {a} of {self.n} cases as written, on {r} {ways}"

    @property
    def _again(self) -> str:
        """They answer one prompt in one way: what is right as written is right each time."""
        if not self.again or self.task == "free":
            return ""
        return f"right in both runs of a prompt on {percent(self.rate(''))}"

    @property
    def _weakest(self) -> str:
        if self.task == "free":
            p = max(self.ways[1:], key=self.changes)
            return (
                f"the answer changes most under {p} ({percent(self.changes(p))})" if self.changes(p) else ""
            )
        p = min(self.ways[1:], key=self.rate)
        cost = self.rate("") - self.rate(p)
        if not cost:
            if self.numbers["robust_accuracy"] == self.rate(""):
                return "no perturbation costs points"
            most = max(self.ways[1:], key=self.changes)
            changes = percent(self.changes(most))
            return f"no perturbation costs points on balance, and the answer changes most under {most} ({changes})"
        return f"weakest: {p} (-{100 * cost:.0f} points{' over the noise floor' if self.again else ''})"

    @property
    def _reacts(self) -> str:
        return f"moves as it should on {percent(self.numbers['sensitivity'])} of changes to the right answer"

    @property
    def _thresholds(self) -> str:
        wrong, missed = (
            [t for t, s in self.verdicts.items() if s == status] for status in ("error", "failed")
        )
        of = f"of {len(LIMITS)} thresholds"
        told = f"error on {len(wrong)} {of}{named(wrong)}" if wrong else ""
        if missed:
            told += f", {len(missed)} missed" if wrong else f"{len(missed)} {of} missed"
        return f"{told}{named(missed)}" if told else f"all {len(LIMITS)} thresholds hold"


def named(limits: list[str]) -> str:
    """A single one goes by its name."""
    return f": {limits[0]}" if len(limits) == 1 else ""


def percent(share: float) -> str:
    return f"{rounded(share)} %"


def rounded(share: float) -> int:
    """In per cent, a half upwards."""
    return int(100 * share + 0.5 + 1e-9)


class Written:
    """The variants of each case, made once for all models."""

    def __init__(self, name: str) -> None:
        self.job = Job(
            TASKS[name][0](CASES), "python:oracle_models:reader", TASKS[name][1], settings=SETTINGS
        )
        self.made: dict[str, list[Variant]] = {}

    def __call__(self, case: Case) -> list[Variant]:
        if case.id not in self.made:
            (selected,) = (s for s in self.job.selected() if s.case.id == case.id)
            self.made[case.id] = list(self.job.variants(selected))
        return self.made[case.id]


SETTINGS = Settings(variants=1, replies="off")


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], Result]:
    """Every model on every task."""
    limits = tuple(map(parse_threshold, LIMITS))
    found = {}
    with Gateway(SETTINGS) as gateway:
        for name, (of, perturbations) in TASKS.items():
            written = Written(name)
            for model in (*(m for task, m in CELLS if task == name), "guesser"):
                some = of(Truth(name, model).n)
                job = Job(
                    some, f"python:oracle_models:{model}", perturbations, limits, SETTINGS, "t.py::t", written
                )
                runner = Runner(gateway, SETTINGS)
                runner.add(job)
                found[name, model] = cell_of(job, runner.result(job))
    return found


@pytest.fixture(scope="module")
def reports(results: dict[tuple[str, str], Result]) -> dict[tuple[str, str], Report]:
    return {key: build(new_run(), [result]) for key, result in results.items()}


def metric(result: Result, text: str) -> Any:
    family, _, where = text.rstrip("]").partition("[")
    return result.metric(family, where or None)


def shown(report: Report) -> str:
    return " ".join(" ".join(terminal.render(report, width=200, verbosity=1)).split())


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_every_reply_is_what_the_rule_says(name, model, results):
    truth = Truth(name, model)
    told = results[name, model].records
    assert len(told) == truth.n * (len(truth.ways) + 1 + truth.again), "each perturbation acts on every case"
    for r in told:
        i, way = int(r.case_id[1:]), r.perturbation
        answer = truth.answer(i, "" if way == "repeat" else way)
        assert (r.status == "unparsed") == (answer is None), r
        if answer is not None and not (name == "exact" and answer == "What a thing to say!"):
            assert r.answer == answer, r


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_its_numbers_are_true(name, model, results):
    truth = Truth(name, model)
    found = {m: metric(results[name, model], m).value for m in truth.numbers}
    assert found == {m: None if v is None else pytest.approx(v) for m, v in truth.numbers.items()}


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_its_verdicts_are_true(name, model, results, reports):
    told = {str(v.threshold): v.status for v in results[name, model].verdicts}
    assert told == Truth(name, model).verdicts
    (cell,) = json.as_dict(reports[name, model])["cells"]
    assert {v["threshold"]: v["status"] for v in cell["verdicts"]} == told


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_its_advice_is_true(name, model, reports):
    truth, (cell,) = Truth(name, model), reports[name, model].cells
    assert getattr(cell.advice, "kind", None) == truth.advice, cell.advice
    assert getattr(cell.reaction, "kind", None) == (None if truth.reacts else "does not react")
    said = shown(reports[name, model])
    for kind in ("saturated", "fragile", "competence-limited", "format-limited", "does not react"):
        assert (f"{kind}: " in said) == (
            kind == truth.advice or (kind == "does not react" and not truth.reacts)
        )


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_its_sentence_is_true(name, model, reports):
    assert Truth(name, model).sentence in shown(reports[name, model])


@pytest.mark.parametrize(("name", "model"), CELLS)
def test_what_can_not_be_read_is_first(name, model, reports):
    said, truth = shown(reports[name, model]), Truth(name, model)
    (cell,) = reports[name, model].cells
    assert any(s.startswith("unreadable: ") for s in cell.first) == (truth.numbers["unreadable"] >= 0.05)
    assert any(s.startswith("no labels") for s in cell.first) == (name == "free")
    if cell.first:
        assert said.index(cell.first[0][:20]) < said.index("pass rate" if name != "free" else "flip rate")
    assert ("unreadable: " in said) == (truth.numbers["unreadable"] >= 0.05)


@pytest.mark.parametrize("name", TASKS)
def test_a_model_that_is_right_at_a_known_rate(name, results, reports):
    """Right with chance .7 at each of 160 or 200 wordings: within four standard errors of that."""
    result, (cell,) = results[name, "guesser"], reports[name, "guesser"].cells
    if Truth(name, "").again:
        assert metric(result, "flip_rate[repeat]").value == 0
    if name == "free":  # two wordings differ where one of them alone is wrong
        assert metric(result, "flip_rate").value == pytest.approx(0.42, abs=0.2)
        assert cell.advice is None
        return
    assert metric(result, "overall_accuracy").value == pytest.approx(0.7, abs=0.15)
    assert metric(result, "consistency_icc").value == pytest.approx(0, abs=0.25)
    assert metric(result, "robust_accuracy").value == pytest.approx(
        0.7 ** len(Truth(name, "").ways), abs=0.27
    )
    assert cell.advice.kind == "fragile"
    told = re.search(
        r"Right on (\d+) % of 40 cases as written, on (\d+) % in all", shown(reports[name, "guesser"])
    )
    assert told is not None
    assert [int(x) for x in told.groups()] == [
        rounded(metric(result, m).value) for m in ("accuracy", "robust_accuracy")
    ]


@pytest.mark.parametrize("model", [m for name, m in CELLS if name == "choice"])
def test_pages_tell_what_the_terminal_tells(model, reports):
    report, truth = reports["choice", model], Truth("choice", model)
    page, text = html.render(report), markdown.render(report)
    bare = re.sub(
        r"<[^>]+>|[*`\\]", "", page.replace("&#x27;", "'").replace("&gt;", ">").replace("&lt;", "<")
    )
    words = re.sub(r"\]\(#words\)|[*`\\\[]", "", text)
    for place in (" ".join(bare.split()), words):
        assert truth._right in place.replace("Right", "right")
        assert truth._reacts in place
        assert "does it react?" in place
    (cell,) = json.as_dict(report)["cells"]
    assert cell["first"] == list(report.cells[0].first)
    for kind in ("saturated", "fragile", "competence-limited", "format-limited"):
        assert (f"\n{kind}: " in words) == (kind == truth.advice)


def test_the_table_meets_every_kind_of_advice_and_verdict():
    truths = [Truth(*key) for key in CELLS]
    assert {t.advice for t in truths} == {
        "saturated",
        "competence-limited",
        "fragile",
        "format-limited",
        "undecided",
        None,
    }
    assert {s for t in truths for s in t.verdicts.values()} == {"passed", "failed", "error"}
    assert {t.reacts for t in truths} == {True, False}
