"""A cell by its sums: what a report asks a `Frame` that sums by case can answer, with the same answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, CellKey, Estimate, Record
from robusttest.errors import UnknownNameError
from robusttest.metrics import get_metric
from robusttest.stats.cell import case_table
from robusttest.stats.cell.case_table import NOT_FROM_SUMS, CaseTable
from robusttest.stats.cell.estimates import NO_REPEATS, NO_SENSITIVE
from robusttest.stats.cell.frame import REPEAT, Frame

SINGLE = "takes single replies: sums by case hold none"
Choice = tuple[str | None, bool]
"""A perturbation (None: all), and whether its variants that change the right answer are meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationFacts:
    """What the records of one perturbation say beside scores and answers."""

    spec: str
    level: str
    severity: float | None = None
    counts: Mapping[str, int] | None = None
    """Records by status."""
    same: bool = False
    """Whether some variant that was planned keeps the right answer."""
    changes: bool = False
    """Whether some changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """What tables of sums don't say of their cell."""

    n_cases: int
    n_variants: int
    n_calls: int
    coverage: float | None = None
    n_failures: int = 0
    """Failing variants."""
    perturbations: tuple[PerturbationFacts, ...] = ()
    """In first-seen order, the unperturbed prompt (an empty spec) among them."""

    @classmethod
    def of(cls, frame: Frame, records: Iterable[Record], failing: int) -> CellFacts:
        counts: dict[str, Counter[str]] = {}
        how: dict[str, tuple[str, float | None]] = {}
        for r in records:
            how.setdefault(r.perturbation, (r.level, r.severity))
            counts.setdefault(r.perturbation, Counter())[r.status] += 1
        return cls(
            n_cases=frame.n_cases, n_variants=frame.n_variants, n_calls=frame.n_calls, coverage=frame.coverage, n_failures=failing,
            perturbations=tuple(
                PerturbationFacts(
                    spec=spec, level=level, severity=severity, counts=dict(counts[spec]),
                    same=frame.has(spec, sensitive=False), changes=frame.has(spec, sensitive=True),
                )
                for spec, (level, severity) in how.items()
            ),
        )  # fmt: skip

    @property
    def counts(self) -> dict[str, int]:
        """Records by status."""
        found: Counter[str] = Counter()
        for p in self.perturbations:
            found.update(p.counts or {})
        return dict(sorted(found.items()))


class TableCell:
    """One cell: its tables by the choice of variants that each is of, and its facts."""

    def __init__(self, key: CellKey, tables: Iterable[CaseTable], facts: CellFacts) -> None:
        self.key, self.facts = key, facts
        self.tables: dict[Choice, CaseTable] = {(t.perturbation, t.sensitive): t for t in tables}

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Specs in first-seen order."""
        return tuple(p.spec for p in self.facts.perturbations if p.spec != REFERENCE)

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(split_spec(p)[0] for p in self.perturbations))

    @property
    def has_repeats(self) -> bool:
        return (REPEAT, False) in self.tables

    def has(self, perturbation: str, *, sensitive: bool) -> bool:
        """Whether some variant of a perturbation is one of sensitivity, or of invariance."""
        mine = (p for p in self.facts.perturbations if perturbation in (p.spec, split_spec(p.spec)[0]))
        return any(p.changes if sensitive else p.same for p in mine)

    def estimate(self, metric: str, perturbation: str | None = None, *, level: float = 0.95) -> Estimate:
        """As `robusttest.stats.cell.estimates.estimate` of the frame. What takes single replies has no value, and the reason."""
        spec = get_metric(metric)
        bare = Estimate(metric=metric, perturbation=perturbation, level=level)
        if spec.name in NOT_FROM_SUMS or spec.own is not None:
            return replace(bare, reason=f"{spec.name} {SINGLE}")
        sensitive = spec.over == "sensitive"
        choice = perturbation
        if perturbation is None and (
            spec.over == "repeats" or (spec.name in ("tara", "tarr") and self._only_reruns)
        ):
            choice = REPEAT
        elif spec.family == "replies":
            sensitive = (
                perturbation is not None
                and self.has(perturbation, sensitive=True)
                and not self.has(perturbation, sensitive=False)
            )
        table = self.tables.get((choice, sensitive))
        if table is None:
            if not any(name == perturbation for name, _ in self.tables) and choice != REPEAT:
                raise UnknownNameError("perturbation", str(perturbation), self.perturbations)
            return replace(bare, reason=NO_SENSITIVE if sensitive else NO_REPEATS)
        noise = self.tables.get((REPEAT, False)) if spec.is_net and choice != REPEAT else None
        return replace(
            case_table.estimate(table, metric, noise=noise, level=level), perturbation=perturbation
        )

    @property
    def _only_reruns(self) -> bool:
        return self.has_repeats and all(
            p.spec == REFERENCE or p.level == REPEAT for p in self.facts.perturbations
        )
