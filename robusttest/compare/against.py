"""Pair two versions and judge what changed: the one function that a run, the command line and a notebook call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from robusttest.compare import served
from robusttest.compare.model import ENOUGH, LISTED, VERDICTS, CaseChange, CellComparison, Comparison
from robusttest.compare.pairing import Paired, pair
from robusttest.compare.rows import CellRows, Version, noise
from robusttest.errors import UsageError
from robusttest.stats.cell.intervals import ALPHA
from robusttest.stats.versions.paired import Change, settle

T = TypeVar("T")

MAIN_SHARE = 0.8
"""Of a cell's share of α. In a suite of one test five broken cases show (1/32 <= .8 α), and a drop at one of four
perturbations that the rest makes up for takes nine (1/512 <= .2 α/5)."""


def compare(old: Version, new: Version, *, margin: float | None = None, alpha: float = ALPHA) -> Comparison:
    """The new version against the old one.

    Holm's adjustment runs over every measure of every cell, so that of suites that are run twice with nothing changed
    at most a share of ``alpha`` has a cell called regressed; `MAIN_SHARE` of each cell's weight is on the change over
    all variants. ``margin``: see `robusttest.stats.versions.paired.settle`.

    Raises `UsageError` where the versions have no test and task in common.
    """
    matched = list(_matched(old.cells, new.cells))
    if not matched:
        raise UsageError(_nothing_in_common(old, new))
    raw, cells = [], []
    for a, b in matched:  # one after the other: rows that stand in files are read, and let go
        paired = pair(a, b)
        raw.append(paired.changes())
        cells.append(_cell(paired, old, new))
    flat = [c for changes in raw for c in changes]
    settled = settle(
        flat, weights=[w for changes in raw for w in _weights(len(changes))], margin=margin, alpha=alpha
    )
    at = 0
    for i, changes in enumerate(raw):
        cells[i] = _judged(cells[i], settled[at : at + len(changes)])
        at += len(changes)
    times = Counter((c.task, c.model) for c in cells)
    cells = [replace(c, ambiguous=True) if times[c.task, c.model] > 1 else c for c in cells]
    cells.sort(key=lambda c: VERDICTS.index(c.verdict))
    taken_old, taken_new = {id(a) for a, _ in matched}, {id(b) for _, b in matched}
    return Comparison(
        old=old.title,
        new=new.title,
        alpha=alpha,
        margin=margin,
        cells=tuple(cells),
        only_old=tuple(_name(c) for c in old.cells if id(c) not in taken_old),
        only_new=tuple(_name(c) for c in new.cells if id(c) not in taken_new),
        notes=(
            *(
                f"{side} did not run to its end: what it lacks is not compared"
                for side, version in ((old.title, old), (new.title, new))
                if not version.info.complete
            ),
            *_untold(old, new, taken_old, taken_new),
        ),
    )


def _untold(old: Version, new: Version, taken_old: set[int], taken_new: set[int]) -> Iterator[str]:
    """That a task of both sides was left out, as its cells could not be told apart, and what would tell them apart."""
    left = [c for c in old.cells if id(c) not in taken_old], [c for c in new.cells if id(c) not in taken_new]
    several = sorted({c.task for c in left[0]} & {c.task for c in left[1]})
    if several:
        how = _how_to_tell(*(replace(v, cells=tuple(c)) for v, c in zip((old, new), left, strict=True)))
        yield f"{', '.join(map(repr, several))} not compared: several models or tests that can't be told apart{how}"


def _weights(measures: int) -> list[float]:
    """One cell's share of α: most of it on the first measure, the rest in equal parts."""
    if measures < 2:
        return [1.0] * measures
    return [MAIN_SHARE, *[(1 - MAIN_SHARE) / (measures - 1)] * (measures - 1)]


def _matched(old: Sequence[CellRows], new: Sequence[CellRows]) -> Iterator[tuple[CellRows, CellRows]]:
    """Cells that are one another's: the same test, task and model; else another model where the test and task have
    only one on each side; else the same task (and model) in a test that was moved or renamed.
    """
    left_old, left_new = list(old), list(new)
    rules: tuple[Callable[[CellRows], object], ...] = (
        lambda c: c.key,
        lambda c: (c.test, c.task),
        lambda c: (c.task, c.model),
        lambda c: c.task,
    )
    for rule in rules:
        mine, theirs = _alone(old, rule), _alone(new, rule)
        for key, a in mine.items():
            b = theirs.get(key)
            if b is None or not _has(left_old, a) or not _has(left_new, b):
                continue
            left_old = [c for c in left_old if c is not a]
            left_new = [c for c in left_new if c is not b]
            yield a, b


def _alone(cells: Iterable[CellRows], rule: Callable[[CellRows], T]) -> dict[T, CellRows]:
    """Cells that are the only one with their key."""
    groups: dict[T, list[CellRows]] = {}
    for c in cells:
        groups.setdefault(rule(c), []).append(c)
    return {key: group[0] for key, group in groups.items() if len(group) == 1}


