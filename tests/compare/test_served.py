from __future__ import annotations

import sys
from pathlib import Path

import pytest

from robusttest.compare.served import changes, named
from robusttest.core.nouns import RunInfo

sys.path.append(str(Path(__file__).parents[1] / "report"))
from synthetic_results import records


def info(served=(), fingerprints=()):
    return RunInfo(
        id="x", created="2026-01-01", served={"m": tuple(served)}, fingerprints={"m": tuple(fingerprints)}
    )


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ((["a"], ["f"]), (["a"], ["f"]), []),
        ((["a"],), (["b"],), ["another model answered to this name: a then, b now"]),
        ((["a"],), (["a", "b"],), ["another model answered to this name: a then, a, b now"]),
        ((["a"], ["f", "g"]), (["a"], ["g", "h"]), []),  # one run is answered from several set-ups
        ((["a"], ["f", "g"]), (["a"], ["h"]), ["another system fingerprint: f, g then, h now"]),
        (([], []), (["a"], ["f"]), []),  # who answered then, nobody said
        ((["a"], ["f"]), ([], []), []),
        (
            (["a"],),
            (list("bcdef"),),
            ["another model answered to this name: a then, b, c, d and 2 more now"],
        ),
    ],
)
def test_changes(then, now, said):
    assert list(changes(info(*then), info(*now), "m")) == said
    assert list(changes(info(*then), info(*now), "m", "another")) == []
    assert list(changes(info(*then), info(*now), "n")) == []


def test_own_code_is_served_by_nobody():

    remote = records(cases=2)
    assert named(remote, lambda r: "id") == {remote[0].model: ("id",)}
    assert named(remote, lambda r: None) == {}
    assert named(records(cases=2, model="python:a:b"), lambda r: "id") == {}
