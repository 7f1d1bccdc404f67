"""Faults of tools, and trajectories: what a body's tool does, what is counted, which agents are found out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from robusttest.core.nouns import Completion
from robusttest.engine.faults import Tools, fault_text
from robusttest.errors import ToolFaultError, UsageError
from robusttest.perturbations import make
from robusttest.perturbations.tools.faults import KINDS, tool_fault
from robusttest.scorers import trajectory

DATA = {"order": "48213", "status": "sent"}


def lookup(order: str = "48213") -> Any:
    return dict(DATA)


def tools(kind: str, at: int = 1, times: int = 1, tool: str | None = None) -> Tools:
    return Tools({"kind": kind, "at": at, "times": times, "tool": tool})


@pytest.mark.parametrize(
    ("kind", "error"), [("timeout", TimeoutError), ("429", ToolFaultError), ("500", ToolFaultError)]
)
def test_a_fault_is_raised_at_its_use_and_not_after(kind: str, error: type[Exception]) -> None:
    held = tools(kind, at=2)
    call = held.tool("lookup", lookup)
    assert call() == DATA
    assert not held.met
    with pytest.raises(error) as caught:
        call()
    assert held.met
    assert getattr(caught.value, "status", None) == (int(kind) if kind.isdigit() else None)
    assert call() == DATA
    assert held.used == {"lookup": 3}


@pytest.mark.parametrize(
    ("kind", "gives"),
    [
        ("empty", {}),
        ("schema_drift", {"order_v2": "48213", "status_v2": "sent"}),
        ("truncated", '{"order": "48213",'),
        ("malformed", '{"error": {"order": "48213", "'),
    ],
)
def test_what_a_tool_returns_is_spoilt(kind: str, gives: Any) -> None:
    call = tools(kind).tool("lookup", lookup)
    assert call() == gives
    assert call() == DATA


def test_a_stale_answer_is_that_of_the_use_before() -> None:
    held, numbers = tools("stale", at=1, times=9), iter([1, 2, 3])
    call = held.tool("count", lambda: next(numbers))
    assert call() == 1
    assert not held.met  # there was nothing old yet
    assert call() == 1
    assert held.met


def test_another_tool_is_left_alone() -> None:
    held = tools("timeout", tool="pay")
    assert held.tool("lookup", lookup)() == DATA
    with pytest.raises(TimeoutError):
        held.tool("pay", lookup)()


def test_an_async_tool_fails_as_well() -> None:
    async def later(order: str) -> Any:
        return {"order": order}

    held = tools("500")
    call = held.tool("later", later)
    with pytest.raises(ToolFaultError):
        asyncio.run(call(order="1"))
    assert asyncio.run(call(order="1")) == {"order": "1"}
    assert [c["name"] for c in held.calls] == ["later", "later"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: make("tool_fault:timout"),
        lambda: tool_fault(at=0),
        lambda: tool_fault(times=True),
        lambda: Tools({}).tool("", lookup),
    ],
)
def test_wrong_arguments_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


def test_the_nearest_kind_is_named() -> None:
    with pytest.raises(UsageError, match="'timeout'"):
        make("tool_fault:timout")


SUITE = """
STATUS = {{"48213": "sent", "77120": "lost"}}

def order_status(order):
    return STATUS[order]

@robust(
    cases=[{{"id": k, "input": f"where is {{k}}?", "target": v}} for k, v in STATUS.items()],
    perturbations=["tool_fault"], variants=8, {expect}
)
def test_agent(variant, ask):
    lookup = ask.tool("order_status", order_status)
    order = "".join(c for c in variant.input if c.isdigit())
    {body}
