from __future__ import annotations

import pytest
from synthetic_results import made_cell, records, result, run_info

from robusttest.core.nouns import Record, Verdict
from robusttest.metrics import METRICS, accuracy
from robusttest.report.build import build, cell_report, tallies, worst_failures
from robusttest.report.model import HEADLINE, Report
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import frames

COMMON = {"task": "t", "model": "m", "target": "a", "test": "a.py::t"}


def row(case: str, variant: str = "", score: float | None = 1.0, **more: object) -> Record:
    values = {
        "perturbation": variant.partition("#")[0],
        "level": "input" if variant else "reference",
        "answer": "a",
    }
    return Record(**{**COMMON, **values, "case_id": case, "variant": variant, "score": score, **more})


def test_every_number_is_that_of_the_statistics(one_cell: Report):
    (cell,) = frames(records())
    (shown,) = one_cell.cells
    assert list(shown.overall) == list(METRICS)
    assert [e.metric for e in shown.headline] == list(HEADLINE)
    for e in shown.metrics:
        assert e == estimate(cell, e.metric, e.perturbation)
    assert (shown.n_cases, shown.n_variants, shown.n_calls, shown.coverage) == (
        cell.n_cases, cell.n_variants, cell.n_calls, cell.coverage,
    )  # fmt: skip
    for r in shown.perturbations:
        assert r.pass_rate == estimate(cell, "pass_rate", r.perturbation)
        assert r.flip_rate == estimate(cell, "flip_rate", r.perturbation)
        assert r.drop == estimate(cell, "drop", r.perturbation)
        assert r.net_drop is None


def test_a_cell_of_the_result_is_not_made_again():
    made = result()
    assert made.frame is not None
    shown = cell_report(made)
    assert shown is not None
    assert shown.overall["accuracy"] is estimate(made.frame, "accuracy")


def test_severities_follow_the_family_that_pools_them():
    rows = [
        row("c"),
        row("c", "ocr:0.2#0", severity=0.2),
        row("c", "ocr:0.4#0", severity=0.4),
        row("c", "keyboard#0"),
    ]
    shown = cell_report(made_cell("t", "m", "a.py::t", rows))
    assert shown is not None
    assert [(r.perturbation, r.pooled, r.within) for r in shown.perturbations] == [
        ("ocr", True, None), ("ocr:0.2", False, "ocr"), ("ocr:0.4", False, "ocr"), ("keyboard", False, None),
    ]  # fmt: skip
    assert [r.severity for r in shown.perturbations] == [None, 0.2, 0.4, None]


def test_repeats_bring_the_noise_floor():
    rows = [
        r
        for i in range(12)
        for r in (
            row(f"c{i}"),
            row(f"c{i}", "keyboard#0", 0.0, answer="b"),
            row(f"c{i}", "repeat#0", float(i > 5), answer="a" if i > 5 else "b", level="repeat"),
        )
    ]
    shown = cell_report(made_cell("t", "m", "a.py::t", rows))
    assert shown is not None
    by_name = {r.perturbation: r for r in shown.perturbations}
    assert by_name["keyboard"].net_drop is not None
    assert by_name["keyboard"].net_drop.value == pytest.approx(0.5)
    assert by_name["repeat"].level == "repeat"


def test_rejected_and_not_applicable_are_counted_by_perturbation_and_reason():
    rows = [
        row("c1"),
        row("c1", "ocr#0", None, status="rejected", reason="number changed"),
        row("c1", "ocr#1", None, status="rejected", reason="number changed\ndetails"),
        row("c1", "keyboard#0", None, status="not_applicable", reason="empty"),
        row("c1", "casing#0", None, status="error", reason="timeout"),
        row("c2", None or "", None, status="error", reason="timeout"),
    ]
    shown = cell_report(made_cell("t", "m", "a.py::t", rows))
    assert shown is not None
    assert dict(shown.counts) == {"error": 2, "not_applicable": 1, "ok": 1, "rejected": 2}
    assert [(t.status, t.reason, t.perturbation, t.count) for t in shown.tallies] == [
        ("error", "timeout", None, 2),
        ("rejected", "number changed", "ocr", 2),
        ("not_applicable", "empty", "keyboard", 1),
    ]
    assert {r.perturbation: (r.rejected, r.not_applicable) for r in shown.perturbations} == {
        "ocr": (2, 0), "keyboard": (0, 1), "casing": (0, 0),
    }  # fmt: skip


def test_a_reason_is_never_empty():
    assert tallies([row("c", status="unparsed", reason=None)])[0].reason == "no reason given"


def test_a_status_of_a_later_version_is_counted():
    assert (
        tallies([row("c", None or "", None, status="later"), row("d", "", None, status="error")])[1].status
        == "later"
    )


# failing variants


def test_variants_that_broke_a_right_answer_come_first():
    rows = [
        row("wrong", "", 0.0, answer="b"),
        row("wrong", "k#0", 0.0, answer="b"),
        row("right", "", 1.0),
        row("right", "k#0", 0.5),
        row("right", "k#1", 0.0, answer="b"),
    ]
    failures, n = worst_failures(rows)
    assert [f.name for f in failures] == ["right::k#1", "right::k#0", "wrong", "wrong::k#0"]
    assert [f.broken for f in failures] == [True, True, False, False]
    assert n == 4


