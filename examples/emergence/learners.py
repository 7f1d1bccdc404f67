"""Six kinds of scikit-learn model at five training sizes: thirty models, each of them one specialist a task.

A specialist is fitted when its first prompt comes, on prompts as the task's own wording puts them, and kept in
memory: it takes between a hundredth of a second and a few seconds, so there is no file to go stale and nothing to unpickle.
`python learners.py` prints the accuracy of every model on every task, unperturbed.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import sklearn
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from tasks import DESIGNS, questions, task

from robusttest.core.nouns import Case, derive_seed

SIZES = (20, 60, 200, 600, 1800)
"""Training prompts of each task."""

KINDS: dict[str, Callable[[], Pipeline]] = {
    # whole words, which know nothing of order
    "bayes": lambda: make_pipeline(CountVectorizer(), MultinomialNB()),
    # neighbouring words too
    "logistic": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30, max_iter=1000)
    ),
    # parts of words, which survive typos better
    "letters": lambda: make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0),
    ),
    "neighbours": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True),
        KNeighborsClassifier(n_neighbors=5, weights="distance", metric="cosine"),
    ),
    "forest": lambda: make_pipeline(
        CountVectorizer(ngram_range=(1, 2), binary=True),
        ExtraTreesClassifier(n_estimators=60, random_state=0),
    ),
    "network": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        MLPClassifier((48,), learning_rate_init=0.01, max_iter=400, tol=1e-3, random_state=0),
    ),
}

_TASK = re.compile(r"Task: (\w+)")


@cache
def specialist(kind: str, size: int, name: str) -> Pipeline:
    asked = task(name)
    texts, answers = zip(*questions(name, "train", max(SIZES))[:size], strict=True)
    prompts = [
        _shown(asked.render(Case(id="train", fields={"input": t}, choices=asked.choices))) for t in texts
    ]
    return KINDS[kind]().fit(prompts, answers)


def answers(
    kind: str, size: int, conversations: Sequence[Sequence[dict[str, str]]], temperature: float
) -> list[str]:
    """One answer for each conversation (system prompt and question, as a chat model gets them).

    At temperature 0 it is the likeliest option. Above, it is drawn with probability p^(1/temperature), as a language
    model decodes; the draw is seeded by the prompt, so that the same prompt gets the same answer.
    """
    out = [""] * len(conversations)
    groups: dict[str, list[int]] = {}
    for i, conversation in enumerate(conversations):
        found = _TASK.search(str(conversation[0]["content"]))
        if found is None or found[1] not in DESIGNS:
            raise ValueError("the system prompt does not say which task this is")
        groups.setdefault(found[1], []).append(i)
    for name, rows in groups.items():
        model = specialist(kind, size, name)
        prompts = [_shown(conversations[i]) for i in rows]
        for i, prompt, shares in zip(rows, prompts, model.predict_proba(prompts), strict=True):
            if temperature > 0:
                powers = [float(p) ** (1 / temperature) for p in shares]
                rng = random.Random(derive_seed("decode", kind, size, prompt))
                out[i] = str(rng.choices(model.classes_, powers)[0])
            else:
                out[i] = str(model.classes_[shares.argmax()])
    return out


def _shown(conversation: Sequence[dict[str, str]]) -> str:
    return "\n".join(str(m["content"]) for m in conversation if m["role"] == "user")


@cache
def version() -> str:
    """Changes with the data, the recipes and scikit-learn: replies of other models are never taken for these."""
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in ("tasks.py", "learners.py"))
    return f"{sklearn.__version__}-{hashlib.sha256(code).hexdigest()[:12]}"


def main() -> None:
    print(f"{'':16}" + "".join(f"{name:>11}" for name in DESIGNS))
    for kind in KINDS:
        for size in SIZES:
            row = []
            for name in DESIGNS:
                asked = task(name)
                given = answers(kind, size, [asked.render(c) for c in asked.cases], 0.0)
                row.append(sum(a == c.target for a, c in zip(given, asked.cases, strict=True)) / len(given))
            print(f"{kind + '_' + str(size):16}" + "".join(f"{x:11.2f}" for x in row), flush=True)


if __name__ == "__main__":
    main()
