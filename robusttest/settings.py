"""What a run is told: one frozen object, filled from flags, marks, ini and defaults in one place.

Precedence is flag > decorator > ini > default; `robusttest.plugin.options` and `robusttest.evaluate` resolve
it, everything else reads it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple

from robusttest.core.nouns import Json
from robusttest.errors import UnknownNameError, UsageError

Replies = Literal["auto", "live", "replay", "off"]
"""``auto`` replays what is stored and calls for the rest; ``live`` calls anew and stores; ``replay`` never
calls a provider (a ``python:`` model is the repo's own code, and runs); ``off`` neither reads nor writes the store."""
InconclusivePolicy = Literal["point", "pass", "fail", "xfail"]
Transport = Literal["auto", "litellm"]

REPORT_KINDS = ("html", "md", "json", "csv", "eee")


class ReportTarget(NamedTuple):
    """``--robust-report=json:PATH``."""

    kind: str
    path: str

    @classmethod
    def parse(cls, text: str) -> ReportTarget:
        """``KIND:PATH``. Raises `UsageError` where it is not."""
        kind, colon, path = str(text).partition(":")
        if not colon or not path:
            raise UsageError(f"report {text!r}: write KIND:PATH, with KIND one of {', '.join(REPORT_KINDS)}")
        if kind not in REPORT_KINDS:
            raise UnknownNameError("report kind", kind, REPORT_KINDS)
        return cls(kind, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one run. Every field has the name of its flag without ``--robust-``."""

    models: tuple[str, ...] = ()
    writer: str | None = None
    only: tuple[str, ...] = ()
    """Perturbations to keep, by name or spec; empty: all."""
    skip: tuple[str, ...] = ()
    variants: int = 5
    """Variants of each perturbation for each case."""
    limit: int | None = None
    """At most this many cases of each task, from the front."""
    case: tuple[str, ...] = ()
    """Only these: ``CASE_ID`` or ``CASE_ID::VARIANT`` (as in ``t17::keyboard:0.1#3``)."""
    seed: int = 0
    concurrency: int = 32
    """Calls in flight at most, per endpoint."""
    rpm: int | None = None
    """Requests per minute at most, per endpoint."""
    tpm: int | None = None
    """Tokens per minute at most, per endpoint."""
    max_cost: float | None = None
    """US dollars."""
    max_calls: int | None = None
    dry_run: bool = False
    replies: Replies = "auto"
    max_age: float | None = None
    """Seconds; stored replies older than this are asked for again."""
    adaptive: bool = False
    max_cases: int | None = None
    inconclusive: InconclusivePolicy = "point"
    min_coverage: float = 0.95
    baseline: str | None = None
    update_baseline: bool = False
    fail_on: str | None = None
    """``regression``, ``regression:MARGIN`` or ``undecided``."""
    freeze: Path | None = None
    """A file of variants (`robusttest.variants.frozen`): used as it stands, and written where there is none."""
    update_freeze: bool = False
    """Make the variants of ``freeze`` anew."""
    shrink: int = 0
    """Calls that may be spent on shrinking failing variants."""
    transport: Transport = "auto"
    report: tuple[ReportTarget, ...] = ()
    label: str | None = None
    timeout: float = 120.0
    """Seconds for one attempt of a call."""
    deadline: float = 600.0
    """Seconds for one call with all its retries."""
    directory: Path = Path(".robusttest")

    def __post_init__(self) -> None:
        for name, low in (("variants", 1), ("concurrency", 1), ("shrink", 0)):
            if getattr(self, name) < low:
                raise UsageError(f"{name}={getattr(self, name)!r}: must be at least {low}")
        for name in ("limit", "max_calls", "max_cases", "rpm", "tpm"):
            if (v := getattr(self, name)) is not None and v < (0 if name == "max_calls" else 1):
                raise UsageError(f"{name}={v!r}: must be positive")
        for name in ("max_cost", "max_age"):
            if (v := getattr(self, name)) is not None and not v >= 0:
                raise UsageError(f"{name}={v!r}: must not be negative")
        for name in ("timeout", "deadline"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}={getattr(self, name)!r}: must be positive")
        if not 0 <= self.min_coverage <= 1:
            raise UsageError(f"min_coverage={self.min_coverage!r}: must be in [0, 1]")
        if self.freeze is not None:
            object.__setattr__(self, "freeze", Path(self.freeze))
        elif self.update_freeze:
            raise UsageError("update_freeze needs freeze: the file whose variants are made anew")
        for name, allowed in (
            ("replies", ("auto", "live", "replay", "off")),
            ("inconclusive", ("point", "pass", "fail", "xfail")),
            ("transport", ("auto", "litellm")),
        ):
            if getattr(self, name) not in allowed:
                raise UnknownNameError(name, str(getattr(self, name)), allowed)

    def to_json(self) -> dict[str, Json]:
        """The settings that differ from their defaults, for the run file."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        for name in ("directory", "freeze"):
            if name in changed:
                changed[name] = os.fspath(changed[name])
        return changed

    def as_dict(self) -> dict[str, Json]:
        return asdict(self)
