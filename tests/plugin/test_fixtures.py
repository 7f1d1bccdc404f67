"""Function-scoped fixtures of a body: set up for each variant, as for a test of its own."""

from __future__ import annotations

import pytest

FIXTURES = """
import contextlib, asyncio

up, down, alive = [], [], []

@pytest.fixture(scope="module")
def wide():
    up.append("wide")
    yield object()
    down.append("wide")

@pytest.fixture
def server(wide):
    up.append("server")
    alive.append(1)
    yield [len(up)]
    alive.pop()
    down.append("server")

@pytest.fixture
def client(server, tmp_path):
    up.append("client")
    yield (server, tmp_path)
    down.append("client")

@pytest.fixture(autouse=True)
def clean(monkeypatch):
    import os
    assert "OF_A_VARIANT" not in os.environ
    monkeypatch.setenv("OF_A_VARIANT", "1")

seen = []
"""

SYNC = """
@robust(cases=CASES[:3], perturbations=["casing"], variants=2{more})
def test_body(variant, client, tmp_path):
    server, folder = client
    assert folder is tmp_path and not list(folder.iterdir()), "another variant was here"
    (folder / "file").write_text(variant.id)
    assert len(server) == 1, "another variant's server"
    server.append(1)
    seen.append(folder)
    assert len(alive) == 1 or {together}

def test_after():
    assert len(seen) == len(set(seen)) == 9
    assert up.count("server") == up.count("client") == 9
    assert down == ["client", "server"] * 9 or {together}
    assert down.count("client") == down.count("server") == 9
    assert up.count("wide") == 1 and "wide" not in down and alive == []
"""


@pytest.mark.parametrize("more", ["", ", concurrency=3"])
def test_each_variant_has_its_own(project, more):
    together = bool(more)
    source = FIXTURES.replace('    assert "OF_A', '    return\n    assert "OF_A') if together else FIXTURES
    project.test(source + SYNC.format(more=more, together=together))
    result = project.run()
    result.assert_outcomes(passed=2)
    assert "set up once" not in result.stdout.str()


def test_each_variant_of_a_coroutine_has_its_own(project):
    source = FIXTURES.replace('    assert "OF_A', '    return\n    assert "OF_A')
    body = SYNC.format(more="", together=True).replace("def test_body", "async def test_body")
    project.test(source + body.replace("    seen.append", "    await asyncio.sleep(0)\n    seen.append"))
    project.run().assert_outcomes(passed=2)


def test_a_fixture_that_fails_or_skips_does_so_for_its_variant(project):
    project.test("""
times = []

@pytest.fixture
def flaky():
    times.append(1)
    if len(times) == 2:
        raise ValueError("the port is taken")
    if len(times) == 3:
        pytest.skip("not today")

@robust(cases=CASES[:4], min_coverage=0.1)
def test_body(variant, flaky): ...
""")
    project.run()
    told = [(r.get("status", "ok"), r.get("reason")) for r in project.records()]
    assert told[0] == told[3] == ("ok", None)
    assert told[1][0] == "error"
    assert "the port is taken" in told[1][1]
    assert told[2] == ("skipped", "not today")


def test_what_a_teardown_raises_is_an_error_of_the_test(project):
    project.test("""
@pytest.fixture
def server():
    yield
    raise OSError("it hangs")

@robust(cases=CASES[:3])
def test_body(variant, server): ...
""")
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    assert "it hangs" in result.stdout.str()
    assert len(project.records()) == 3


def test_parameters_output_and_fixtures_asked_for_by_name_are_each_variants(project):
    project.test("""
@pytest.fixture(params=["a", "b"])
def letter(request):
    return [request.param]

@pytest.fixture
def named(request):
    return request.getfixturevalue("hidden")

@pytest.fixture
def hidden():
    return []

class TestAll:
    def setup_method(self):
        self.count = 0

    @pytest.mark.parametrize("number", [7])
    @robust(cases=CASES[:3])
    def test_body(self, variant, letter, named, number, capsys, caplog, request):
        print(variant.id)
        assert capsys.readouterr().out == "\\n" and not caplog.records
        import logging
        logging.getLogger().warning("x")
        assert letter.pop() in "ab" and number == 7 and named == [] and self.count == 0
        assert request.node.name.startswith("test_body")
        named.append(1)
        self.count += 1
""")
    project.run().assert_outcomes(passed=2)


def test_what_variants_share_is_said(project):
    project.test("""
@robust(cases=CASES[:3], concurrency=2, expect=["accuracy >= 0.1"])
def test_body(variant, capsys, subtests, record_property): ...
""")
    result = project.run()
    result.assert_outcomes(passed=1)
    said = " ".join(result.stdout.str().split())
    assert "note: the fixture capsys is set up once for all variants" in said
