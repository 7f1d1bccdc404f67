"""How often a perturbation broke its question, in words, and whether it still makes the variants that were read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from robusttest.core.nouns import Case, Prompt, canonical_json, digest
from robusttest.errors import RobusttestError
from robusttest.perturbations import Perturbation, make
from robusttest.perturbations.base import judged as counts
from robusttest.perturbations.base.judged import ENOUGH, Judged
from robusttest.tasks.render import prompt_text, render
from robusttest.variants.expand import expand_case

CHOICES = ("billing", "delivery", "account")
PROBES = (
    "Nobody answers the phone, and my parcel hasn't come! Can I have my money back?",
    "I ordered three copies of the catalogue on Monday, but only two of them came; the colour is wrong too.",
    "Is the shop in the old town open on Sunday? I don't know how to get there from the station.",
    "Maybe she paid $1,250.50 for 3 kg of rice on May 3, 2024 at 3:30 pm, after Maria and her husband had bought 12,000 bags in a café.",
    "The lass moved from Boston to Denver last week. A Muslim family waits before the mosque; they would like an amulet.",
    "A man asked his wife for the NATO report. His daughter has it.\nHer brother read it, too. It is long.",
    "The box is torn. The lamp is broken. The bill is wrong.",
    '{"name": "Ann", "age": 30, "city": "Oslo"}',
)
"""What a perturbation makes of these tells whether it is the one that was read: each that was read acts on one of them."""


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
    """The digest of what the perturbation makes; empty where it lacks something that is not installed."""
    try:
        return made_of(make(spec))
    except RobusttestError:
        return ""


def made_of(perturbation: Perturbation) -> str:
    """The digest of its variants of `PROBES`, one of them with a system prompt and examples, too."""
    plain = Prompt(template="Ticket: {input}\n{options}\nTeam:")
    cases = [
        Case(id=str(i), fields={"input": text}, target=CHOICES[0], choices=CHOICES)
        for i, text in enumerate(PROBES)
    ]
    shown = replace(plain, system="Answer briefly.", demos=tuple(cases[1:]))
    made: list[str] = []
    for case, prompt in [*((case, plain) for case in cases), (cases[0], shown)]:
        for v in expand_case(case, [perturbation], prompt=prompt, variants=2, seed=0):
            if v.perturbation:
                made.append(prompt_text(render(v.draft)) if v.status == "ok" else v.status)
    return digest(canonical_json(made), size=8)
