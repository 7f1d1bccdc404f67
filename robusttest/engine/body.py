"""Tests with a body of their own: the `Ask` it gets, the `Asker` that runs it, the record its outcome makes.

Nothing here knows pytest: the plugin calls the function and says what came of it as an `Outcome`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

from robusttest.core.nouns import (
    Answer,
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
from robusttest.engine.asker import Reply, Steps, scored
from robusttest.engine.faults import Tools, fault_text
from robusttest.engine.job import GatewayLike, Job
from robusttest.engine.record import MAX_REPLY, make_record, shown_text
from robusttest.errors import BudgetExhaustedError, CallError, RunAbortedError, UsageError


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
        self.requests: list[Request] = []
        """What this body asked."""
        self.replies: list[Completion] = []
        """What it got, in the order of the replies."""
        self.tools = Tools({} if variant is None else variant.draft.fault)
        """What became of the tools that it ran through `tool`."""

    def tool(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A tool of the body's own: the function, sync or async, which fails where the variant says so (``tool_fault``).

        ::

            lookup = ask.tool("order_status", order_status)

        Its uses are counted (``ask.used["order_status"]``) and are the steps of `trajectory`.
        """
        return self.tools.tool(name, function)

    def openai(self, *, sync: bool = False) -> Any:
        """In the shape of ``openai.AsyncOpenAI`` (with ``sync`` of ``openai.OpenAI``), for frameworks that take such a client.

        ::

            OpenAIChatModel("any", provider=OpenAIProvider(openai_client=ask.openai()))   # pydantic-ai

        Its ``chat.completions.create`` asks the model under test, whatever model the framework names, through the reply
        store, the limits and the budget of the run. There is nothing else to it: no streaming, no other interfaces.
        """
        from robusttest.engine.clients import openai_client

        return openai_client(self, sync=sync)

    @property
    def used(self) -> Mapping[str, int]:
        """How often each tool was used so far."""
        return dict(self.tools.used)

    @property
    def fault(self) -> str | None:
        """The fault that the tools have met so far; None where none."""
        return next((str(call["fault"]) for call in self.tools.calls if "fault" in call), None)

    def chat(self, system: str | None = None, **params: Json) -> Chat:
        """A conversation with the model: what is said in it so far goes with each turn."""
        return Chat(self, system, params)

    def handled(
        self, reply: Any, *, recovers: bool = False, reports: bool | str = False, retries: int | None = None
    ) -> Score:
        """What the body is to return: its ``reply``, which is right where it dealt with the fault as expected.

        ``recovers``: the tool that failed was used again, and gave an answer. ``reports``: the reply says that something
        went wrong (English words for it, or a regular expression of yours). Of the two, where both are asked, one is enough.
        ``retries``: the same call was made again at most so often (`retries`). Where no fault was met, nothing is expected.
        """
        return self.tools.handled(reply, recovers=recovers, reports=reports, retries=retries)

    @property
    def retries(self) -> int:
        """How often the call that met the fault was made again so far, with the same arguments; 0 where none met one."""
        return self.tools.retries

    @property
    def trajectory(self) -> Completion:
        """The tools used so far, in order, as the calls of one reply: for `robusttest.scorers.trajectory` and ``tool_call``."""
        calls = tuple({"name": c["name"], "arguments": c["arguments"]} for c in self.tools.calls)
        return Completion(text=self.replies[-1].text if self.replies else "", tool_calls=calls)

    def __call__(self, prompt: str | Sequence[Mapping[str, Json]], /, **params: Json) -> Completion:
        """Ask with a text (one user message) or a list of messages. Raises `CallError` where no reply came."""
        completion = self._gateway.submit(self._request(prompt, params)).result()
        self.replies.append(completion)
        return completion

    async def acall(self, prompt: str | Sequence[Mapping[str, Json]], /, **params: Json) -> Completion:
        """The same from an ``async def`` body: other bodies go on while this one waits."""
        completion = await asyncio.wrap_future(self._gateway.submit(self._request(prompt, params)))
        self.replies.append(completion)
        return completion

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
        request = self._gateway.request(self._model, messages, merged, sample + again * 1_000_000)
        self.requests.append(request)
        return request


