"""Every code block and command of README.md and docs/ runs, prints what the page says, and the pages say all there is."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import forks
import pytest
from docs_blocks import Block, Session, blocks, first_missing, parse

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "gateway"))
from loopback import LoopbackServer, prompt_of  # noqa: E402

from robusttest.engine.cell import Cell  # noqa: E402
from robusttest.store import read_run  # noqa: E402

PAGES = {
    str(path.relative_to(ROOT)): path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}

ONLY_PARSED = {
    "the same protocol at another address": "one such server's command is run; each costs LiteLLM's import anew",
    "needs mlflow, an extra of nobody here; a test of its own runs it": "tests/test_recipes.py",
    "needs opentelemetry-sdk, an extra of nobody here; a test of its own runs it": "tests/test_recipes.py",
    "stands in another tool, which is no extra here": "what a reader has already; what it becomes here is run",
    "needs torch and somebody's weights": "tests/gateway/test_transformers_model.py runs the like where torch is",
}
"""Reasons for which a block may be left unrun, and why each is one."""

NEEDS = {"docs/howto/pydantic_ai.md": "pydantic_ai", "docs/howto/openai_agents.md": "agents"}
"""Packages of pages that are run where those are: `.ci/run` installs them (`robusttest[agents]`) and runs these."""

TEAMS = {
    "refund": "billing", "charged": "billing", "invoice": "billing", "money": "billing",
    "courier": "delivery", "order": "delivery", "left": "delivery", "rain": "delivery",
    "password": "account", "login": "account", "profile": "account",
}  # fmt: skip
CAPITALS = {"france": "Paris", "italy": "Rome", "spain": "Madrid"}


def reply(body: dict[str, Any]) -> str | dict[str, Any]:
    """Stands in for a language model: rewrites, calls a tool, says what the tool said, reads a context, knows words."""
    text, last = prompt_of(body), body["messages"][-1]
    if last["role"] == "tool":
        return f"It is {last['content']}."
    if body.get("tools"):
        number = re.search(r"\d{4,}", text)
        offered = [tool.get("function", tool)["name"] for tool in body["tools"]]
        name = next(n for n in offered if re.sub(r"\W|_", "", n).lower() == "orderstatus")
        call = {"name": name, "arguments": f'{{"order": "{number[0] if number else ""}"}}'}
        return {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
    if "Context:" in text:
        return text.partition("Context:")[2].partition("\n")[0].strip()
    known = {**TEAMS, **CAPITALS}
    for word in re.findall(r"\w+", re.split(r"ticket\W", text.lower())[-1]):
        if close := difflib.get_close_matches(word, known, n=1, cutoff=0.75):
            return known[close[0]]
    return "I can't tell."


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(reply=reply, log=False) as running:
        yield running


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``pytest`` and ``robusttest``, which start warm (`forks`)."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in (("pytest", "pytest"), ("robusttest", "-m robusttest.cli")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{forks.python()}" {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def own_names() -> Iterator[None]:
    """What a page's python registers is gone after it."""
    from robusttest.perturbations import PERTURBATIONS
    from robusttest.scorers import SCORERS

    PERTURBATIONS.load()
    before = [(registry, dict(registry._items)) for registry in (PERTURBATIONS, SCORERS)]
    yield
    for registry, items in before:
        registry._items.clear()
        registry._items.update(items)


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory, server: LoopbackServer, commands: Path) -> Path:
    """What the commands of README.md leave, which are given at the root of the repository."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(
        ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    said = run_page("README.md", folder, environment(server, commands))
    (folder / "said.txt").write_text(said, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_a_page_runs(
    name: str, tmp_path: Path, server: LoopbackServer, commands: Path, request: pytest.FixtureRequest
) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        for block in blocks(PAGES[name], name):
            parse(block, block.text)
        pytest.skip(f"needs {NEEDS[name]}: pip install -e '.[agents]'")
    if name == "README.md":
        request.getfixturevalue("readme")
    else:
        run_page(name, tmp_path, environment(server, commands))


def run_page(name: str, folder: Path, environ: dict[str, str]) -> str:
    """Everything that its blocks print."""
    said = []
    session = Session(folder, environ["OPENAI_BASE_URL"].removesuffix("/v1"), environ)
    for block in blocks(PAGES[name], name):
        if block.only_parsed is not None:
            assert block.only_parsed in ONLY_PARSED, (
                f"{block}: {block.only_parsed!r} is no reason that test_docs.py lists"
            )
        session.run(block)
        said.append(session.output or "")
    return "\n".join(said)


def desk(readme: Path, version: str) -> Cell:
    """The example's cell of that version, which README.md puts to the gate."""
    runs = (
        read_run(path) for path in sorted((readme / "examples/support_desk/.robusttest/runs").glob("*.jsonl"))
    )
    (cell,) = [cell for run in runs for cell in run.cells if cell.model == f"python:desk:{version}"]
    return cell


