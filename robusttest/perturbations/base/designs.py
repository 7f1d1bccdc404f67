"""Several perturbations at once: compositions, full and fractional products, and a paper's 24-configuration design.

A list of perturbations means one at a time. ``crossed(...)`` returns a list too, one perturbation for each
combination of levels, so it stands inside the user's list: ``perturbations=["ocr", *crossed(...)]`` or nested.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from math import prod
from typing import Any

from robusttest.core.nouns import Completion, Draft, Level, NotApplicable, Preserves, Request, derive_seed
from robusttest.errors import UsageError
from robusttest.perturbations.base.acting import act, rewritten
from robusttest.perturbations.base.catalog import Spec, make
from robusttest.perturbations.base.protocol import Perturbation, need_rules

_LEVELS: tuple[Level, ...] = ("input", "prompt", "decoding", "repeat")
_PRESERVES: tuple[Preserves, ...] = ("preserves", "probably", "alters")
DEFAULT_CAP = 64

Part = Any
"""A spec (one level), or a sequence of specs (the levels of one factor; None is the unperturbed level)."""


def together(
    parts: Sequence[Perturbation], *, factors: Mapping[str, str] | None = None, limit: int | None = None
) -> Perturbation:
    """One perturbation that applies ``parts`` one after another; it is not applicable where one of them isn't.

    Its spec joins theirs by ``+``. Each part draws from its own generator, so that adding a part at the end leaves
    what the earlier ones do as it was.
    """
    _check_parts(parts)
    parts = sorted(parts, key=lambda p: _LEVELS.index(p.level))  # text before prompt before decoding, stable
    labels = dict(factors) if factors is not None else {p.name: p.spec for p in parts}
    in_turn = partial(_in_turn, parts, labels)
    by_model = any(p.rewrite is not None for p in parts)
    severities = {p.severity for p in parts if p.severity is not None}
    limits = [n for p in parts if (n := p.limit) is not None]
    if limit is None and len(limits) == len(parts):
        limit = max(limits)
    return Perturbation(
        name="+".join(p.name for p in parts),
        spec="+".join(p.spec for p in parts),
        level=parts[0].level,
        apply=None if by_model else partial(_without_a_model, in_turn),
        rewrite=in_turn if by_model else None,
        severity=severities.pop() if len(severities) == 1 else None,
        preserves=max((p.preserves for p in parts), key=_PRESERVES.index),
        limit=limit,
        separable=all(p.separable for p in parts),
        writer=next((p.writer for p in parts if p.writer is not None), None),
        expect=next((p.expect for p in parts if p.expect != "target"), "target"),
        aims=any(p.aims for p in parts),
        changes=tuple(dict.fromkeys(c for p in parts for c in p.changes)),
        description=" and ".join(p.description or p.name for p in parts),
    )


def _check_parts(parts: Sequence[Perturbation]) -> None:
    """Refuses none, one that comes twice, and those that expect different answers."""
    if not parts:
        raise UsageError("crossed(): nothing to combine")
    specs = " + ".join(p.spec for p in parts)
    if len({p.spec for p in parts}) < len(parts):
        raise UsageError(f"crossed(): {specs} combines a perturbation with itself")
    need_rules(parts)
    expects = {p.expect for p in parts if p.expect != "target"}
    if len(expects) > 1:
        raise UsageError(f"crossed(): {specs} expect different answers ({', '.join(sorted(expects))})")


def _in_turn(
    parts: Sequence[Perturbation], labels: Mapping[str, str], draft: Draft, rng: random.Random, index: int
) -> Generator[Request, Completion, Draft | NotApplicable]:
    for part in parts:
        own = random.Random(derive_seed(rng.getrandbits(64), part.spec))
        outcome: Draft | NotApplicable
        if part.apply is not None:
            outcome = act(part, draft, own, index)
        else:
            outcome = yield from rewritten(part, draft, own, index)
        if isinstance(outcome, NotApplicable):
            return NotApplicable(reason=f"{part.spec}: {outcome.reason}")
        draft = outcome
    return draft.with_(factors={**draft.factors, **labels})


def _without_a_model(
    in_turn: Callable[[Draft, random.Random, int], Generator[Request, Completion, Draft | NotApplicable]],
    draft: Draft,
    rng: random.Random,
    index: int,
) -> Draft | NotApplicable:
    """What comes of parts none of which asks anything."""
    try:
        next(in_turn(draft, rng, index))
    except StopIteration as end:
        outcome: Draft | NotApplicable = end.value
        return outcome
    raise AssertionError("a part that asks has a rewrite")


def crossed(
    *parts: Part,
    fraction: float | None = None,
    cap: int = DEFAULT_CAP,
    include_none: bool = False,
    variants: int = 1,
    seed: int = 0,
) -> list[Perturbation]:
    """The product of the parts as one perturbation for each combination, with the level of each factor recorded.

    A part is one spec, or a list of specs: the levels of one factor, ``None`` among them for the level that leaves it
    alone. ``include_none`` adds that level to every factor. The combination of nothing but None is the reference
    and left out. ``fraction`` in (0, 1] takes that share of the combinations, chosen by ``seed`` so that levels
    and pairs of levels stay balanced; more than ``cap`` combinations are refused. Each combination gives
    ``variants`` variants a case.

    ::

        >>> [p.spec for p in crossed(["keyboard", "ocr"], ["temperature:0.7", None])]
        ['keyboard+temperature:0.7', 'keyboard', 'ocr+temperature:0.7', 'ocr']
    """
    if not parts:
        raise UsageError("crossed(): give at least one perturbation or list of levels")
    if fraction is not None and not 0 < fraction <= 1:
        raise UsageError(f"crossed(fraction={fraction!r}): the share of combinations to take, in (0, 1]")
    if variants < 1 or cap < 1:
        raise UsageError(f"crossed(variants={variants!r}, cap={cap!r}): both must be 1 or more")
    factors = [_levels(part, include_none) for part in parts]
    total = prod(len(levels) for levels in factors)
    taken = total if fraction is None else max(1, round(fraction * total))
    if taken > cap:
        raise UsageError(
            f"crossed(): {' × '.join(str(len(f)) for f in factors)} = {taken} combinations, more than cap={cap}; "
            f"raise cap, or take a share of them with fraction={cap / total:.2g}"
        )
    if total > 100_000:
        raise UsageError(f"crossed(): {total} combinations are too many even to choose from")
    names = _factor_names(factors)
    combinations = list(product(*factors))
    if fraction is not None and taken < total:
        combinations = _balanced(combinations, taken, seed)
    made: list[Perturbation] = []
    for combination in combinations:
        chosen = [level for level in combination if level is not None]
        if chosen:
            labels = {n: "none" if c is None else c.spec for n, c in zip(names, combination, strict=True)}
            made.append(together(chosen, factors=labels, limit=variants))
    return made


def _levels(part: Part, include_none: bool) -> tuple[Perturbation | None, ...]:
    items: Sequence[Spec | None] = part if isinstance(part, list | tuple) else (part,)
    if not items:
        raise UsageError("crossed(): a factor without levels")
    levels = [None if item is None else make(item) for item in items]
    if include_none and None not in levels:
        levels.insert(0, None)
    specs = [None if level is None else level.spec for level in levels]
    if len(set(specs)) < len(specs):
        raise UsageError(f"crossed(): a level is listed twice in {specs}")
    return tuple(levels)


def _factor_names(factors: Sequence[Sequence[Perturbation | None]]) -> list[str]:
    names: list[str] = []
    for i, levels in enumerate(factors, 1):
        families = list(dict.fromkeys(level.name for level in levels if level is not None))
        name = "|".join(families) or f"factor{i}"
        names.append(f"{name}#{i}" if name in names else name)
    return names


def _balanced(
    combinations: list[tuple[Perturbation | None, ...]], n: int, seed: int
) -> list[tuple[Perturbation | None, ...]]:
    """``n`` of them, greedily, so that levels and then pairs of levels occur as equally often as they can."""
    keys = [tuple((i, "" if c is None else c.spec) for i, c in enumerate(row)) for row in combinations]
    order = sorted(
        range(len(keys)), key=lambda i: derive_seed("crossed", seed, *(spec for _, spec in keys[i]))
    )
    singles: dict[Any, int] = {}
    pairs: dict[Any, int] = {}
    picked: list[int] = []
    left = list(order)
    for _ in range(n):
        best = min(
            left,
            key=lambda i: (
                sum(singles.get(k, 0) for k in keys[i]),
                sum(pairs.get((a, b), 0) for a in keys[i] for b in keys[i] if a < b),
            ),
        )
        left.remove(best)
        picked.append(best)
        for a in keys[best]:
            singles[a] = singles.get(a, 0) + 1
            for b in keys[best]:
                if a < b:
                    pairs[a, b] = pairs.get((a, b), 0) + 1
    return [combinations[i] for i in sorted(picked)]


# --- designs ------------------------------------------------------------------------------------------------


def paper24(
    wordings: Sequence[Spec | None],
    demonstrations: Sequence[Spec | None],
    *,
    noise: Sequence[Spec | None] = (None, "keyboard:0.1"),
    temperatures: Sequence[Spec | None] = (None, "temperature:0.7"),
    variants: int = 1,
) -> list[Perturbation]:
    """The 24 configurations wording × number of demonstrations × noise × temperature, as perturbations.

    ``wordings`` are paraphrases or templates, ``demonstrations`` few-shot settings; None in a factor is the task's
    own prompt, text or decoding. The four numbers of levels must multiply to 24 (3 × 2 × 2 × 2, say). Where every
    factor has None, one of the 24 is the reference itself, which a run has anyway: 23 perturbations are returned.
    The 24 count alike: the one that differs in its temperature alone is part of the pooled metrics too, where
    ``temperature:0.7`` by itself would count only under its own name.
    """
    factors = (wordings, demonstrations, noise, temperatures)
    sizes = [len(f) for f in factors]
    if prod(sizes) != 24:
        raise UsageError(
            f"paper24: {' × '.join(map(str, sizes))} = {prod(sizes)} configurations, not 24; give for instance three "
            "wordings and two levels of each other factor, or build your own design with crossed(...)"
        )
    made = crossed(*(list(f) for f in factors), cap=24, variants=variants)
    return [replace(p, level="prompt") if p.level in ("decoding", "repeat") else p for p in made]


PRESETS = {"paper24": paper24}


def preset(name: str, *args: Any, **keywords: Any) -> list[Perturbation]:
    """A named design: ``preset("paper24", wordings=[None, a, b], demonstrations=[None, c])``."""
    from robusttest.errors import UnknownNameError

    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name](*args, **keywords)