def test_of_equally_bad_ones_the_smallest_edit_then_other_families_and_cases():
    def bad(case: str, variant: str, size: int) -> Record:
        return row(case, variant, 0.0, answer="b", text="x" * 20, edits={"input": [[0, size, "y" * size]]})

    rows = [row(c) for c in ("c1", "c2")]
    rows += [
        bad("c1", "k#0", 9),
        bad("c1", "k#1", 1),
        bad("c1", "k#2", 2),
        bad("c2", "k#0", 3),
        bad("c1", "ocr#0", 8),
    ]
    failures, _ = worst_failures(rows, limit=3)
    assert [f.name for f in failures] == ["c1::k#1", "c1::ocr#0", "c2::k#0"]


def test_errors_are_no_failures():
    failures, n = worst_failures([row("c"), row("c", "k#0", None, status="error", reason="timeout")])
    assert (failures, n) == ((), 0)


def test_the_original_comes_from_the_prompt_that_holds_it():
    rows = [
        row("c", text="Ticket: my order is late\nDepartment:"),
        row("c", "k#0", 0.0, text="my oredr is late", edits={"input": [[5, 7, "ed"]]}),
        row("c", "format#0", 0.0, text="TICKET: my order is late\nDepartment:", level="prompt"),
    ]
    by_name = {f.name: f for f in worst_failures(rows)[0]}
    assert by_name["c::k#0"].original == "my order is late"
    assert [tuple(s) for s in by_name["c::k#0"].diff if s.changed] == [("order", "oredr")]
    assert by_name["c::format#0"].original == "Ticket: my order is late\nDepartment:"
    assert [tuple(s) for s in by_name["c::format#0"].diff if s.changed] == [("Ticket", "TICKET")]


def test_replay_commands_are_quoted_for_a_shell():
    rows = [row("it's", text="x"), row("it's", "k#0", 0.0, text="y")]
    made = made_cell("t", "m", "a b.py::t", rows)
    shown = cell_report(made)
    assert shown is not None
    assert shown.failures[0].replay == """pytest 'a b.py::t[m]' --robust-case='it'"'"'s::k#0'"""
    made.nodeid = "a.py::t[en-m]"
    assert cell_report(made).failures[0].replay.startswith("pytest 'a.py::t[en-m]' ")
    assert cell_report(made_cell("t", "m", None, rows)).failures[0].replay is None


SHRUNK = {"text": "oen two", "edits": {"input": [[1, 3, "en"]]}, "kept": 1, "of": 2, "failed": 3, "asked": 3, "complete": True}  # fmt: skip


def test_a_shrunk_text_is_shown_as_its_own_diff():
    rows = [row("c", text="one two"), row("c", "k#0", 0.0, text="oen tow", shrunk=SHRUNK)]
    shown = cell_report(made_cell("t", "m", "a.py::t", rows))
    assert shown is not None
    assert [tuple(s) for s in shown.failures[0].shrunk if s.changed] == [("one", "oen")]
    assert shown.failures[0].enough == "1 of its 2 edits is enough: failed 3 of 3 times"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kept": 2, "of": 4}, "2 of its 4 edits are enough: failed 3 of 3 times"),
        (
            {"complete": False},
            "1 of its 2 edits is enough: failed 3 of 3 times; not every smaller part was tried",
        ),
        ({"kept": 2}, "needs all of its 2 edits: failed 3 of 3 times"),
        ({"kept": 2, "failed": 1}, "asked again, it failed 1 of 3 times"),
    ],
)
def test_what_shrinking_found_is_said_in_a_line(changes, said):
    rows = [row("c", text="one two"), row("c", "k#0", 0.0, text="oen tow", shrunk=SHRUNK | changes)]
    assert cell_report(made_cell("t", "m", "a.py::t", rows)).failures[0].enough == said


# outcomes


def test_the_worst_verdict_is_the_outcome():
    made = result("accuracy >= 0.1", "accuracy >= 0.999")
    shown = cell_report(made)
    assert shown is not None
    assert shown.outcome == "failed"
    assert cell_report(result("accuracy >= 0.1")).outcome == "passed"
    assert cell_report(made_cell("t", "m", None, [row("c")])).outcome == "none"


def test_a_result_without_records_keeps_its_verdicts():
    verdict = Verdict(threshold=accuracy >= 0.9, status="error", reason="no data")
    report = build(
        run_info(), [made_cell("t", "m", "a.py::t", [], verdicts=[verdict]), made_cell("u", "m", None, [])]
    )
    assert [(c.task, c.outcome, c.n_cases) for c in report.cells] == [("t", "error", 0)]


@pytest.mark.parametrize(
    ("oldest", "age"),
    [("2026-11-21T09:00:00Z", 3.125 * 86_400), ("2027-01-01T00:00:00Z", 0.0), (None, None), ("?", None)],
)
def test_the_age_of_replies_is_told_from_the_run(oldest: str | None, age: float | None):
    assert build(run_info(oldest_reply=oldest), []).reply_age == age


def test_equal_questions_are_noted():
    rows = [row("c", input_hash="1"), row("c", "k#0", input_hash="1")]
    shown = cell_report(made_cell("t", "m", "a.py::t", rows))
    assert shown is not None
    assert any("1 variant" in note for note in shown.notes)
