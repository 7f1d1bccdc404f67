"""`kill -9` at random moments, and a resumed run."""

from __future__ import annotations

import os

import pytest
from crashing import killed


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_killed_run_loses_no_stored_reply_and_asks_for_none_again(tmp_path):
    seen = killed(tmp_path, 5, calls=800, seed=1)
    assert seen.asked_again == []
    assert seen.torn == []
    assert seen.missing == []
    assert seen.moments >= 3, "runs were under way when they were killed"
    assert seen.stored_at_kills == sorted(seen.stored_at_kills)
    assert 0 < seen.stored_at_kills[-1] < 800
    # Beside every question once: what was under way, or on its way to the disk, at each kill.
    assert 800 < seen.requests < 800 + seen.moments * 300
    assert seen.seconds_of_last < 12, "leases of the dead are free at once"
