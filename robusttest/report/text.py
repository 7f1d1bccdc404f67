"""Numbers, counts and words as every renderer writes them, so that no two reports say one thing differently."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from robusttest.core.nouns import Estimate, Verdict
from robusttest.report.model import Tally

Word = str


def number(value: float | None, digits: int = 3) -> str:
    """``0.917``; ``-`` where there is none. Never ``-0.000``."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def interval(e: Estimate, digits: int = 3) -> str:
    """``[0.819, 0.964]``; empty where there is none."""
    if e.low is None or e.high is None:
        return ""
    return f"[{number(e.low, digits)}, {number(e.high, digits)}]"


def value_interval(e: Estimate, digits: int = 3) -> str:
    """``0.917 [0.819, 0.964]``."""
    return f"{number(e.value, digits)} {interval(e, digits)}".rstrip()


def short(e: Estimate) -> str:
    """``.92 [.82, .96]``: two digits, no leading zero, for tables of many rows."""
    if e.value is None:
        return "-"
    limits = ""
    if e.low is not None and e.high is not None:
        limits = f" [{_bare(e.low)}, {_bare(e.high)}]"
    return _bare(e.value) + limits


def _bare(value: float) -> str:
    text = number(
        value + math.copysign(1e-9, value), 2
    )  # .415 is .42, as the sentence's 42 %, whatever its last bit
    if text in ("1.00", "-1.00"):
        return text[:-1]
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return sign + digits.removeprefix("0")


def count(n: int, noun: str, plural: str | None = None) -> str:
    """``1 case``, ``1,560 calls``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """``ocr``, ``ocr and case``, ``ocr, case and keyboard``."""
    return " and ".join(x for x in (", ".join(names[:-1]), *names[-1:]) if x)


def share_of(n: int, whole: int) -> str:
    """``60 of 150``: cases that carry a number, beside those there are; ``150`` where these are all."""
    return f"{n:,} of {whole:,}" if n < whole else f"{n:,}"


def percent(share: float | None) -> str:
    """``97 %``; rounded towards what is missing, so that 100 % means all."""
    if share is None:
        return "-"
    if share >= 1:
        return "100 %"
    return f"{min(99.9, share * 100):.1f} %".replace(".0 %", " %")


def part(share: float) -> str:
    """``92 %`` in a sentence: whole percents; ``over 99 %`` and ``under 1 %`` where whole ones would say all or none."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{math.floor(100 * share + 0.5)} %"


def points(difference: float) -> str:
    """``-6``, ``+0.4``: hundredths of the score, with a decimal below one, and ``0`` for nothing."""
    hundredths = 100 * difference
    if abs(hundredths) < 0.05:
        return "0"
    return f"{hundredths:+.0f}" if abs(hundredths) >= 0.95 else f"{hundredths:+.1f}"


def p_value(p: float | None) -> str:
    """``0.035``, ``<0.001``; ``-`` where there is none."""
    return "<0.001" if p is not None and p < 0.001 else number(p)


def money(dollars: float | None) -> str:
    """``$0.42``; small sums keep two digits that say something."""
    if dollars is None:
        return "cost unknown"
    if dollars == 0:
        return "$0"
    return (
        f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.2g}" if dollars >= 1e-4 else f"${dollars:.1e}"
    )


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``3 min``, ``2.5 h``, ``4 days``: the unit that a person would use."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def verdict_note(v: Verdict) -> str:
    """What a reader has to know besides value, interval and limit; empty where nothing."""
    if v.note is not None:
        return v.note
    if v.status == "error" or (
        v.estimate is not None and (v.estimate.value is None or v.estimate.low is None)
    ):
        return v.reason
    clusters = v.estimate.clusters if v.estimate is not None else ""
    if v.settled:
        return f"by {clusters}" if clusters else ""
    if v.estimate is not None and v.estimate.lower is None and v.estimate.why:
        said = f"not settled: {v.estimate.why}"
    elif v.cases_needed is not None:
        said = f"not settled: about {v.cases_needed:,} cases would settle it"
    else:
        said = "not settled by these cases"
    return f"{said}; by {clusters}" if clusters else said


def miss(v: Verdict) -> str:
    """Why a threshold is not held, the number first: ``robust_accuracy 0.556 < 0.95 (n=27)``; ``(n=27 in 4 clusters …)``."""
    t = v.threshold
    name = f"{t.metric}[{t.perturbation}]" if t.perturbation is not None else t.metric
    e = v.estimate
    if e is None or e.value is None or v.status == "error" or (v.status == "inconclusive" and v.note):
        return v.reason
    against = {"failed": {">=": "<", "<=": ">"}[t.op]}.get(v.status, "against " + t.op)
    digits = 3
    while digits < 9 and number(e.value, digits) == number(t.limit, digits) and e.value != t.limit:
        digits += 1
    return f"{name} {number(e.value, digits)} {against} {t.limit:g} (n={e.n:,}{f' in {e.clusters}' if e.clusters else ''})"


_STATUS_WORDS = {
    "error": ("failed call", "failed calls"),
    "raised": ("exception", "exceptions"),
    "ungraded": ("verdict without a grade", "verdicts without a grade"),
    "skipped": ("skipped variant", "skipped variants"),
    "unparsed": ("unparsed reply", "unparsed replies"),
    "refused": ("refusal", "refusals"),
    "rejected": ("variant rejected", "variants rejected"),
    "not_applicable": ("not applicable", "not applicable"),
}


def status_word(status: str, n: int = 2) -> str:
    """What ``n`` records of a status are called."""
    return _STATUS_WORDS.get(status, (status, status))[n != 1]


def by_status(tallies: Iterable[Tally]) -> dict[str, list[Tally]]:
    """Tallies under their status, in the order they come."""
    out: dict[str, list[Tally]] = {}
    for tally in tallies:
        out.setdefault(tally.status, []).append(tally)
    return out
