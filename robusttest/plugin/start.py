"""Between collection and the first test: what can be known before money is spent is said here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from robusttest.errors import RobusttestError, StorageError, UsageError
from robusttest.plugin import options
from robusttest.plugin.item import RobustItem, can_be_planned
from robusttest.variants.select import calls_per_case, select_cases, unknown_case

if TYPE_CHECKING:
    from robusttest.plugin.session import RobustSession

Chosen = Sequence[tuple[pytest.Item, RobustItem]]


def begin(session: RobustSession, chosen: Chosen) -> bool:
    """Check, say and plan. True if nothing is to be run (a dry run)."""
    option = session.config.option
    if option.setuponly or option.setupplan:  # they promise to run nothing
        return False
    chosen = [
        (item, state) for item, state in chosen if not state.lacks_model
    ]  # these say so when they are run
    states = [state for _, state in chosen]
    if not states:
        return session.settings.dry_run
    for state in states:
        state.notes = (*state.notes, *_hopeless(state))
    _replay_without_key(session, states)
    session.notes += _idle(session, states)
    _order(session, states)
    if session.worker is not None:
        # A UsageError in a worker is an INTERNALERROR: the controller is told.
        session.refused = _refusal(session, states)
        return False
    try:
        _freeze(session, states)
        refusal = _unknown_case(session, states)
    except RobusttestError as e:
        raise pytest.UsageError(f"robusttest: {e}") from None
    if refusal is not None:
        raise pytest.UsageError(refusal)
    if session.settings.dry_run:
        from robusttest.plugin import dry_run, terminal

        terminal.write(session.config, [*_of_run(session), *dry_run.lines(session, states)], asked=True)
        return True
    try:
        _check_reports(session)
    except StorageError as e:
        raise pytest.UsageError(f"--robust-report: {e}") from None
    try:
        _check_records(session)
        session.load_baseline()
        _look_back(session, states)
    except RobusttestError as e:
        raise pytest.UsageError(f"robusttest: {e}") from None
    _say(session, states)
    if session.config.option.__dict__.get("forked"):
        return False  # a child process makes its own calls; no thread of ours may be there when it is forked
    from robusttest.plugin import terminal

    terminal.watch(session, states)
    try:
        session.preflight(_models(states), _with_key(states))
    except RobusttestError as e:
        raise pytest.UsageError(f"robusttest: {e}") from None
    session.plan(
        state for item, state in chosen if isinstance(item, pytest.Function) and can_be_planned(item)
    )
    return False


def _replay_without_key(session: RobustSession, states: Sequence[RobustItem]) -> None:
    """In CI, where no model has a key (a pull request from a fork): stored replies only, unless told otherwise."""
    if not options.in_ci(os.environ) or options.is_given(session.config, "replies"):
        return
    from robusttest.gateway.litellm import keys

    models = _models(states)
    lacking = keys.missing(models, given=_with_access(states))
    if not lacking or len(lacking) < len(keys.needing(models)):
        return
    session.settings = replace(session.settings, replies="replay")
    names = ", ".join(sorted(set(lacking.values())))
    session.notes.append(
        f"CI is set and {names} is not: stored replies only, as with --robust-replies=replay"
    )


def _with_access(states: Sequence[RobustItem]) -> set[str]:
    """Models whose tests say themselves with which key, or where, they are called."""
    return {
        state.model for state in states if {"api_key", "api_base", "base_url"} & set(state.job.task.params)
    }


def _idle(session: RobustSession, states: Sequence[RobustItem]) -> list[str]:
    """Processes that have nothing to do: more of pytest's than tests, or an engine's without a model that it could run."""
    from robusttest.core.models import asked
    from robusttest.core.names import is_callable

    models = sorted({asked(m) for m in _models(states)})
    own, engine = [m for m in models if is_callable(m)], session.settings.engine
    if engine != "local":
        if own:
            return []
        return [
            f"--robust-engine={engine} has nothing to do: it runs python: models, and {', '.join(models)} is served; "
            "--robust-concurrency=N keeps N of its calls in flight"
        ]
    count = int(session.worker["workercount"]) if session.worker is not None else 1
    if not own or count <= len(states):
        return []
    return [
        f"{count} workers of pytest for {len(states)} test{'s' * (len(states) != 1)}: each test calls {', '.join(own)} in one process; "
        f"--robust-engine=processes:{count} instead of -n divides its calls"
    ]


def _order(session: RobustSession, states: Sequence[RobustItem]) -> None:
    from robusttest.run.jobs import failing_first

    for state, job in zip(states, failing_first([s.job for s in states], session.settings), strict=True):
        state.job = job


def _hopeless(state: RobustItem) -> list[str]:
    """Thresholds that so few cases can't settle as passed."""
    if not state.thresholds or state.settings.case or not state.selected:
        return []
    from robusttest.stats.cell.gates import cannot_pass

    whole = replace(state.settings, shard=None)  # of a shard the whole is judged
    cases = [selected.case for selected in select_cases(state.cases, whole)]
    n = len({("cluster", c.cluster) if c.cluster is not None else ("case", c.id) for c in cases})
    adaptive = state.job.adaptive is not None
    units = "clusters" if n < len(cases) else "cases"
    found = (cannot_pass(t, n, adaptive=adaptive, units=units) for t in state.thresholds)
    return [said for said in found if said is not None]


