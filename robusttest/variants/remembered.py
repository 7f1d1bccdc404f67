"""Variants kept in the reply store, so that a replayed run makes none anew and imports no nlpaug.

Kept are the variants of input perturbations that a name says all of (``"keyboard:0.1"``): what a user's own function
makes may change with its code. The key holds all that decides the text, and robusttest's version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from robusttest.core.names import split_spec
from robusttest.core.nouns import Case, Draft, Edit, Json, Variant, canonical_json, digest
from robusttest.perturbations.base.catalog import PERTURBATIONS, UserPerturbation
from robusttest.perturbations.base.protocol import Perturbation

SCHEMA = 2


class Store(Protocol):
    """What remembering needs of a reply store."""

    def get_variants(self, key: str) -> Json | None: ...
    def put_variants(self, key: str, value: Json) -> None: ...


def named(specs: Iterable[Any]) -> frozenset[str]:
    """Of the specs that a user listed, those that are names of built-in perturbations."""
    out: set[str] = set()
    for spec in specs:
        if isinstance(spec, list | tuple):
            out |= named(spec)
        elif isinstance(spec, str) and _built_in(spec):
            out.add(spec.strip())
    return frozenset(out)


def _built_in(spec: str) -> bool:
    name = split_spec(spec)[0]
    if name not in PERTURBATIONS:
        return False
    factory = PERTURBATIONS.get(name)
    module = getattr(factory, "__module__", None) or ""
    return not isinstance(factory, UserPerturbation) and module.startswith("robusttest.")


def variants_key(
    case: Case, perturbation: Perturbation, *, variants: int, seed: int, protect: Iterable[Any], version: str
) -> str:
    """The identity of one perturbation's variants of one case; the model and the task's name are not in it."""
    parts = [
        SCHEMA,
        version,
        case.id,
        dict(case.fields),
        case.target,
        case.choices,
        case.language,
        case.perturb,
        perturbation.spec,
        variants,
        seed,
        [repr(p) for p in protect],
    ]
    return digest(canonical_json(parts), size=32)


def dump(variants: Iterable[Variant]) -> Json:
    """Variants as JSON; None where one changes more than its case's text."""
    out: list[Json] = []
    for v in variants:
        draft = v.draft
        if draft.params or draft.sample or draft.factors or v.level != "input":
            return None
        out.append(
            {
                "perturbation": v.perturbation,
                "index": v.index,
                "severity": v.severity,
                "preserves": v.preserves,
                "status": v.status,
                "reason": v.reason,
                "seed": v.seed,
                "fields": dict(draft.case.fields),
                "target": draft.case.target,
                "choices": draft.case.choices,
                "edits": {k: [list(e) for e in edits] for k, edits in draft.edits.items()},
                "realised": draft.realised,
            }
        )
    return out


def load(value: Json, reference: Draft) -> list[Variant]:
    """The variants of `dump` again, around the prompt of ``reference``."""
    return [_variant(row, reference) for row in value]


def _variant(row: Mapping[str, Json], reference: Draft) -> Variant:
    case = reference.case
    choices = row["choices"]
    changed = replace(
        case,
        fields=dict(row["fields"]),
        target=row["target"],
        choices=None if choices is None else tuple(choices),
    )
    edits = {k: tuple(Edit(*e) for e in made) for k, made in row["edits"].items()}
    return Variant(
        original=case,
        draft=reference.with_(case=changed, edits=edits, realised=row["realised"]),
        perturbation=row["perturbation"],
        index=row["index"],
        level="input",
        severity=row["severity"],
        preserves=row["preserves"],
        status=row["status"],
        reason=row["reason"],
        seed=row["seed"],
    )


def rememberable(perturbation: Perturbation, names: frozenset[str]) -> bool:
    """Whether its variants are kept: it changes the text alone, and its name says all of it."""
    return perturbation.level == "input" and perturbation.expect == "target" and perturbation.spec in names


def remembered(
    store: Store | None,
    expanded: Any,
    reference: Draft,
    perturbations: Iterable[Perturbation],
    names: frozenset[str],
    **how: Any,
) -> Iterator[Variant]:
    """Each perturbation's variants in order: from the store where it has them, else expanded and put there.

    ``expanded(perturbations)`` yields their variants without the reference.
    """
    for p in perturbations:
        if store is None or not rememberable(p, names):
            yield from expanded([p])
            continue
        key = variants_key(reference.case, p, **how)
        value = store.get_variants(key)
        if value is not None:
            yield from load(value, reference)
            continue
        made = list(expanded([p]))
        if (kept := dump(made)) is not None:
            store.put_variants(key, kept)
        yield from made
