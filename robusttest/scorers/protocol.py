"""What a scorer is: a function from a reply and its variant to a `Score`, with a name.

A user's own is a plain function::

    @scorer
    def short_and_right(reply: str, target: str) -> float:
        return (target in reply) * min(1.0, 80 / len(reply))

It may also take ``case``, ``variant`` and ``completion``, and return a bool, a number in [0, 1] or a `Score`. A scorer
that asks a model is a generator: it yields `Request`s, receives `Completion`s and returns its `Score`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, overload

from robusttest.core.names import Registry, split_spec
from robusttest.core.nouns import Case, Completion, Draft, Json, Request, Score, Variant
from robusttest.errors import UsageError

Scoring: TypeAlias = "Score | Generator[Request, Completion, Score]"
"""A score, or the steps to one where a model has to be asked."""

Check: TypeAlias = Callable[..., "str | None"]
"""``(case, **options)``: why the scorer can't judge this case; None where it can."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer that a person has graded."""

    right: bool
    request: Request
    """The question to the judge."""
    threshold: float
    """The grade from which on the judge says right."""
    read: Callable[[str], float | None]

    def graded(self, verdict: str) -> bool | None:
        """Whether the judge says right; None where its verdict has no grade."""
        grade = self.read(verdict)
        return None if grade is None else grade >= self.threshold


@dataclass(frozen=True, slots=True)
class Scorer:
    """A named scorer. Made by the factories of `robusttest.scorers` and by `scorer`; equal if made alike.

    ``numeric()("The answer is 42.", 42)`` tries it on one reply.
    """

    name: str
    function: Callable[..., Any]
    """``(completion, variant, **options) -> Score``, or a generator function."""
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    """The closed set of answers, where there is one: a task puts it onto its cases as their choices."""
    check: Check | None = None
    needs_target: bool = True
    model: str | None = None
    """The model that judges, where one does."""
    again: int = 0
    """Of a judge: how often it is asked besides about a reply to an unperturbed prompt."""
    labelled: tuple[Labelled, ...] = ()
    """Of a judge: answers whose right grade is known. A run asks about each of them once, and tells how the judge does."""

    def score(self, completion: Completion, variant: Variant) -> Scoring:
        """Score one reply. A reply that the provider refused is ``refused`` whatever it says."""
        if completion.refusal or completion.finish_reason == "content_filter":
            note = one_line(completion.refusal or "stopped by a content filter")
            return Score(value=0.0, status="refused", explanation=note)
        scoring: Scoring = self.function(completion, variant, **self.options)
        return scoring

    def __call__(
        self, reply: str | Completion, target: Json = None, *, choices: tuple[str, ...] | None = None
    ) -> Scoring:
        completion = reply if isinstance(reply, Completion) else Completion(text=reply)
        if not isinstance(target, Variant):
            case = Case(id="", fields={}, target=target, choices=choices or self.labels)
            target = Variant(original=case, draft=Draft(case=case))
        return self.score(completion, target)

    def problem(self, case: Case) -> str | None:
        """Why this scorer can't judge the case; None where it can."""
        return None if self.check is None else self.check(case, **self.options)

    def __str__(self) -> str:
        return self.name


Factory: TypeAlias = Callable[..., Scorer]

SCORERS: Registry[Factory] = Registry("scorer", "robusttest.scorers")
"""Every scorer's factory by name."""


@overload
def scorer(name: Callable[..., Any], /) -> Scorer: ...
@overload
def scorer(
    name: str | None = None, /, *, labels: tuple[str, ...] | list[str] | None = None
) -> Callable[[Callable[..., Any]], Scorer]: ...
def scorer(name: Any = None, /, *, labels: tuple[str, ...] | list[str] | None = None) -> Any:
    """Decorator: a function ``(reply, target)`` as a scorer, known by name from then on.

    ``labels`` are its closed set of answers, if it has one.
    """

    def decorate(fn: Callable[..., Any]) -> Scorer:
        made = from_function(fn, name=name if isinstance(name, str) else fn.__name__)
        made = replace(made, labels=tuple(labels) if labels is not None else None)
        SCORERS.register(made.name)(lambda: made)
        return made

    return decorate(name) if callable(name) else decorate


