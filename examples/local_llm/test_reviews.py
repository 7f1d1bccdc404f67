"""Is SmolLM2-135M right about a review, in whatever way it is written, and does it say the same twice?"""

import os
from pathlib import Path

from robusttest import Model, Task, load_cases, robust
from robusttest.metrics import accuracy, net_flip_rate, robust_accuracy
from robusttest.scorers import choice

MODEL = Model(
    "hosted_vllm/SmolLM2-135M", name="SmolLM2-135M"
)  # its replies are kept by name, whatever its port
REVIEWS = load_cases(Path(__file__).with_name("reviews.csv"), input="review", target="sentiment")
PROMPTS = {
    "released": "Review: {input}\nIs this review positive or negative? Reply with one word.",
    "strict": "Review: {input}\nIs this review positive or negative? Reply with one word. Be strict.",
}
GRAMMAR = 'root ::= "This review is " ("positive" | "negative")'  # llama.cpp lets the model say nothing else


def sentiment(name, cases, temperature):
    return Task(
        name,
        cases=cases,
        prompt=PROMPTS[os.environ.get("PROMPT", "released")],
        params={"temperature": temperature, "max_tokens": 5, "extra_body": {"grammar": GRAMMAR}},
        scorer=choice(["positive", "negative"]),
    )


@robust(
    sentiment("reviews", REVIEWS, temperature=0),
    models=[MODEL],
    perturbations=["keyboard:0.4", "distractor", "format", "repeat"],
    variants=1,
    expect=[accuracy >= 0.5, robust_accuracy >= 0.3],
)
def test_reviews(): ...


@robust(
    sentiment("sampled-reviews", REVIEWS[:16], temperature=0.7),
    models=[MODEL],
    perturbations=["repeat", "keyboard:0.4"],
    variants=2,
    expect=[net_flip_rate["keyboard"] <= 0.5],
)
def test_sampled_reviews(): ...
