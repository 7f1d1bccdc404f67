"""Cells → `Report`. Everything that a renderer shows is computed here, through `robusttest.stats`."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, Estimate, Json, Record, RunInfo
from robusttest.engine.record import failing, fails, references
from robusttest.report import text
from robusttest.report.across import (
    advice_of,
    emergence,
    factors,
    lever,
    over_prompts,
    prompts,
    reaction,
    spread,
    suite,
)
from robusttest.report.diff import original_of, segments
from robusttest.report.later import Later, LaterMapping
from robusttest.report.model import (
    CellReport,
    FailureReport,
    PerturbationRow,
    Reaction,
    Report,
    Segment,
    Tally,
    Weakest,
)
from robusttest.scorers.judging import NO_GRADE

if TYPE_CHECKING:
    from robusttest.engine.cell import Cell
    from robusttest.stats.cell.frame import Frame
    from robusttest.stats.cell.table_cell import TableCell

Ask = Callable[..., Estimate]
"""A cell's estimate of a metric, overall or at one perturbation, at a level."""
WORST = 10
"""Failing variants that a cell's report holds; each renderer shows as many as it has room for."""


def build(
    run: RunInfo, cells: Iterable[Cell], *, notes: Sequence[str] = (), comparison: Any = None
) -> Report:
    """The report of a run. A cell whose records were never scored still has its counts and reasons.

    What a cell is told of is computed when it is asked for (`robusttest.report.later`).
    """
    told = [cell for cell in cells if cell.frame is not None or cell.verdicts or cell.outcome is not None]
    times = Counter((c.task, c.model) for c in told)
    frames = [cell.frame for cell in told]
    advice = advice_of(frames)
    reports = [
        _cell_report(cell, ambiguous=times[cell.task, cell.model] > 1, advice=Later(partial(advice, i)))
        for i, cell in enumerate(told)
    ]
    return Report(
        run=run,
        cells=tuple(reports),
        reply_age=_age(run),
        notes=(*run.notes, *notes),
        emergence=Later(partial(emergence, frames)),
        comparison=comparison,
        prompts=Later(partial(prompts, frames)),
        factors=Later(partial(factors, told)),
        suite=Later(partial(suite, frames)),
    )


def cell_report(cell: Cell) -> CellReport | None:
    """One cell's part of the report; None where it has neither records, verdicts nor an outcome."""
    if cell.frame is None and not cell.verdicts and cell.outcome is None:
        return None
    return _cell_report(cell)


def _cell_report(cell: Cell, **of_run: Any) -> CellReport:
    """``of_run``: what takes the other cells of the run to be said."""
    from robusttest.metrics import METRICS
    from robusttest.stats.cell.estimates import estimate, estimates
    from robusttest.stats.cell.measures import measures
    from robusttest.stats.cell.repeats import all_runs

    records, frame = cell.records, cell.frame
    command = command_of(cell)
    told: dict[str, Any] = {
        "key": cell.key,
        "item": cell.outcome,
        "reason": cell.reason,
        "verdicts": cell.verdicts,
        "command": command,
        **of_run,
    }
    if frame is None:
        return CellReport(
            **told, n_cases=0, n_variants=0, n_calls=0, coverage=None, overall={}, notes=cell.notes
        )
    ask = partial(estimate, frame)
    rows = cache(lambda: tuple(perturbation_rows(frame, ask, *_of_records(records))))
    return CellReport(
        **told,
        n_cases=frame.n_cases,
        n_variants=frame.n_variants,
        n_calls=frame.n_calls,
        coverage=frame.coverage,
        overall=LaterMapping(METRICS, ask),
        local=Later(lambda: tuple(e for e in estimates(frame) if e.perturbation is not None)),
        ways=Later(partial(_ways, frame)),
        graded=Later(lambda: not measures(frame.select(None)).binary),
        weakest=Later(lambda: weakest(frame, ask, rows())),
        perturbations=Later(rows),
        reactions=Later(lambda: tuple(reactions(frame, ask))),
        first=Later(lambda: tuple(told_first(ask, Counter(r.status for r in records)))),
        counts=dict(sorted(Counter(map(status_of, records)).items())),
        tallies=Later(lambda: tuple(tallies(records))),
        failures=Later(lambda: worst_failures(records, replay=partial(replay_command, command))[0]),
        n_failures=sum(map(fails, records)),
        notes=(*cell.notes, *_unchanged(frame)),
        reaction=Later(partial(reaction, frame)),
        lever=Later(partial(lever, frame)),
        spread=Later(partial(spread, frame)),
        over_prompts=Later(partial(over_prompts, frame)),
        factors=Later(lambda: cell.factors),
        blame=Later(lambda: cell.blame),
        judge=Later(lambda: cell.judge),
        repeated=Later(partial(all_runs, frame)),
        turns=Later(lambda: cell.turns),
        slices=Later(lambda: cell.slices),
        confusion=Later(lambda: cell.confusion),
        adaptive=cell.adaptive,
        records=records,
    )


