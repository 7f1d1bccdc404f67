"""One cell as a test's body, a notebook and the report read it: records, and every metric computed when asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import (
    REFERENCE,
    CellKey,
    Estimate,
    ItemOutcome,
    Judging,
    Record,
    RunInfo,
    Threshold,
    Verdict,
)
from robusttest.core.views import shown, view
from robusttest.engine.rounds import Stopping
from robusttest.errors import UsageError, did_you_mean
from robusttest.metrics import METRICS
from robusttest.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from robusttest.engine.job import Job
    from robusttest.stats.across.blame import Blame
    from robusttest.stats.across.factors import Design
    from robusttest.stats.across.slices import Slices
    from robusttest.stats.cell.confusion import Confusion
    from robusttest.stats.cell.frame import Frame
    from robusttest.stats.cell.judges import Judge
    from robusttest.stats.cell.turns import Turn

NOT_WRITTEN = {"json": False}
"""Metadata of a field that is no part of the JSON form."""

_HEADLINES = ("accuracy", "robust_accuracy", "flip_rate", "consistency_icc", "drop")


class _Metrics:
    """Every metric of `robusttest.metrics` as an attribute: ``result.accuracy`` is an `Estimate`."""

    def metric(self, name: str) -> Estimate:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Estimate:
        if name in METRICS:
            return self.metric(name)
        if name.startswith("_"):
            raise AttributeError(name)
        hint = did_you_mean(name, [*METRICS, *(n for n in dir(type(self)) if not n.startswith("_"))])
        raise AttributeError(f"a result has no {name!r}.{hint} Metrics: {', '.join(METRICS)}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *METRICS})


@dataclass(kw_only=True, eq=False, repr=False)
class Cell(_Metrics):
    """What one model did on one task in one test: what a body is given as ``result``, and what a run stores and reports.

    ::

        result.accuracy.value, result.accuracy.low          # an Estimate: value, interval, n
        result["keyboard"].flip_rate.value                  # at one perturbation (a family, or a whole spec)
        result.verdicts                                     # each threshold, judged
        result.worst(3)                                     # failing variants, the most telling first
        result.to_frame()                                   # the records as a DataFrame
        result.report("report.html")                        # the report of a run, on this result

    An estimate without data has the value None and a reason. In JSON (`robusttest.core.codec`) the records stand by
    themselves: one line each, which may come before their cell is complete.
    """

    key: CellKey = field(kw_only=False)
    records: Sequence[Record] = field(default=(), kw_only=False, metadata=NOT_WRITTEN)
    nodeid: str | None = None
    """The test item with its model, where a test made the cell: the report prints how to run it again."""
    outcome: ItemOutcome | None = None
    """What pytest says came of the item; None where there was none."""
    reason: str | None = None
    """Why, in pytest's words or ours; None where there is nothing to say."""
    thresholds: tuple[Threshold, ...] = ()
    verdicts: tuple[Verdict, ...] = None  # type: ignore[assignment] # never None once it is made
    """Each threshold, judged; by the settings, where no verdicts are given."""
    notes: tuple[str, ...] = ()
    adaptive: Stopping | None = None
    """How an adaptive run ended: then intervals are confidence sequences, where there are some."""
    judging: Judging | None = None
    """How the judge did on answers that a person graded, where it has some."""
    settings: Settings = field(default_factory=Settings, metadata=NOT_WRITTEN)
    wanted: tuple[str, ...] = field(default=(), metadata=NOT_WRITTEN)
    """Perturbations' specs in the order of the test, those included that could act on no case."""
    run: RunInfo | None = field(default=None, metadata=NOT_WRITTEN)
    """The run that it is of, where `evaluate` made it."""

    def __post_init__(self) -> None:
        self.records = tuple(self.records)
        self.thresholds, self.notes, self.wanted = (
            tuple(self.thresholds),
            tuple(self.notes),
            tuple(self.wanted),
        )
        self.verdicts = self._judged() if self.verdicts is None else tuple(self.verdicts)
        self.thresholds = self.thresholds or tuple(v.threshold for v in self.verdicts)

    @property
    def task(self) -> str:
        return self.key.task

    @property
    def model(self) -> str:
        return self.key.model

    @property
    def test(self) -> str | None:
        return self.key.test

    @cached_property
    def frame(self) -> Frame | None:
        """The records as arrays; None if there is none. Several tasks or models at once are refused."""
        from robusttest.stats.cell.frame import frames

        found = frames(self.records, sequential=self.adaptive is not None)
        if len(found) > 1:
            raise UsageError(f"a result is of one task and model, and these records are of {len(found)}")
        return found[0] if found else None

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Specs, in the order of the test."""
        seen = dict.fromkeys(r.perturbation for r in self.records if r.perturbation != REFERENCE)
        return tuple(dict.fromkeys([*self.wanted, *seen]))

    @property
    def coverage(self) -> float | None:
        """Share of planned calls that gave a reply; None where nothing was planned."""
        return None if self.frame is None else self.frame.coverage

    def metric(self, name: str, perturbation: str | None = None) -> Estimate:
        """A metric by name, overall or at one perturbation."""
        from robusttest.metrics import get_metric

        get_metric(name)
        if self.frame is None:
            return Estimate(metric=name, perturbation=perturbation, reason="no_data")
        from robusttest.stats.cell.estimates import estimate

        return estimate(self.frame, name, perturbation)

    def __getitem__(self, perturbation: str) -> Part:
        """The metrics at one perturbation: a family pools its severities, a whole spec is that one."""
        from robusttest.core.names import split_spec
        from robusttest.errors import UnknownNameError

        names = {n for p in self.perturbations for n in (p, split_spec(p)[0])}
        known = perturbation if perturbation in names else _meant(perturbation, names)
        if known is None:
            raise UnknownNameError("perturbation", str(perturbation), names)
        return Part(self, known)

    def _judged(self) -> tuple[Verdict, ...]:
        if not self.thresholds:
            return ()
        from robusttest.stats.cell.gates import judge

        if self.frame is None:
            return tuple(
                Verdict(threshold=t, status="error", reason=f"'{t}': no call was made")
                for t in self.thresholds
            )
        policy, least = self.settings.inconclusive, self.settings.min_coverage
        return tuple(
            judge(self.frame, t, policy=policy, min_coverage=least, judging=self.judging)
            for t in self.thresholds
        )

    @property
    def passed(self) -> bool:
        """True if every threshold passed (also where there is none)."""
        return all(v.status == "passed" for v in self.verdicts)

    def worst(self, n: int | None = 3) -> list[Record]:
        """Failing variants, the worst first (``None``: all of them), as the report shows them.

        What the perturbation broke comes before what was wrong anyway, then the lowest score; different perturbations
        and cases come before more of the same. An unperturbed prompt that fails is one of them.
        """
        from robusttest.engine.record import failing

        return [r for _, r in failing(self.records, n)]

    @cached_property
    def factors(self) -> tuple[Design, ...]:
        """Which knob matters: the factors of each crossed design, by analysis of variance."""
        from robusttest.stats.across.factors import designs

        return () if self.frame is None else designs(self.frame)

    @cached_property
    def blame(self) -> Blame | None:
        """The flips split by what made them: run noise, unreadable replies, scorer, judge, wording."""
        from robusttest.stats.across.blame import blame

        return None if self.frame is None else blame(self.frame)

    @cached_property
    def judge(self) -> Judge | None:
        """How far the judge is to be trusted: agreement with itself and with labels, and the accuracy that it leaves."""
        from robusttest.stats.cell.judges import judge_of

        return judge_of(self.records, self.judging, self.frame)

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """Of conversations that were scored turn by turn: how often each turn is right."""
        from robusttest.stats.cell.turns import turns

        return turns(self.records)

    @cached_property
    def slices(self) -> Slices | None:
        """The results by each column of ``by=``, each slice against the rest."""
        from robusttest.stats.across.slices import slices

        return None if self.frame is None else slices(self.frame)

    @cached_property
    def confusion(self) -> Confusion | None:
        """Which answers are taken for which."""
        from robusttest.stats.cell.confusion import confusion

        return confusion(self.records)

    def to_frame(self) -> pd.DataFrame:
        """The records as a DataFrame, one row for each variant."""
        from robusttest.stats.cell.frame import to_dataframe

        return to_dataframe(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<result of {self.task!r} × {self.model!r}: {len(self.records)} records>"

    def __str__(self) -> str:
        lines = [f"{self.task} × {self.model}" if self.model else self.task]
        lines += [f"  {label:<18} {text}" for label, text in self._summary()]
        lines += [f"  {v.status:<12} {v.threshold}: {v.reason}" for v in self.verdicts]
        return "\n".join(lines)

    def _summary(self) -> list[tuple[str, str]]:
        told = [self.metric(name) for name in (*_HEADLINES, "sensitivity", "unreadable")]
        rows = [(e.metric, estimate_text(e)) for e in told if _worth_telling(e)]
        share = self.coverage
        return [*rows, ("coverage", "no calls" if share is None else f"{share:.1%} of {self._calls()} calls")]

    def _calls(self) -> int:
        return 0 if self.frame is None else self.frame.n_calls

    def report(self, path: str | None = None) -> Any:
        """The report of this result alone, as of a run: a notebook shows the whole page, figures and cases included.

        With ``path`` it is also written: ``.html``, ``.md``, ``.json`` or ``.csv``. Raises `UsageError` for another
        ending, `StorageError` where it can't be written.
        """
        return view("reported")([self], path)

    def _repr_html_(self) -> str:
        return shown(self)


def _worth_telling(e: Estimate) -> bool:
    """What a task without labels does not have, and of the last two what there is none of, is left out."""
    if e.metric in ("sensitivity", "unreadable"):
        return e.value is not None and (e.metric == "sensitivity" or e.value > 0)
    return e.value is not None or e.reason != "no_labels"


Result = Cell
"""As users call it: what ``evaluate`` returns, and a test's argument."""


