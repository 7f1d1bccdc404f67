"""How often a perturbation broke its question, in words, and whether it still makes the variants that were read."""

from __future__ import annotations

from functools import cache

from robusttest.core.nouns import Case, Prompt, canonical_json, digest
from robusttest.errors import RobusttestError
from robusttest.perturbations import make
from robusttest.perturbations.base import judged as counts
from robusttest.perturbations.base.judged import ENOUGH, Judged
from robusttest.tasks.render import prompt_text, render
from robusttest.variants.expand import expand_case

CHOICES = ("billing", "delivery", "account")
PROBES = (
    "Nobody answers the phone, and my parcel hasn't come! Can I have my money back?",
    "I ordered three copies of the catalogue on Monday, but only two of them came; the colour is wrong too.",
    "Is the shop in the old town open on Sunday? I don't know how to get there from the station.",
)
"""What a perturbation makes of these tells whether it is the one that was read."""


def broken_of(spec: str) -> str:
    """``broken 1 of 60 (at most 7.7%)``: the limit is the one-sided upper 95 % limit of Clopper and Pearson.

    ``not measured`` where fewer than `ENOUGH` were read, and where the perturbation makes other variants since.
    """
    found = counts.judged(spec)
    if found.n < ENOUGH:
        return "not measured" + (f" ({found.n} read, {found.broken} broken)" if found.n else "")
    if changed(spec):
        return f"not measured (changed since {found.n} were read)"
    return f"broken {found.broken} of {found.n} (at most {limit(found):.1%})"


def read_of(name: str) -> list[str]:
    """The specs of a family that were read, the default first."""
    return sorted(spec for spec in counts.judgements() if spec.partition(":")[0] == name)


def limit(found: Judged) -> float:
    """The one-sided upper 95 % limit (Clopper and Pearson 1934) of the share that is broken."""
    from robusttest.stats.cell.intervals import cp_upper

    return cp_upper(found.broken, found.n, 0.05)


def changed(spec: str) -> bool:
    """Whether it makes other variants than when it was read; False where it can't be made here."""
    read, now = counts.fingerprint(spec), made_now(spec)
    return bool(read and now and read != now)


@cache
def made_now(spec: str) -> str:
    """The digest of the variants of `PROBES`; empty where the perturbation lacks something that is not installed."""
    prompt = Prompt(template="Ticket: {input}\n{options}\nTeam:")
    made: list[str] = []
    try:
        perturbation = make(spec)
        for i, text in enumerate(PROBES):
            case = Case(id=str(i), fields={"input": text}, target=CHOICES[0], choices=CHOICES)
            for v in expand_case(case, [perturbation], prompt=prompt, variants=2, seed=0):
                if v.perturbation:
                    made.append(prompt_text(render(v.draft)) if v.status == "ok" else v.status)
    except RobusttestError:
        return ""
    return digest(canonical_json(made), size=8)
