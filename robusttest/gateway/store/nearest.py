"""What a missing reply is nearest to: the difference that a reader has to know to record it or to mend the test."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from robusttest.core.nouns import Json, Request, canonical_json
from robusttest.core.secrets import scrub
from robusttest.tasks.render import prompt_text

SHOWN = 60


def missing(request: Request, stored: Iterable[Json]) -> str:
    """One sentence: which request has no stored reply, and how the nearest recorded one differs."""
    here = request.identity()
    text = prompt_text(request.messages)
    said = f"no stored reply for {request.model}: {_cut(text)!r} (request {request.key()[:12]})"
    near = _nearest(here, text, list(stored))
    if near is None:
        return f"{said}; the store holds no reply at all. Record with --robust-replies=auto and a key"
    return f"{said}. The nearest recorded request {_difference(here, near)}"


def _nearest(here: Json, text: str, stored: list[Json]) -> Json | None:
    if not stored:
        return None
    same = [s for s in stored if s.get("messages") == here["messages"]]
    if same:
        return min(same, key=lambda s: len(_differing(here, s)))
    texts = [prompt_text(tuple(s.get("messages") or ())) for s in stored]
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text[:500])
    best, at = -1.0, 0
    for i, other in enumerate(texts):
        matcher.set_seq1(other[:500])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            ratio = matcher.quick_ratio()
            if ratio > best:
                best, at = ratio, i
    found: Json = stored[at]
    return found


def _differing(a: Json, b: Json) -> list[str]:
    out = [name for name in ("model", "endpoint", "version", "sample") if a.get(name) != b.get(name)]
    p, q = a.get("params") or {}, b.get("params") or {}
    out += [
        f"params.{k}"
        for k in sorted(p.keys() | q.keys())
        if canonical_json(p.get(k)) != canonical_json(q.get(k))
    ]
    return out


def _difference(here: Json, near: Json) -> str:
    parts = []
    for name in _differing(here, near):
        a, b = (_value(side, name) for side in (here, near))
        parts.append(f"has {name} {b} where this has {a}")
    a, b = (prompt_text(tuple(side.get("messages") or ())) for side in (here, near))
    if a != b:
        at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        start = max(0, at - 15)
        parts.append(f"says {_cut(b[start:])!r} where this says {_cut(a[start:])!r} (from character {start})")
    return "; ".join(parts) if parts else "is equal to it but for its form"


def _value(side: Mapping[str, Json], name: str) -> str:
    first, _, key = name.partition(".")
    value = (side.get("params") or {}).get(key) if key else side.get(first)
    return "none" if value is None else _cut(canonical_json(value))


def _cut(text: str) -> str:
    text = scrub(" ".join(text.split()))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