def _meant(name: str, known: Collection[str]) -> str | None:
    from robusttest.perturbations.base.catalog import meant  # a name that is there needs no catalog

    return meant(str(name), known)


def _by_names(make: Callable[..., None]) -> Callable[..., None]:
    """A cell may also be made as a notebook writes it: ``Result("task", "model", records, test=…)``."""

    @wraps(make)
    def init(self: Cell, key: CellKey | str, *rest: Any, **fields: Any) -> None:
        if not isinstance(key, str):
            return make(self, key, *rest, **fields)
        task, (model, *rest) = key, (*rest, *([fields.pop("model")] if "model" in fields else []))  # type: ignore[assignment]  # two or three names
        return make(self, CellKey(fields.pop("test", None), task, model), *rest, **fields)

    return init


Cell.__init__ = _by_names(Cell.__init__)  # type: ignore[method-assign]  # the dataclass's own, wrapped once


class Part(_Metrics):
    """A result at one perturbation: ``result["keyboard"].flip_rate``."""

    def __init__(self, result: Cell, perturbation: str) -> None:
        self.result, self.perturbation = result, perturbation

    def metric(self, name: str) -> Estimate:
        return self.result.metric(name, self.perturbation)

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of its variants, without the reference."""
        from robusttest.core.names import split_spec

        p = self.perturbation
        return tuple(r for r in self.result.records if p in (r.perturbation, split_spec(r.perturbation)[0]))

    def __repr__(self) -> str:
        return f"<result of {self.result.task!r} × {self.result.model!r} at {self.perturbation!r}>"


def grouped(records: Iterable[Record]) -> dict[CellKey, list[Record]]:
    """Records by cell, in first-seen order."""
    found: dict[CellKey, list[Record]] = {}
    last: tuple[str | None, str, str] | None = None
    rows: list[Record] = []
    for r in records:
        mine = (r.test, r.task, r.model)
        if mine != last:  # rows of a cell mostly stand together
            last, rows = mine, found.setdefault(r.key, [])
        rows.append(r)
    return found


def estimate_text(e: Estimate) -> str:
    """``0.912 [0.850, 0.950], n=100``, or the reason why there is no value."""
    if e.value is None:
        return e.why or "no value"
    interval = "" if e.low is None or e.high is None else f" [{e.low:.3f}, {e.high:.3f}]"
    return f"{e.value:.3f}{interval}, n={e.n}"


def cell_of(job: Job, records: Sequence[Record], **facts: Any) -> Cell:
    """What a job made: its records, judged; of a shard, which is only a part, they are not.

    ``facts`` are further fields of the cell.
    """
    if job.settings.shard is not None:
        facts["verdicts"] = ()
    facts = {"notes": job.notes, **facts}
    return Cell(
        job.key,
        records,
        thresholds=tuple(job.judged),
        settings=job.settings,
        wanted=tuple(p.spec for p in job.wanted),
        **facts,
    )
