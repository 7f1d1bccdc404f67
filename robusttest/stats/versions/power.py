"""How many cases a paired comparison takes, and what it could have found with those it has.

A case is *discordant* where the two versions differ on it; a drop is the net share of cases that got worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import betainc, betaincinv, ndtri

from robusttest.errors import UsageError
from robusttest.stats.cell.frame import Floats
from robusttest.stats.cell.intervals import ALPHA

POWER = 0.8
MOST_CASES = 10_000_000
"""More cases than this are not worth a number."""

_EXACT_UP_TO = 200_000
"""Beyond, exact and asymptotic sample sizes differ by less than 1 %."""


def mcnemar_cases_asymptotic(
    discordance: float, drop: float, *, alpha: float = 0.05, power: float = POWER
) -> int:
    """Cases for McNemar's two-sided test to find ``drop``: ((z√d + z_β√(d - δ²)) / δ)² (Connor 1987)."""
    d, delta = _shares(discordance, drop)
    root = _z(1 - alpha / 2) * math.sqrt(d) + _z(power) * math.sqrt(d - delta**2)
    return math.ceil((root / delta) ** 2 - 1e-9)


def mcnemar_power(n: int, discordance: float, drop: float, *, alpha: float = 0.05) -> float:
    """The chance that the exact two-sided McNemar test of ``n`` cases rejects, at this discordance and drop."""
    d, delta = _shares(discordance, drop)
    # Discordant cases beyond ±9 sd carry less than 1e-15.
    half = 9 * math.sqrt(n * d * (1 - d)) + 9
    m = np.arange(max(0, math.floor(n * d - half)), min(n, math.ceil(n * d + half)) + 1, dtype=np.float64)
    below = _at_most(np.append(m[0] - 1, m), np.full(len(m) + 1, float(n)), d)
    weight = np.diff(below)
    fewest = _critical(m, alpha / 2)
    lost = (d + delta) / (2 * d)
    reject = np.where(fewest >= 0, _at_most(fewest, m, 1 - lost) + _at_most(fewest, m, lost), 0.0)
    return float(weight @ np.minimum(reject, 1.0))


def mcnemar_cases(
    discordance: float, drop: float, *, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Cases for the exact two-sided McNemar test to find ``drop`` with this power; None beyond `MOST_CASES`.

    Discordance .1 and a drop of .05 take 337, of .03 920.
    """
    guess = mcnemar_cases_asymptotic(discordance, drop, alpha=alpha, power=power)
    if guess > _EXACT_UP_TO:
        return guess if guess <= MOST_CASES else None

    def enough(n: int) -> bool:
        return mcnemar_power(n, discordance, drop, alpha=alpha) >= power

    low, high = 0, guess
    while not enough(high):
        low, high = high, high + max(8, high // 8)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def no_worse_cases(
    discordance: float, margin: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Cases that exclude a drop of ``margin`` (one-sided) where there is none: (z + z_β)² d / margin².

    Discordance .1 and a margin of .05 take 248.
    """
    if not 0 < margin <= 1 or not 0 <= discordance <= 1:
        raise UsageError(f"discordance {discordance!r}, margin {margin!r}: both are shares of the cases")
    return paired_cases(math.sqrt(discordance), margin, alpha=alpha, power=power) or 1


def paired_cases(sd: float, effect: float, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """Cases whose mean difference is told from one ``effect`` away, at this sd of a case's difference (one-sided);
    None where no number of cases does (no effect, or beyond `MOST_CASES`).
    """
    if not effect:
        return None
    n = ((_z(1 - alpha) + _z(power)) * sd / effect) ** 2
    return math.ceil(n - 1e-9) if n <= MOST_CASES else None


def detectable(sd: float, n: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true mean difference that ``n`` cases of this sd would show (one-sided) with this power."""
    return (_z(1 - alpha) + _z(power)) * sd / math.sqrt(n)


def fewest_cases(alpha: float) -> int:
    """The fewest cases that must get worse, none better, for the sign-flip test to reach ``alpha``: 2^-b <= alpha."""
    return math.ceil(-math.log2(alpha) - 1e-12)


def detectable_drop(
    sd: float, n: int, step: float, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest true drop that the sign-flip test of ``n`` cases finds with this power, where a case that breaks loses
    ``step``: at least `detectable` of half a step less (the exact test moves by steps), and so many broken cases that the
    test can reach ``alpha`` at all. None where that takes more cases than there are.
    """
    least = fewest_cases(alpha)
    if n < least or step <= 0:
        return None
    # The share q of cases that breaks with P(Bin(n, q) >= least) = I_q(least, n-least+1) = power.
    broken = float(betaincinv(least, n - least + 1, power))
    # n·x² = step·x + ((z + z_β)·sd)²: with the correction for continuity n grows by step/x.
    root = detectable(sd, n, alpha=alpha, power=power)
    by_spread = step / (2 * n) + math.sqrt((step / (2 * n)) ** 2 + root**2)
    return max(broken * step, by_spread)


def regression_cases(
    sd: float, step: float, drop: float, *, beyond: float = 0.0, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Cases with which a true ``drop`` is called a regression: the fewest whose `detectable_drop` it is, at this ``alpha``
    (a change's share of Holm's), and (``beyond``, a margin that was given) whose one-sided 95 % limit leaves that much out.
    """
    if drop <= beyond:
        return None
    by_limit = paired_cases(sd, drop - beyond, power=power) if sd > 0 else 1

    def found(n: int) -> bool:
        least = detectable_drop(sd, n, step, alpha=alpha, power=power)
        return least is not None and least <= drop + 1e-12

    n = _fewest(found, fewest_cases(alpha))
    return None if n is None or by_limit is None else max(n, by_limit)


def _fewest(enough: Callable[[int], bool], least: int) -> int | None:
    low, high = least - 1, least
    while not enough(high):
        low, high = high, high * 2
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _critical(m: Floats, tail: float) -> Floats:
    """The largest c with P(Bin(m, 1/2) <= c) <= tail; -1 where there is none."""
    low, high = np.full(len(m), -1.0), m.copy()
    while bool((high - low > 1).any()):
        middle = np.floor((low + high) / 2)
        fits = _at_most(middle, m, 0.5) <= tail
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return low


def _at_most(c: Floats, m: Floats, p: float) -> Floats:
    """P(Bin(m, p) <= c) = I_{1-p}(m-c, c+1); `scipy.special.bdtr` takes no array of floats for n."""
    inside = (c >= 0) & (c < m)
    known = np.where(inside, c, 0.0)
    out: Floats = np.where(
        inside, betainc(np.maximum(m - known, 1.0), known + 1, 1 - p), np.where(c < 0, 0.0, 1.0)
    )
    return out


def _z(p: float) -> float:
    return float(ndtri(p))


def _shares(discordance: float, drop: float) -> tuple[float, float]:
    if not 0 < abs(drop) <= discordance <= 1:
        raise UsageError(
            f"discordance {discordance!r}, drop {drop!r}: shares of the cases, and a drop is at most the discordance"
        )
    return discordance, abs(drop)
