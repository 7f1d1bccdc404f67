"""Advice in words: what kind of cell it is, why, what to do; how an adaptive run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robusttest.report.blocks import Number, Strong, Term, Text
from robusttest.report.text import listed, part

if TYPE_CHECKING:
    from robusttest.engine.rounds import Stopping
    from robusttest.stats.across.advice import Advice, Kind
    from robusttest.stats.across.levers import Lever

DO: dict[Kind, str] = {
    "format-limited": ": mend the prompt or the parser",
    "does not react": ": it misses what changes the answer",
    "competence-limited": ": raise accuracy",
    "fragile": ": raise robustness",
    "saturated": ": little left to test",
    "undecided": "",
}


def advice(a: Advice) -> Text:
    """``fragile: at least 64 % of errors go when reworded: raise robustness``."""
    more: Text = ()
    if a.cases_needed is not None:
        more = ("; ", Number(a.cases_needed, f"{a.cases_needed:,}"), " cases would tell")
    return (Term(a.kind, a.kind), f": {a.reason}{DO[a.kind]}", *more)


LEVERED = ("fragile", "undecided")
"""Kinds of advice that a lever goes with: elsewhere the errors are not the wording's, or too few."""
NAMED = 3


def lever(found: Lever) -> Text:
    """``work on typos: keyboard and ocr make 71 % of the recoverable errors``."""
    named = found.families[:NAMED]
    more = len(found.families) - len(named)
    subjects = [*named, *([f"{more} more"] if more else [])]
    own = found.families == (found.kind,)
    makes = "makes" if len(subjects) == 1 else "make"
    subject = "it" if own else listed(subjects)
    return (
        f"work on {found.kind}: {subject} {makes} ", Number(found.share, part(found.share)), " of the ",
        Term("recoverable errors", "recoverable error"), f" ({found.errors:,} of {found.of:,})",
    )  # fmt: skip


def stopping(s: Stopping) -> list[Text]:
    """How an adaptive run ended, and what its intervals are."""
    every = s.made + s.saved
    share = f" ({s.saved / every:.0%})" if every else ""
    saved = f"about {s.saved:,} of {every:,} {s.of}s saved{share}" if s.saved else f"no {s.of} saved"
    if s.decided:
        how = f"every threshold decided after {s.cases:,} of {s.available:,} cases"
    else:
        end = "all" if s.cases == s.available else "the"
        of = "" if s.cases == s.available else f" of {s.available:,}"
        how = f"not every threshold decided by {end} {s.cases:,} cases asked{of}"
    return [
        (Strong("adaptive"), f": {how}; {saved}"),
        ("intervals are confidence sequences, valid whenever a run stops",),
    ]