"""
RETRIES = """for _ in range(3):
        try:
            found = lookup(order)
        except Exception:
            continue
        if found in STATUS.values():
            break
    assert ask.used["order_status"] <= 3
    assert found == variant.target
    return found"""
GIVES_UP = """try:
        found = lookup(order)
    except Exception:
        found = "sorry"
    assert found == variant.target
    return found"""
NEVER = "assert True"


def test_an_agent_that_tries_again_recovers_from_every_fault(project) -> None:
    project.test(SUITE.format(expect='expect=["accuracy[tool_fault] >= 1"]', body=RETRIES))
    project.run().assert_outcomes(passed=1)
    by_fault = {r["variant"]: r.get("status", "ok") for r in project.records() if "variant" in r}
    assert by_fault["tool_fault#0"] == "ok"
    assert by_fault[f"tool_fault#{KINDS.index('stale')}"] == "not_applicable"  # the first use is the last


def test_an_agent_that_gives_up_is_found_out(project) -> None:
    project.test(SUITE.format(expect='expect=["accuracy[tool_fault] >= 0.9"]', body=GIVES_UP))
    ran = project.run()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*accuracy?tool_fault? 0.000 < 0.9*"])


def test_a_fault_on_a_tool_that_is_never_used_is_told_and_does_not_pass(project) -> None:
    project.test(SUITE.format(expect='expect=["accuracy[tool_fault] >= 0.9"]', body=NEVER))
    ran = project.run()
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    told = [r for r in project.records() if r.get("perturbation") == "tool_fault"]
    assert {r["status"] for r in told} == {"not_applicable"}
    assert "order_status 0 times used" in told[0]["reason"]


def lived(times: int, tries: int, kind: str = "timeout") -> Tools:
    """A body that uses its tool up to ``tries`` times, until it answers."""
    held = tools(kind, times=times)
    call = held.tool("lookup", lookup)
    for _ in range(tries):
        try:
            call()
        except TimeoutError:
            continue
        break
    return held


@pytest.mark.parametrize(
    ("times", "tries", "reply", "expected", "wrong"),
    [
        (1, 2, "sent", {"recovers": True}, None),
        (1, 1, "sent", {"recovers": True}, "lookup met timeout, and the body did not recover from it"),
        (9, 3, "sent", {"recovers": True}, "did not recover"),
        (9, 3, "Sorry, it is unavailable.", {"reports": True}, None),
        (9, 3, "It was sent.", {"reports": True}, "did not report it"),
        (9, 3, "Leider geht es nicht.", {"reports": r"\bleider\b"}, None),
        (9, 3, "It failed.", {"recovers": True, "reports": True}, None),
        (9, 3, "sent", {"recovers": True, "reports": True}, "did not recover from it or report it"),
        (9, 3, "It failed.", {"retries": 2}, None),
        (9, 4, "It failed.", {"retries": 2}, "was tried again 3 times, 2 at most"),
        (9, 1, "It failed.", {"retries": 0}, None),
    ],
)
def test_what_a_body_does_about_a_fault(
    times: int, tries: int, reply: str, expected: dict[str, Any], wrong: str | None
) -> None:
    score = lived(times, tries).handled(reply, **expected)
    assert score.value == float(wrong is None)
    assert score.answer == reply
    assert wrong is None or wrong in (score.explanation or "")


def test_a_body_that_swallows_a_fault_is_found_out_and_one_without_a_fault_is_not() -> None:
    """An empty answer raises nothing: a body that goes on as if nothing were is no recovery, and says nothing."""
    held = tools("empty")
    assert held.tool("lookup", lookup)() == {}
    assert held.handled("Your order is fine.", recovers=True, reports=True).value == 0
    assert Tools({}).handled("Your order is fine.", recovers=True, retries=0).value == 1


@pytest.mark.parametrize("expected", [{}, {"retries": -1}, {"retries": True}])
def test_expectations_that_are_none_are_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Tools({}).handled("x", **expected)


@pytest.mark.parametrize(
    ("most", "told"), [(1, None), (0, "order_status met timeout and was tried again 1 times, 0 at most")]
)
def test_a_body_is_scored_by_what_it_did_about_the_fault(project, most: int, told: str | None) -> None:
    body = f"""found = "sorry, that is unavailable"
    for _ in range(2):
        try:
            found = lookup(order)
            break
        except Exception:
            pass
    return ask.handled(found, recovers=True, reports=True, retries={most})"""
    suite = SUITE.format(expect='expect=["accuracy[tool_fault] >= 0.9"]', body=body)
    project.test(suite.replace('["tool_fault"]', '["tool_fault:timeout"]', 1))
    project.run().assert_outcomes(**{"failed" if told else "passed": 1})
    rows = [r for r in project.records() if r.get("perturbation") == "tool_fault:timeout"]
    assert [(r["score"], r.get("reason")) for r in rows] == [(float(told is None), told)] * 2


# --- trajectories -------------------------------------------------------------------------------------------


def way(*names: str) -> Completion:
    return Completion(text="done", tool_calls=tuple({"name": n, "arguments": {}} for n in names))


@pytest.mark.parametrize(
    ("how", "names", "right"),
    [
        ({"required": ["a", "b"]}, "bxa", True),
        ({"required": ["a", "b"]}, "a", False),
        ({"forbidden": ["pay"]}, ("look", "pay"), False),
        ({"order": ["a", "b"]}, "axb", True),
        ({"order": ["a", "b"]}, "ba", False),
        ({"at_most": 2}, "abc", False),
        ({"at_most": {"a": 1}}, "abb", True),
        ({"at_most": {"a": 1}}, "aba", False),
        ({}, "", True),
    ],
)
def test_a_way_is_judged_by_its_rules(how: dict[str, Any], names: Any, right: bool) -> None:
    score = trajectory(**how)(way(*names))
    assert score.value == float(right)
    assert score.answer == list(names)
    assert right is (score.explanation is None)


@pytest.mark.parametrize("how", [{"required": "lookup"}, {"required": ["a"], "forbidden": ["a"]}])
def test_rules_that_are_none_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        trajectory(**how)


def test_a_body_scores_its_own_way(project) -> None:
    project.test("""
