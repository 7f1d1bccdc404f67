"""The HTML report in headless Chromium: it shows, filters, sorts, asks for nothing and runs nothing but its script."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, chromium
from synthetic_results import made_cell, result, run_info

from robusttest.core.nouns import Record
from robusttest.report import html, text
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.report.told import told

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    "<svg onload='window.hacked = 3'><a href='javascript:window.hacked=4'>x</a> \u202eevil\u2066 \x1b[31mred\x1b[0m {{7*7}}"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(many_cells: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(html.render(many_cells), encoding="utf-8")
    return path


def test_it_shows_and_asks_for_nothing(browser: Browser, page: Path, many_cells: Report):
    browser.open(page)
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.text("h1").split() == ["2", "failed", "8", "passed"]
    assert len(browser.texts("#results tbody tr")) == len(many_cells.cells)
    assert browser.run("document.querySelectorAll('#list article').length") == 20
    assert browser.run("document.querySelectorAll('.gauge, .effect').length") > 40
    # The policy is in force: what is not in the file neither runs nor loads.
    refused = browser.run(
        "new Promise(done => { const found = []; document.addEventListener('securitypolicyviolation', e => {"
        "found.push(e.effectiveDirective); if (found.length === 3) done(found.sort()); });"
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        "new Image().src = 'http://127.0.0.1:9/x.png'; fetch('http://127.0.0.1:9/').catch(() => 0); })"
    )
    assert refused == ["connect-src", "img-src", "script-src-elem"]
    assert browser.run("window.ran ?? null") is None


SAVED = (
    "new Promise(done => { const made = URL.createObjectURL, kept = [], names = [];"
    "HTMLAnchorElement.prototype.click = function () { names.push(this.download); };"
    "URL.createObjectURL = b => { kept.push(b); if (kept.length === WANTED) Promise.all([...kept.map(k => k.text()), "
    "createImageBitmap(kept.at(-1))]).then(got => done(names.map((n, i) => [n, kept[i].type, got[i], got.at(-1).width])));"
    "return made.call(URL, b); };"
    "const rows = [...document.querySelectorAll('.save')].map(r => r.querySelectorAll('button'));"
    "rows.forEach(r => r[0].click()); rows[0][1].click(); })"
)
"""Each figure of a page saved as svg, the first one as png too: names, types, texts, the image's width."""


def test_each_figure_is_saved_as_it_is_shown(browser: Browser, nine: Report, tmp_path: Path):
    path = tmp_path / "nine.html"
    path.write_text(html.render(nine), encoding="utf-8")
    browser.open(path, dark=True)
    plots = browser.run("document.querySelectorAll('figure > svg').length")
    tables = browser.run("document.querySelectorAll('.scroll:has(td.plot svg)').length")
    assert browser.run("document.querySelectorAll('.save').length") == plots + tables
    assert (plots, tables) == (
        3 + 9,
        1 + 9 + 1,
    )  # scatters, flips of each test; thresholds, effects, where to work
    *drawings, (name, kind, _, width) = browser.run(SAVED.replace("WANTED", str(plots + tables + 1)))
    assert len({n for n, *_ in drawings}) > 3 + 9
    assert all(n.endswith(".svg") and t == "image/svg+xml" for n, t, *_ in drawings)
    assert (name.endswith(".png"), kind) == (True, "image/png")
    space = "{http://www.w3.org/2000/svg}"
    roots = [ET.fromstring(drawn) for _, _, drawn, _ in drawings]
    assert width == 3 * int(roots[0].get("width", 0))
    for root, (n, _, drawn, _) in zip(roots, drawings, strict=True):
        assert root.find(f"{space}rect").get("fill") == "rgb(27, 30, 34)", f"{n}: the dark page's card"
        assert "class=" not in drawn
        marks = [
            m for kind in ("circle", "rect", "path") for m in root.findall(f".//{space}svg//{space}{kind}")
        ]
        assert marks, n
        assert all(m.get("fill") or m.get("stroke") for m in marks)
    told = {
        n: [t.text for t in root.iter(f"{space}text")] for (n, *_), root in zip(drawings, roots, strict=True)
    }
    scatter = next(words for n, words in told.items() if n.startswith("consistency-against"))
    assert {"entailment", "intents", "sentiment"} <= set(scatter), "the legend"
    assert {"a", "b", "c", "b openai/gpt-4o-mini", "c python:desk:v1"} <= set(scatter), "the models"
    effects = told["perturbations-of-intents-openai-gpt-4o-mini.svg"]
    row = nine.cells[0].perturbations[0]
    assert effects[effects.index(row.perturbation) + 1] == text.value_interval(row.pass_rate)
    gauges = roots[[n for n, *_ in drawings].index("thresholds-and-their-verdicts.svg")]
    assert len(gauges.findall(f"{space}svg")) == len([v for c in nine.cells for v in c.verdicts])
    assert browser.complaints() == []


