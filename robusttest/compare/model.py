"""What a comparison says, as plain data: renderers read it and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from robusttest.core.fail_on import FailOn
from robusttest.core.nouns import CellKey, Json
from robusttest.core.views import shown
from robusttest.stats.versions.paired import Change, ComparisonVerdict

VERDICTS: tuple[ComparisonVerdict, ...] = ("regressed", "undecided", "no_worse", "improved")
"""The worst first."""

REASONS: dict[str, str] = {
    "changed_input": "whose input or options changed",
    "changed_target": "with another right answer",
    "unknown_input": "without a record of the input on one side",
    "new_case": "of new cases",
    "dropped_case": "of cases that are gone",
    "new_perturbation": "of new perturbations",
    "dropped_perturbation": "of perturbations that are gone",
    "new_variant": "only in the new run",
    "dropped_variant": "only in the old run",
    "no_reply_old": "without a reply in the old run",
    "no_reply_new": "without a reply in the new run",
}
"""Why a variant was not compared, as its count is told (``12 of new cases``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """One case that broke, or was fixed, on some of its variants."""

    case_id: str
    variants: tuple[str, ...]
    """Variants whose score changed so; empty text for the unperturbed prompt."""
    of: int
    """Variants of this case that were compared."""
    old_answer: Json
    """Of the first of ``variants``; None where none was kept: a baseline keeps the answers of failures alone."""
    new_answer: Json
    old_status: str
    """``ok``, ``unparsed`` or ``refused``."""
    new_status: str
    old_score: float
    new_score: float
    target: Json
    text: str | None
    """What was put to the model, of the first of ``variants``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellComparison:
    """One test × task × model of the new version against the old one's."""

    task: str
    test: str | None
    """The test's node id without the model; None where no test made the records."""
    model: str
    old_model: str
    """Another one where the old version ran this test with another model."""
    verdict: ComparisonVerdict
    """``regressed`` if any of its changes is, else that of the first change."""
    changes: tuple[Change, ...] = ()
    """``all`` first, then ``accuracy``, ``robust_accuracy`` and each perturbation's family; empty where nothing could
    be paired."""
    cases: int = 0
    """Cases that were compared."""
    pairs: int = 0
    """Variants that were compared, decoding variants and repeats included."""
    held: int = 0
    """Variants that the old version has a reply to."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """Variants that were not, by reason (a key of `REASONS`)."""
    broke: tuple[CaseChange, ...] = ()
    """Cases whose sum of scores fell, those with the most such variants first; at most `LISTED`."""
    fixed: tuple[CaseChange, ...] = ()
    """Cases whose sum of scores rose, likewise."""
    n_broke: int = 0
    """Of such cases, in all."""
    n_fixed: int = 0
    noise: float | None = None
    """Share of repeats of one prompt with another outcome, of both runs; None where none were measured."""
    notes: tuple[str, ...] = ()
    ambiguous: bool = False
    """True if another cell of the comparison has this task and model."""

    @property
    def key(self) -> CellKey:
        return CellKey(self.test, self.task, self.model)

    @property
    def name(self) -> str:
        """The task and the model, with the test where these alone could be another's."""
        parts = [self.task, *([self.model] if self.model else [])]
        if self.ambiguous and self.test is not None:
            parts.insert(1, self.test.rpartition("/")[2])
        return " · ".join(parts)

    @property
    def covered(self) -> bool:
        """Whether at least `ENOUGH` of what the old version holds was compared: a gate lets nothing less pass."""
        return 0 < self.pairs >= ENOUGH * self.held

    @property
    def main(self) -> Change | None:
        """The change over all variants."""
        return self.changes[0] if self.changes else None


ENOUGH = 0.5
LISTED = 50
"""Cases that broke (and that were fixed) that a comparison holds of each cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A new version against an old one."""

    old: str
    """What the old version is called, with its label, day and commit."""
    new: str
    alpha: float
    margin: float | None
    """As in ``regression:MARGIN``; None: any drop that is sure is a regression."""
    cells: tuple[CellComparison, ...]
    """The worst verdict first."""
    only_old: tuple[str, ...] = ()
    """Cells of the old version that the new one did not run, by name."""
    only_new: tuple[str, ...] = ()
    """Cells that the old version does not have."""
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return shown(self)

    def count(self, verdict: ComparisonVerdict) -> int:
        """Cells with this verdict."""
        return sum(c.verdict == verdict for c in self.cells)

    def failing(self, fail_on: FailOn) -> list[CellComparison]:
        """The cells that the gate fails: by their verdict, or as too little of them could be compared."""
        return [c for c in self.cells if not c.covered or fail_on.fails(c.verdict)]
