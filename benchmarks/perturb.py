"""Variants per second on one core, against stock nlpaug in the same run.

Ours: protected, verified, gated, unique variants of 20-word sentences at severity 0.1, through ``expand_case``.
Stock: ``augment`` of the same sentences by nlpaug's augmenter as it comes, which does none of that. Then one text of
100,000 characters against one of 25,000: a ratio near 4 is linear. Then variants of what tools are offered.

    python benchmarks/perturb.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from nlpaug.augmenter.char import KeyboardAug, OcrAug, RandomCharAug
from nlpaug.augmenter.word import SpellingAug, SplitAug

from robusttest.core.nouns import Case, Prompt
from robusttest.perturbations import make
from robusttest.perturbations.base.spans import protected_spans
from robusttest.variants.expand import expand_case

STOCK: dict[str, Callable[[], Any]] = {
    "keyboard": KeyboardAug,
    "ocr": OcrAug,
    "insert": lambda: RandomCharAug(action="insert"),
    "substitute": lambda: RandomCharAug(action="substitute"),
    "swap": lambda: RandomCharAug(action="swap"),
    "delete": lambda: RandomCharAug(action="delete"),
    "spelling": SpellingAug,
    "split": SplitAug,
}
OURS = (
    "casing",
    "whitespace",
    "punctuation",
    "confusables",
    "zero_width",
    "full_width",
    "doubled",
    "missing_space",
)
WORDS = [
    "customer",
    "ordered",
    "several",
    "kitchen",
    "items",
    "yesterday",
    "evening",
    "because",
    "their",
    "previous",
    "delivery",
    "arrived",
    "damaged",
    "while",
    "people",
    "answered",
    "phone",
    "calls",
    "about",
    "refund",
    "policy",
    "details",
    "from",
    "support",
    "staff",
    "members",
    "during",
    "holiday",
    "season",
    "sales",
]
SENTENCES, VARIANTS = 120, 5


def sentences() -> list[str]:
    rng = random.Random(7)

    def some() -> str:
        return " ".join(rng.choice(WORDS) for _ in range(10))

    return [f"{some()}, {some()}.".capitalize() for _ in range(SENTENCES)]


def ours(name: str, texts: list[str]) -> tuple[float, int]:
    perturbation = make(name)
    list(expand_case(Case(id="warm", fields={"input": "Warm up these words, please"}), [perturbation]))
    made = 0
    start = time.process_time()
    for i, text in enumerate(texts):
        variants = expand_case(
            Case(id=str(i), fields={"input": text}, target="refund"), [perturbation], variants=VARIANTS
        )
        made += sum(1 for v in variants if v.status == "ok" and v.perturbation)
    return time.process_time() - start, made


def stock(name: str, texts: list[str]) -> tuple[float, int]:
    augmenter = STOCK[name]()
    augmenter.augment("Warm up these words, please")
    start = time.process_time()
    for text in texts:
        for _ in range(VARIANTS):
            augmenter.augment(text)
    return time.process_time() - start, len(texts) * VARIANTS


def main() -> None:
    texts = sentences()
    print(
        f"{'family':15}{'ours/s':>9}{'stock nlpaug/s':>16}{'ratio':>8}   (target: ours >= 5000/s, ratio >= 1)"
    )
    for name in (*STOCK, *OURS):
        best = max((n / t for t, n in (ours(name, texts) for _ in range(3))))
        if name in STOCK:
            other = max((n / t for t, n in (stock(name, texts) for _ in range(2))))
            print(f"{name:15}{best:9.0f}{other:16.0f}{best / other:8.1f}")
        else:
            print(f"{name:15}{best:9.0f}")
    print(f"\n{'100,000 / 25,000 characters':28}{'seconds':>9}{'ratio':>8}   (linear: about 4)")
    prose = "The quick brown foxes jump over {name} and 12 lazy dogs, said Anna. "
    for label, unit in (
        ("protected spans, prose", prose),
        ("spans, only braces", "{"),
        ("spans, one word", "a"),
    ):
        small, large = (_seconds(protected_spans, (unit * n)[:n]) for n in (25_000, 100_000))
        print(f"{label:28}{large:9.3f}{large / small:8.1f}")
    for name in ("keyboard", "spelling", "whitespace"):
        small, large = (_seconds(_expand, (name, (prose * n)[:n])) for n in (25_000, 100_000))
        print(f"{'one variant, ' + name:28}{large:9.3f}{large / small:8.1f}")
    print(f"\n{'1,000 variants of 20 tools':28}{'CPU s':>9}   (target: 1)")
    for name in (
        "tool_order",
        "tool_decoy",
        "tool_decoy:similar",
        "tool_duplicate",
        "tool_schema",
        "tool_schema:forms",
    ):
        print(f"{name:28}{_seconds(_offered, name):9.2f}")


def _offered(name: str) -> None:
    values = {"type": "string", "description": "a value of the request", "enum": ["a", "b", "c"]}
    properties = {f"value_{i}": values for i in range(4)}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{i}",
                "description": f"Does what is called {i} here.",
                "parameters": schema,
            },
        }
        for i in range(20)
    ]
    for i in range(10):
        case = Case(id=str(i), fields={"input": "Do it for me, please."}, target="tool_3")
        made = list(
            expand_case(
                case, [name], prompt=Prompt(template="{input}"), params={"tools": tools}, variants=100
            )
        )
        assert sum(v.status == "ok" for v in made) == 101


def _expand(what: tuple[str, str]) -> None:
    name, text = what
    list(expand_case(Case(id="long", fields={"input": text}), [name], variants=1))


def _seconds(fn: Callable[[Any], object], arg: Any) -> float:
    start = time.process_time()
    fn(arg)
    return time.process_time() - start


if __name__ == "__main__":
    main()
