"""Faults of tools: what a body's tool does once, when it is used through ``ask.tool``."""

from __future__ import annotations

import random

from robusttest.core.nouns import Draft, NotApplicable
from robusttest.errors import UsageError, did_you_mean
from robusttest.perturbations.base.protocol import Perturbation

KINDS = ("timeout", "429", "500", "malformed", "empty", "stale", "truncated", "schema_drift")


def tool_fault(
    kind: str | None = None,
    *,
    at: int = 1,
    times: int = 1,
    tool: str | None = None,
    rate: float | None = None,
) -> Perturbation:
    """Let a tool fail: ``timeout`` and ``429``, ``500`` are raised; ``malformed``, ``empty``, ``truncated``, ``stale`` and
    ``schema_drift`` spoil what it returns.

    Without a kind each variant has one of them. The fault comes at the ``at``-th use of a tool (1 if not given), ``times``
    times in a row, at every tool or the one named; with ``rate`` instead at that share of all uses, each drawn by itself from the
    variant's seed, so that the same uses meet it in every run. The body runs its tools through ``ask.tool(name, function)``; a variant
    whose fault is never met is *not applicable*. The right answer stays: a good agent tries again, or says that it can't tell.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"tool_fault:{kind}: one of {', '.join(KINDS)}.{did_you_mean(kind, KINDS)}")
    for name, value in (("at", at), ("times", times)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(f"tool_fault({name}={value!r}): a whole number from 1")

    if rate is not None and (
        isinstance(rate, bool)
        or not isinstance(rate, int | float)
        or not 0 < rate <= 1
        or (at, times) != (1, 1)
    ):
        raise UsageError(
            f"tool_fault(rate={rate!r}): a share of uses above 0, at most 1, and then neither at= nor times="
        )

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is not None:
            return NotApplicable(
                reason="a declared task runs no tools: faults come to a body of your own, by ask.tool"
            )
        kinds = KINDS if kind is None else (kind,)
        if rate is not None:
            drawn = {"rate": float(rate), "seed": rng.getrandbits(32)}
            return draft.with_(fault={"kind": kinds[index % len(kinds)], "tool": tool, **drawn})
        if index >= len(kinds):
            return NotApplicable(reason=f"there are {len(kinds)} such faults")
        return draft.with_(fault={"kind": kinds[index], "at": at, "times": times, "tool": tool})

    spec = "tool_fault" + ("" if kind is None else f":{kind}")
    parts = [
        "" if rate is None else f"rate {rate:g}",
        f"at {at}" if at != 1 else "",
        f"{times} times" if times != 1 else "",
        tool or "",
    ]
    if any(parts):
        spec += "(" + ", ".join(p for p in parts if p) + ")"
    return Perturbation(
        name="tool_fault",
        spec=spec,
        level="prompt",
        apply=apply,
        limit=None if rate is not None else len(KINDS) if kind is None else 1,
        description="a tool of the body fails once"
        if rate is None
        else "tools of the body fail now and then",
    )
