"""What a comparison is to fail on, read from its text. Imports no numbers: options are checked at start-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from robusttest.errors import UsageError

if TYPE_CHECKING:
    from robusttest.stats.versions.paired import ComparisonVerdict


@dataclass(frozen=True, slots=True)
class FailOn:
    """``regression``, ``regression:MARGIN`` or ``undecided``, read."""

    kind: Literal["regression", "undecided"]
    margin: float | None = None

    @classmethod
    def parse(cls, text: str) -> FailOn:
        """Raises `UsageError` for anything else, and for a margin outside [0, 1]."""
        word, colon, margin = text.partition(":")
        if word == "undecided" and not colon:
            return cls("undecided")
        if word == "regression":
            try:
                value = float(margin) if colon else None
            except ValueError:
                value = -1.0
            if value is None or 0 <= value <= 1:
                return cls("regression", value)
            raise UsageError(
                f"{text!r}: MARGIN is a share of the score from 0 to 1, as in regression:0.02 (two points)"
            )
        raise UsageError(
            f"{text!r}: write regression, regression:MARGIN (as in regression:0.02) or undecided"
        )

    def fails(self, verdict: ComparisonVerdict) -> bool:
        """``regression`` fails regressed cells alone; ``undecided`` these and the undecided ones."""
        return verdict == "regressed" or (self.kind == "undecided" and verdict == "undecided")
