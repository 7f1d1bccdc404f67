"""Perturbations that leave the text alone: the same question again, or decoded in another way.

They set `Draft.params` and `Draft.sample`; the provider decides what it makes of them. A parameter that it refuses
is its `ConfigurationError`, told before the run by the preflight.
"""

from __future__ import annotations

import math
import random

from robusttest.core.nouns import Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.protocol import Perturbation

_SEED_BITS = 31  # providers take a signed 32-bit seed at least


def repeat() -> Perturbation:
    """The unperturbed question again: what changes between repeats is the noise of decoding alone."""

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        return draft.with_(sample=index + 1)

    return Perturbation(
        name="repeat",
        spec="repeat",
        level="repeat",
        apply=apply,
        description="the same question again: the noise floor of decoding",
    )


def temperature(value: float | str | None = None) -> Perturbation:
    """Decode at temperature ``value`` in [0, 2] (0.7 if not given); each variant is a fresh sample."""
    t = _number("temperature", value, default=0.7, low=0.0, high=2.0)
    return _sampled("temperature", t, given=value is not None, description="decode at another temperature")


def top_p(value: float | str | None = None) -> Perturbation:
    """Nucleus sampling with ``value`` in (0, 1] (0.9 if not given); each variant is a fresh sample."""
    p = _number("top_p", value, default=0.9, low=0.0, high=1.0)
    if p == 0:
        raise UsageError("top_p:0 leaves no token to choose from: give a number in (0, 1]")
    return _sampled("top_p", p, given=value is not None, description="decode with another nucleus")


def sampling_seed() -> Perturbation:
    """Ask the provider for another sampling seed: a new one for each variant, from the run's seed.

    Where the task decodes greedily, or the provider ignores seeds, this measures what `repeat` does.
    """

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        taken = draft.params.get("seed")
        seed = rng.getrandbits(_SEED_BITS)
        if seed == taken:
            seed ^= 1
        return draft.with_(params={**draft.params, "seed": seed})

    return Perturbation(
        name="sampling_seed",
        spec="sampling_seed",
        level="decoding",
        apply=apply,
        description="another seed for the provider's sampling",
    )


def _sampled(name: str, value: float, *, given: bool, description: str) -> Perturbation:
    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        # Counted from 1: where the task decodes like this already, a variant must not be the reference's own reply.
        return draft.with_(params={**draft.params, name: value}, sample=index + 1)

    return Perturbation(
        name=name,
        spec=f"{name}:{value:g}" if given else name,
        level="decoding",
        apply=apply,
        description=description,
    )


def _number(name: str, value: float | str | None, *, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise UsageError(f"{name}:{value}: give a number from {low:g} to {high:g}, as in {name}:{default:g}")
    return number
