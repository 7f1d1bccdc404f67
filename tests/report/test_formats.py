"""JSON, Markdown, CSV, JUnit, GitHub: the same numbers from one report."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_results import made_cell, records, result, run_info

from robusttest.compare import Version, compare
from robusttest.core.nouns import Record
from robusttest.errors import StorageError, UnknownNameError, UsageError
from robusttest.metrics import METRICS
from robusttest.report import csv as csv_report
from robusttest.report import files, github, junit, markdown, terminal
from robusttest.report import json as json_report
from robusttest.report.build import build
from robusttest.report.model import Report
from robusttest.settings import ReportTarget

ODD = st.text(alphabet=st.characters(), max_size=30)


def odd_report(text: str) -> Report:
    common = {"task": text, "model": text, "case_id": text, "target": text, "test": f"{text}.py::t"}
    rows = [
        Record(**common, text=text, score=1.0, answer=text, reply=text),
        Record(
            **common, variant="p#0", perturbation="p", level="input", text=text + "x", score=0.0, answer=math.nan,
            edits={"input": [[len(text), len(text), "x"]]}, reply=text, factors={text: text},
        ),
    ]  # fmt: skip
    return build(run_info(notes=(text,)), [made_cell(text, text, f"{text}.py::t", rows, notes=(text,))])


# JSON


def test_json_has_the_documented_shape(one_cell: Report):
    data = json.loads(json_report.render(one_cell))
    assert data["schema_version"] == 1
    assert data["run"]["id"] == one_cell.run.id
    (cell,) = data["cells"]
    assert (cell["task"], cell["model"], cell["n_cases"], cell["n_variants"], cell["coverage"]) == (
        "support-intents", "openai/gpt-4o-mini", 60, 21, 1.0,
    )  # fmt: skip
    assert cell["n_calls"] == one_cell.cells[0].n_calls
    metrics = {(m["metric"], m["perturbation"]): m for m in cell["metrics"]}
    assert len(metrics) == len(cell["metrics"])
    assert {name for name, p in metrics if p is None} == set(METRICS)
    for p in ("keyboard", "ocr:0.2", "casing", "format"):
        assert {name for name, q in metrics if q == p} == {
            m.name
            for m in METRICS.values()
            if m.local and m.family != "sensitivity" and not m.name.startswith("net_")
        }
    for m in cell["metrics"]:
        assert {"metric", "perturbation", "value", "low", "high", "n", "method"} <= m.keys()
    assert cell["verdicts"][0].items() >= {"threshold": "accuracy >= 0.9", "status": "passed"}.items()
    assert all(v["reason"] for v in cell["verdicts"])


@given(ODD)
@settings(max_examples=40, deadline=None)
def test_json_holds_any_text_and_never_nan(text: str):
    rendered = json_report.render(odd_report(text))
    rendered.encode("ascii")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    data = json.loads(rendered, parse_constant=refuse)
    assert data["cells"][0]["task"] == text
    assert data["cells"][0]["failures"][0]["answer"] is None


# one set of numbers


def test_all_renderers_tell_the_same_numbers(one_cell: Report):
    (cell,) = json.loads(json_report.render(one_cell))["cells"]
    shown = "\n".join(terminal.render(one_cell, width=120, verbosity=1))
    page = markdown.render(one_cell)
    properties = dict(junit.properties(one_cell.cells[0]))
    for m in cell["metrics"]:
        if m["metric"] in ("accuracy", "robust_accuracy", "output_consistency", "consistency_icc", "drop"):
            if m["perturbation"] is None:
                limits = f"[{m['low']:.3f}, {m['high']:.3f}]"
                assert f"{m['value']:.3f} {limits}" in page
                assert limits in shown
                assert float(properties[f"robust.{m['metric']}"]) == pytest.approx(m["value"], rel=1e-5)
                assert float(properties[f"robust.{m['metric']}_low"]) == pytest.approx(m["low"], rel=1e-5)
                assert properties[f"robust.{m['metric']}_n"] == str(m["n"])
        elif m["metric"] in ("pass_rate", "flip_rate") and m["perturbation"]:
            told = f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]"
            assert told in shown
            assert told in page
    for v in cell["verdicts"]:
        assert v["threshold"] in shown
        assert v["threshold"] in page
        assert properties[f"robust.verdict[{v['threshold']}]"] == v["status"]


# Markdown


@given(ODD)
@settings(max_examples=40, deadline=None)
def test_markdown_tables_keep_their_shape(text: str):
    page = markdown.render(odd_report(text))
    assert not re.search(r"<(?!br>)", re.sub(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", "", page)), page
    columns = 0
    for line in page.split("\n"):
        if not line.startswith("|"):
            columns = 0
            continue
        bars = len(re.findall(r"(?<!\\)\|", line))
        assert columns in (0, bars), page
        columns = bars


def test_markdown_keeps_within_a_size(many_cells: Report):
    whole = markdown.render(many_cells)
    cut = markdown.render(many_cells, max_bytes=8000)
    assert len(cut.encode()) <= 8000 < len(whole.encode())
    assert "left out" in cut
    assert cut.startswith(re.sub(r"\[([^]]*)\]\(#words\)", r"\1", whole[:700])[:400])


# CSV


def test_csv_holds_every_record(one_cell: Report):
    rows = list(csv.DictReader(io.StringIO(csv_report.render(one_cell), newline="")))
    assert len(rows) == len(one_cell.records)
    for told, r in zip(rows, one_cell.records, strict=True):
        assert (told["case_id"], told["variant"], told["text"]) == (r.case_id, r.variant, r.text or "")
        assert told["score"] == ("" if r.score is None else str(r.score))
        assert json.loads(told["edits"] or "null") == r.edits


@given(ODD)
@settings(max_examples=40, deadline=None)
def test_no_csv_cell_is_a_formula(text: str):
    rendered = csv_report.render(odd_report(text))
    rendered.encode("utf-8")
    for cells in csv.reader(io.StringIO(rendered, newline="")):
        assert len(cells) == len(csv_report.COLUMNS)
        for cell in cells:
            assert cell.lstrip()[:1] not in ("=", "+", "@"), cell
            assert not re.match(r"\s*-(?!\d)", cell), cell


# JUnit


@given(ODD)
@settings(max_examples=40, deadline=None)
def test_properties_are_xml(text: str):
    for name, value in junit.properties(odd_report(text).cells[0]):
        element = ET.Element("property", name=name, value=value)
        assert ET.fromstring(ET.tostring(element)).attrib == {"name": name, "value": value}


# GitHub


def failing(n: int) -> Report:
    return build(
        run_info(),
        [
            result(
                "robust_accuracy >= 0.999",
                task=f"task{i}",
                cases=12,
                variants=1,
                harm={"k": 0.9},
                test=f"t/test_{i}.py::t",
            )
            for i in range(n)
        ],
    )


def test_one_annotation_a_missed_threshold(one_cell: Report):
    (line,) = github.annotations(one_cell)
    assert line.startswith("::error file=tests/test_intents.py,title=failed%3A robust_accuracy >= 0.75 ")
    assert "0.433 [0.316, 0.559], n=60" in line
    assert "95 %25 confidence" in line


def test_at_most_ten_annotations():
    assert len(github.annotations(failing(10))) == 10
    lines = github.annotations(failing(13))
    assert len(lines) == 10
    assert lines[-1].endswith("::4 more thresholds are not met: see the summary")


def test_an_annotation_has_the_line_of_its_test(one_cell: Report):
    (cell,) = one_cell.cells
    (line,) = github.annotations(one_cell, folder="sub/", places={cell.key: ("tests/test_base.py", 12)})
    assert line.startswith("::error file=sub/tests/test_base.py,line=12,title=")


def test_a_gate_has_annotations_of_its_own_before_the_thresholds():
    report = failing(12)
    base = records(cases=40, accuracy=0.98)
    found = compare(
        Version.of(run_info(), base), Version.of(run_info(id="b"), records(cases=40, accuracy=0.5))
    )
    main = found.cells[0].main
    regressed = {c.key: found.cells[0] for c in report.cells[:2]}
    lines = github.annotations(report, regressed=regressed, gate_broken="no baseline")
    assert len(lines) == 10
    assert lines[0] == "::error title=robusttest%3A the gate::no baseline"
    for line in lines[1:3]:
        assert "title=regressed · " in line
        assert f"::all variants: {100 * main.difference:+.1f} [" in line
        assert f"{main.old:.3f} then and {main.new:.3f} now (n=40)" in line
        assert line.endswith(f"{main.worse} got worse and {main.better} better")
    assert lines[-1].endswith("::6 more thresholds are not met: see the summary")
    many = github.annotations(report, regressed={c.key: found.cells[0] for c in report.cells})
    assert many[-1].endswith("::3 more regressions, 12 more thresholds are not met: see the summary")


def test_a_comment_is_found_again_and_fits(one_cell: Report, monkeypatch: pytest.MonkeyPatch):
    text = files.renderer("comment")(one_cell)
    assert text.startswith("<!-- robusttest -->\n# robusttest: 1 failed")
    assert "](#" not in text, "GitHub gives headings of a comment no anchors"
    assert "[as written](#words)" in markdown.render(one_cell)
    assert text.replace("<!-- robusttest -->\n", "") == re.sub(
        r"\[([^]]*)\]\(#words\)", r"\1", markdown.render(one_cell)
    )
    monkeypatch.setattr("robusttest.report.comment.LIMIT", 3000)
    assert len(files.renderer("comment")(one_cell).encode()) <= 3000 + len("<!-- robusttest -->\n")


@given(ODD)
@settings(max_examples=30, deadline=None)
def test_no_text_can_start_a_workflow_command(text: str):
    made = odd_report(f"::set-env name=x::{text}\n::error::")
    (cell,) = made.cells
    verdict = result("accuracy >= 0.999").verdicts[0]
    made = replace(
        made,
        cells=(replace(cell, verdicts=(replace(verdict, status="error", reason=f"\n::warning::{text}"),)),),
    )
    (line,) = github.annotations(made)
    assert line.isprintable()
    assert line.startswith("::error ")
    assert line.count("::") >= 2
    assert "::" not in line.removeprefix("::error ").partition("::")[0]


def test_the_step_summary_is_appended_and_capped(
    one_cell: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    assert github.append_summary(one_cell, {"GITHUB_STEP_SUMMARY": str(path)})
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert "# robusttest: 1 failed" in text
    assert not github.append_summary(one_cell, {})
    monkeypatch.setattr(github, "SUMMARY_LIMIT", 9000)
    for _ in range(5):
        github.append_summary(one_cell, {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.stat().st_size <= 9000
    with pytest.raises(StorageError):
        github.append_summary(one_cell, {"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "x.md")})


# files


@pytest.mark.parametrize("kind", ["md", "json", "csv"])
def test_a_report_is_written_whole(one_cell: Report, tmp_path: Path, kind: str):
    path = tmp_path / "deep" / f"report.{kind}"
    assert files.write(one_cell, ReportTarget(kind, str(path))) == path
    with open(path, encoding="utf-8", newline="") as f:
        assert f.read() == files.renderer(kind)(one_cell)
    assert os.listdir(path.parent) == [path.name]


def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.json"]


def test_places_that_can_not_be_written_are_refused_early(tmp_path: Path):
    files.check_writable(tmp_path / "new" / "report.json")
    assert os.listdir(tmp_path / "new") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="it is a folder"):
        files.check_writable(tmp_path)
    with pytest.raises(StorageError, match="can't write"):
        files.check_writable(tmp_path / "file" / "report.json")
    if os.geteuid() != 0:
        (tmp_path / "new").chmod(0o500)
        with pytest.raises(StorageError, match="Permission denied"):
            files.check_writable(tmp_path / "new" / "report.json")


def test_an_unknown_kind_is_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'json'"):
        files.renderer("jsn")


def test_a_kind_without_its_module_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(files._MODULES, "html", "not_there")
    with pytest.raises(UsageError, match="writes no html report"):
        files.renderer("html")


# a comparison


def compared() -> Report:
    from robusttest.compare import Version, compare

    before, after = result(accuracy=1.0), result(accuracy=0.8)
    sides = [
        Version.of(run_info(), made.records, name=name) for made, name in ((before, "v|1"), (after, "v2"))
    ]
    return replace(build(run_info(), [after]), comparison=compare(*sides))


def test_every_format_tells_the_comparison():
    report = compared()
    (cell,) = report.comparison.cells
    assert cell.verdict == "regressed"
    page = markdown.render(report)
    assert "## Against v\\|1 (2026-11-24, 353a334d): 1 regressed" in page
    assert f"| ❌ REGRESSED | {cell.name.replace('_', chr(92) + '_')} | all variants | -" in page
    assert "\nbroke: " in page
    assert f"\n- {cell.broke[0].case_id}" in page
    lines = terminal.render(report, width=80)
    assert any(line.startswith("against v|1") for line in lines)
    assert any("REGRESSED" in line for line in lines)
    assert max(map(len, lines)) <= 80 or all("pytest" in line for line in lines if len(line) > 80)
    data = json.loads(json_report.render(report))
    assert data["comparison"]["cells"][0]["changes"][0]["measure"] == "all"


def test_a_comparison_is_escaped_everywhere():
    report = compared()
    (cell,) = report.comparison.cells
    bad = replace(cell.broke[0], new_answer="<img src=x>\x1b[31m`|", case_id="c\x1b[2J")
    found = replace(report.comparison, cells=(replace(cell, broke=(bad,)),), notes=("\x07<b>",))
    report = replace(report, comparison=found)
    page = markdown.render(report)
    assert "<img" not in page
    assert "<b>" not in page
    for text in (page, "\n".join(terminal.render(report, width=80))):
        assert "\x1b" not in text
        assert "\x07" not in text