def test_filters_choose_cases(browser: Browser, page: Path, many_cells: Report):
    browser.open(page)

    def choose(**fields: str) -> int:
        browser.run("document.getElementById('filters').reset()")
        for name, value in fields.items():
            browser.run(f"document.getElementById('filters').elements[{name!r}].value = {value!r}")
        browser.run(
            "new Promise(done => { document.getElementById('filters').dispatchEvent(new Event('input')); setTimeout(done, 150) })"
        )
        said = browser.text("#found")
        return 0 if said.startswith("No variant") else int(said.split(" ")[0].replace(",", ""))

    failing = sum(c.n_failures for c in many_cells.cells)
    assert choose() == failing
    cell = many_cells.cells[0]
    assert choose(task=cell.task, model=cell.model) == cell.n_failures
    heads = browser.texts("#list article h3 .i")
    assert heads
    assert set(heads) == {f"{cell.task} · {cell.model}"}
    family = sum(r.perturbation == "keyboard" and (r.score or 0) < 1 for r in cell.records)
    assert choose(task=cell.task, model=cell.model, perturbation="keyboard") == family
    flipped = choose(flipped="yes")
    assert 0 < flipped < failing
    assert choose(flipped="yes") + choose(flipped="no") <= failing
    assert choose(outcome="passing") == 400
    assert "✓ right" in browser.text("#list article h3")
    bad = [r for c in many_cells.cells for r in c.records if r.score is not None and r.score < 1]
    assert choose(search="t17::keyboard") == sum(
        r.case_id == "t17" and r.perturbation == "keyboard" for r in bad
    )
    # Every fifth text is about a courier: before the perturbation, if not after it.
    assert choose(search="COURIER") == sum(int(r.case_id[1:]) % 5 == 3 for r in bad)
    assert choose(search="no such text") == 0
    assert browser.text("#found") == "No variant matches these filters."
    assert browser.run("document.querySelectorAll('#list article').length") == 0


def test_more_are_shown_on_request_and_a_perturbation_leads_to_its_cases(browser: Browser, page: Path):
    browser.open(page)
    browser.click("#more")
    assert browser.run("document.querySelectorAll('#list article').length") == 40
    assert browser.run(
        "document.activeElement.closest('article') === document.querySelectorAll('#list article')[20]"
    )
    browser.click("a[data-perturbation='ocr:0.2']")
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert set(browser.run("[...document.querySelectorAll('#list h3 code')].map(x => x.innerText.split('::')[1].split('#')[0])")) == {"ocr:0.2"}  # fmt: skip


def test_a_case_shows_diff_answers_and_replay(browser: Browser, page: Path, many_cells: Report):
    browser.open(page)
    name = browser.text("#list article h3 code")
    case, _, variant = name.partition("::")
    task, model = browser.text("#list article h3 .i").split(" · ")
    cell = next(c for c in many_cells.cells if (c.task, c.model) == (task, model))
    record = next(r for r in cell.records if (r.case_id, r.variant) == (case, variant))
    first = "document.querySelector('#list article .diff')"
    text = browser.run(
        f"[...{first}.childNodes].filter(n => n.nodeName !== 'DEL').map(n => n.textContent).join('')"
    )
    assert text == record.text
    assert browser.run(f"{first}.querySelectorAll('del, ins').length") >= 2
    assert browser.texts("#list article:first-child dd")[:3] == [record.target, record.answer, record.target]
    assert browser.text("#list article .replay code") == (
        f"pytest '{cell.test}[{model}]' --robust-case='{name}'"
    )


