"""Coroutine bodies under pytest-asyncio and anyio: on the user's loop, beside the user's fixtures."""

from __future__ import annotations

import pytest

BODY = """
import asyncio

met = []
loops = set()

{mark}
@robust(cases=CASES, limit=3, expect=["accuracy >= 0.2"])
async def test_it(variant, ask, client):
    loops.add(asyncio.get_running_loop())
    assert client is asyncio.get_running_loop()
    met.append(variant.case.id)
    async with asyncio.timeout(20):
        while len(met) < 3: await asyncio.sleep(0)  # three at once, or never
    reply = await ask.acall(variant.input)
    assert reply.text == variant.target

{mark}
@robust(cases=CASES, limit=3, expect=["accuracy >= 0.9"])
async def test_missing(variant):
    assert variant.case.id != "t1"

{mark}
@robust(task, limit=3, expect=["accuracy >= 0.9"], models=["python:models:echo"])
async def test_declared_fails(result): ...

{mark}
@robust(task, limit=3)
async def test_declared(result, client):
    assert result.accuracy.value == 1
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_pytest_asyncio(project, mode):
    project.test(
        "import pytest_asyncio\n@pytest_asyncio.fixture\nasync def client():\n    import asyncio\n"
        "    return asyncio.get_running_loop()\n"
        + BODY.format(mark="@pytest.mark.asyncio" if mode == "strict" else "")
    )
    result = project.own_process(
        "-p",
        "no:randomly",
        f"--asyncio-mode={mode}",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*accuracy * < * (n=*", "FAILED*accuracy * < * (n=*"])
    assert [r["case_id"] for r in project.records() if r["test"].endswith("test_it")] == ["t0", "t1", "t2"]


def test_anyio(project):
    project.test(
        "@pytest.fixture\nasync def client():\n    import asyncio\n    return asyncio.get_running_loop()\n\n"
        "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
        + BODY.format(mark="@pytest.mark.anyio")
    )
    result = project.own_process("-p", "no:randomly", "-p", "no:asyncio", "-W", "error")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*accuracy * < * (n=*", "FAILED*accuracy * < * (n=*"])


def test_a_rerun_under_asyncio_finds_its_body_again(project):
    project.test("""
tries = []

@pytest.mark.asyncio
@robust(cases=CASES, limit=2, expect=["accuracy >= 0.9"])
async def test_it(variant):
    tries.append(variant.case.id)
    assert len(tries) > 2

def test_after():
    assert tries == ["t0", "t1"] * 2
""")
    result = project.own_process("-p", "no:randomly", "--reruns=1")
    assert "2 passed, 1 rerun" in result.stdout.str()
    assert [r["score"] for r in project.records()] == [1.0, 1.0], "only the last try is told"
