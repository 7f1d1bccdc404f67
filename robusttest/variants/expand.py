"""Cases × perturbations → variants: the reference first, then each perturbation's, in order.

A variant's text depends on the case, the perturbation and its number alone: not on the order of cases, on how many
variants are asked for, on the model, the process or the thread. Nothing here is held but one case's variants.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from robusttest.core.formats import case_params
from robusttest.core.nouns import (
    ORDERED,
    Case,
    Completion,
    Draft,
    Json,
    NotApplicable,
    Prompt,
    Request,
    Variant,
    VariantStatus,
    canonical_json,
    derive_seed,
    digest,
)
from robusttest.errors import RobusttestError, UsageError
from robusttest.perturbations.base.acting import act, rewritten
from robusttest.perturbations.base.catalog import Spec, make_all
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import protect_rules
from robusttest.perturbations.base.validity import DEFAULT, Validity, check, judge_steps

DRAWS = 20
"""Draws for one variant before its space counts as exhausted."""

REWRITES = 3
"""The same for a variant that a model writes: each draw is a call."""

Steps = Generator[Request, Completion, "Draft | NotApplicable"]
Drive = Callable[[Steps], "Draft | NotApplicable"]
"""Runs a generator of requests to its end, answering each with a Completion (the gateway's part)."""


def expand_case(
    case: Case,
    perturbations: Iterable[Spec | Any],
    *,
    prompt: Prompt | None = None,
    params: Mapping[str, Json] | None = None,
    variants: int = 5,
    seed: int = 0,
    protect: Iterable[str | re.Pattern[str]] = (),
    validity: Validity = DEFAULT,
    drive: Drive | None = None,
) -> Iterator[Variant]:
    """The reference, then up to ``variants`` variants of each perturbation, as they are made.

    Variant *i* is the same whether 5 or 10 are asked for. All variants of a perturbation differ from the reference and
    from each other in what is put to the model; where no further one can be found in `DRAWS` draws, one entry of
    status ``not_applicable`` says how many there are. A perturbation with nothing to act on yields one such entry;
    a variant that a gate refuses is yielded as ``rejected``. ``params`` are the task's own, over which a draft sets
    its. What a model writes is made only where ``drive`` is given; else see `rewrite_steps`.
    """
    if variants < 0:
        raise UsageError(f"variants={variants!r}: give 0 or more")
    made, params = make_all(perturbations), case_params(params or {}, case)
    reference = Draft(case=case, prompt=prompt, given=params, protect=protect_rules(protect))
    yield Variant(original=case, draft=reference)
    for p in made:
        if p.apply is not None:
            yield from _Expansion(p, reference, params, variants, seed, validity).applied()
        elif drive is not None:
            yield from _Expansion(p, reference, params, variants, seed, validity).driven(drive)


def rewrite_steps(
    case: Case,
    perturbation: Spec,
    *,
    prompt: Prompt | None = None,
    params: Mapping[str, Json] | None = None,
    variants: int = 5,
    seed: int = 0,
    protect: Iterable[str | re.Pattern[str]] = (),
    validity: Validity = DEFAULT,
) -> Generator[Request, Completion, list[Variant]]:
    """The variants of one perturbation that a model writes, without the reference: the runner drives it.

    Yields each `Request`, is sent its `Completion`, returns the variants::

        steps = rewrite_steps(case, paraphrase(model="…"))
        request = next(steps)
        request = steps.send(gateway.submit(request).result())   # … until StopIteration: .value is the list
    """
    (made,) = make_all([perturbation])
    params = case_params(params or {}, case)
    reference = Draft(case=case, prompt=prompt, given=params, protect=protect_rules(protect))
    return (yield from _Expansion(made, reference, params, variants, seed, validity).steps())


class _Expansion:
    """One perturbation of one case: draws, refuses no-ops and duplicates, gates, numbers."""

    def __init__(
        self,
        perturbation: Perturbation,
        reference: Draft,
        params: Mapping[str, Json] | None,
        variants: int,
        seed: int,
        validity: Validity,
    ) -> None:
        self.p, self.reference, self.params, self.seed, self.validity = (
            perturbation,
            reference,
            params or {},
            seed,
            validity,
        )
        limit = perturbation.limit
        self.wanted = variants if limit is None else min(variants, limit)
        self.held = _Held(reference, self.params)
        self.original = identity(reference, reference, self.params, self.held)
        self.seen: set[str] = set()
        self.made = 0
        self.rng = random.Random(0)
        self.reason: tuple[int, str] | None = None  # the first place where there was nothing, and why

    def applied(self) -> Iterator[Variant]:
        for index in range(self.wanted):
            seed, rng = self._generator(index)
            outcome: Draft | str = ""
            for _ in range(DRAWS):
                outcome = self._new(self._apply(rng, index))
                if not isinstance(outcome, str) or outcome not in _REDRAW:
                    break
            if isinstance(outcome, str):
                self.reason = self.reason or (index, self._exhausted(outcome, DRAWS))
                if self.p.limit is None:
                    break
                continue  # one that counts through levels may have the next level
            yield self._variant(
                index, seed, outcome, check(self.reference.case, outcome, self.p, self.validity)
            )
        yield from self._missing()

    def steps(self) -> Generator[Request, Completion, list[Variant]]:
        out: list[Variant] = []
        for index in range(self.wanted):
            seed, rng = self._generator(index)
            outcome: Draft | str = ""
            for _ in range(REWRITES):
                outcome = self._new((yield from self._rewritten(rng, index)))
                if not isinstance(outcome, str) or outcome not in _REDRAW:
                    break
            if isinstance(outcome, str):
                self.reason = self.reason or (index, self._exhausted(outcome, REWRITES))
                if self.p.limit is None:
                    break
                continue
            reason = check(self.reference.case, outcome, self.p, self.validity)
            if reason is None:
                reason = yield from judge_steps(self.reference.case, outcome, self.validity)
            out.append(self._variant(index, seed, outcome, reason))
        return [*out, *self._missing()]

    def driven(self, drive: Drive) -> list[Variant]:
        out: list[Variant] = []

        def whole() -> Steps:
            # One generator for all of them, in the shape that ``drive`` runs.
            out.extend((yield from self.steps()))
            return self.reference

        drive(whole())
        return out

    def _rewritten(self, rng: random.Random, index: int) -> Steps:
        if self.p.rewrite is None:
            return self._apply(rng, index)
        return (yield from rewritten(self.p, self.reference, rng, index))

    def _generator(self, index: int) -> tuple[int, random.Random]:
        seed = derive_seed(self.seed, self.reference.case.id, self.p.spec, index)
        self.rng.seed(seed)  # a new one would be seeded twice
        return seed, self.rng

    def _apply(self, rng: random.Random, index: int) -> Draft | NotApplicable:
        assert self.p.apply is not None
        try:
            return act(self.p, self.reference, rng, index)
        except RobusttestError:
            raise
        except Exception as e:
            case = self.reference.case.id
            raise UsageError(
                f"perturbation {self.p.spec!r} raised {type(e).__name__}: {e} (case {case!r})"
            ) from e

    def _new(self, outcome: Draft | NotApplicable) -> Draft | str:
        """The draft, if it is neither the reference nor one seen before; else why not."""
        if isinstance(outcome, NotApplicable):
            return outcome.reason
        if not isinstance(outcome, Draft):
            raise UsageError(f"perturbation {self.p.spec!r} returned {type(outcome).__name__}, not a Draft")
        mark = identity(outcome, self.reference, self.params, self.held)
        if mark == self.original:
            return _NO_OP
        short = digest(repr(mark))  # the texts themselves need not be held
        if short in self.seen:
            return _DUPLICATE
        self.seen.add(short)
        return outcome

    def _exhausted(self, why: str, draws: int) -> str:
        if why not in _REDRAW and not self.made:
            return why
        if not self.made and why == _NO_OP:
            return f"nothing changed in {draws} draws"
        return (
            f"exhausted: {self.made} distinct variant{'s' * (self.made != 1)} of {self.wanted} asked for"
            + (f" ({why})" if why not in _REDRAW else "")
        )

    def _missing(self) -> list[Variant]:
        if self.reason is None:
            return []
        index, why = self.reason
        return [self._variant(index, 0, self.reference, why, "not_applicable")]

    def _variant(
        self, index: int, seed: int, draft: Draft, reason: str | None, status: VariantStatus | None = None
    ) -> Variant:
        p = self.p
        if status is None:
            status = "ok" if reason is None else "rejected"
            self.made += 1
        made = Variant(
            original=self.reference.case,
            draft=draft,
            perturbation=p.spec,
            index=index,
            level=p.level,
            severity=p.severity,
            preserves=p.preserves,
            expected=p.effect,
            status=status,
            reason=reason,
            seed=seed,
            writer=p.writer,
        )
        if status == "ok" and p.preserves == "alters" and p.expect == "target" and made.effect == "same":
            return replace(made, status="rejected", reason=_UNRULED)
        return made


_UNRULED = "it changes the right answer, and gave the case no other target"
_NO_OP = "\0no-op"
_DUPLICATE = "\0duplicate"
_REDRAW = (_NO_OP, _DUPLICATE)


def identity(draft: Draft, reference: Draft, params: Mapping[str, Json], held: _Held | None = None) -> object:
    """What is put to the model, as one hashable value: equal means the same question, asked the same way.

    Fields and choices, the prompt where it is not the reference's, the parameters over the task's own, the sample. ``held``
    is what of the reference is known already.
    """
    case, held = draft.case, held if held is not None else _Held(reference, params)
    return (
        tuple([(k, v) if isinstance(v, str) else (k, held.field(k, v)) for k, v in case.fields.items()]),
        case.choices,
        None
        if draft.prompt is reference.prompt or draft.prompt == reference.prompt
        else _frozen(draft.prompt),
        _asked({**params, **draft.params}) if draft.params else held.asked,
        draft.sample,
        tuple(draft.fault.items()),
    )


class _Held:
    """The reference's part of identities, worked out once for all variants of a perturbation: tools are long."""

    def __init__(self, reference: Draft, params: Mapping[str, Json]) -> None:
        self.values = reference.case.fields
        self.frozen = {k: _frozen(v) for k, v in self.values.items() if not isinstance(v, str)}
        self.asked = _asked(params) if params else None

    def field(self, name: str, value: Json) -> str:
        frozen = self.frozen.get(name)
        return frozen if frozen is not None and value is self.values[name] else _frozen(value)


def _asked(params: Mapping[str, Json]) -> tuple[str, str]:
    """Parameters, equal in any order; but tools and schemas as they stand, as the model sees their order."""
    rest = {k: v for k, v in params.items() if k not in ORDERED}
    return _frozen(rest), json.dumps([params.get(k) for k in ORDERED], default=repr)


def _frozen(value: Any) -> str:
    if isinstance(value, Prompt):
        value = asdict(value)
    try:
        return canonical_json(value)
    except (TypeError, ValueError):
        return repr(value)  # NaN, dates: not JSON, but comparable all the same
