"""Adaptive runs without pytest: the order, the rounds, when they stop, and what the result then shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_runner import Fake

from robusttest.core import codec
from robusttest.core.nouns import Case, CellKey, Record, Request
from robusttest.engine.cell import Cell
from robusttest.engine.driver import Job, Runner
from robusttest.engine.rounds import Rounds, Stopping, plan
from robusttest.errors import BudgetExhaustedError, RunAbortedError
from robusttest.metrics import accuracy, parse_threshold, robust_accuracy
from robusttest.perturbations import make
from robusttest.report import terminal
from robusttest.report.build import build
from robusttest.report.json import as_dict
from robusttest.report.told import told
from robusttest.scorers import exact
from robusttest.settings import Settings
from robusttest.store import RunWriter, new_run, read_run
from robusttest.tasks.task import Task


@pytest.fixture(autouse=True, scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robusttest.engine.driver.TICK", 0.001)
        yield


def cases(n: int, *, cluster: int = 0) -> list[Case]:
    return [
        Case(
            id=f"c{i}",
            fields={"input": f"question {i}"},
            target="yes",
            cluster=f"k{i // cluster}" if cluster else None,
        )
        for i in range(n)
    ]


def task(n: int, **changes) -> Task:
    return Task("t", cases=cases(n), prompt="{input}", scorer=exact(), **changes)


ADAPTIVE = Settings(adaptive=True, concurrency=1, variants=2)


def right(request: Request) -> str:
    return "yes"


def wrong_in_capitals(request: Request) -> str:
    return "no" if str(request.messages[-1]["content"]).isupper() else "yes"


def job(n=300, expect=("accuracy >= 0.9",), settings=ADAPTIVE, perturbations=("casing",), **changes) -> Job:
    return Job(task(n, **changes), "m", list(perturbations), [parse_threshold(t) for t in expect], settings)


def run(a_job: Job, answer=right, **fake):
    gateway = Fake(answer, **fake)
    runner = Runner(gateway, a_job.settings, tick=gateway.release)
    return runner.result(a_job), runner.stopping(a_job), gateway


def result(a_job: Job, answer=right) -> Cell:
    records, stopping, _ = run(a_job, answer)
    return Cell(
        CellKey(None, "t", "m"),
        records,
        thresholds=a_job.judged,
        settings=a_job.settings,
        notes=a_job.notes,
        adaptive=stopping,
    )


def test_it_stops_where_the_threshold_is_decided_and_says_what_it_saved():
    records, stopping, gateway = run(job())
    asked = {r.case_id for r in records}
    assert len(asked) == 43
    assert len(gateway.asked) == len(records) == 3 * 43
    assert stopping == Stopping(cases=43, available=300, made=129, saved=771, decided=True)
    assert "43 of 300 cases; about 771 of 900 calls saved (86%)" in told(stopping, width=120)[0]


def test_a_bad_model_is_found_out_sooner():
    records, stopping, _ = run(job(), lambda r: "no")
    assert stopping.decided
    assert len({r.case_id for r in records}) < 5


def test_the_order_is_random_and_the_seeds():
    def order(**changes):
        records, _, _ = run(job(settings=replace(ADAPTIVE, **changes)))
        return list(dict.fromkeys(r.case_id for r in records))

    assert order() == order() != order(seed=1)
    assert order() != [f"c{i}" for i in range(43)]


def test_a_new_case_leaves_the_others_in_their_order():
    def ids(n):
        made, _ = plan(cases(n), [accuracy >= 0.9], [], ADAPTIVE)
        return [s.case.id for s in made.cases]

    assert [i for i in ids(41) if i != "c40"] == ids(40)


@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_replies_in_any_order_stop_it_at_the_same_case(shuffle):
    reference, _, _ = run(job(120, expect=["robust_accuracy >= 0.5"]), wrong_in_capitals)
    records, _, _ = run(
        job(120, expect=["robust_accuracy >= 0.5"]), wrong_in_capitals, shuffle=shuffle, hold=5
    )
    assert [(r.case_id, r.variant, r.score) for r in records] == [
        (r.case_id, r.variant, r.score) for r in reference
    ]


def test_a_round_keeps_the_calls_in_flight():
    _, stopping, gateway = run(job(settings=replace(ADAPTIVE, concurrency=30)), shuffle=3, hold=30)
    assert gateway.most >= 15
    assert stopping.cases == 50, "five rounds of ten"


def test_it_goes_on_until_every_threshold_is_decided():
    _, stopping, _ = run(job(expect=["accuracy >= 0.8", "robust_accuracy >= 0.95"]))
    assert stopping.cases == 88


@pytest.mark.parametrize(
    ("expect", "part"),
    [
        (["accuracy >= 0.8", "consistency_icc >= 0.5"], "'consistency_icc >= 0.5' can't be decided"),
        (["worst_variant_accuracy >= 0.5"], "worst_variant_accuracy is no mean over cases"),
        (["cps >= 0.5"], "cps"),
        (["spread <= 0.5"], "spread"),
        (["score_std <= 0.4"], "score_std"),
        (["consistency_kappa >= 0.5"], "kappa"),
        ([], "no threshold"),
    ],
)
def test_a_metric_that_cannot_be_decided_so_runs_in_full_and_says_so(expect, part):
    a_job = job(30, expect=expect)
    assert a_job.adaptive is None
    assert part in a_job.notes[-1]
    assert "every case is run" in a_job.notes[-1]
    records, stopping, _ = run(a_job)
    assert stopping is None
    assert [r.case_id for r in records if not r.variant] == [f"c{i}" for i in range(30)]


def test_max_cases_caps_it_and_leaves_the_verdict_open():
    made = result(job(settings=replace(ADAPTIVE, max_cases=30)))
    assert (made.adaptive.cases, made.adaptive.available, made.adaptive.decided) == (30, 300, False)
    (verdict,) = made.verdicts
    assert not verdict.settled
    assert verdict.cases_needed == 43
    strict = result(job(settings=replace(ADAPTIVE, max_cases=30, inconclusive="fail")))
    assert strict.verdicts[0].status == "inconclusive"


def test_a_limit_comes_first():
    made = result(job(settings=replace(ADAPTIVE, limit=20)))
    assert {r.case_id for r in made.records} == {f"c{i}" for i in range(20)}
    assert "all 20 cases" in " ".join(told(made.adaptive))
    assert "no call saved" in " ".join(told(made.adaptive))


def test_one_case_asked_for_is_run():
    a_job = job(settings=replace(ADAPTIVE, case=("c7",)))
    assert (a_job.adaptive, a_job.notes) == (None, ())
    assert {r.case_id for r in run(a_job)[0]} == {"c7"}


# clusters


def test_a_cluster_is_taken_whole_and_counts_once():
    made, note = plan(cases(200, cluster=2), [accuracy >= 0.8], [], ADAPTIVE)
    assert note is None
    assert all(len(unit) == 2 and len({s.case.cluster for s in unit}) == 1 for unit in made.units)
    clustered = Task("t", cases=cases(200, cluster=2), prompt="{input}", scorer=exact())
    _, stopping, _ = run(Job(clustered, "m", [], [accuracy >= 0.8], ADAPTIVE))
    assert stopping.cases == 40, "twenty clusters"


def test_clusters_that_differ_in_size_are_refused():
    _, note = plan([*cases(20, cluster=2), *cases(1)], [accuracy >= 0.8], [], ADAPTIVE)
    assert "clusters differ in size (1 to 2 cases)" in note
    _, note = plan(cases(20, cluster=2), [parse_threshold("right_to_wrong <= 0.5")], [], ADAPTIVE)
    assert "over a part of the cases" in note


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 4))
def test_max_cases_is_never_passed_but_by_the_first_unit(n, most, cluster):
    made, note = plan(
        cases(n * cluster, cluster=cluster), [accuracy >= 0.8], [], replace(ADAPTIVE, max_cases=most)
    )
    assert note is None
    taken = len(made.cases)
    assert taken <= max(most, cluster)
    assert taken == min(n * cluster, max(most // cluster, 1) * cluster)
    assert len({s.case.id for s in made.cases}) == taken


# what may go wrong


def test_failed_calls_decide_nothing_and_lower_coverage():
    def fails(request):
        raise BudgetExhaustedError("spent")

    made = result(job(40), fails)
    assert made.adaptive.cases == 40
    assert not made.adaptive.decided
    assert made.verdicts[0].status == "error"


def test_a_dead_endpoint_ends_it():
    def dies(request):
        raise RunAbortedError("no such host")

    with pytest.raises(RunAbortedError):
        run(job(40), dies)


def test_what_waits_for_the_reference_is_judged_within_its_round():
    with_expectation = replace(make("casing"), expect="same")
    a_job = job(300, expect=["flip_rate <= 0.05"], perturbations=[with_expectation])
    records, stopping, _ = run(a_job, shuffle=4, hold=4)
    assert stopping.cases == 88
    assert len(records) == 3 * 88
    assert all(r.score == 1 for r in records)


def test_several_models_are_decided_one_by_one():
    gateway = Fake(lambda r: "yes" if r.model == "good" else "no")
    jobs = [Job(task(300), name, [], [accuracy >= 0.9], ADAPTIVE) for name in ("good", "bad")]
    runner = Runner(gateway, ADAPTIVE, tick=gateway.release)
    for a_job in jobs:
        runner.add(a_job)
    asked = [len({r.case_id for r in runner.result(a_job)}) for a_job in jobs]
    assert asked[0] == 43 > asked[1]
    orders = [list(dict.fromkeys(r.case_id for r in runner.records(j))) for j in jobs]
    assert orders[0][: asked[1]] == orders[1], "every model meets the cases in the same order"


# what is shown


def test_no_interval_of_a_fixed_n_is_shown():
    made = result(job(expect=["accuracy >= 0.8"]), wrong_in_capitals)
    assert made.adaptive.decided
    assert made.accuracy.method == "confidence sequence"
    assert made["casing"].pass_rate.method == "confidence sequence"
    assert made.verdicts[0].status == "passed"
    assert made.verdicts[0].estimate.lower >= 0.8
    report = build(replace(new_run(), complete=True), [made])
    (cell,) = as_dict(report)["cells"]
    assert cell["adaptive"]["cases"] == made.adaptive.cases
    for e in cell["metrics"]:
        assert e["low"] is None or e["method"] == "confidence sequence", e["metric"]
    said = "\n".join(terminal.render(report, width=100))
    assert "every threshold decided after" in said
    assert "confidence sequences" in said


def test_a_stored_run_is_shown_as_it_was(tmp_path):
    made = result(job(), wrong_in_capitals)
    info = new_run()
    with RunWriter(tmp_path / "r.jsonl", info) as writer:
        writer.write(*made.records)
        writer.write_cell(made)
        writer.close(info)
    (stored,) = read_run(tmp_path / "r.jsonl").cells
    assert stored.adaptive == made.adaptive
    assert stored.frame.sequential
    first, again = (build(info, [r]) for r in (made, stored))
    assert as_dict(first)["cells"][0]["metrics"] == as_dict(again)["cells"][0]["metrics"]


def test_how_it_ended_crosses_processes_as_json():
    stopping = Stopping(cases=43, available=300, made=129, saved=771, decided=True)
    assert codec.read(Stopping, {**codec.loads(codec.dumps(stopping)), "new": 1}) == stopping


def test_rounds_hand_out_nothing_once_decided():
    made, _ = plan(cases(10), [robust_accuracy >= 0], [], ADAPTIVE)
    rounds = Rounds(made)
    assert rounds.next()
    plain = Record(task="t", model="m", case_id="c0", score=1.0, answer="yes")
    rounds.look([plain, replace(plain, variant="p#0", perturbation="p", level="input")])
    assert rounds.decided
    assert rounds.next() == []
