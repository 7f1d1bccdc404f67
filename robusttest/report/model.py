"""What a report says, as plain data: every renderer reads this and none of them computes a number.

``Report`` → ``CellReport`` (one test × task × model) → ``PerturbationRow``, ``Verdict``, ``FailureReport``, ``Tally``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from robusttest.core.nouns import CellKey, Estimate, ItemOutcome, Json, Record, RunInfo, Verdict
from robusttest.errors import UnknownNameError
from robusttest.metrics import get_metric
from robusttest.report.later import LaterField

HEADLINE = ("accuracy", "robust_accuracy", "output_consistency", "consistency_icc", "drop")
"""The metrics every summary shows, in this order."""


def label(metric: str) -> str:
    """How a metric is headed where people read; what is none goes by its name."""
    try:
        return get_metric(metric).label
    except UnknownNameError:
        return metric.replace("_", " ")


class Segment(NamedTuple):
    """A stretch of a diff: ``old`` became ``new``; equal where nothing changed."""

    old: str
    new: str

    @property
    def changed(self) -> bool:
        return self.old != self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationRow:
    """What one perturbation did to one cell. A family that pools several severities has a row of its own."""

    perturbation: str
    level: str
    severity: float | None = None
    pooled: bool = False
    """True for a family over its severities: its rows follow."""
    within: str | None = None
    """The family's pooled row that this one belongs to."""
    pass_rate: Estimate
    flip_rate: Estimate
    drop: Estimate
    net_drop: Estimate | None = None
    """Over the noise floor of repeats; None where no repeats ran."""
    net_flip_rate: Estimate | None = None
    rejected: int = 0
    not_applicable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What the model did where one perturbation changes the right answer: sensitivity, which invariance never counts."""

    perturbation: str
    sensitivity: Estimate
    """Mean over cases of the share of variants that moved as their rule says."""
    unmoved: Estimate
    """Share of answers that stayed as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakest:
    """The perturbation with the largest effect: the drop in accuracy, or, without labels, the share of flipped answers."""

    perturbation: str
    effect: Estimate
    """Over the noise floor where there is one."""
    sure: bool
    """Whether the effect is above 0 with 95 % confidence for all ``of`` perturbations together (Bonferroni)."""
    of: int
    """Perturbations that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many variants ended like this, for this reason."""

    status: str
    """``unparsed``, ``refused``, ``error``, ``raised``, ``ungraded``, ``skipped``, ``rejected`` or ``not_applicable``."""
    reason: str
    perturbation: str | None = None
    """The one it happened to; None if to several."""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """A failing variant, for a reader who has to see why."""

    case_id: str
    variant: str
    """Empty for the unperturbed prompt."""
    perturbation: str
    status: str
    score: float
    reference_score: float | None
    answer: Json
    reference_answer: Json
    """The answer to the unperturbed prompt; None if it had none."""
    target: Json
    original: str | None
    """The text before the perturbation; None if it can't be told from the records."""
    text: str | None
    diff: tuple[Segment, ...] = ()
    """From ``original`` to ``text``; empty where nothing or no text differs."""
    edits: Mapping[str, list[list[Any]]] | None = None
    reply: str | None = None
    reason: str | None = None
    factors: Mapping[str, str] | None = None
    replay: str | None = None
    """The shell command that runs this variant alone; None where no test made it."""
    shrunk: tuple[Segment, ...] = ()
    """The smallest diff that still fails, where shrinking ran."""
    enough: str | None = None
    """What shrinking found, in a line: how many of the edits are enough, and how often that failed."""

    @property
    def name(self) -> str:
        """``t17::keyboard:0.1#3``, as ``--robust-case`` takes it."""
        return f"{self.case_id}::{self.variant}" if self.variant else self.case_id

    @property
    def broken(self) -> bool:
        """The unperturbed prompt scored higher: the perturbation made the difference."""
        return self.reference_score is not None and self.score < self.reference_score


CellOutcome: TypeAlias = ItemOutcome | Literal["inconclusive", "none"]