def test_results_sort_by_value(browser: Browser, page: Path, many_cells: Report):
    browser.open(page)

    def column(i: int) -> list[str]:
        return list(
            browser.run(
                f"[...document.querySelectorAll('#results tbody tr')].map(r => r.cells[{i}].innerText)"
            )
        )

    accuracies = sorted(c.overall["accuracy"].value or 0 for c in many_cells.cells)
    button = "#results thead th:nth-child(6) button"
    browser.click(button)
    assert [float(x.split()[0]) for x in column(5)] == [round(a, 3) for a in accuracies]
    assert (
        browser.run("document.querySelector('#results thead th:nth-child(6)').getAttribute('aria-sort')")
        == "ascending"
    )
    browser.click(button)
    assert [float(x.split()[0]) for x in column(5)] == [round(a, 3) for a in reversed(accuracies)]
    browser.click("#results thead th:nth-child(2) button")
    assert column(1) == sorted(c.task for c in many_cells.cells)


def test_it_is_usable_by_keyboard(browser: Browser, page: Path):
    browser.open(page)
    browser.key("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(30):
        browser.key("Tab")
        reached.add(browser.run("document.activeElement.id || document.activeElement.tagName"))
    assert {"A", "theme", "BUTTON"} <= reached
    browser.run("document.querySelector('#results thead th:nth-child(6) button').focus()")
    browser.key("Enter")
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1
    unnamed = browser.run(
        "[...document.querySelectorAll('input, select, button, [tabindex=\"0\"]')].filter(e => "
        "!(e.innerText || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []
    ids = browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_light_and_dark_by_system_and_by_button(browser: Browser, page: Path):
    background = "getComputedStyle(document.body).backgroundColor"
    browser.open(page)
    light = browser.run(background)
    browser.open(page, dark=True)
    dark = browser.run(background)
    assert light != dark
    browser.click("#theme")
    assert browser.run(background) == light
    browser.open(page, dark=True)  # it is kept
    assert browser.run(background) == light
    browser.click("#theme")
    assert browser.run(background) == dark
    browser.run("localStorage.clear()")


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_the_page_is_never_wider_than_the_window(browser: Browser, page: Path, width: int):
    browser.open(page, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_planted_markup_does_nothing(browser: Browser, tmp_path: Path):
    common = {
        "task": HOSTILE,
        "model": HOSTILE,
        "case_id": HOSTILE,
        "target": HOSTILE,
        "test": f"{HOSTILE}.py::t",
    }
    rows = [
        Record(**common, text=HOSTILE, score=1.0, answer=HOSTILE, reply=HOSTILE),
        Record(
            **common, variant=f"{HOSTILE}#0", perturbation=HOSTILE, level="input", text=HOSTILE + "x", score=0.0,
            answer="no", reply=HOSTILE, reason=HOSTILE, status="unparsed",
        ),
    ]  # fmt: skip
    info = run_info(
        notes=(HOSTILE,),
        label=HOSTILE,
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        models=(HOSTILE,),
    )
    report = build(info, [made_cell(HOSTILE, HOSTILE, f"{HOSTILE}.py::t", rows, notes=(HOSTILE,))])
    path = tmp_path / "hostile.html"
    path.write_text(html.render(report), encoding="utf-8")
    browser.open(path)
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.run("window.hacked ?? null") is None
    assert (
        browser.run(
            "document.querySelectorAll('main img, main [onload], main [onerror], a[href^=\"javascript\"]').length"
        )
        == 0
    )
    shown = browser.run("document.body.innerText")
    assert "</script><script>window.hacked" in shown
    assert "\\u202eevil" in shown
    assert "\\x1b[31mred" in shown
    assert "{{7*7}}" in shown
    for hidden in ("\u202e", "\u2066", "\x1b"):
        assert hidden not in shown
    assert browser.text("#list .diff").startswith("</script>")


def test_it_prints(browser: Browser, page: Path, tmp_path: Path):
    browser.open(page)
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('.top')).display") == "none"
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    browser.call("Emulation.setEmulatedMedia", media="")


def test_ten_thousand_variants_are_at_most_three_megabytes(browser: Browser, tmp_path: Path):
    harm = {"keyboard": 0.05, "ocr:0.2": 0.1, "casing": 0.05, "format": 0.05}
    results = [
        result(
            "accuracy >= 0.9", task=f"task{i}", cases=120, variants=5, seed=i, harm=harm, test=f"t.py::t{i}"
        )
        for i in range(4)
    ]
    report = build(run_info(), results)
    assert sum(len(c.records) for c in report.cells) > 10_000
    path = tmp_path / "large.html"
    path.write_text(html.render(report), encoding="utf-8")
    assert path.stat().st_size <= 3_000_000
    browser.open(path)
    assert (
        browser.run("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart")
        < 5_000
    )
    assert browser.complaints() == []


def test_it_is_whole_without_its_script(browser: Browser, page: Path, many_cells: Report):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert browser.text("noscript").startswith("The case explorer and sorting need JavaScript.")
        assert browser.run("document.getElementById('filters').checkVisibility()") is False
        assert len(browser.texts("#results tbody tr")) == len(many_cells.cells)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    harm = {"keyboard": 0.05, "casing": 0.05}
    results = [
        result(task=f"task{t}", model=f"model{m}", cases=25, variants=2, seed=t * 3 + m, accuracy=0.95 - 0.1 * t, harm=harm,
               test=f"t.py::test_{t}")
        for t in range(3)
        for m in range(3)
    ]  # fmt: skip
    report = build(run_info(), results)
    path = tmp_path_factory.mktemp("grid") / "report.html"
    path.write_text(html.render(report), encoding="utf-8")
    return path, report


def test_a_dot_names_its_cell_on_hover_and_on_focus(browser: Browser, grid_page: tuple[Path, Report]):
    path, report = grid_page
    browser.open(path)
    assert browser.complaints() == []
    plots = browser.run("document.querySelectorAll('#emergence .plot-svg').length")
    assert plots == 3
    first = "document.querySelector('#emergence .plot-svg')"
    assert browser.run(f"{first}.querySelectorAll('.pt').length") == len(report.emergence.points) == 9
    assert browser.run(f"{first}.querySelectorAll('path.null').length") == 3
    assert browser.run(f"{first}.querySelectorAll('.pt[tabindex=\"0\"]').length") == 1
    said = {
        f"{p.task} · {p.model}: overall accuracy {text.value_interval(p.accuracy)}, consistency "
        f"{text.value_interval(p.output_consistency)}, n={p.n}"
        for p in report.emergence.points
    }
    browser.run(f"{first}.querySelector('.pt[tabindex=\"0\"]').focus()")
    seen = set()
    for _ in range(9):
        seen.add(browser.text("#emergence .tip"))
        browser.key("ArrowRight")
    assert seen == said
    x, y = browser.run(
        f"(() => {{ document.activeElement.blur(); {first}.scrollIntoView({{block: 'center'}}); const b = "
        f"{first}.querySelector('.pt:last-of-type .at').getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] }})()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert browser.text("#emergence .tip") in said


def test_the_claims_and_the_advice_are_told(browser: Browser, grid_page: tuple[Path, Report]):
    path, report = grid_page
    browser.open(path)
    for claim in report.emergence.claims:
        assert claim.sentence in browser.text("#emergence")
    rows = browser.texts("#advice tbody tr")
    assert len(rows) == len(report.cells)
    advised = sorted(report.cells, key=lambda c: -(c.advice.error or 0))
    for row, cell in zip(rows, advised, strict=True):
        assert row.startswith(cell.task)
        assert told(cell.advice, width=500)[0].strip() in row
        assert text.number(cell.advice.error) in row


def test_versions_are_drawn(browser: Browser, one_cell: Report, tmp_path: Path):
    from synthetic_results import records

    from robusttest.report import history
    from robusttest.stats.cell.frame import frames
    from robusttest.store.summaries import summary_of

    runs = [
        (run_info(label=f"v{i}"), map(summary_of, frames(records(seed=i, cases=30, variants=2))))
        for i in range(3)
    ]
    path = tmp_path / "history.html"
    path.write_text(html.render(replace(one_cell, history=history.build(runs))), encoding="utf-8")
    browser.open(path)
    assert browser.complaints() == []
    assert browser.texts("#history tbody th") == ["v2", "v1", "v0"]
    browser.run("document.querySelector('#history .pt[tabindex=\"0\"]').focus()")
    told = browser.text("#history .tip")
    assert told.startswith("v0: ")
    for _ in range(3):
        browser.key("ArrowRight")
    assert browser.text("#history .tip").startswith("v1: ")
