"""The HTML report as text: its numbers, what it holds, what it escapes, what it says is missing."""

from __future__ import annotations

import base64
import hashlib
import html as stdlib_html
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_results import made_cell, result, run_info
from test_formats import odd_report

from robusttest.compare import Version, compare
from robusttest.core.nouns import Record, Verdict
from robusttest.engine.cell import Cell
from robusttest.metrics import parse_threshold
from robusttest.report import files, html, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.blocks import plain as words_of
from robusttest.report.build import build
from robusttest.report.html import cases as explorers
from robusttest.report.html import plots
from robusttest.report.html.against import change_axis, change_mark
from robusttest.report.html.geometry import Axis
from robusttest.report.model import HEADLINE, Report
from robusttest.report.text import value_interval
from robusttest.report.told import cell_told
from robusttest.report.words import against as said
from robusttest.settings import ReportTarget


def plain(page: str) -> str:
    """The text between the tags, spaces as one."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    body = re.sub(r"</?(?:a|abbr|b|code|strong)\b[^>]*>", "", body)  # of one word with what stands beside it
    return re.sub(r"\s+", " ", stdlib_html.unescape(re.sub(r"<[^>]*>", " ", body)))


def data_of(page: str) -> dict[str, object]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return dict(json.loads(found))


def rows_of(page: str) -> list[dict[str, object]]:
    data = data_of(page)
    return [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]


# one set of numbers


def test_terminal_markdown_html_and_json_tell_the_same_numbers(many_cells: Report):
    told = json.loads(json_report.render(many_cells))["cells"]
    page, told_md = html.render(many_cells), markdown.render(many_cells)
    text = plain(page)
    for cell, c in zip(told, many_cells.cells, strict=True):
        one = replace(many_cells, cells=(c,))
        lines = "\n".join(terminal.render(one, width=160, verbosity=2))
        for m in cell["metrics"]:
            headline = m["perturbation"] is None and m["metric"] in HEADLINE
            if headline or (m["perturbation"] and m["metric"] in ("pass_rate", "flip_rate", "drop")):
                limits = f"[{m['low']:.3f}, {m['high']:.3f}]".replace("-0.000", "0.000")
                value = f"{m['value']:.3f}".replace("-0.000", "0.000")
                assert f"{value} {limits}" in text
                assert f"{value} {limits}" in told_md
                assert limits in lines
                assert value in lines
        for v in cell["verdicts"]:
            e = v["estimate"]
            said = f"{e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]"
            assert f"{v['status']} {v['threshold']} {c.name} · {c.model} {said}" in re.sub(
                r"[✓✗!?] ", "", text
            )
            assert v["threshold"] in told_md
            assert said in told_md
            assert f"{v['threshold']}" in lines
            assert said in lines


def test_a_cell_is_told_beside_its_own_name(many_cells: Report):
    body = html.render(many_cells).split('<section id="results">')[1].split("</section>")[0]
    rows = [plain(row) for row in body.split("<tr>")[2:]]
    assert len(rows) == len(many_cells.cells)
    for c in many_cells.cells:
        (row,) = [r for r in rows if f" {c.name} {c.model} " in f" {r} "]
        for e in c.headline:
            assert value_interval(e) in row


# the explorer


def test_the_explorer_holds_every_failing_variant_and_a_seeded_sample(one_cell: Report):
    (cell,) = one_cell.cells
    held = explorers.explorer(one_cell)
    assert (held.failing, held.all_failing) == (cell.n_failures, cell.n_failures)
    passing = sum(r.perturbation != "" and r.score == 1 for r in cell.records)
    assert (held.passing, held.all_passing, held.all_flipped) == (explorers.SAMPLE, passing, 0)
    again = explorers.explorer(one_cell)
    assert held.rows == again.rows
    other = explorers.explorer(replace(one_cell, run=replace(one_cell.run, id="ffffffff")))
    assert held.rows != other.rows
    assert held.rows[: held.failing] == other.rows[: held.failing]
    text = plain(html.render(one_cell))
    assert f"{cell.n_failures} failing variants and 400 of {passing:,} passing ones, drawn at random" in text


def test_a_row_is_the_record_with_its_diff_and_replay(one_cell: Report):
    (cell,) = one_cell.cells
    row = rows_of(html.render(one_cell))[0]
    worst = min(cell.failures, key=lambda f: (f.score - (f.reference_score or 0), f.name))
    assert row["score"] < row["reference_score"]
    record = next(r for r in cell.records if (r.case_id, r.variant) == (row["case"], row["variant"]))
    assert (row["answer"], row["target"], row["reply"]) == (record.answer, record.target, record.reply)
    parts = row["diff"]
    assert isinstance(parts, list)
    assert "".join(p for i, p in enumerate(parts) if i % 3 != 1) == record.text
    reference = next(r for r in cell.records if r.case_id == row["case"] and not r.perturbation)
    assert "".join(p for i, p in enumerate(parts) if i % 3 != 2) in (reference.text or "")
    assert row["flipped"] is True
    (told,) = data_of(html.render(one_cell))["cells"]
    command = f"{told['command']} --robust-case={row['name']}"
    assert command.startswith(
        "pytest 'tests/test_intents.py::test_intents[openai/gpt-4o-mini]' --robust-case="
    )
    assert worst.replay is not None
    commands = [f"{told['command']} --robust-case={r['name']}" for r in rows_of(html.render(one_cell))]
    assert worst.replay in commands


def test_a_large_run_keeps_to_its_budget_and_says_so(many_cells: Report, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explorers, "ROWS", 30)
    held = explorers.explorer(many_cells)
    assert (len(held.rows), held.failing, held.passing) == (30, 21, 9)
    assert {row[0] for row in held.rows[:10]} == set(range(len(many_cells.cells)))
    assert f"21 of {held.all_failing:,} failing variants (the worst of each cell)" in plain(
        html.render(many_cells)
    )
    monkeypatch.setattr(explorers, "BYTES", 2_000)
    assert 2_000 <= explorers.explorer(many_cells).size < 4_000


def test_a_long_text_keeps_what_is_near_its_changes():
    text = "a" * 3_000 + " wrod " + "b" * 3_000 + " wrod " + "c" * 3_000
    records = [
        Record(task="t", model="m", case_id="1", text=text.replace("wrod", "word"), score=1.0, answer="x"),
        Record(
            task="t", model="m", case_id="1", variant="k#0", perturbation="k", level="input", text=text, score=0.0,
            answer="y", edits={"input": [[3001, 3005, "wrod"], [6007, 6011, "wrod"]]},
        ),
    ]  # fmt: skip
    held = explorers.explorer(build(run_info(), [made_cell("t", "m", None, records)]))
    diff = held.rows[0][explorers.FIELDS.index("diff")]
    assert diff[1:3] == ["word", "wrod"]
    assert diff[4:6] == ["word", "wrod"]
    assert diff[0].startswith(" … 2,301 characters … a")
    assert diff[0].endswith("a ")
    assert diff[3].startswith(" b")
    assert diff[3].endswith("b ")
    assert diff[6].endswith(" characters … ")
    assert sum(map(len, diff)) < 2_500


# what is said to be missing


def test_a_run_without_replies_says_so():
    page = plain(html.render(build(run_info(calls=0), [])))
    assert "No results: the run holds no reply and no verdict" in page
    verdict = Verdict(threshold=parse_threshold("accuracy >= 0.9"), status="error", reason="no call was made")
    report = build(run_info(), [made_cell("t", "m", "x.py::t", [], verdicts=[verdict])])
    page = plain(html.render(report))
    assert "t · m : no replies, so nothing was measured" in page
    assert "no call was made" in page
    assert "nan" not in page.lower()


def test_an_incomplete_run_says_what_is_missing(one_cell: Report):
    rows = list(one_cell.cells[0].records)
    gone = [replace(r, status="error", score=None, answer=None, reason="HTTP 500") for r in rows[:100]]
    report = build(run_info(complete=False), [made_cell("t", "m", None, [*gone, *rows[100:]])])
    page = plain(html.render(report))
    assert "Incomplete run" in page
    assert "of the planned calls replied, and only these count" in page
    assert "failed calls" in page
    assert "HTTP 500" in page


def test_the_head_says_what_the_terminal_says(one_cell: Report):
    head = plain(html.render(one_cell).partition('class="hero"')[2].partition("</section>")[0])
    assert "1,260 calls (1,200 replayed, up to 3 days old), $0.42, 38 s" in head
    recorded = replace(one_cell, run=run_info(calls=0, cached=0, cost=None))
    assert f"{one_cell.cells[0].n_calls:,} recorded replies" in plain(html.render(recorded))
    assert "cost unknown" not in plain(html.render(recorded).partition("</section>")[0])


def test_undefined_values_have_their_reason():
    records = [Record(task="t", model="m", case_id="1", text="x", score=1.0, answer="a")]
    page = plain(html.render(build(run_info(), [made_cell("t", "m", None, records)])))
    assert "no variants: no case has a reply to a perturbed prompt" in page
    assert "No thresholds were set" in page


# against a baseline


def test_the_comparison_tells_what_the_terminal_tells():
    def run(harm: float) -> list[Cell]:
        return [result(task=t, cases=60, variants=3, harm={"keyboard": h, "casing": 0.01}, test=f"t.py::{t}")
                for t, h in (("intents", harm), ("moods", 0.02))]  # fmt: skip

    old, new = run(0.02), run(0.4)
    found = compare(
        Version.of(run_info(label="v1"), [r for x in old for r in x.records], name="robust-baseline.json"),
        Version.of(run_info(label="v2"), [r for x in new for r in x.records]),
    )
    assert found.count("regressed") == 1
    page = html.render(replace(build(run_info(label="v2"), new), comparison=found))
    section = page.partition('id="comparison"')[2].partition("</section>")[0]
    text = plain("<" + section)
    assert f"Against {found.old}: {said.summary(found)}." in text
    for cell in found.cells:
        assert f"{cell.name} " in text
        for change in cell.changes:
            assert re.sub(r"\s+", " ", " ".join(map(words_of, said.columns(change)))) in text
        for line in cell_told(found, cell, width=400)[1:]:
            if " · " not in line and "  " not in line.strip():
                assert line.strip() in text, line
    opened = re.findall(r'<details class="cell" open><summary><span class="name">(.*?)</span>', section)
    assert opened == [c.name for c in found.cells if c.verdict == "regressed"]
    axis = change_axis(found)
    (change,) = [
        x for c in found.cells for x in c.changes if x.measure == "keyboard" and x.verdict == "regressed"
    ]
    mark, side = change_mark(axis, change)
    assert mark.value < axis.at(0.0)
    assert side == "loss"
    assert section.count('class="effect loss"') >= 1
    assert not re.search("nan|None", section)


# untrusted text


@given(st.text(alphabet=st.characters(), max_size=30))
@settings(max_examples=40, deadline=None)
def test_no_text_becomes_markup_or_ends_the_data(text: str):
    hostile = f"</script><script>alert(1)</script><!--{text}<img src=x onerror=alert(1)>\u202e\x1b[31m\u2028"
    page = html.render(odd_report(hostile))
    page.encode("utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]", page
    )
    assert rows_of(page)[0]["answer"] == "NaN"


def test_embedded_json_is_inert_and_reads_back():
    value = {"a": ["</script>", "<!--", "&amp;", "\u2028\u2029", "\ud800", float("nan"), 1.5]}
    dumped = html.embedded(value)
    assert not re.search("[<>&\u2028\u2029]|[^ -~]", dumped)
    assert json.loads(dumped) == {"a": ["</script>", "<!--", "&amp;", "\u2028\u2029", "\ud800", None, 1.5]}


def test_the_policy_allows_what_is_in_the_file_and_nothing_else(one_cell: Report):
    page = html.render(one_cell)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    policy = stdlib_html.unescape(policy)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?://", page)
    assert not re.search(r'\s(style|on\w+)="', page)


# files


def test_it_is_written_whole_or_not_at_all(one_cell: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "deep" / "report.html"
    assert files.write(one_cell, ReportTarget("html", str(path))) == path
    assert path.read_text(encoding="utf-8") == html.render(one_cell)
    assert os.listdir(path.parent) == [path.name]

    def broken(_: Report) -> str:
        raise RuntimeError("half-way")

    monkeypatch.setattr(html, "render", broken)
    with pytest.raises(RuntimeError):
        files.write(one_cell, ReportTarget("html", str(path)))
    assert path.read_text(encoding="utf-8").endswith("</html>\n")


# plots


def test_ticks_are_round_and_on_the_axis():
    axis = Axis(-0.03, 0.47, 0, 100)
    assert [(t.label, round(t.at, 3)) for t in axis.ticks(4)] == [("0.0", 6.0), ("0.2", 46.0), ("0.4", 86.0)]
    assert axis.at(2.0) == 100
    assert [t.label for t in Axis(0, 1, 90, 10).ticks(5)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


def test_the_forest_is_over_the_noise_floor_where_there_is_one(one_cell: Report):
    (cell,) = one_cell.cells
    drawn = plots.effects(cell)
    assert [e.metric for _, e in drawn] == ["drop"] * len(drawn)
    harm = {"keyboard": 0.3, "repeat": 0.05}
    rows = [
        replace(r, level="repeat") if r.perturbation == "repeat" else r for r in result(harm=harm).records
    ]
    (cell,) = build(run_info(), [made_cell("support-intents", "m", None, rows)]).cells
    (_, keyboard), (_, floor) = plots.effects(cell)
    assert (keyboard.metric, floor.metric) == ("net_drop", "drop")
    axis = plots.effect_axis([keyboard, floor])
    mark = plots.marked(axis, keyboard)
    assert mark is not None
    assert (mark.value, mark.low) == (axis.at(keyboard.value or 0), axis.at(keyboard.low or 0))
    assert plots.side(keyboard) == "loss"
    page = html.render(build(run_info(), [made_cell("support-intents", "m", None, rows)]))
    assert "net drop" in plain(page)
    assert f'class="at" cx="{html.pixels(mark.value)}"' in page.partition('id="perturbations"')[2]
    assert 'class="floor"' in page
    assert "noise floor</span>" in page


def test_severities_are_drawn_where_several_ran():
    harm = {"ocr:0.1": 0.05, "ocr:0.2": 0.1, "ocr:0.4": 0.4, "keyboard:0.1": 0.1}
    rows = [
        replace(r, severity=float(r.perturbation.split(":")[1]) if r.perturbation else None)
        for r in result(harm=harm).records
    ]
    report = build(run_info(), [made_cell("support-intents", "m", None, rows)])
    (curve,) = plots.severity_curves(report.cells)
    assert curve.family == "ocr"
    assert [p.label.split(" ")[0] for p in curve.points] == [
        "unperturbed:",
        "ocr:0.1:",
        "ocr:0.2:",
        "ocr:0.4:",
    ]
    assert [p.x for p in curve.points] == sorted(p.x for p in curve.points)
    assert curve.points[-1].y > curve.points[0].y  # fewer pass, further down
    assert 'id="severity"' in html.render(report)


def test_a_threshold_is_not_parted_from_its_number(one_cell: Report):
    page = html.render(one_cell)
    assert '<code>robust_accuracy <span class="whole">&gt;= 0.75</span></code>' in page
    assert not re.search(r"<code>[^<]*&gt;=", page)
