"""Engines by name, and their executors' sizes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from robusttest.errors import UsageError
from robusttest.settings import Settings
from robusttest.workers import engines
from robusttest.workers.engines import Needs


@pytest.mark.parametrize("text", ["local", "processes", "processes:1", "processes:1024", " processes:2 "])
def test_what_is_known_stands_as_it_was_written(text):
    assert Settings(engine=text).engine == text.strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("proceses:2", "unknown engine 'proceses'. Did you mean 'processes'? Known: local, processes, ray"),
        ("local:2", "local takes no argument; processes:N has N processes"),
        ("processes:0", "processes:0: give a number of processes from 1 to 1,024"),
        ("processes:1025", "from 1 to 1,024"),
        ("processes:two", "processes:two: give a number"),
        ("processes:", "processes:: give a number"),
        ("processes:²", "give a number"),
        ("", "give a name"),
        (2, "give a name"),
    ],
)
def test_what_is_none_is_refused_with_what_would_be(text, said):
    with pytest.raises(UsageError) as e:
        Settings(engine=text)
    assert said in str(e.value)
    assert str(e.value).startswith("engine=")


def test_sizes():
    with ThreadPoolExecutor(3) as executor:
        assert engines.size_of(executor) == 3
    assert engines.size_of(object()) == engines.cores() >= 1
    for text, workers in (("processes:4", 2), ("processes:2", 2), ("processes:1", 1)):
        executor = engines.opened(text, Needs(workers=2))
        assert engines.size_of(executor) == workers
        executor.shutdown()


def test_a_package_brings_its_own(monkeypatch):
    def brought(argument: str | None, needs: Needs) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(int(argument or 1))

    monkeypatch.setitem(engines.ENGINES._items, "threads", brought)
    assert Settings(engine="threads:2").engine == "threads:2"
    with engines.opened("threads:2", Needs()) as executor:
        assert engines.size_of(executor) == 2
