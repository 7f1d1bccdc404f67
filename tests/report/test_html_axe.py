"""The HTML report under axe-core, with every kind of block: light, dark, on a phone and as it is printed.

The checker comes with the package axe-playwright-python, of which nothing else is used (``pip install --no-deps``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
from browser import Browser, chromium
from synthetic_results import result, run_info
from test_evidence import rows

from robusttest.compare import Version, compare
from robusttest.core.nouns import Record
from robusttest.engine.cell import Cell, grouped
from robusttest.report import html
from robusttest.report.build import build

CHECKED = (
    "new Promise(done => axe.run({resultTypes: ['violations']}).then(found => done(found.violations.map("
    "v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 200))]))))"
)


@pytest.fixture(scope="module")
def axe() -> str:
    found = find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-playwright-python is not installed")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser(axe: str) -> Iterator[Browser]:
    with chromium() as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr("browser.SECONDS", 120)  # it looks at every pixel behind a text
        yield found


def conversations() -> list[Record]:
    """Turns, severities, answers that have to change, tools in other words, replies nobody could read."""
    made = []
    for i in range(12):
        common = {
            "task": "chat",
            "model": "m",
            "case_id": f"c{i}",
            "target": "yes",
            "test": "t.py::test_chat",
        }
        one = "Is the shop open?"
        made.append(
            Record(**common, text=one, score=1.0, answer="yes", reply="yes", turns=[1.0, 1.0, float(i % 2)])
        )
        for severity in (0.1, 0.3):
            right = i % 3 > 0 or severity < 0.2
            made.append(
                Record(
                    **common, variant=f"keyboard:{severity}#0", perturbation=f"keyboard:{severity}", severity=severity,
                    level="input", text="Is the shpo open?", edits={"input": [[7, 11, "shpo"]]}, score=float(right),
                    answer="yes" if right else "no", reply="yes", turns=[1.0, float(right), 0.0],
                )
            )  # fmt: skip
        made.append(
            Record(
                **common, variant="negation#0", perturbation="negation", level="input", effect="changes", score=float(i > 6),
                text="Is the shop not open?", answer="no" if i > 6 else "yes", reply="no",
            )
        )  # fmt: skip
        made.append(
            Record(
                **common, variant="tool_description#0", perturbation="tool_description", level="prompt", text=one,
                edits={"tools": [[0, 4, "Find"]]}, score=0.0 if i < 4 else None, answer=None, reply="??",
                status="unparsed" if i < 4 else "error", reason="no option in it",
            )
        )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Claims, figures, map, comparison, slices, confusions, factors, flips, prompts, turns, tools."""
    old, new = result(cases=40, variants=2, seed=3), result(cases=40, variants=2, seed=4, accuracy=0.7)
    plain = [r for r in rows() if r.model == "m1"]
    cells = [Cell(key, held) for key, held in grouped([*plain, *conversations()]).items()]
    study = [
        result("accuracy >= 0.5", task=task, model=model, cases=20, variants=2, seed=i, accuracy=0.9 - i / 20)
        for i, (task, model) in enumerate(
            product(("intents", "moods"), ("openai/gpt-4o-mini", "python:desk:v1"))
        )
    ]
    compared = compare(
        Version.of(run_info(label="v1"), old.records, name="v1"),
        Version.of(run_info(label="v2"), new.records, name="v2"),
    )
    made = replace(build(run_info(notes=("A note.",)), [*study, *cells, new]), comparison=compared)
    path = tmp_path_factory.mktemp("axe") / "report.html"
    path.write_text(html.render(made), encoding="utf-8")
    return path


@pytest.mark.parametrize("how", ["light", "dark", "phone", "print"])
def test_the_checker_finds_nothing(browser: Browser, axe: str, page: Path, how: str) -> None:
    browser.open(page, width=360 if how == "phone" else 1280, dark=how == "dark")
    if how == "print":
        browser.call("Emulation.setEmulatedMedia", media="print")
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.run(
        "document.querySelectorAll('#list article:nth-child(n+4)').forEach(a => a.remove())"
    )  # more of the same
    browser.run(f"{axe};1")
    if how == "light":
        kinds = set(
            browser.run("[...document.querySelectorAll('table')].map(t => t.className.split(' ')[0])")
        )
        regions = browser.run(
            "[...document.querySelectorAll('[role=region]')].map(r => r.getAttribute('aria-label')).join(' ')"
        )
        said = f"{browser.text('main')} {regions}"
        assert {"results", "verdicts", "forest", "map"} <= kinds, kinds
        for kind in (
            "turn",
            "topic",
            "taken for",
            "knob",
            "Prompts of desk",
            "flip",
            "negation",
            "tool_description",
        ):
            assert kind in said, kind
    assert browser.run(CHECKED) == []
    if how == "phone":
        assert browser.run("document.documentElement.scrollWidth") <= 360


def test_the_checker_sees_what_is_wrong(browser: Browser, axe: str, page: Path) -> None:
    browser.open(page)
    browser.run(
        "document.getElementById('theme').textContent = ''; document.querySelector('.hint').style.color = '#ddd'"
    )
    browser.run(f"{axe};1")
    assert {found[1] for found in browser.run(CHECKED)} >= {"button-name", "color-contrast"}