class Chat:
    """A conversation of a body's with the model under test; the user in it is a script.

    ::

        chat = ask.chat("You help customers.")
        first = chat.say("Where is my parcel?")
        replies = chat.play(variant.input)      # the user's turns of a case's conversation, one after the other

    ``await chat.asay(…)`` and ``await chat.aplay(…)`` in an ``async def`` body. ``chat.messages`` is what was said,
    ``chat.replies`` what the model said to each turn.
    """

    def __init__(self, ask: Ask, system: str | None, params: Mapping[str, Json]) -> None:
        self._ask, self._params = ask, params
        self.messages: list[dict[str, Json]] = (
            [] if system is None else [{"role": "system", "content": system}]
        )
        self.replies: list[Completion] = []

    def say(self, text: Json) -> Completion:
        """The user's next turn; what the model replies to it."""
        return self._heard(self._ask(self._said(text), **self._params))

    async def asay(self, text: Json) -> Completion:
        return self._heard(await self._ask.acall(self._said(text), **self._params))

    def play(self, script: Json) -> list[Completion]:
        """Say the user's turns of a conversation (a list of messages or of texts), and have the model answer each.

        What a recorded assistant said in it is left out: the model's own replies stand in their place.
        """
        return [self.say(text) for text in self._script(script)]

    async def aplay(self, script: Json) -> list[Completion]:
        return [await self.asay(text) for text in self._script(script)]

    def _script(self, script: Json) -> list[Json]:
        if isinstance(script, str):
            return [script]
        turns: list[Json] = []
        for i, turn in enumerate(script if isinstance(script, list | tuple) else ()):
            role = turn.get("role") if isinstance(turn, Mapping) else "user"
            if role == "system" and i == 0 and not self.messages:
                self.messages.append(dict(turn))
            elif role == "user":
                turns.append(turn["content"] if isinstance(turn, Mapping) else turn)
        if not turns:
            raise UsageError(
                f"chat.play({str(script)[:60]!r}): a list of messages with a turn of the user's, or of texts"
            )
        return turns

    def _said(self, text: Json) -> list[dict[str, Json]]:
        self.messages.append({"role": "user", "content": text})
        return self.messages

    def _heard(self, reply: Completion) -> Completion:
        made: dict[str, Json] = {"role": "assistant", "content": reply.text}
        if reply.tool_calls:
            made["tool_calls"] = list(reply.tool_calls)
        self.messages.append(made)
        self.replies.append(reply)
        return reply


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
        named = (
            text
            if isinstance(error, CallError | RunAbortedError)
            else f"raised {type(error).__name__}: {text}"
        )
        return cls(kind="error", reason=named, error=error)


Run = Callable[[Mapping[str, Any]], "Outcome | Future[Outcome]"]
"""Calls a body with keyword arguments and says how that ended: at once, or later, as a future."""

Arguments = Callable[[], "AbstractContextManager[Mapping[str, Any] | Outcome]"]
"""What a body is given besides ours while it runs with one variant; an outcome where that could not be made."""


class Body:
    """Asks by running a test's own function: the `Asker` of a job without a task.

    ``given`` names the arguments that are ours: ``{"variant": "variant", "robust_ask": "ask"}``. What bodies raised is
    kept: how often an assertion failed, and the first exception of each kind.
    """

    of: str = "variant"

    def __init__(
        self,
        job: Job,
        gateway: GatewayLike,
        run: Run,
        *,
        arguments: Arguments,
        given: Mapping[str, str],
        most: int | None = None,
    ) -> None:
        self.job, self.gateway, self.run, self.most = job, gateway, run, most
        self.arguments, self.given = arguments, given
        self.failed = 0
        self.swallowed = 0
        """Variants whose fault was met, and of which the body shows nothing: no answer of the tool, none of its own, no failure."""
        self.skips: list[str] = []
        """Why it skipped variants of its own will; a spent budget is none."""
        self.first_failure: BaseException | None = None
        self.first_error: Exception | None = None

    def ask(self, variant: Variant) -> Steps[Reply]:
        ask = Ask(self.gateway, self.job.model, variant)
        ours = {name: variant if what == "variant" else ask for name, what in self.given.items()}
        with self.arguments() as theirs:
            outcome = theirs if isinstance(theirs, Outcome) else self.run({**theirs, **ours})
            if isinstance(outcome, Future):
                outcome = yield outcome
        scorer = self.job.task.scorer
        reply = _reply(outcome, ask, own=scorer is None)
        if scorer is not None and outcome.kind == "returned":
            said = returned(outcome.value)
            reply = yield from scored(reply, scorer, lambda: scorer.score(said, variant))
        if ask.tools.met and not ask.tools.recovered and outcome == Outcome():
            self.swallowed += 1
        if variant.draft.fault and not ask.tools.met and outcome.kind != "skipped":
            return replace(reply, score=None, status="not_applicable", reason=_unmet(ask.tools))
        return reply

    def record(self, variant: Variant, reply: Reply) -> Record:
        ended: Outcome | None = reply.ended
        if ended is not None and ended.kind == "skipped" and ended.error is None:
            self.skips.append(ended.reason or "skipped")
        if ended is not None and ended.kind == "failed":
            self.failed += 1
            self.first_failure = self.first_failure or ended.error
        if ended is not None and ended.kind == "error" and isinstance(ended.error, Exception):
            self.first_error = self.first_error or ended.error
        return body_record(variant, reply, **self.job.names)

    def took(self, record: Record) -> None:
        """Of a failed assertion the record has the reason, which a body that returned 0 or False has not."""
        self.failed += record.score == 0 and record.reason is not None and self.job.task.scorer is None

    def notes(self) -> tuple[str, ...]:
        """What a reader is to know of how bodies ended."""
        if not self.swallowed:
            return ()
        n = self.swallowed
        return (
            f"{n:,} variant{'s' * (n != 1)} met a fault of a tool, and the body went on without its answer and returned nothing: that "
            "counts as right, and shows nothing; return the answer, or ask.handled(answer, recovers=True, reports=True)",
        )


