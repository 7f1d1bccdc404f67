"""Variants that people wrote: the case itself holds the other text, and perhaps the answer that is right for it.

Contrast sets (Gardner et al. 2020), counterfactually revised texts (Kaushik et al. 2020), paraphrases by hand.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from robusttest.core.nouns import Case, Draft, Json, NotApplicable
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.edits import compose_edits, diff_edits
from robusttest.perturbations.base.protocol import Expect, Perturbation
from robusttest.perturbations.base.spans import unusable
from robusttest.perturbations.base.validity import GATES


def counterpart(
    column: str | None = None,
    *,
    into: str | None = None,
    target: str | None = None,
    expect: Expect = "target",
    most: int = 1,
) -> Perturbation:
    """The text that the case itself holds in ``column`` (a text, or a list of up to ``most`` texts), in the place of ``into``.

    ``into`` is the input field that it replaces (``input``, or the only one there is). ``target`` is the column with the
    answer that is right for it (a list beside a list); without one the case's own answer stays right, or what ``expect``
    says: the ``same`` answer as unperturbed, one that ``changes``, ``increases`` or ``decreases``::

        cases = load_cases([{"input": "It's terrible.", "target": "negative",
                             "revised": "It's wonderful.", "revised_target": "positive"}])
        counterpart("revised", target="revised_target")        # the answer must become the other one
        counterpart("paraphrase")                              # the answer must stay
        counterpart("new_hypothesis", into="hypothesis", target="new_label")

    Where the column holds an object, that is what changes: several input fields at once, and the ``target``, as in
    ``{"input": "Whre is it?", "tools": […]}``.

    A column that is no input field is read from the case's metadata, where `load_cases` puts every other column. A case
    without such a text is not applicable. A person answers for the text, so no gate refuses it.
    """
    if not isinstance(column, str) or not column.strip():
        raise UsageError("counterpart: name the column with the other text, as in counterpart:paraphrase")
    if any(c in column for c in ",[]#+:\n"):
        raise UsageError(f"counterpart: a column {column!r} can't be named in a spec: rename it")
    if expect not in get_args(Expect):
        raise UnknownNameError("rule", str(expect), get_args(Expect))
    if target is not None and expect != "target":
        raise UsageError(f"counterpart:{column}: give either target={target!r} or expect={expect!r}")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise UsageError(f"counterpart:{column}: most={most!r} is not a number of texts")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        case = draft.case
        text = _nth(_value(case, column), index)
        if isinstance(text, Mapping):
            return _several(draft, text, column)
        if not isinstance(text, str) or (reason := unusable(text)) is not None:
            why = (
                f"no text number {index + 1}" if index else "no text" if not isinstance(text, str) else reason
            )
            return NotApplicable(reason=f"the case has {why} in {column!r}")
        name = into if into is not None else "input" if "input" in case.fields else _only(case, column)
        before = case.fields.get(name)
        if not isinstance(before, str):
            raise UsageError(
                f"counterpart:{column}: case {case.id!r} has no text in the input field {name!r} to replace; it has "
                f"{', '.join(map(repr, case.fields)) or 'none'}: say into=…"
            )
        edits = diff_edits(before, text)
        earlier = draft.edits.get(name)
        made = compose_edits(before, earlier, edits) if earlier else edits
        changes: dict[str, Any] = {"fields": {**case.fields, name: text}}
        if target is not None:
            new = _nth(_value(case, target), index)
            if new is None:
                return NotApplicable(reason=f"the case has no answer in {target!r}")
            changes["target"] = _option(case, new, f"counterpart:{column}")
        return draft.with_(case=replace(case, **changes), edits={**draft.edits, name: made})

    return Perturbation(
        name="counterpart",
        spec=f"counterpart:{column}",
        level="input",
        apply=apply,
        preserves="probably"
        if target is not None
        else "preserves"
        if expect in ("target", "same")
        else "alters",
        limit=most,
        separable=False,
        expect=expect,
        changes=GATES,
        description="a text that the case holds, and the answer that is right for it",
    )


def _several(draft: Draft, held: Mapping[str, Json], column: str) -> Draft:
    """The draft with several fields, and the answer, as an object holds them."""
    case = draft.case
    if unknown := [name for name in held if name != "target" and name not in case.fields]:
        raise UsageError(
            f"counterpart:{column}: case {case.id!r} has no input field {unknown[0]!r} to replace; it has "
            f"{', '.join(map(repr, case.fields)) or 'none'}"
        )
    edits = dict(draft.edits)
    for name, text in held.items():
        before = case.fields.get(name)
        if name != "target" and isinstance(text, str) and isinstance(before, str) and text != before:
            made = diff_edits(before, text)
            edits[name] = compose_edits(before, edits[name], made) if edits.get(name) else made
    changes: dict[str, Any] = {"fields": {**case.fields, **{k: v for k, v in held.items() if k != "target"}}}
    if held.get("target") is not None:
        changes["target"] = _option(case, held["target"], f"counterpart:{column}")
    offered, given = draft.given.get("tools"), draft.given
    for name, value in held.items():
        if offered is not None and case.fields.get(name) is offered:
            given = {**given, "tools": value}  # what a further perturbation of tools is to see
    return draft.with_(case=replace(case, **changes), edits=edits, given=given)


def _value(case: Case, column: str) -> Json:
    held: Mapping[str, Json] = case.fields if column in case.fields else case.metadata
    return held.get(column)


def _nth(value: Json, index: int) -> Json:
    if isinstance(value, list | tuple):
        return value[index] if index < len(value) else None
    return value if index == 0 else None


def _only(case: Case, column: str) -> str:
    names = [n for n in case.fields if n != column]
    if len(names) != 1:
        raise UsageError(
            f"counterpart:{column}: case {case.id!r} has the input fields {', '.join(map(repr, names))}: say which one "
            "the text replaces, as in into='question'"
        )
    return names[0]


def _option(case: Case, new: Json, spec: str) -> Json:
    if case.choices is None or new in case.choices:
        return new
    raise UsageError(
        f"{spec}: the answer {new!r} of case {case.id!r} is none of its choices: {', '.join(case.choices)}"
    )
