"""The order of what has none: keys of JSON objects, documents of a list."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from robusttest.core.nouns import Draft, NotApplicable
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, replace_spans, text_perturbation
from robusttest.perturbations.base.fields import check_names
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, json_spans
from robusttest.perturbations.base.validity import GATES
from robusttest.perturbations.prompt.orders import other_order

_STYLES: tuple[dict[str, Any], ...] = (
    {}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4}, {"indent": "\t"}, {"indent": 1},
)  # fmt: skip


def _style(written: str, value: Any) -> dict[str, Any] | None:
    """How the value is written, as arguments of ``json.dumps``; None for a way of its own."""
    for style in _STYLES:
        for ascii_only in (False, True):
            if json.dumps(value, ensure_ascii=ascii_only, **style) == written:
                return {**style, "ensure_ascii": ascii_only}
    return None


def _shuffled(value: Any, index: int, rng: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(v, index, rng) for v in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    order = other_order(len(keys), index, rng, "json_keys", *keys) if len(keys) > 1 else None
    return {keys[i]: _shuffled(value[keys[i]], index, rng) for i in order or range(len(keys))}


def objects_in(text: str) -> Iterator[tuple[int, int, Any]]:
    """The JSON objects and lists of a text, with what they hold."""
    for start, end, _ in json_spans(text):
        yield start, end, json.loads(text[start:end])


@fielded
def json_keys() -> Perturbation:
    """The keys of the text's JSON objects in another order, written as before: an object has no order of its keys.

    Objects that hold one key twice, or whose blanks follow no style that we know, stand as they are.
    """

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        def places() -> Iterator[tuple[int, int, str]]:
            for start, end, value in objects_in(text):
                style = _style(text[start:end], value)
                if style is not None:
                    yield start, end, json.dumps(_shuffled(value, index, rng), **style)

        return replace_spans(
            text, places(), rng=rng, protected=protected, what="JSON object with keys to put in another order"
        )

    return text_perturbation(
        "json_keys",
        fn,
        changes=(
            "json",
            "share",
            "placeholder",
            "number",
            "number_word",
            "acronym",
            "identifier",
            "url",
            "email",
            "label",
            "handle",
            "code",
            "math",
            "negation",
            "tag",
        ),
        separable=False,
        description="the keys of JSON objects in another order",
    )


def document_order(fields: str | list[str] | tuple[str, ...] | None = None) -> Perturbation:
    """A list of documents (passages, search results, tools) in another order: ``document_order:documents``.

    Without an argument each input field that holds two or more texts or objects, and no conversation. Where the question
    speaks of an order ("the first document"), it doesn't fit.
    """
    names = (fields,) if isinstance(fields, str) else None if fields is None else tuple(fields)
    spec = "document_order" if names is None else f"document_order:{'&'.join(names)}"

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        case = draft.case
        if names is not None:
            check_names(names, case, spec)
        found = [n for n in (names or case.fields) if _documents(case.fields[n])]
        if not found:
            return NotApplicable(reason="no field holds a list of two or more documents")
        new = dict(case.fields)
        for name in found:
            items = list(case.fields[name])
            order = other_order(len(items), index, rng, "document_order", name, case.id)
            if order is not None:
                new[name] = [items[i] for i in order]
        if new == dict(case.fields):
            return NotApplicable(reason="the documents have no further order")
        return draft.with_(case=replace(case, fields=new))

    return Perturbation(
        name="document_order",
        spec=spec,
        level="input",
        apply=apply,
        changes=GATES,  # each document stands as it is, in another place
        description="a list of documents in another order",
    )


def _documents(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 1
        and all(
            (isinstance(v, dict) and "role" not in v and "type" not in v)
            or (isinstance(v, str) and len(v.split()) > 1)
            for v in value
        )
    )