def _unchanged(frame: Frame) -> tuple[str, ...]:
    n = frame.unchanged
    if not n:
        return ()
    return (f"{n:,} variant{'s' * (n != 1)} put the very question of the reference: consistency is inflated",)


Details = Mapping[str, tuple[str, float | None]]
"""Perturbation → its level and severity."""


def _of_records(records: Iterable[Record]) -> tuple[Counter[tuple[str, str]], Details]:
    left_out: Counter[tuple[str, str]] = Counter(
        (r.perturbation, r.status) for r in records if r.status in ("rejected", "not_applicable")
    )
    details: dict[str, tuple[str, float | None]] = {}
    for r in records:
        details.setdefault(r.perturbation, (r.level, r.severity))
    return left_out, details


def perturbation_rows(
    cell: Frame | TableCell, estimate: Ask, left_out: Mapping[tuple[str, str], int], details: Details
) -> Iterable[PerturbationRow]:
    """A row for each perturbation; ``left_out``: records by (perturbation, status) that were never asked."""
    from robusttest.stats.cell.estimates import per_perturbation

    names = [
        n for n in per_perturbation(cell) if cell.has(n, sensitive=False) or not cell.has(n, sensitive=True)
    ]
    for name in names:
        family = split_spec(name)[0]
        members = [name]
        if name == family:
            members = [p for p in cell.perturbations if split_spec(p)[0] == name]
        pooled = len(members) > 1
        level, severity = details.get(members[0] if members else name, ("repeat", None))
        yield PerturbationRow(
            perturbation=name,
            level=level,
            severity=None if pooled else severity,
            pooled=pooled,
            within=family if family != name and family in names else None,
            pass_rate=estimate("pass_rate", name),
            flip_rate=estimate("flip_rate", name),
            drop=estimate("drop", name),
            net_drop=estimate("net_drop", name) if cell.has_repeats else None,
            net_flip_rate=estimate("net_flip_rate", name) if cell.has_repeats else None,
            rejected=sum(left_out.get((p, "rejected"), 0) for p in members),
            not_applicable=sum(left_out.get((p, "not_applicable"), 0) for p in members),
        )


def _ways(cell: Frame) -> tuple[int, int] | None:
    """The fewest and the most replies that a case has, over the reference and what keeps its right answer."""
    at = cell.select(None)
    counts = ((at.scores == at.scores) | (at.answers >= 0)).sum(axis=1)
    there = [int(n) for n in counts if n]
    return (min(there), max(there)) if there else None


def weakest(cell: Frame | TableCell, estimate: Ask, rows: Sequence[PerturbationRow]) -> Weakest | None:
    """The perturbation with the largest effect."""
    from robusttest.stats.cell.estimates import NO_LABELS

    whole = [r for r in rows if r.level not in ("repeat", "decoding") and r.within is None]
    metric = "flip_rate" if estimate("accuracy").reason == NO_LABELS else "drop"
    if cell.has_repeats and any(getattr(r, f"net_{metric}") is not None for r in whole):
        metric = f"net_{metric}"
    known = [
        (r.perturbation, e) for r in whole if (e := getattr(r, metric)) is not None and e.value is not None
    ]
    if not known:
        return None
    name, effect = max(known, key=lambda k: k[1].value)
    low = estimate(metric, name, level=1 - 0.05 / len(known)).low
    return Weakest(perturbation=name, effect=effect, sure=low is not None and low > 0, of=len(known))


def reactions(cell: Frame | TableCell, estimate: Ask) -> Iterable[Reaction]:
    """Of the perturbations that change the right answer."""
    from robusttest.stats.cell.estimates import per_perturbation

    for name in per_perturbation(cell):
        if cell.has(name, sensitive=True):
            yield Reaction(
                perturbation=name,
                sensitivity=estimate("sensitivity", name),
                unmoved=estimate("unmoved", name),
            )


TELLING = 0.05
"""From this share of replies on, that they are unreadable or cut is told before any number."""


def told_first(estimate: Ask, n: Mapping[str, int]) -> Iterable[str]:
    """What has to be known before any number; ``n``: records by status."""
    from robusttest.stats.cell.estimates import NO_LABELS

    if estimate("accuracy").reason == NO_LABELS:
        yield "no labels: nothing says what is right, so there is no accuracy; how answers hold together is told"
    unreadable, cut = estimate("unreadable"), estimate("cut")
    if unreadable.value is not None and unreadable.value >= TELLING:
        kinds = [f"{n[s]:,} {text.status_word(s, n[s])}" for s in ("unparsed", "refused") if n.get(s)]
        yield (
            f"unreadable: {text.value_interval(unreadable)} of replies ({', '.join(kinds)}): they score 0 whatever the model "
            "knows; mend the prompt, max_tokens or the scorer"
        )
    if cut.value is not None and cut.value >= TELLING:
        yield f"cut: {text.value_interval(cut)} of replies stop at the token limit: raise max_tokens"


def status_of(record: Record) -> str:
    """A record's status. Of an error, what it was if no call failed: ``ungraded`` where the judge of a reply gave no grade,
    ``raised`` where the test's body or a scorer raised an exception.
    """
    if record.status != "error":
        return record.status
    reason = record.reason or ""
    return "ungraded" if NO_GRADE in reason else "raised" if _RAISED.match(reason) else "error"


