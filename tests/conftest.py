"""What all tests share: `forks` stands beside this file, and two workers divide the tests so that both end together."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

with suppress(
    ImportError
):  # pytest runs within tests forget what they import: its errors would be other classes then
    import psycopg  # noqa: F401


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each worker begins with a part in one piece, so that what a module makes once is made once, and at the end takes
    from the others. ``--dist`` asks for another.
    """
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
