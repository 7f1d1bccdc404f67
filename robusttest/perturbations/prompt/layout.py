"""The same question in another layout: separators, casing, spacing, option markers, field order.

``format`` spans the space of Sclar et al., "Quantifying Language Models' Sensitivity to Spurious Features in Prompt
Design" (arXiv 2310.11324), for the ``Descriptor: {field}`` lines of the user's own template, as people write them: one a line, one after the other, as
bullets, in bold, under headings, in brackets, in tags, with Chinese punctuation. Variant *i* is the same
format for every case of a task, so that formats can be compared with each other.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from robusttest.core.nouns import Draft, NotApplicable, Prompt, derive_seed
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.prompt.contract import Contract, contract_of
from robusttest.perturbations.prompt.orders import names_letters
from robusttest.perturbations.prompt.templates import (
    block,
    field_lines,
    rewrite_lines,
    shown,
    texts,
    with_texts,
)

SEPARATORS = (": ", " : ", ":: ", " - ", " -- ", " = ", " || ", "\t", ":\n", ": \n\t", " > ")
"""Between a descriptor and its field."""
CASINGS: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "title": str.title}
GAPS = ("\n", "\n\n", " || ", " -- ", "; ", " \n")
"""Between neighbouring field lines."""
OPTION_MARKERS = (
    "{letter}) ",
    "({letter}) ",
    "{letter}. ",
    "[{letter}] ",
    "{letter}: ",
    "{lower}) ",
    "({lower}) ",
    "{number}. ",
    "{number}) ",
    "({number}) ",
    "{roman}. ",
    "{roman}) ",
)
OPTION_SEPARATORS = ("\n", "\n\n", "; ", "  ", " || ")
CHOICE_SEPARATORS = (", ", " | ", "; ", " / ", " or ")
_LIMIT = 1000
"""Formats of one prompt that are told apart; draws beyond it would repeat nothing, but nobody asks for them."""
_MAX_ORDERS = 24


def format_(arg: int | str | None = None) -> Perturbation:
    """FormatSpread: each variant is another layout of the same prompt. ``format:7`` draws another set of layouts.

    What the prompt says of its own layout or of the answer's form stands: markers that it speaks of, separators that it names,
    the order that it tells, names of fields that it quotes.
    """
    if arg is not None and not (str(arg).isascii() and str(arg).isdigit()):
        raise UsageError(f"format:{arg}: the argument numbers a set of formats: format, format:1, format:2 …")

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return NotApplicable(reason="the test has a body of its own: there is no prompt to lay out")
        space = _space(
            texts(draft.prompt),
            frozenset(shown(draft.prompt)),
            draft.prompt.option_marker,
            draft.prompt.option_separator,
            draft.prompt.choice_separator,
            contract_of(draft.prompt),
        )
        if not space.size:
            return NotApplicable(
                reason="the prompt has no 'Descriptor: {field}' line, {choices} or {options} to lay out "
                "differently, but for what it says of its layout"
            )
        if index >= min(space.size, _LIMIT):
            return NotApplicable(reason=f"the prompt has {min(space.size, _LIMIT)} other formats only")
        numbers = _draws(space.size, derive_seed("format", *texts(draft.prompt), str(arg or "")))
        prompt = space.applied(draft.prompt, numbers[index])
        if "{letter}" not in prompt.option_marker and names_letters(draft.case.choices or ()):
            prompt = replace(prompt, option_marker=draft.prompt.option_marker)  # "both A and C" stands
        return draft.with_(prompt=prompt)

    return Perturbation(
        name="format",
        spec="format" if arg is None else f"format:{arg}",
        level="prompt",
        apply=apply,
        description="separators, casing, spacing, option markers and field order of the prompt (FormatSpread)",
    )


@lru_cache(maxsize=256)
def _draws(size: int, seed: int) -> list[int]:
    """Numbers of formats 1 … size in a random order without repetition (0 is the prompt as it is)."""
    return random.Random(seed).sample(range(1, size + 1), min(size, _LIMIT))


_Change = Mapping[str, Any]
"""What one step along a dimension sets: arguments of `rewrite_lines`, or fields of the `Prompt`."""


@dataclass(frozen=True, slots=True)
class _Space:
    """Independent dimensions, each a list of changes that differ from the prompt and from each other."""

    lines: tuple[tuple[_Change, ...], ...]
    """Of the field lines: one rewrite makes them all, as it reads the lines that the user wrote."""
    prompt: tuple[tuple[_Change, ...], ...]

    @property
    def size(self) -> int:
        """Formats other than the prompt's own."""
        return math.prod(len(d) + 1 for d in (*self.lines, *self.prompt)) - 1

    def applied(self, prompt: Prompt, number: int) -> Prompt:
        """Format ``number`` in mixed radix: digit 0 of a dimension leaves it as it is."""
        line: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for dimensions, set_ in ((self.lines, line), (self.prompt, fields)):
            for changes in dimensions:
                number, digit = divmod(number, len(changes) + 1)
                if digit:
                    set_.update(changes[digit - 1])
        return replace(with_texts(prompt, lambda text: rewrite_lines(text, **line)), **fields)


