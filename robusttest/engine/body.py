"""Tests with a body of their own: the variants to call it with, the `Ask` it gets, the record its outcome makes.

Nothing here knows pytest: the plugin runs the body and says what came of it as an `Outcome`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Literal

from robusttest.core.nouns import (
    Answer,
    Case,
    Completion,
    Json,
    Record,
    Request,
    Score,
    Variant,
    canonical_json,
    digest,
)
from robusttest.core.secrets import hide
from robusttest.engine.job import GatewayLike
from robusttest.engine.record import MAX_REPLY, by_expectation, make_record, shown_text
from robusttest.errors import BudgetExhaustedError, CallError, RunAbortedError, UsageError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import DEFAULT, Validity
from robusttest.settings import Settings
from robusttest.variants.expand import Drive, expand_case
from robusttest.variants.select import select_cases, spec_of


class Ask:
    """A body's way to the model under test: through the reply store, the limits and the budget of the run.

    ::

        def test_rag(variant, ask):
            return ask(f"Answer from the context: {variant.input}", max_tokens=50).text

    ``await ask.acall(…)`` in an ``async def`` body; ``str(ask)`` is the model's id. The variant's decoding parameters
    (temperature …) are set over those given here. Asking the very same thing twice within one body gives two
    samples, not one reply twice.
    """

    def __init__(self, gateway: GatewayLike, model: str, variant: Variant | None = None) -> None:
        self._gateway, self._model, self._variant = gateway, model, variant
        self._asked: dict[str, int] = {}
        self._repeats = 0
        self.calls: list[tuple[Request, Completion]] = []
        """What this body asked, and got, in the order of the replies."""

    def __call__(self, prompt: str | Sequence[Mapping[str, Json]], /, **params: Json) -> Completion:
        """Ask with a text (one user message) or a list of messages. Raises `CallError` where no reply came."""
        request = self._request(prompt, params)
        return self._kept(request, self._gateway.submit(request).result())

    async def acall(self, prompt: str | Sequence[Mapping[str, Json]], /, **params: Json) -> Completion:
        """The same from an ``async def`` body: other bodies go on while this one waits."""
        request = self._request(prompt, params)
        return self._kept(request, await asyncio.wrap_future(self._gateway.submit(request)))

    def __str__(self) -> str:
        return self._model

    def __repr__(self) -> str:
        return f"<ask {self._model!r}>"

    @property
    def model(self) -> str:
        return self._model

    def _request(self, prompt: str | Sequence[Mapping[str, Json]], params: Mapping[str, Json]) -> Request:
        if isinstance(prompt, str):
            messages: list[dict[str, Json]] = [{"role": "user", "content": prompt}]
        elif (
            isinstance(prompt, Sequence)
            and prompt
            and all(isinstance(m, Mapping) and isinstance(m.get("role"), str) for m in prompt)
        ):
            messages = [dict(m) for m in prompt if isinstance(m, Mapping)]
        else:
            raise UsageError(
                f"ask({str(prompt)[:60]!r}): give a text, or a list of messages with role and content"
            )
        sample, own = 0, {}
        if self._variant is not None:
            sample, own = self._variant.draft.sample, dict(self._variant.params)
        merged = {**params, **own}
        try:
            same = digest(canonical_json([messages, merged]))
        except (TypeError, ValueError) as e:
            raise UsageError(f"ask: messages and parameters must be JSON values: {e}") from None
        again = self._asked.get(same, 0)
        self._asked[same] = again + 1
        # Far from the numbers that repeats use, so that they don't meet.
        return self._gateway.request(self._model, messages, merged, sample + again * 1_000_000)

    def _kept(self, request: Request, completion: Completion) -> Completion:
        self.calls.append((request, completion))
        return completion


Kind = Literal["returned", "failed", "skipped", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a body: it returned a value, failed (an assertion), was skipped, or raised something else."""

    kind: Kind = "returned"
    value: Any = None
    """What it returned."""
    reason: str | None = None
    """The failed assertion, the reason to skip, or the exception, in a line."""
    error: BaseException | None = None

    @classmethod
    def of(cls, error: BaseException) -> Outcome:
        """The outcome that an exception stands for: an AssertionError is a wrong answer, any other an error."""
        text = str(error).strip()
        if isinstance(error, AssertionError):
            return cls(
                kind="failed", reason=text.splitlines()[0] if text else "assertion failed", error=error
            )
        if isinstance(error, BudgetExhaustedError):
            return cls(kind="skipped", reason=text, error=error)
        named = text if isinstance(error, CallError | RunAbortedError) else f"{type(error).__name__}: {text}"
        return cls(kind="error", reason=named, error=error)