OUTCOMES: tuple[CellOutcome, ...] = (
    "error", "failed", "not_run", "inconclusive", "xpassed", "xfailed", "skipped", "none", "passed",
)  # fmt: skip
"""In the order in which reports tell them: what needs a look comes first."""

OUTCOME_WORDS: dict[str, str] = {"not_run": "not run", "none": "without thresholds"}
"""How an outcome is written where people read; others go by their name."""


def outcome_word(outcome: str) -> str:
    return OUTCOME_WORDS.get(outcome, outcome)


@dataclass(frozen=True, kw_only=True)
class CellReport:
    """One model on one task in one test. A `LaterField` is computed when it is first read."""

    key: CellKey
    item: ItemOutcome | None = None
    """What pytest says came of the test item; None where there was none."""
    reason: str | None = None
    """Why, in a line; None where there is nothing to say."""
    n_cases: int
    n_variants: int
    """Ways each case is put, the reference and repeats included."""
    n_calls: int
    coverage: float | None
    """Replies / planned calls; None where nothing was planned."""
    overall: Mapping[str, Estimate]
    """Every metric by name."""
    local: LaterField[tuple[Estimate, ...]] = LaterField(())
    """The main metrics of each perturbation."""
    ways: LaterField[tuple[int, int] | None] = LaterField(None)
    """The fewest and the most ways that a case was put and scored, the reference included; without repeats."""
    graded: LaterField[bool] = LaterField(False)
    """Whether scores between 0 and 1 were given."""
    weakest: LaterField[Weakest | None] = LaterField(None)
    """None where nothing that keeps the right answer was varied."""
    perturbations: LaterField[tuple[PerturbationRow, ...]] = LaterField(())
    """Invariance: does it stay right?"""
    reactions: LaterField[tuple[Reaction, ...]] = LaterField(())
    """Sensitivity: does it react?"""
    first: LaterField[tuple[str, ...]] = LaterField(())
    """What has to be known before any number is read: replies that nobody could read or that were cut, no labels."""
    verdicts: tuple[Verdict, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Records by status."""
    tallies: LaterField[tuple[Tally, ...]] = LaterField(())
    """Everything that is not a plain answer, by reason, the most frequent first."""
    failures: LaterField[tuple[FailureReport, ...]] = LaterField(())
    """The worst failing variants, the worst first: different perturbations and cases before more of the same."""
    n_failures: int = 0
    """Failing variants in all."""
    command: str | None = None
    """The shell command that runs this cell; ``--robust-case=NAME`` after it runs one variant. None without a test."""
    notes: tuple[str, ...] = ()
    advice: LaterField[Any] = LaterField(None)
    """Where work pays on this cell (`robusttest.stats.across.advice`); the terminal prints its ``lines``."""
    lever: LaterField[Any] = LaterField(None)
    """The kind of perturbation that makes most of the recoverable errors (`robusttest.stats.across.levers`)."""
    reaction: LaterField[Any] = LaterField(None)
    """The advice on sensitivity (`robusttest.stats.across.advice.reaction`), where there is one."""
    spread: LaterField[Any] = LaterField(None)
    """The spread between variants against noise (`robusttest.stats.cell.spread`)."""
    factors: LaterField[tuple[Any, ...]] = LaterField(())
    """Which knob matters: the cell's crossed designs (`robusttest.stats.across.factors`)."""
    blame: LaterField[Any] = LaterField(None)
    """The flips by what made them (`robusttest.stats.across.blame`)."""
    judge: LaterField[Any] = LaterField(None)
    """How far the judge is to be trusted (`robusttest.stats.cell.judges`)."""
    repeated: LaterField[Estimate | None] = LaterField(None)
    """``pass^k``: all k runs of a prompt right, where each case's prompt was run k times; None where none was repeated."""
    turns: LaterField[tuple[Any, ...]] = LaterField(())
    """Conversations turn by turn (`robusttest.stats.cell.turns`)."""
    slices: LaterField[Any] = LaterField(None)
    """The results by the columns of ``by=`` (`robusttest.stats.across.slices`)."""
    confusion: LaterField[Any] = LaterField(None)
    """Which answers are taken for which (`robusttest.stats.cell.confusion`)."""
    over_prompts: LaterField[Estimate | None] = LaterField(None)
    """``pass_rate`` for prompts like these, and not only for these; the other intervals are for those that ran."""
    adaptive: Any = None
    records: Sequence[Record] = field(default=(), repr=False)
    ambiguous: bool = False
    """True if another test of the run has this task and model: then readers are shown the test's name, too."""

    @property
    def task(self) -> str:
        return self.key.task

    @property
    def model(self) -> str:
        return self.key.model

    @property
    def title(self) -> str:
        """Its name and its model, where it has one."""
        return f"{self.name} · {self.model}" if self.model else self.name

    @property
    def test(self) -> str | None:
        """The test's node id without the model; None from a notebook."""
        return self.key.test

    @property
    def name(self) -> str:
        """The task, with its test where the task alone could be another's."""
        if not self.ambiguous or self.test is None:
            return self.task
        return f"{self.task} ({self.test.rpartition('/')[2]})"

    @property
    def outcome(self) -> CellOutcome:
        """What pytest says of the item; where there was none, the worst verdict, or ``none`` without a threshold."""
        if self.item is not None:
            return self.item
        statuses = {v.status for v in self.verdicts}
        for status in ("error", "failed", "inconclusive", "passed"):
            if status in statuses:
                return status
        return "none"

    @property
    def got(self) -> str:
        """Of which things `coverage` is the share. A variant without a result need not be a call without a reply: a body may
        have raised or skipped, a judge may have given no grade.
        """
        others = any(t.status in ("raised", "ungraded", "skipped") for t in self.tallies)
        return "variants have a result" if others or not self.key.model else "calls replied"

    @property
    def headline(self) -> tuple[Estimate, ...]:
        return tuple(self.overall[m] for m in HEADLINE if m in self.overall)

    @property
    def shown(self) -> tuple[Estimate, ...]:
        """The headline without what nothing is known of: a task without labels has no accuracy, and its flips instead. Of prompts that
        were run several times also how often all runs are right.
        """
        known = tuple(e for e in self.headline if e.value is not None or e.reason != "no_labels")
        if len(known) < len(self.headline):
            return (*known, self.overall["flip_rate"])
        return known if self.repeated is None else (*known, self.repeated)

    @property
    def metrics(self) -> tuple[Estimate, ...]:
        """Every estimate: overall, then by perturbation."""
        return (*self.overall.values(), *((self.repeated,) if self.repeated else ()), *self.local)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run, ready to be told."""

    run: RunInfo
    cells: tuple[CellReport, ...]
    reply_age: float | None = None
    """Seconds from the oldest replayed reply to this run; None where nothing was replayed."""
    notes: tuple[str, ...] = ()
    emergence: LaterField[Any] = LaterField(None)
    """Robustness against accuracy over models and tasks (`robusttest.stats.across.emergence`). Of this and the next two
    the terminal prints the attribute ``lines`` (texts), JSON the whole dataclass, HTML what it knows."""
    comparison: Any = None
    """This run against a baseline."""
    prompts: LaterField[tuple[Any, ...]] = LaterField(())
    """Several prompts of a task side by side (`robusttest.stats.across.prompts`)."""
    suite: LaterField[tuple[Any, ...]] = LaterField(())
    """Means over the tasks of each model, plain and weighted (`robusttest.stats.across.suite`)."""
    factors: LaterField[tuple[Any, ...]] = LaterField(())
    """Each factor of the crossed designs over the cells that have it (`robusttest.stats.across.factors`)."""
    history: Any = None
    """Earlier versions and this one: `robusttest.report.history.Line`s, where a report is to show them."""

    def _repr_html_(self) -> str:
        """The whole page, in a frame of its own that reaches nothing of the notebook."""
        from robusttest.report.notebook import framed

        return framed(self)

    @property
    def records(self) -> list[Record]:
        """Every record, cell by cell."""
        return [r for cell in self.cells for r in cell.records]

    def count(self, outcome: CellOutcome) -> int:
        """Cells with this outcome."""
        return sum(c.outcome == outcome for c in self.cells)