from robusttest.perturbations import tool_fault
from robusttest.scorers import trajectory


@robust(cases=[{"id": "a", "input": "buy"}], perturbations=[tool_fault("429", tool="look")], variants=1, expect=["accuracy >= 1"])
def test_way(variant, ask):
    look, pay = ask.tool("look", lambda: 1), ask.tool("pay", lambda: 2)
    try:
        look()
    except Exception as e:
        assert e.status == 429
        look()
    pay()
    assert (ask.fault is None) is (not variant.perturbation)
    return trajectory(required=["pay"], order=["look", "pay"], at_most={"pay": 1})(ask.trajectory)
""")
    project.run().assert_outcomes(passed=1)
    assert [r["answer"] for r in project.records()] == [["look", "pay"], ["look", "look", "pay"]]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({}, ""),
        ({"kind": "429", "at": 1, "times": 1, "tool": None}, "\n\n[tool fault: 429 at use 1 of each tool]"),
        ({"kind": "stale", "at": 2, "times": 3, "tool": "f"}, "\n\n[tool fault: stale at uses 2 to 4 of f]"),
    ],
)
def test_a_failure_tells_what_befell_the_tools(fault: dict[str, Any], told: str) -> None:
    assert fault_text(fault) == told


def test_retries_are_the_same_call_made_again() -> None:
    held = Tools({"kind": "429", "at": 2, "times": 2, "tool": "f"})
    f, g = held.tool("f", lambda n: n), held.tool("g", lambda n: n)
    assert held.retries == 0
    f(n=1)  # before the fault
    assert held.retries == 0
    with pytest.raises(ToolFaultError):
        f(n=1)
    assert held.retries == 0, "met, and not tried again"
    with pytest.raises(ToolFaultError):
        f(n=1)
    g(n=1)  # another tool
    f(n=2)  # another question
    assert held.retries == 1
    f(n=1)
    assert held.retries == 2


# --- bodies that run on a loop, and bodies that show nothing ------------------------------------------------

ASYNC = """
import asyncio

@pytest.fixture
def anyio_backend():
    return "asyncio"

STATUS = {{"48213": "sent", "77120": "lost"}}

async def order_status(order):
    await asyncio.sleep(0)
    return {{"order": order, "status": STATUS[order]}}

@pytest.mark.anyio
@robust(
    cases=[{{"id": k, "input": f"where is {{k}}?", "target": v}} for k, v in STATUS.items()],
    perturbations=["tool_fault"], variants=8, expect=["accuracy[tool_fault] >= 0.9"]
)
async def test_agent(variant, ask):
    lookup = ask.tool("order_status", order_status)
    order = "".join(c for c in variant.input if c.isdigit())
    for _ in range({tries}):
        try:
            return ask.handled((await lookup(order))["status"], recovers=True)
        except Exception:
            await asyncio.sleep(0)
    return ask.handled("nothing", recovers=True)