def make_scorer(spec: Any) -> Scorer:
    """``"exact"``, ``"numeric:0.01"``, a `Scorer`, a factory (``exact``) or a function → `Scorer`."""
    if isinstance(spec, Scorer):
        return spec
    if isinstance(spec, str):
        name, arg = split_spec(spec)
        factory = SCORERS.get(name)
        try:
            return factory() if arg is None else factory(arg)
        except TypeError as e:
            raise UsageError(f"scorer {spec!r}: {e}") from None
    if any(spec is SCORERS.get(name) for name in SCORERS):
        made: Scorer = spec()
        return made
    if callable(spec):
        return from_function(spec, name=getattr(spec, "__name__", type(spec).__name__))
    raise UsageError(
        f"scorer={spec!r} ({type(spec).__name__}): give a name like 'exact', a scorer like choice([…]), or a function "
        "(reply, target)"
    )


_KEYWORDS = ("case", "variant", "completion")


def from_function(fn: Callable[..., Any], *, name: str) -> Scorer:
    """A user's ``(reply, target)`` with ``case``, ``variant``, ``completion`` where it takes them."""
    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError):
        raise UsageError(f"scorer {name!r}: can't read the signature of {fn!r}") from None
    if inspect.iscoroutinefunction(fn):
        raise UsageError(f"scorer {name!r} is async: write a plain function; to ask a model, yield a Request")
    every = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    keywords = tuple(k for k in _KEYWORDS if every or k in parameters)
    positional = [
        p
        for p in parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in _KEYWORDS
    ]
    stars = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    unfilled = [
        p.name
        for p in parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty and p.name not in _KEYWORDS
    ] + [p.name for p in positional[2:] if p.default is p.empty]
    if unfilled or (len(positional) < 1 and not stars and not keywords):
        raise UsageError(
            f"scorer {name!r}: {name}{inspect.signature(fn)} must take (reply, target), and of {', '.join(_KEYWORDS)} "
            "what it needs"
        )
    takes = 2 if stars or len(positional) >= 2 else len(positional)
    return Scorer(
        name, _run_user, {"fn": fn, "takes": takes, "keywords": keywords, "name": name}, needs_target=False
    )


def _run_user(
    completion: Completion,
    variant: Variant,
    *,
    fn: Callable[..., Any],
    takes: int,
    keywords: tuple[str, ...],
    name: str,
) -> Scoring:
    given = {"case": variant.case, "variant": variant, "completion": completion}
    outcome = fn(*(completion.text, variant.target)[:takes], **{k: given[k] for k in keywords})
    if isinstance(outcome, Generator):
        return _finish(outcome, completion, name)
    return as_score(outcome, completion, name)


def _finish(
    steps: Generator[Request, Completion, Any], completion: Completion, name: str
) -> Generator[Request, Completion, Score]:
    return as_score((yield from steps), completion, name)


def as_score(outcome: Any, completion: Completion, name: str) -> Score:
    """A bool, a number in [0, 1] or a `Score`; without an answer of its own, the reply is the answer."""
    if isinstance(outcome, Score):
        valid_score(outcome, name)
        if outcome.answer is None and outcome.status == "ok":
            return replace(outcome, answer=answer_text(completion))
        return outcome
    number = outcome.item() if hasattr(outcome, "item") and not isinstance(outcome, int | float) else outcome
    if not isinstance(number, bool | int | float):
        raise UsageError(
            f"scorer {name!r} returned {outcome!r} ({type(outcome).__name__}): return a bool, a number in [0, 1], or "
            "a Score"
        )
    score = Score(value=float(number), answer=answer_text(completion))
    valid_score(score, name)
    return score


def valid_score(score: Score, name: str) -> None:
    if isinstance(score.value, bool) or not isinstance(score.value, int | float) or math.isnan(score.value):
        raise UsageError(f"scorer {name!r} returned the score {score.value!r}: it must be a number in [0, 1]")
    if not 0 <= score.value <= 1:
        raise UsageError(f"scorer {name!r} returned the score {score.value!r}: it must be in [0, 1]")


def answer_text(completion: Completion) -> Json:
    """What a reply says, as its answer: the stripped text, else its tool calls, else None."""
    text = completion.text.strip()
    if text:
        return text
    return [without_id(call) for call in completion.tool_calls] if completion.tool_calls else None


def without_id(call: Mapping[str, Json]) -> dict[str, Json]:
    """A tool call without the id that the provider draws anew for each: equal calls are equal answers."""
    return {k: v for k, v in call.items() if k != "id"}


def unparsed(why: str) -> Score:
    return Score(value=0.0, status="unparsed", explanation=why)


def one_line(text: str, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