def body_variants(
    cases: Sequence[Case],
    perturbations: Iterable[Perturbation],
    settings: Settings,
    *,
    protect: Iterable[Any] = (),
    validity: Validity = DEFAULT,
    drive: Drive | None = None,
    source: Callable[[Case], Iterable[Variant]] | None = None,
    first: AbstractSet[str] = frozenset(),
) -> Iterator[Variant]:
    """Every variant that a body is run with, case by case, the reference first; those not ``ok`` among them.

    ``perturbations`` are those of `select_perturbations`. ``drive`` runs the steps of those that a model writes.
    ``source`` gives a case's variants instead (a frozen file). ``first``: cases that come before the others.
    """
    made = tuple(perturbations)
    protect = tuple(protect)
    for case, only in sorted(select_cases(cases, settings), key=lambda chosen: chosen.case.id not in first):
        if source is not None:
            yield from (v for v in source(case) if only is None or not v.perturbation or v.id in only)
            continue
        mine, most = made, settings.variants
        if only is not None:
            parts = [spec_of(v) for v in sorted(only)]
            mine = tuple(p for p in made if p.spec in {spec for spec, _ in parts})
            most = max([most, *(i + 1 for _, i in parts)])
        expanded = expand_case(
            case,
            mine,
            prompt=None,
            variants=most,
            seed=settings.seed,
            protect=protect,
            validity=validity,
            drive=drive,
        )
        for v in expanded:
            if only is None or not v.perturbation or v.id in only:
                yield v


def left_out(variant: Variant, *, task: str, model: str, test: str | None = None) -> Record:
    """The record of a variant that a body is not run with: rejected, or not applicable."""
    if variant.status == "ok":
        raise ValueError(f"left_out: the variant {variant.id!r} is ok")
    return make_record(
        variant, task=task, model=model, test=test, status=variant.status, reason=variant.reason
    )


def body_record(
    variant: Variant,
    outcome: Outcome,
    *,
    task: str,
    model: str = "",
    test: str | None = None,
    ask: Ask | None = None,
    perturbation: Perturbation | None = None,
    reference: Score | None = None,
) -> Record:
    """The record of a body's outcome.

    A failed assertion scores 0; a skip has no score; any other exception is an error of this variant, not a wrong
    answer. Returned: a bool or a number in [0, 1] is the score, a text or a `Completion` is the answer, an `Answer` is
    both, None scores 1. ``perturbation`` and ``reference`` (the unperturbed variant's score, `score_of`) are for
    perturbations with an expectation of their own.

    Raises `UsageError` for a returned value of another kind.
    """
    calls = ask.calls if ask is not None else []
    request = calls[-1][0] if calls else None
    completion = _together([c for _, c in calls])
    status: Any = None
    score: Score | None = None
    reason = outcome.reason
    if outcome.kind in ("skipped", "error"):
        status = outcome.kind
    else:
        score = body_score(outcome, completion)
        if perturbation is not None and perturbation.expect != "target":
            judged = by_expectation(score, perturbation.expect, reference)
            if isinstance(judged, str):
                status, score, reason = "error", None, judged
            else:
                score = judged
    record = make_record(
        variant,
        task=task,
        model=model,
        test=test,
        status=status,
        score=score,
        reason=reason,
        request=request if len(calls) == 1 else None,
        completion=completion,
    )
    value = variant.input
    changes: dict[str, Any] = {"input_hash": record.case_hash}  # there is no prompt of ours
    if len(calls) != 1 or variant.level != "input":
        changes["text"] = shown_text(value if isinstance(value, str) else canonical_json(value))
    if completion is None and isinstance(outcome.value, str):
        changes["reply"] = hide(outcome.value)[:MAX_REPLY]
    return replace(record, **changes)


def body_score(outcome: Outcome, completion: Completion | None = None) -> Score:
    """The score of a body that returned or failed."""
    value = outcome.value
    if outcome.kind == "failed":
        # Its answer is what the model said last: two failing variants agree if they say the same.
        answer = completion.text.strip() if completion is not None else None
        return Score(value=0.0, answer=answer or "failed", explanation=outcome.reason)
    said = completion.text.strip() if completion is not None else None
    if value is None:
        return Score(value=1.0, answer=said or "passed")
    if isinstance(value, Score):
        return _checked(value)
    if isinstance(value, Answer):
        return _checked(Score(value=1.0 if value.score is None else value.score, answer=value.value))
    if isinstance(value, Completion):
        return Score(value=1.0, answer=value.text.strip())
    if isinstance(value, str):
        return Score(value=1.0, answer=value.strip())
    if isinstance(value, bool | int | float) or hasattr(value, "item"):
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, bool | int | float):
            return _checked(Score(value=float(number), answer=said or float(number)))
    raise UsageError(
        f"a test's body returned {str(value)[:60]!r} ({type(value).__name__}): return None, a bool, a number in [0, 1], a "
        "text, or Answer(value, score=…)"
    )


def _checked(score: Score) -> Score:
    value = score.value
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1:
        raise UsageError(f"a test's body returned the score {value!r}: it must be a number in [0, 1]")
    return replace(score, value=float(value))


def _together(completions: list[Completion]) -> Completion | None:
    """The last reply, with what all of a body's calls cost."""
    if not completions:
        return None
    last = completions[-1]
    if len(completions) == 1:
        return last

    def total(values: list[Any]) -> Any:
        return None if any(v is None for v in values) else sum(values)

    return replace(
        last,
        cost=total([c.cost for c in completions]),
        latency=total([c.latency for c in completions]),
        input_tokens=total([c.input_tokens for c in completions]),
        output_tokens=total([c.output_tokens for c in completions]),
        cached=all(c.cached for c in completions),
    )