def test_the_gate_finds_what_thresholds_and_accuracies_miss(readme: Path) -> None:
    cell = desk(readme, "v3")
    assert [v.status for v in cell.verdicts] == ["passed"] * 3
    assert cell.outcome == "failed", "by the comparison alone: REGRESSED, as README.md has it"
    assert cell.accuracy.value is not None
    assert cell.accuracy.value > 0.865, "more accurate than v2"
    assert cell.robust_accuracy.value is not None
    assert 0.40 <= cell.robust_accuracy.value < 0.55, "and less robust"


def test_the_last_version_is_better_in_both(readme: Path) -> None:
    cell = desk(readme, "v4")
    assert cell.outcome == "passed"
    assert cell.accuracy.value is not None
    assert cell.accuracy.value > 0.895
    assert "improved: ticket-routing" in (readme / "said.txt").read_text(encoding="utf-8")


def environment(server: LoopbackServer, commands: Path) -> dict[str, str]:
    quiet = (
        "-p no:randomly -p no:cacheprovider -p no:rerunfailures -W ignore::pytest.PytestAssertRewriteWarning"
    )
    return {
        "PATH": os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTEST_ADDOPTS": quiet,
        "GITHUB_ACTIONS": "",
        "COLUMNS": "90",
        "ROOT": str(ROOT),
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": server.url,
    }


def hooks() -> Any:
    return script("hooks")


def script(name: str) -> Any:
    """A script of docs/."""
    spec = spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_generated_part_stands_on_a_page() -> None:
    made = hooks()
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES.values())
    assert set(made.MARKER.findall(text)) == set(made.GENERATED)


def test_the_reference_in_the_repository_is_current() -> None:
    made = hooks()
    for name, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert made.renewed(text) == text, f"{name} is old: python docs/hooks.py writes it anew"


def test_the_reference_names_all_there_is() -> None:
    from robusttest.cli import COMMANDS
    from robusttest.metrics import METRICS
    from robusttest.perturbations.base.families import BUILT_IN
    from robusttest.plugin.options import flagged
    from robusttest.scorers import SCORERS

    made = hooks()
    flags = made.options()
    for option in flagged():
        assert f"`{option.flag}" in flags, option.flag
    for metric in METRICS.values():
        assert f"| `{metric.name}` |" in made.metrics()
    shown = made.perturbations()
    assert re.findall(r"^### (\w+)$", shown, re.MULTILINE) == list(BUILT_IN)
    assert re.findall(r"^### (\w+)$", made.scorers(), re.MULTILINE) == list(SCORERS)
    assert re.findall(r"^## robusttest (\w+)$", made.commands(), re.MULTILINE) == list(COMMANDS)


def test_the_reference_says_of_each_perturbation_whether_it_was_read() -> None:
    from robusttest.perturbations.base.families import BUILT_IN
    from robusttest.perturbations.base.judged import judgements

    made = hooks()
    table, facts = made.judgements(), {name: made._facts(name) for name in BUILT_IN}
    for name, said in facts.items():
        if name in made.ALTERS:
            assert "Not measured: what becomes of the right answer" in said, name
        elif name.startswith("tool_"):
            assert "leaves the question alone" in said, name
        elif "By reading: " in said:
            assert re.search(rf"^\| `{name}[`:]", table, re.MULTILINE), name
        else:
            assert made._made(name).level in ("decoding", "repeat"), name
    for spec in judgements():
        assert f"| `{spec}` |" in table
    made_here = {name: made._made(name) for name in BUILT_IN if name not in made.NO_EXAMPLE}
    assert {n for n, p in made_here.items() if p.preserves == "alters"} == set(made.ALTERS) - {"antonym"} | {
        "tfidf"
    }


