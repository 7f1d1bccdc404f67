"""A job: one test × model, resolved. What is wrong with it is refused when it is made, before any call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from robusttest import __version__
from robusttest.core.nouns import Case, CellKey, Completion, Json, Record, Request, Threshold, Variant
from robusttest.core.secrets import secret_in
from robusttest.engine.record import case_hash
from robusttest.engine.rounds import Plan, plan
from robusttest.errors import did_you_mean
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.usual import fitting
from robusttest.perturbations.base.validity import DEFAULT, Validity
from robusttest.scorers.protocol import Scorer
from robusttest.settings import Settings
from robusttest.tasks.cases import broken_down, columns_of
from robusttest.tasks.task import Task
from robusttest.variants.expand import expand_case
from robusttest.variants.frozen import Scope
from robusttest.variants.remembered import Store, named, rememberable, remembered
from robusttest.variants.select import (
    Selected,
    Tested,
    check_thresholds,
    judged,
    select_cases,
    select_perturbations,
    spec_of,
)


class GatewayLike(Protocol):
    """What running a job needs of a gateway; and a `store`, if it keeps variants."""

    def request(
        self, model: str, messages: Sequence[Mapping[str, Json]], params: Mapping[str, Json], sample: int = 0
    ) -> Request: ...
    def submit(self, request: Request) -> Future[Completion]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BodyTask:
    """What a test with a body of its own has in the place of a `Task`: it renders no prompt, and scores by itself, or by a scorer
    what the body returns.
    """

    name: str
    cases: tuple[Case, ...]
    protect: tuple[Any, ...] = ()
    validity: Validity = DEFAULT
    prompt: None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    scorer: Scorer | None = None
    scorer_check: None = None
    prompt_name: None = None


@dataclass(frozen=True, eq=False)
class Job:
    """One test × model: what one item plans. Resolving it refuses what is wrong before any call."""

    task: Task | BodyTask
    model: str
    perturbations: Sequence[Any] = ()
    thresholds: Sequence[Threshold] = ()
    settings: Settings = Settings()  # noqa: RUF009  frozen
    test: str | None = None
    source: Callable[[Case], Iterable[Variant]] | None = None
    """Where a case's variants come from instead of expansion (a frozen file), the reference first."""
    keep: Callable[[Variant], None] | None = None
    """Told of each variant as it is made (to freeze it)."""
    first: frozenset[str] = frozenset()
    """Cases that are planned before the others, as they failed the last time. No number depends on it."""
    taken: tuple[Selected, ...] | None = None
    """These cases alone: a worker's part of a job."""
    resumed: Mapping[tuple[str, str], Record] = field(default_factory=dict)
    """Records by case and variant that stand in the place of asking: an earlier run, which did not end, made them."""
    wanted: tuple[Perturbation, ...] = field(init=False)
    """The perturbations that this run takes, with their writers."""
    judged: tuple[Threshold, ...] = field(init=False)
    """The thresholds that this run can judge."""
    notes: tuple[str, ...] = field(init=False)
    adaptive: Plan | None = field(init=False)
    """Round by round until every threshold is decided; None: all cases."""
    _names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        every, wanted = select_perturbations(
            self.perturbations,
            self.settings,
            model=self.model,
            fits=lambda made: fitting(made, self.task.prompt, self.task.cases),
        )
        check_thresholds(self.thresholds, every)
        kept, notes = judged(self.thresholds, wanted)
        adaptive, said = plan(self.task.cases, kept, wanted, self.settings)
        lacking = (_lacking(self.task, column) for column in self.settings.by)
        notes += [note for note in (said, _unsayable(self.task), *lacking) if note is not None]
        for name, value in (("wanted", wanted), ("judged", kept), ("notes", notes)):
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "adaptive", adaptive)
        # What a gate of the user's refuses may change with its code.
        names = named(self.perturbations) if self.task.validity == DEFAULT else frozenset()
        object.__setattr__(self, "_names", names)

    @property
    def key(self) -> CellKey:
        """The cell that it makes."""
        return CellKey(self.test, self.task.name, self.model)

    @property
    def names(self) -> dict[str, Any]:
        """What every record of the job is of."""
        names = {"task": self.task.name, "model": self.model, "test": self.test}
        return names if self.task.prompt_name is None else {**names, "prompt": self.task.prompt_name}

    @property
    def remembers(self) -> bool:
        """Whether some of its variants are kept in the reply store."""
        return self.source is None and any(rememberable(p, self._names) for p in self.wanted)

    def held(self, variant: Variant) -> Record | None:
        """The record that an earlier run has of this very variant."""
        found = self.resumed.get((variant.original.id, variant.id)) if self.resumed else None
        return found if found is not None and found.case_hash == case_hash(variant) else None

    def selected(self) -> list[Selected]:
        """The cases in the order they are put; of an adaptive job those that it may take."""
        if self.taken is not None:
            return list(self.taken)
        return (
            self.adaptive.cases
            if self.adaptive
            else select_cases(self.task.cases, self.settings, self.wanted)
        )

    def models(self) -> tuple[str, ...]:
        """Every model that the job calls: the one under test, writers and judges."""
        writers = [p.writer for p in self.wanted] if self.source is None else []
        judge = self.task.validity.judge if any(writers) else None
        scorers = (self.task.scorer, self.task.scorer_check)
        others = [*writers, judge, *(None if s is None else s.model for s in scorers)]
        return tuple(dict.fromkeys(m for m in (self.model, *others) if m))

    def scope(self) -> Scope:
        """What the job asks of a file of frozen variants."""
        return Scope(
            task=self.task.name,
            cases=self.task.cases,
            selected=[selected.case for selected in self.selected()],
            perturbations=self.wanted,
            variants=self.settings.variants,
            seed=self.settings.seed,
            prompt=self.task.prompt,
            protect=self.task.protect,
        )

    def tested(self) -> Tested:
        """What ``--robust-case`` may name of it."""

        def made(selected: Selected) -> list[Variant]:
            return [v for v in self.variants(selected) if isinstance(v, Variant)]

        return Tested(self.task.cases, self.wanted, made)

    def variants(self, selected: Selected, store: Store | None = None) -> Iterator[Variant | Perturbation]:
        """A case's variants, the reference first; then each perturbation that a model has yet to write.

        ``store`` remembers those that it can.
        """
        case, only = selected
        if self.source is not None:
            yield from (v for v in self.source(case) if only is None or not v.perturbation or v.id in only)
            return
        perturbations, most = self.wanted, self.settings.variants
        if only is not None:
            parts = [spec_of(v) for v in sorted(only)]
            specs = {spec for spec, _ in parts}
            perturbations = tuple(p for p in perturbations if p.spec in specs)
            most = max([most, *(i + 1 for _, i in parts)])
        task, seed = self.task, self.settings.seed

        def expanded(some: Sequence[Perturbation]) -> Iterator[Variant]:
            return expand_case(
                case,
                some,
                prompt=task.prompt,
                params=task.params,
                variants=most,
                seed=seed,
                protect=task.protect,
                validity=task.validity,
            )

        (reference,) = expanded(())
        yield reference
        for v in remembered(
            store,
            lambda some: islice(expanded(some), 1, None),
            reference.draft,
            [p for p in perturbations if p.rewrite is None],
            self._names,
            variants=most,
            seed=seed,
            protect=task.protect,
            version=__version__,
        ):
            if only is None or v.id in only:
                yield v
        yield from (p for p in perturbations if p.rewrite is not None)


def _lacking(task: Task | BodyTask, column: str) -> str | None:
    """That no case has a column by which results are to be broken down: of one setting for many tests, no error."""
    if any(column in case.by for case in broken_down(task.cases, (column,))):
        return None
    known = columns_of(task.cases)
    return (
        f"by={column}: no case has such a column.{did_you_mean(column, known)} There are: {', '.join(known)}"
    )


def _unsayable(task: Task | BodyTask) -> str | None:
    """What a reader has to know of targets that are secrets: a reply that gives one is not seen to be right."""
    for case in task.cases:
        if (secret := secret_in([case.target, *(case.choices or ())])) is not None:
            return (
                f"the target or a choice of case {case.id!r} holds the value of {secret}, which is hidden in replies before they "
                "are scored: a reply that says it is taken for wrong. Give that variable another value, or another name"
            )
    return None
