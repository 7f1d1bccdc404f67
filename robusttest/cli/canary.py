"""Is the model behind a name still the same? A small frozen set of stored questions tells.

Without --live the stored replies are looked at alone: whether the provider named another model or fingerprint over time.
With it each question of the set is asked twice more: the first answer is held against the stored one, the second shows how
far the model differs from itself. Exit code 3: the provider says so; 4: the answers moved; 0: could not tell; 2: no set.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import NamedTuple

from robusttest.cli.console import directory, positive, say
from robusttest.core.nouns import Completion, Json
from robusttest.errors import CallError, RunAbortedError, UsageError
from robusttest.report.text import count

HELP = "ask a small frozen set again: is the model behind a name still the same?"
SAID, MOVED, COULD_NOT_TELL = 3, 4, 0
ALPHA = 0.01
"""Of the one-sided sign test by which answers count as moved."""


class Triple(NamedTuple):
    """One question's stored reply, and two of now; None where a call gave none."""

    stored: Completion
    first: Completion | None
    second: Completion | None


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--model", metavar="MODEL", help="only this model (default: the one with the most replies)"
    )
    p.add_argument("--questions", type=positive, default=20, metavar="N", help="questions of the set (20)")
    p.add_argument("--live", action="store_true", help="ask them again: two calls a question")
    directory(p)


def run(a: argparse.Namespace) -> int:
    model, rows = _rows(Path(a.directory), a.model)
    said = told([reply for _, reply in rows])
    if said is not None:
        say(f"{model}: the provider says so: {said} among the stored replies")
        return SAID
    chosen = rows[: a.questions]
    if not a.live:
        say(
            f"{model}: could not tell: {count(len(rows), 'stored reply', 'stored replies')} name one model; "
            f"--live asks {len(chosen)} of them again ({2 * len(chosen)} calls)"
        )
        return COULD_NOT_TELL
    code, sentence = verdict(_ask(Path(a.directory), chosen))
    say(f"{model}: {sentence}")
    return code


def verdict(triples: Sequence[Triple]) -> tuple[int, str]:
    """The exit code and a sentence: another id or fingerprint first, then answers that moved by more than the model moves
    from itself (one-sided sign test on the questions where exactly one of the two differs from the first answer of now).
    """
    whole = [t for t in triples if t.first is not None and t.second is not None]
    for t in whole:
        assert t.first is not None
        if (said := told([t.stored, t.first])) is not None:
            return SAID, f"the provider says so: {said}"
    failed = len(triples) - len(whole)
    lost = f" ({count(failed, 'question')} without a reply)" if failed else ""
    if not whole:
        return COULD_NOT_TELL, f"could not tell: no call gave a reply{lost}"
    moved = sum(_answer(t.first) == _answer(t.second) != _answer(t.stored) for t in whole)
    itself = sum(_answer(t.stored) == _answer(t.first) != _answer(t.second) for t in whole)
    both = sum(_answer(t.stored) != _answer(t.first) for t in whole)
    facts = (
        f"{both} of {len(whole)} answers differ from the stored ones, {itself} from those of a moment before"
    )
    p = at_least(moved, moved + itself)
    if p <= ALPHA:
        return MOVED, f"the answers moved: {facts}{lost} (p = {p:.2g})"
    return COULD_NOT_TELL, f"could not tell: {facts}{lost}"


def at_least(k: int, n: int) -> float:
    """P(X ≥ k) for n fair coins; 1 where n is 0."""
    return float(sum(comb(n, i) for i in range(k, n + 1)) / 2**n)


def told(replies: Sequence[Completion]) -> str | None:
    """``model id a → b`` or ``fingerprint a → b`` where replies, by their time, name several; None where they do not."""
    ordered = sorted(replies, key=lambda c: c.created or "")
    for what, names in (
        ("model id", [c.model for c in ordered]),
        ("fingerprint", [c.meta.get("system_fingerprint") for c in ordered]),
    ):
        seen = list(dict.fromkeys(str(n) for n in names if n))
        if len(seen) > 1:
            return f"{what} {' → '.join(seen[:4])}"
    return None


def _answer(reply: Completion | None) -> Json:
    return None if reply is None else (reply.text.strip(), reply.refusal, reply.tool_calls)


def _rows(folder: Path, model: str | None) -> tuple[str, list[tuple[Mapping[str, Json], Completion]]]:
    """A model's stored requests and replies, sorted by key: the same set each time."""
    from robusttest.gateway.store.replies import ReplyStore
    from robusttest.gateway.store.stored import completion_from

    store = ReplyStore(folder, read_only=True)
    try:
        by_model: dict[str, list[tuple[Mapping[str, Json], Completion]]] = {}
        for _, request, reply in store.rows():
            if not str(request["model"]).startswith("python:") and not request.get("sample"):
                by_model.setdefault(str(request["model"]), []).append((request, completion_from(reply)))
    finally:
        store.close()
    if not by_model:
        raise UsageError(f"no stored replies in {folder}: run your tests once, then ask the canary")
    if model is None:
        model = max(by_model, key=lambda name: (len(by_model[name]), name))
    if model not in by_model:
        raise UsageError(f"no stored replies of {model!r}; there are some of {', '.join(sorted(by_model))}")
    return model, by_model[model]


def _ask(folder: Path, rows: Sequence[tuple[Mapping[str, Json], Completion]]) -> list[Triple]:
    from robusttest.gateway import Gateway
    from robusttest.settings import Settings

    with Gateway(Settings(directory=folder, replies="off")) as gateway:
        asked = []
        for request, _ in rows:
            endpoint = request.get("endpoint")
            params = dict(request["params"])
            if isinstance(endpoint, str) and endpoint.startswith("http"):
                params["api_base"] = endpoint
            again = gateway.request(str(request["model"]), request["messages"], params)
            # Another sample is another call; the provider sees the same question.
            asked.append([gateway.submit(again), gateway.submit(replace(again, sample=1))])
        triples = []
        for (_, stored), futures in zip(rows, asked, strict=True):
            replies: list[Completion | None] = []
            for future in futures:
                try:
                    replies.append(future.result())
                except (CallError, RunAbortedError):
                    replies.append(None)
            triples.append(Triple(stored, replies[0], replies[1]))
        return triples