def _unmet(tools: Tools) -> str:
    kind = tools.fault["kind"]
    if not tools.used:
        return f"the fault {kind} was not met: the body runs no tool through ask.tool(name, function)"
    uses = ", ".join(f"{name} {n} times" for name, n in tools.used.items())
    return f"the fault {kind} was not met: {uses} used"


def _reply(outcome: Outcome, ask: Ask, *, own: bool = True) -> Reply:
    """``own``: whether the body's outcome says how good it is."""
    completion = _together(ask.replies)
    reply = Reply(
        score=None
        if outcome.kind in ("skipped", "error") or not (own or outcome.kind == "failed")
        else body_score(outcome, completion),
        status="skipped" if outcome.kind == "skipped" else "error",
        reason=outcome.reason,
        request=ask.requests[0] if len(ask.requests) == 1 else None,
        completion=completion,
        ended=outcome,
    )
    return replace(reply, spent=len(ask.requests)) if ask.requests else reply


def body_record(
    variant: Variant, reply: Reply, *, task: str, model: str = "", test: str | None = None
) -> Record:
    """The record of a body's reply: its text and hash are of what the variant puts, whatever the body made of it."""
    record = make_record(
        variant,
        task=task,
        model=model,
        test=test,
        status=reply.status,
        score=reply.score,
        reason=reply.reason,
        request=reply.request,
        completion=reply.completion,
    )
    value = variant.input
    changes: dict[str, Any] = {"input_hash": record.case_hash}  # there is no prompt of ours
    if reply.request is None or variant.level != "input":
        told = value if isinstance(value, str) else canonical_json(value)
        changes["text"] = shown_text(told + fault_text(variant.draft.fault))
    if reply.completion is None and reply.ended is not None and isinstance(reply.ended.value, str):
        changes["reply"] = hide(reply.ended.value)[:MAX_REPLY]
    return replace(record, **changes)


def returned(value: Any) -> Completion:
    """What a test's scorer is to score, of what its body returned. Raises `UsageError` for what is no reply."""
    if isinstance(value, Answer) and value.score is None:
        value = value.value if isinstance(value.value, str) else canonical_json(value.value)
    if isinstance(value, Completion):
        return value
    if isinstance(value, str):
        return Completion(text=value)
    raise UsageError(
        f"a test's body returned {str(value)[:60]!r} ({type(value).__name__}), and its scorer= has nothing to score: return the "
        "reply, a text or Answer(value), or leave scorer= out and return how good it is"
    )


def body_score(outcome: Outcome, completion: Completion | None = None) -> Score:
    """The score of a body that returned or failed.

    A failed assertion scores 0. Returned: a bool or a number in [0, 1] is the score, a text or a `Completion` is the
    answer, an `Answer` is both, None scores 1. Raises `UsageError` for a value of another kind.
    """
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
        return _of_answer(value)
    if isinstance(value, Completion):
        return Score(value=1.0, answer=value.text.strip())
    if isinstance(value, str):
        return Score(value=1.0, answer=value.strip())
    if isinstance(value, bool | int | float) or hasattr(value, "item"):
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, bool | int | float):
            return _checked(Score(value=float(number), answer=said or float(number)))
    if inspect.isgenerator(value):
        raise UsageError(
            "a test's body returned the steps of a scorer that asks a model: give the scorer to the test, "
            "@robust(cases=…, scorer=judge(…)), and return the reply"
        )
    raise UsageError(
        f"a test's body returned {str(value)[:60]!r} ({type(value).__name__}): return None, a bool, a number in [0, 1], a "
        "text, or Answer(value, score=…)"
    )


def _of_answer(answer: Answer) -> Score:
    given = answer.score
    if isinstance(given, list | tuple):
        if not given:
            raise UsageError("a test's body returned Answer(…, score=[]): a score for each turn, or none")
        each = tuple(_checked(Score(value=float(s) if isinstance(s, bool) else s)).value for s in given)
        return Score(value=sum(each) / len(each), answer=answer.value, turns=each)
    return _checked(Score(value=1.0 if given is None else given, answer=answer.value))  # type: ignore[arg-type]


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