def _refusal(session: RobustSession, states: Sequence[RobustItem]) -> str | None:
    try:
        _freeze(session, states)
        _check_records(session)
        session.load_baseline()
        _look_back(session, states)
        session.preflight(_models(states), _with_key(states))
        return _unknown_case(session, states)
    except RobusttestError as e:
        return f"robusttest: {e}"


def _unknown_case(session: RobustSession, states: Sequence[RobustItem]) -> str | None:
    return unknown_case(session.settings, [state.job.tested() for state in states])


def _freeze(session: RobustSession, states: Sequence[RobustItem]) -> None:
    if session.settings.freeze is not None:
        from robusttest.plugin import freeze

        freeze.attach(session, states)


def _look_back(session: RobustSession, states: Sequence[RobustItem]) -> None:
    for state, job in zip(states, session.look_back([s.job for s in states]), strict=True):
        state.job = job


def _check_reports(session: RobustSession) -> None:
    if session.settings.report:
        from robusttest.report.files import check_writable

        for target in session.settings.report:
            check_writable(target.path)


def _check_records(session: RobustSession) -> None:
    from robusttest.run.ledger import check_records

    try:
        check_records(session.settings.records)
    except RobusttestError as e:
        raise UsageError(f"--robust-records: {e}") from None


def _say(session: RobustSession, states: Sequence[RobustItem]) -> None:
    from robusttest.plugin import terminal

    said: dict[str, str] = {}
    for state in states:
        for note in state.notes:
            said.setdefault(note, state.task)
    lines = [f"robusttest: {task}: {note}" for note, task in said.items()]
    terminal.write(session.config, [*_of_run(session), *lines])


def _of_run(session: RobustSession) -> list[str]:
    return [f"robusttest: {note}" for note in session.notes]


def _models(states: Sequence[RobustItem]) -> list[str]:
    """Every model that may be called."""
    return [model for state in states for model in state.job.models()]


def _with_key(states: Sequence[RobustItem]) -> list[str]:
    """Models whose key may come with their calls: a task gives one, or a body asks as it likes."""
    given = [s for s in states if not s.declared or "api_key" in s.job.task.params]
    return [s.model for s in given if s.model]


def planned_calls(state: RobustItem) -> int:
    """Calls of an item, at most: before expansion nobody knows what will not be applicable."""
    if not state.model:
        return 0
    if state.settings.case:
        return state.selected
    return state.selected * calls_per_case(state.wanted, state.settings)
