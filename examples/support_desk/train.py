"""Train the support desk's intent classifiers. `python train.py` prints how each does on held-out tickets.

A version is a recipe, not a file: training takes a fraction of a second, so the models are trained where they
are used, and nothing has to be unpickled.

    v1  whole words, ten tickets an intent
    v2  character n-grams, twenty tickets an intent
    v3  whole words again, all fifty tickets an intent: more often right, and helpless against typos
    v4  character n-grams, all fifty tickets an intent
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

UTTERANCES = Path(__file__).with_name("utterances.csv")


@dataclass(frozen=True)
class Recipe:
    per_intent: int
    """Training tickets of each intent."""
    analyzer: str
    ngrams: tuple[int, int]


RECIPES = {
    "v1": Recipe(per_intent=10, analyzer="word", ngrams=(1, 1)),
    "v2": Recipe(per_intent=20, analyzer="char_wb", ngrams=(2, 5)),
    "v3": Recipe(per_intent=50, analyzer="word", ngrams=(1, 1)),
    "v4": Recipe(per_intent=50, analyzer="char_wb", ngrams=(2, 5)),
}


def tickets() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """(training, held out): every third ticket of an intent is held out, for all versions alike."""
    with UTTERANCES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    by_intent: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_intent.setdefault(row["intent"], []).append(row)
    training = [row for group in by_intent.values() for i, row in enumerate(group) if i % 3]
    held_out = [row for group in by_intent.values() for i, row in enumerate(group) if not i % 3]
    return training, held_out


@cache
def train(version: str) -> Pipeline:
    recipe = RECIPES[version]
    taken: dict[str, int] = {}
    rows = []
    for row in tickets()[0]:
        taken[row["intent"]] = taken.get(row["intent"], 0) + 1
        if taken[row["intent"]] <= recipe.per_intent:
            rows.append(row)
    classifier = make_pipeline(
        TfidfVectorizer(analyzer=recipe.analyzer, ngram_range=recipe.ngrams, sublinear_tf=True),
        LogisticRegression(C=30, max_iter=1000),
    )
    return classifier.fit([row["text"] for row in rows], [row["intent"] for row in rows])


def fingerprint(version: str) -> str:
    """Changes with the recipe and with the data: a retrained model is never judged by old answers."""
    recipe = repr(sorted(asdict(RECIPES[version]).items())).encode()
    return f"{version}-{hashlib.sha256(recipe + UTTERANCES.read_bytes()).hexdigest()[:12]}"


def main() -> None:
    _, held_out = tickets()
    texts = [row["text"] for row in held_out]
    for version in RECIPES:
        answers = train(version).predict(texts)
        right = sum(answer == row["intent"] for answer, row in zip(answers, held_out, strict=True))
        print(f"{version}: {right}/{len(held_out)} = {right / len(held_out):.3f}  {fingerprint(version)}")


if __name__ == "__main__":
    main()
