"""What the agent must hold before it is released."""

import agent
import shop

from robusttest import Task, robust
from robusttest.metrics import accuracy
from robusttest.perturbations import tool_fault
from robusttest.scorers import tool_call, trajectory


def status(order):
    return {"name": "order_status", "arguments": {"order": order}}


def price(item):
    return {"name": "item_price", "arguments": {"item": item}}


first_step = Task(
    "first-step",
    system=agent.SYSTEM,
    cases=[
        ("Where is my order 48213?", status("48213")),
        ("Has order 77120 been sent, please?", status("77120")),
        ("I am still waiting for order 90031 to arrive.", status("90031")),
        ("How much is the lamp?", price("lamp")),
        ("What would a chair cost me?", price("chair")),
        ("Is the rug more than a hundred euros?", price("rug")),
    ],
    params={"tools": shop.TOOLS, "temperature": 0},
    scorer=tool_call(),
)


@robust(
    first_step,
    perturbations=["tool_order", "tool_decoy", "tool_decoy:similar", "tool_duplicate", "tool_schema"],
    variants=4,
    expect=[accuracy["tool_decoy:similar"] >= 0.95, "accuracy[tool_duplicate] >= 0.95", accuracy >= 0.95],
)
def test_picks_the_right_tool_whatever_stands_beside_it():
    """One step: the same question, and the same right call, with other tools around it."""


FAULTS = ["timeout", "429", "500", "malformed", "truncated", "empty", "schema_drift", "stale"]


@robust(
    cases=[
        ("Where are my orders 48213 and 77120?", ["delivered", "on its way"]),
        ("Have 90031 and 48213 arrived?", ["lost", "delivered"]),
        ("What do a lamp and a rug cost?", ["40", "120"]),
    ],
    perturbations=[tool_fault(kind, at=2) for kind in FAULTS],
    expect=[f"accuracy[tool_fault:{kind}(at 2)] >= 0.95" for kind in FAULTS],
)
def test_recovers_when_a_tool_fails(variant, ask):
    """The whole loop: a tool fails once, at its second use. A stale answer is the one that it gave at its first."""
    tools = {name: ask.tool(name, function) for name, function in shop.FUNCTIONS.items()}
    said = agent.answer(variant.input, ask, tools)
    way = trajectory(forbidden=["order_cancel"], at_most=6)(ask.trajectory)
    assert way.value == 1, way.explanation
    assert all(fact in said for fact in variant.target), f"met {ask.fault}: {said}"
    return said