def _has(cells: Iterable[CellRows], cell: CellRows) -> bool:
    return any(c is cell for c in cells)


def _name(c: CellRows) -> str:
    return " · ".join(
        [*([c.test.rpartition("/")[2]] if c.test else [c.task]), *([c.model] if c.model else [])]
    )


def _nothing_in_common(old: Version, new: Version) -> str:
    def tasks(version: Version) -> str:
        names = sorted({repr(c.task) for c in version.cells})
        return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "none"

    several = {c.task for c in old.cells} & {c.task for c in new.cells}
    if several:
        return (
            f"nothing to compare: {old.title} and {new.title} have {', '.join(map(repr, sorted(several)))} in common, "
            f"but with several models or tests that can't be told apart{_how_to_tell(old, new)}"
        )
    return f"nothing to compare: {old.title} has tasks {tasks(old)}; {new.title} has {tasks(new)}"


def _how_to_tell(old: Version, new: Version) -> str:
    """What tells apart the cells of a task that both sides have, where no rule could: recorded rows say no test by themselves."""
    several = {c.task for c in old.cells} & {c.task for c in new.cells}
    tests = sorted({c.test for v in (old, new) for c in v.cells if c.task in several and c.test})
    for side in (old, new):
        mine = [c for c in side.cells if c.task in several]
        if tests and mine and not any(c.test for c in mine):
            return f": the rows of {side.title} name no test; give them a column 'test' with the test that each is of, as {tests[0]!r}"
    return ""


def _cell(paired: Paired, old: Version, new: Version) -> CellComparison:
    """Without its changes, which are settled over all cells."""
    a, b = paired.old, paired.new
    broke, fixed = paired.flips(down=True), paired.flips(down=False)
    differ, total = (sum(x) for x in zip(noise(a), noise(b), strict=True))
    return CellComparison(
        task=b.task,
        test=b.test,
        model=b.model,
        old_model=a.model,
        verdict="undecided",
        cases=paired.n_cases,
        pairs=paired.n_pairs,
        held=paired.held,
        excluded=dict(sorted(paired.excluded.items(), key=lambda kv: (-kv[1], kv[0]))),
        broke=_ranked(broke),
        fixed=_ranked(fixed),
        n_broke=len(broke),
        n_fixed=len(fixed),
        noise=differ / total if total else None,
        notes=tuple(_notes(paired, old, new)),
    )


def _judged(cell: CellComparison, changes: Sequence[Change]) -> CellComparison:
    verdict = "undecided" if not changes else changes[0].verdict
    if any(c.verdict == "regressed" for c in changes):
        verdict = "regressed"
    return replace(cell, verdict=verdict, changes=tuple(changes))


def _judges(a: CellRows, b: CellRows) -> Iterator[str]:
    if a.judging is None or b.judging is None:
        if a.judging is not b.judging:
            side, other = ("then", "now") if a.judging is None else ("now", "then")
            yield f"the judge's errors are not known {side}: those known {other} are taken to hold for both"
    elif a.judging.model != b.judging.model:
        yield f"another judge: {a.judging.model} then, {b.judging.model} now"
    elif a.judging != b.judging:
        yield f"the judge {b.judging.model} does not grade the labelled answers as it did then"


def _ranked(changes: list[CaseChange]) -> tuple[CaseChange, ...]:
    return tuple(sorted(changes, key=lambda c: (-len(c.variants), c.case_id))[:LISTED])


def _notes(paired: Paired, old: Version, new: Version) -> Iterator[str]:
    a, b = paired.old, paired.new
    if a.model != b.model:
        yield f"another model: {a.model or 'none'} then, {b.model or 'none'} now"
    yield from served.changes(old.info, new.info, b.model, a.model)
    yield from _judges(a, b)
    if a.test != b.test:
        yield f"another test: {a.test or 'none'} then, {b.test or 'none'} now"
    if a.task != b.task:
        yield f"another name of the task: {a.task} then, {b.task} now"
    if paired.other_prompt:
        yield "another prompt: the same inputs were put otherwise then"
    if paired.by_name:
        yield "paired by the names of cases and variants: nothing says what was put to the model"
    total = paired.n_pairs + sum(paired.excluded.values())
    if not paired.n_pairs:
        yield "nothing could be compared: update the baseline where the change was meant" + _versions(
            old, new
        )
    elif paired.n_pairs < ENOUGH * total:
        yield f"only {paired.n_pairs:,} of {total:,} variants could be compared" + _versions(old, new)


def _versions(old: Version, new: Version) -> str:
    """What made the variants, where it is not the same."""
    then, now = old.info.versions, new.info.versions
    changed = [
        f"{name} {then[name]} then, {now[name]} now"
        for name in ("robusttest", "nlpaug")
        if name in then and name in now and then[name] != now[name]
    ]
    if old.info.seed != new.info.seed:
        changed.append(f"seed {old.info.seed} then, {new.info.seed} now")
    return f" ({'; '.join(changed)})" if changed else ""
