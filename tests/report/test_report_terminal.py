"""What a run prints. The golden files are to be looked at: `ROBUSTTEST_GOLDEN=write pytest tests/report` makes them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_results import made_cell, result, run_info

from robusttest.core.nouns import Record
from robusttest.report.build import build
from robusttest.report.escape import width_of
from robusttest.report.model import Report
from robusttest.report.terminal import failure_lines, render

GOLDEN = Path(__file__).parent / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def same_as_golden(name: str, lines: list[str]) -> None:
    path = GOLDEN / name
    text = "\n".join(lines) + "\n"
    if os.environ.get("ROBUSTTEST_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


def test_one_cell_at_80_columns(one_cell: Report):
    lines = render(one_cell, width=80)
    same_as_golden("one-80.txt", lines)
    assert len(lines) <= 36, "one task fits a screen"


def test_one_cell_in_colour(one_cell: Report):
    lines = render(one_cell, width=80, color=True)
    same_as_golden("one-80-color.txt", lines)
    assert [ANSI.sub("", line).rstrip() for line in lines] == render(one_cell, width=80)


def test_one_cell_at_120_columns(one_cell: Report):
    same_as_golden("one-120.txt", render(one_cell, width=120))


def test_one_cell_in_windows_1252(one_cell: Report):
    lines = render(one_cell, width=80, encoding="cp1252")
    same_as_golden("one-80-cp1252.txt", lines)
    "\n".join(lines).encode("ascii")


def test_quiet_is_one_line(one_cell: Report, many_cells: Report):
    for name, report in (("one", one_cell), ("many", many_cells)):
        lines = render(report, verbosity=-1)
        same_as_golden(f"{name}-quiet.txt", lines)
        assert len(lines) == 1


def test_verbose_shows_every_perturbation():
    harm = {f"own_{i}": 0.01 * i for i in range(9)}
    report = build(run_info(), [result(harm=harm, variants=2)])
    brief, full = render(report), render(report, verbosity=1)
    shown = [name for name in harm if any(line.split()[:1] == [name] for line in full)]
    assert shown == list(harm)
    kept = [name for name in harm if any(line.split()[:1] == [name] for line in brief)]
    assert len(kept) == 6
    assert any("3 more" in line for line in brief)
    worst = min(report.cells[0].perturbations, key=lambda r: r.pass_rate.value)
    assert worst.perturbation in kept


@pytest.mark.parametrize("width", [80, 120])
def test_many_cells_are_a_table(many_cells: Report, width: int):
    lines = render(many_cells, width=width)
    same_as_golden(f"many-{width}.txt", lines)


def test_no_line_is_wider_than_the_page_but_commands(one_cell: Report, many_cells: Report):
    for report in (one_cell, many_cells):
        for width in (80, 100, 120, 200):
            for verbosity in (0, 1):
                for line in render(report, width=width, verbosity=verbosity):
                    assert width_of(line) <= width or line.lstrip().startswith("pytest "), line


def test_every_number_has_its_interval_and_n(one_cell: Report):
    text = "\n".join(render(one_cell))
    (cell,) = one_cell.cells
    for e in cell.headline:
        assert f"{e.value:.3f} n={e.n}" in text
        assert f"[{e.low:.3f}, {e.high:.3f}]" in text
    for row in cell.perturbations:
        e = row.pass_rate
        assert re.search(
            rf"^  {re.escape(row.perturbation)} +{e.value:.3f} \[{e.low:.3f}, {e.high:.3f}\]", text, re.M
        )


def test_verdicts_are_words(one_cell: Report):
    text = "\n".join(render(one_cell))
    for v in one_cell.cells[0].verdicts:
        assert re.search(rf"^  {v.status} +{re.escape(str(v.threshold))} ", text, re.M)


def test_three_worst_variants_with_answers_diff_and_command(one_cell: Report):
    lines = render(one_cell)
    (cell,) = one_cell.cells
    for f in cell.failures[:3]:
        at = lines.index(f"  {f.name}  {f.reference_answer} → {f.answer}")
        (change,) = [s for s in f.diff if s.changed]
        assert f"[{change.old}→{change.new}]" in lines[at + 1]
        assert lines[at + 2].strip() == f"pytest '{cell.test}[{cell.model}]' --robust-case='{f.name}'"
    assert cell.failures[3].name not in "\n".join(lines)


def test_the_age_of_replayed_replies_is_said(one_cell: Report):
    assert "1,200 replayed, up to 3 days old" in render(one_cell)[-1]
    fresh = build(run_info(cached=0, oldest_reply=None), [result()])
    assert "old" not in render(fresh)[-1]


def test_an_incomplete_run_says_so():
    report = build(run_info(complete=False, notes=("the run did not end",)), [])
    text = "\n".join(render(report))
    assert "incomplete run" in text
    assert "the run did not end" in text


def test_tests_of_one_task_are_told_apart():
    made = [result(cases=12, variants=1, test=f"tests/test_{x}.py::test_it") for x in "ab"]
    for cells in (made, made * 2):
        text = "\n".join(render(build(run_info(), cells)))
        assert "support-intents (test_a.py::test_it)" in text
        assert "support-intents (test_b.py::test_it)" in text
    assert "test_it)" not in "\n".join(render(build(run_info(), made[:1])))


def test_an_undefined_metric_says_why():
    rows = [
        Record(task="t", model="", case_id=str(i), score=1.0, answer="a", test="t.py::t") for i in range(30)
    ]
    text = "\n".join(render(build(run_info(), [made_cell("t", "", "t.py::t", rows)])))
    assert re.search(r"1\.000 n=30 .* -", text)
    assert "fewer than two" in text
    assert "nan" not in text.lower()


def test_failures_of_calls_are_counted_by_reason():
    rows = [
        Record(
            task="t",
            model="m",
            case_id=str(i),
            status="error",
            reason=f"timeout after 120 s\ncase {i}",
            test="a.py::t",
        )
        for i in range(3)
    ] + [Record(task="t", model="m", case_id="x", status="error", reason="HTTP 500", test="a.py::t")]
    report = build(run_info(), [made_cell("t", "m", "a.py::t", rows)])
    assert "  4 failed calls: timeout after 120 s (3) and 1 other reason" in render(report)
    assert any("HTTP 500 (1)" in line for line in render(report, verbosity=1))


def hostile(text: str) -> Report:
    rows = [
        Record(task=text, model=text, case_id=text, text=text, score=1.0, answer=text, target=text, test=text),
        Record(
            task=text, model=text, case_id=text, variant=f"{text}#0", perturbation=text or "p", level="input",
            text=text + "x", edits={"input": [[len(text), len(text), "x"]]}, score=0.0, answer=text[::-1], target=text,
            test=text,
        ),
        Record(task=text, model=text, case_id="other", status="error", reason=text, test=text),
    ]  # fmt: skip
    return build(run_info(notes=(text,)), [made_cell(text, text, text, rows, notes=(text,))])


@given(st.text(alphabet=st.characters(), max_size=40))
@settings(max_examples=60, deadline=None)
def test_nothing_from_outside_reaches_the_terminal_raw(text: str):
    for encoding in ("utf-8", "cp1252"):
        for verbosity in (-1, 0, 1):
            for line in render(hostile(text), verbosity=verbosity, encoding=encoding):
                assert line.isprintable()
                line.encode(encoding)


def test_a_megabyte_line_is_cut_around_its_edit():
    before, after = "word " * 100_000, " more" * 100_000
    text, new = f"{before}charged{after}", f"{before}chatged{after}"
    edits = {"input": [[len(before) + 3, len(before) + 4, "t"]]}
    common = {"task": "t", "model": "m", "case_id": "c", "target": "a", "test": "a.py::t"}
    rows = [
        Record(**common, text=f"Q: {text}", score=1.0, answer="a"),
        Record(
            **common,
            variant="k#0",
            perturbation="k",
            level="input",
            text=new,
            edits=edits,
            score=0.0,
            answer="b",
        ),
    ]
    lines = render(build(run_info(), [made_cell("t", "m", "a.py::t", rows)]))
    (line,) = [line for line in lines if "[charged→chatged]" in line]
    assert line.strip().startswith("…")
    assert line.endswith("…")
    assert width_of(line) <= 80


def test_a_rewritten_text_is_two_lines():
    common = {"task": "t", "model": "m", "case_id": "c", "target": "a", "test": "a.py::t"}
    rows = [
        Record(**common, text="i was charged twice", score=1.0, answer="a"),
        Record(
            **common, variant="k#0", perturbation="casing", level="input", text="I WAS CHARGED TWICE", score=0.0,
            edits={"input": [[0, 19, "I WAS CHARGED TWICE"]]}, status="unparsed", reply="I am not\nsure",
        ),
    ]  # fmt: skip
    lines = render(build(run_info(), [made_cell("t", "m", "a.py::t", rows)]))
    at = lines.index("  c::k#0  a → <unparsed: I am not\\nsure>")
    assert lines[at + 1] == "    [i was charged twice→I WAS CHARGED TWICE]"
    rows[1] = replace(
        rows[1], edits={"input": [[0, 1, "I"], [2, 5, "WAS"], [6, 13, "CHARGED"], [14, 19, "TWICE"]]}
    )
    lines = render(build(run_info(), [made_cell("t", "m", "a.py::t", rows)]))
    assert lines[at + 1 : at + 3] == ["    - i was charged twice", "    + I WAS CHARGED TWICE"]


def test_a_failing_test_tells_thresholds_and_worst_variants(one_cell: Report):
    lines = failure_lines(one_cell.cells[0], width=80)
    assert lines[0].startswith("  failed       robust_accuracy >= 0.75")
    assert sum("--robust-case=" in line for line in lines) == 3


def test_advice_and_studies_are_told_escaped_and_wrapped(nine: Report):
    e = nine.emergence
    claims = (replace(e.claims[0], sentence="robustness\x1b[2J " + "word " * 30), *e.claims[1:])
    advised = replace(nine.cells[0], advice=replace(nine.cells[0].advice, reason="because " * 20))
    one = replace(nine, cells=(advised,), emergence=replace(e, claims=claims))
    lines = render(one)
    assert any("robustness\\x1b[2J word" in line for line in lines)
    assert any(line.startswith(f"  {advised.advice.kind}: because") for line in lines)
    assert all(width_of(line) <= 80 or line.lstrip().startswith("pytest ") for line in lines)


def test_of_many_that_passed_the_least_robust_are_shown():
    results = [
        result(
            "accuracy >= 0.1",
            task=f"task{i:02}",
            cases=12,
            variants=1,
            seed=i,
            accuracy=1 - i / 100,
            test=f"t.py::t{i}",
        )
        for i in range(60)
    ]
    results[7] = result("accuracy >= 0.999", task="bad", cases=12, variants=1, accuracy=0.2, test="t.py::bad")
    report = build(run_info(), results)
    brief = render(report, width=120)
    start = brief.index("model openai/gpt-4o-mini")
    table = brief[start : next(i for i, line in enumerate(brief) if i > start and not line)]
    assert len(table) == 27  # the model, the heads, 24 rows, what is left out
    assert table[2].startswith("  failed  bad")
    assert table[-1] == "  … 36 more passed, all at least as robust (-v shows them)"
    robust = {c.task: c.overall["robust_accuracy"].value or 0 for c in report.cells}
    shown = {line.split()[1] for line in table[2:-1]}
    assert max(robust[t] for t in shown) <= min(robust[t] for t in robust if t not in shown)
    full = render(report, width=120, verbosity=1)
    assert sum(line.startswith("  passed  task") for line in full) == 59


def test_a_missing_interval_is_said_and_its_reason_with_v():
    report = build(
        run_info(), [result("accuracy >= 0.1", accuracy=1.0, harm={"k": 0.01}, cases=30, variants=2)]
    )
    assert report.cells[0].overall["consistency_icc"].reason
    brief, full = "\n".join(render(report)), "\n".join(render(report, verbosity=1))
    assert "no interval" in brief or "saturated" in brief
    assert "ICC: " in full
    assert "ICC: " not in brief


def test_the_quiet_line_fits_and_keeps_what_matters(one_cell: Report):
    run = run_info(errors=3, complete=False)
    (line,) = render(replace(one_cell, run=run), verbosity=-1, width=80)
    assert "1,260 calls (3 failed)" in line
    assert "incomplete run" in line
    (line,) = render(one_cell, verbosity=-1, width=80)
    assert len("robustness: " + line) <= 80
    assert line.endswith("1,260 calls")
    (line,) = render(one_cell, verbosity=-1, width=60)
    assert line == "1 failed · 1,260 calls"
    (line,) = render(one_cell, verbosity=-1, width=140)
    assert line.endswith("1,260 calls (1,200 replayed, up to 3 days old) · $0.42 · 38 s")


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_quiet_line_of_recorded_results_and_of_nothing(one_cell: Report, width: int):
    recorded = replace(one_cell, run=run_info(calls=0, cached=0, cost=None))
    (line,) = render(recorded, verbosity=-1, width=width)
    assert "recorded replies" in line
    assert render(build(run_info(calls=0, cached=0, cost=None), []), verbosity=-1, width=width) == [
        "nothing judged"
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_ten_tests_with_long_names_fit_and_keep_each_number_and_name(width: int):
    model = "hosted_vllm/Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4"
    cells = [
        result(
            "accuracy >= 0.9", task=f"task-{i}-of-support-intents-in-english", model=model, cases=24, variants=2, seed=i,
            accuracy=0.97 - 0.02 * i, test=f"tests/test_suite.py::TestIntents::test_number_{i}",
        )
        for i in range(10)
    ]  # fmt: skip
    lines = render(build(run_info(), cells), width=width)
    commands = [line for line in lines if line.strip().startswith("pytest ")]
    assert commands
    assert [line for line in lines if width_of(line) > width and line not in commands] == []
    assert all(f"[{model}]' --robust-case=" in line for line in commands), "a command is whole"
    text = "\n".join(lines)
    assert model in text, "a name that has room is on one line"
    (head,) = [i for i, line in enumerate(lines) if line.split()[:3] == ["accuracy", "robust", "acc."]][
        :1
    ] or [None]
    if width == 60:
        assert lines[head + 3].split()[0].startswith(".")
        assert lines[head + 4].strip().startswith("["), "intervals stand under their values"