"""


@pytest.mark.parametrize(("tries", "outcome"), [(2, "passed"), (1, "failed")])
def test_a_body_on_a_loop_meets_every_fault(project, tries: int, outcome: str) -> None:
    project.test(ASYNC.format(tries=tries))
    project.run("-p", "anyio.pytest_plugin").assert_outcomes(**{outcome: 1})
    rows = {r["variant"]: r for r in project.records() if "variant" in r and r["case_id"] == "48213"}
    for i, kind in enumerate(KINDS):
        row = rows[f"tool_fault#{i}"]
        if kind == "stale":  # the first use is the last
            assert row["status"] == "not_applicable"
            continue
        assert row["score"] == float(tries > 1), kind
        assert f"[tool fault: {kind} at use 1 of each tool]" in row["text"]
        assert tries > 1 or row["reason"] == f"order_status met {kind}, and the body did not recover from it"


SWALLOWS = """try:
        lookup(order)
    except Exception:
        pass"""


def test_a_body_that_swallows_faults_and_returns_nothing_is_told(project) -> None:
    """An assertion-free body is right by definition; that it shows nothing of the fault is said."""
    project.test(SUITE.format(expect='expect=["accuracy >= 0.1"]', body=SWALLOWS))
    ran = project.run()
    said = " ".join(ran.stdout.str().split())
    assert (
        "14 variants met a fault of a tool, and the body went on without its answer and returned nothing"
        in said
    )
    project.test(SUITE.format(expect='expect=["accuracy >= 0.1"]', body=RETRIES))
    assert "met a fault of a tool" not in " ".join(project.run().stdout.str().split())


# --- faults at a rate ---------------------------------------------------------------------------------------


def met_at(seed: int, rate: float, uses: int, name: str = "lookup") -> list[int]:
    held = Tools({"kind": "empty", "tool": None, "rate": rate, "seed": seed})
    call = held.tool(name, lookup)
    return [i for i in range(uses) if call() == {}]


def test_a_rate_is_that_of_all_uses_and_each_tool_draws_for_itself() -> None:
    for rate in (0.1, 0.5):
        found = [len(met_at(seed, rate, 100)) for seed in range(20)]
        assert abs(sum(found) / 2000 - rate) < 4 * (rate * (1 - rate) / 2000) ** 0.5
    assert met_at(1, 0.5, 40) == met_at(1, 0.5, 40) != met_at(2, 0.5, 40)
    assert met_at(1, 0.5, 40) != met_at(1, 0.5, 40, "pay")
    assert met_at(1, 1, 5) == [0, 1, 2, 3, 4]


def test_variants_at_a_rate_differ_by_what_is_drawn(project) -> None:
    """Ten uses at 30 %: an agent that never tries again gets through one in thirty-five."""
    suite = SUITE.replace(
        'perturbations=["tool_fault"], variants=8',
        'perturbations=[tool_fault("timeout", rate=0.3)], variants=10',
    )
    body = """try:
        found = [lookup(order) for _ in range(10)][-1]
    except TimeoutError:
        found = "sorry"
    return ask.handled(found, recovers=True)"""
    project.test(
        "from robusttest.perturbations import tool_fault\n"
        + suite.format(expect='expect=["accuracy[tool_fault] >= 0.9"]', body=body)
    )
    project.run().assert_outcomes(failed=1)
    rows = [r for r in project.records() if "variant" in r]
    assert {r["perturbation"] for r in rows} == {"tool_fault:timeout(rate 0.3)"}
    assert len(rows) == 20
    scored = [r["score"] for r in rows if "score" in r]  # in one of thirty-five the fault is not met
    assert sum(scored) <= 0.2 * len(scored)
    assert all("[tool fault: timeout at 30% of the uses of each tool]" in r["text"] for r in rows)


@pytest.mark.parametrize(
    "how",
    [
        {"rate": 0},
        {"rate": 1.5},
        {"rate": True},
        {"rate": 0.5, "at": 2},
        {"rate": "x"},
        {"rate": float("nan")},
    ],
)
def test_rates_that_are_none_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="a share of uses above 0"):
        tool_fault(**how)
