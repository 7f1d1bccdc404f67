"""``async def`` bodies: a driver in the body's place runs all variants at once, on whatever loop the test has."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from robusttest.errors import RobusttestError
from robusttest.plugin.bodies import BodyRun
from robusttest.plugin.collect import ALIASES
from robusttest.plugin.verdicts import add_verdict

if TYPE_CHECKING:
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession


def driver(
    session: RobustSession, state: RobustItem, body: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[None]]:
    """A coroutine function that takes the test's arguments and runs the body as often as it is to be run."""

    @functools.wraps(body)
    async def drive(**arguments: Any) -> None:
        theirs = {k: v for k, v in arguments.items() if k not in ALIASES}
        if state.declared:
            try:
                await body(**theirs, **dict.fromkeys(state.arguments, state.result))
            except Exception as e:
                add_verdict(state, e)
                raise
            return
        try:
            run = BodyRun(state, body, theirs, session.body_gateway, session.ticked)
            await run.gathered()
            if state.settings.shrink:
                await run.shrink_async(session.shrinking)
        except RobusttestError as e:
            raise pytest.fail.Exception(f"robusttest: {e}", pytrace=False) from None
        finally:
            session.clear_progress()
        state.finish(state.records)

    return drive