_RAISED = re.compile(r"(?:scorer \S+ )?raised ")


def tallies(records: Iterable[Record]) -> list[Tally]:
    """Everything that is not a plain answer, by status and reason, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[str]] = {}
    for r in records:
        if r.status != "ok":
            reason = (_first_line(r.reason) or "no reason given").removeprefix("raised ")
            key = (status_of(r), reason)
            counts[key] += 1
            where.setdefault(key, set()).add(r.perturbation)
    known = ("error", "raised", "ungraded", "skipped", "unparsed", "refused", "rejected", "not_applicable")
    place = {status: i for i, status in enumerate(known)}
    return [
        Tally(
            status=status,
            reason=reason,
            perturbation=next(iter(where[status, reason])) if len(where[status, reason]) == 1 else None,
            count=n,
        )
        for (status, reason), n in sorted(
            counts.items(), key=lambda kv: (place.get(kv[0][0], len(place)), -kv[1], kv[0])
        )
    ]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0][:500]


# failing variants


def worst_failures(
    records: Sequence[Record],
    *,
    replay: Any = None,
    limit: int | None = WORST,
) -> tuple[tuple[FailureReport, ...], int]:
    """The worst failing variants and how many failing variants there are.

    They stand in the order of `robusttest.engine.record.failing`. ``replay(name)`` is the command that runs the variant
    of that name.
    """
    before = references(records)
    chosen = tuple(failure(r, before.get(r.case_id), replay) for _, r in failing(records, limit))
    return chosen, sum(map(fails, records))


def failure(r: Record, reference: Record | None, replay: Any = None) -> FailureReport:
    """One record as a reader is shown it: the diff from its original, and both answers."""
    original, edits = _original(r, reference)
    diff = segments(original, r.text, edits) if original is not None and r.text is not None else ()
    name = f"{r.case_id}::{r.variant}" if r.variant else r.case_id
    smaller = r.shrunk or {}
    return FailureReport(
        case_id=r.case_id,
        variant=r.variant,
        perturbation=r.perturbation,
        status=r.status,
        score=r.score or 0.0,
        reference_score=reference.score if reference is not None else None,
        answer=r.answer,
        reference_answer=reference.answer if reference is not None else None,
        target=r.target,
        original=original,
        text=r.text,
        diff=diff,
        edits=r.edits,
        reply=r.reply,
        reason=r.reason,
        factors=r.factors,
        replay=replay(name) if replay is not None else None,
        shrunk=_shrunk(original, smaller),
        enough=_enough(smaller),
    )


def _shrunk(original: str | None, shrunk: Mapping[str, Any]) -> tuple[Segment, ...]:
    text = shrunk.get("text")
    if original is None or text is None:
        return ()
    made = list(shrunk["edits"].values())
    return segments(original, text, made[0] if len(made) == 1 else None)


def _enough(shrunk: Mapping[str, Any]) -> str | None:
    """What shrinking found, in a line."""
    if not shrunk:
        return None
    kept, every, failed, asked = (shrunk[k] for k in ("kept", "of", "failed", "asked"))
    times = f"failed {failed} of {asked} times"
    if kept < every:
        said = f"{kept} of its {every} edits {'are' if kept > 1 else 'is'} enough: {times}"
        return said if shrunk["complete"] else f"{said}; not every smaller part was tried"
    return f"needs all of its {every} edits: {times}" if 2 * failed > asked else f"asked again, it {times}"


def _original(r: Record, reference: Record | None) -> tuple[str | None, list[list[Any]] | None]:
    """The text before the perturbation, and the edits that lead from it, where both can be told."""
    if r.perturbation == REFERENCE:
        return r.text, None
    before = reference.text if reference is not None else None
    if r.text is None or before is None:
        return None, None
    changed = [edits for edits in (r.edits or {}).values() if edits]
    if len(changed) == 1:
        found = original_of(r.text, changed[0], before)
        if found is not None:
            return found, changed[0]
        if r.level == "input":  # the text is one field, the reference a prompt: not to be compared
            return None, None
    return before, None


def command_of(cell: Cell) -> str | None:
    """``pytest 'tests/test_x.py::test_x[model]'``; None where no test made the cell."""
    if cell.nodeid is None and cell.test is None:
        return None
    return f"pytest {shlex.quote(cell.nodeid or (f'{cell.test}[{cell.model}]' if cell.model else f'{cell.test}'))}"


def replay_command(command: str | None, name: str) -> str | None:
    """A cell's command for the variant of this name alone."""
    return None if command is None else f"{command} --robust-case={shlex.quote(name)}"


def answer_text(value: Json) -> str:
    """An answer as a reader sees it: texts bare, other values as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _age(run: RunInfo) -> float | None:
    if run.oldest_reply is None:
        return None
    try:
        then, now = datetime.fromisoformat(run.oldest_reply), datetime.fromisoformat(run.created)
        return max(0.0, (now - then).total_seconds())
    except (TypeError, ValueError):
        return None
