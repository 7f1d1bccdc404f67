"""What a ticket router must hold before it is released."""

from train import tickets

from robusttest import Task, load_cases, robust
from robusttest.metrics import accuracy, flip_rate, robust_accuracy
from robusttest.scorers import choice

INTENTS = ["account", "billing", "cancel", "delivery", "discount", "returns", "stock", "technical"]

routing = Task(
    name="ticket-routing",
    cases=load_cases(tickets()[1], input="text", target="intent"),
    prompt="{input}",
    scorer=choice(INTENTS),
)


@robust(
    routing,
    perturbations=["keyboard:0.4", "ocr:0.4", "swap:0.4", "casing", "whitespace", "punctuation"],
    variants=3,
    expect=[accuracy >= 0.80, robust_accuracy >= 0.40, flip_rate["keyboard"] <= 0.25],
)
def test_routing(result):
    assert result["casing"].flip_rate.value == 0, "the router must not care about capitals"