def test_the_readme_gives_the_counts_of_what_was_read() -> None:
    from robusttest.perturbations.base.judged import judged, judgements
    from robusttest.report.judged import limit

    text = PAGES["README.md"].read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w:.]+)` \| (\d+) of (\d+) \| ([\d.]+%) \|$", text, re.MULTILINE)
    assert len(rows) >= 5
    for spec, broken, n, at_most in rows:
        found = judged(spec)
        assert (found.broken, found.n, f"{limit(found):.1%}") == (int(broken), int(n), at_most), spec
    every = [judged(spec) for spec in judgements()]
    assert f"{sum(f.n for f in every):,} variants of real texts" in text
    assert f"one by one: of {sum(f.broken for f in every)} the right answer" in text
    assert f"of {sum(f.broken for f in every)} the right answer was no longer right" in text


def test_each_example_shows_a_change() -> None:
    made = hooks()
    for name in made._documented():
        if name in made.NO_EXAMPLE:
            continue
        shown = made.example(name)
        assert "not applicable" not in shown, name
        assert "rejected" not in shown, name
        assert len(shown.splitlines()) >= 4, name


def test_the_drawn_curve_is_the_formula_of_the_report() -> None:
    all_correct = hooks().all_correct
    assert all_correct(0.9, 0.5, 2) == pytest.approx(0.855)
    assert all_correct(0.9, 0.5, 24) == pytest.approx(0.679739, abs=5e-7)
    assert all_correct(0.8, 0.5, 4) == pytest.approx(0.6384)
    assert all_correct(0.8, 0.0, 24) == pytest.approx(0.8**24)


def test_the_numbered_picture_is_of_todays_report() -> None:
    picture = script("picture")
    report = picture.lines()
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.drawn(report), (
        "the report changed: python docs/picture.py"
    )
    page = PAGES["docs/howto/advice.md"].read_text(encoding="utf-8")
    told = re.findall(r"^(\d)\. \*\*(.+?)\*\*", page, re.MULTILINE)
    assert [(int(n), name.lower()) for n, name in told] == [(i, p[0]) for i, p in enumerate(picture.PARTS, 1)]
    with pytest.raises(ValueError, match="0 lines of the report begin 'the advice'"):
        picture.drawn([line for line in report if "of errors" not in line])


def test_no_page_names_an_external_asset() -> None:
    for name, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"!\[[^]]*\]\(https?:|<(img|script|link|iframe)[^>]+https?:", text), name


# --- the runner itself ------------------------------------------------------------------------------------------


def test_a_block_that_fails_or_prints_something_else_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```python title="there.py"\nX = 1\n```\n\n```python\nfrom there import X\nprint(X, "more")\n```\n\n'
        "```text\n1 …\n```\n\n<!-- test: exits 3 -->\n```bash\npip install nothing\nexit 3\n```\n",
        encoding="utf-8",
    )
    session = Session(tmp_path, "http://127.0.0.1:1", {})
    for block in blocks(page, "page.md"):
        session.run(block)
    with pytest.raises(AssertionError, match="exit code 1"):
        session.run(Block("page.md", 1, "bash", "false\n"))
    session.run(Block("page.md", 1, "bash", "echo one\necho two\n"))
    with pytest.raises(AssertionError, match="'three' is not in the output"):
        session.run(Block("page.md", 1, "text", "one\nthree\n"))
    assert first_missing("two\none", "one\ntwo") == "one", "the order counts"
    with pytest.raises(SyntaxError):
        session.run(Block("page.md", 1, "python", "x ==\n"))
    with pytest.raises(AssertionError, match="no known language"):
        session.run(Block("page.md", 1, "", "x\n"))