@lru_cache(maxsize=256)
def _space(
    parts: tuple[str, ...],
    names: frozenset[str],
    marker: str,
    option_separator: str,
    choice_separator: str,
    contract: Contract,
) -> _Space:
    orders = [{"order": order} for order in _orders(parts) if contract.order]
    casings = [{"descriptor": casing} for casing in CASINGS.values() if contract.descriptors]
    free = contract.separators and contract.descriptors
    spacings = [{"separator": s, "gap": g} for s, g in _spacings(parts) if free]
    lines = [_distinct(parts, d) for d in (orders, casings, spacings)]
    settings: list[tuple[_Change, ...]] = []
    if "options" in names:
        markers = (m for m in OPTION_MARKERS if m != marker and contract.allows(m))
        settings.append(tuple({"option_marker": m} for m in markers))
        if contract.separators:
            settings.append(
                tuple({"option_separator": s} for s in OPTION_SEPARATORS if s != option_separator)
            )
    if "choices" in names and contract.separators:
        settings.append(tuple({"choice_separator": s} for s in CHOICE_SEPARATORS if s != choice_separator))
    return _Space(tuple(d for d in lines if d), tuple(d for d in settings if d))


def _distinct(parts: tuple[str, ...], dimension: Sequence[_Change]) -> tuple[_Change, ...]:
    seen = {parts}
    kept: list[_Change] = []
    for change in dimension:
        result = tuple(rewrite_lines(part, **change) for part in parts)
        if result not in seen:
            seen.add(result)
            kept.append(change)
    return tuple(kept)


def _spacings(parts: tuple[str, ...]) -> list[tuple[str | None, str | None]]:
    """Separators × gaps in one dimension: both are read off the same lines, so one rewrite sets both."""
    styles = {line.style for part in parts for line in field_lines(part)}
    if not styles:
        return []
    separators = (*SEPARATORS, "\n\n") if "heading" in styles else SEPARATORS
    every = itertools.product((None, *separators), (None, *GAPS))
    # A field on its own line needs its neighbour to begin on a new one.
    return [(s, g) for s, g in every if not (s and "\n" in s and g is not None and "\n" not in g)]


def _orders(parts: tuple[str, ...]) -> list[tuple[int, ...]]:
    counts = {count for part in parts if (count := block(part)[1]) > 1}
    if len(counts) != 1:
        return []  # the template and the demos' template would not agree
    return list(itertools.islice(itertools.permutations(range(counts.pop())), 1, _MAX_ORDERS))


def option_labels(kind: str | None = None) -> Perturbation:
    """Other markers before the options of ``{options}``: ``(A)``, ``a)``, ``1.``, ``i.`` …

    ``option_labels:number`` keeps to one kind (``letter``, ``lower``, ``number``, ``roman``). Where the prompt says
    how to answer (a letter, ``A, B or C``, the number), or an option names another (``both A and C``), that kind alone comes.
    """
    kinds = ("letter", "lower", "number", "roman")
    if kind is not None and kind not in kinds:
        raise UnknownNameError("kind of option labels", kind, kinds)
    wanted = tuple(m for m in OPTION_MARKERS if kind is None or "{" + kind + "}" in m)

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        prompt = draft.prompt
        if prompt is None or "options" not in shown(prompt):
            return NotApplicable(reason="the prompt shows no {options} to label")
        if not draft.case.choices:
            return NotApplicable(reason="the case has no choices")
        contract = contract_of(prompt)
        others = [m for m in wanted if m != prompt.option_marker and contract.allows(m, draft.case.choices)]
        if index >= len(others):
            return NotApplicable(reason=f"there are {len(others)} other labels only")
        return draft.with_(prompt=replace(prompt, option_marker=others[index]))

    return Perturbation(
        name="option_labels",
        spec="option_labels" if kind is None else f"option_labels:{kind}",
        level="prompt",
        apply=apply,
        limit=len(wanted),
        description="other markers before the options: (A), a), 1., i. …",
    )
