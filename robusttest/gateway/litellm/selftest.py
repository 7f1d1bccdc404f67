"""Whether our transport and ``litellm.acompletion`` are the same way to a model, found out by trying both.

Once for each model and each set of installed versions, offline: canned questions are sent both ways to a server in this
process, and what was sent (path, headers, body), what was read (text, tokens, cost, tool calls …) and what failures are
called has to be equal. What came of it is kept in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from robusttest.core import files
from robusttest.core.nouns import Completion, Request, digest
from robusttest.errors import CallError, ConfigurationError, StorageError
from robusttest.gateway.litellm import canned, plain, shapes
from robusttest.gateway.litellm.failures import AttemptError

SECONDS = 10.0
"""For one canned call: the first one makes LiteLLM import what it needs."""
KEPT = 4
"""Sets of versions whose results are kept."""
UNPRICED_KEPT = 16
"""Ids of models that answered, for each model that is asked."""
_OWN_HEADERS = ("user-agent", "x-stainless", "accept", "connection", "content-length", "host")
"""By which a client introduces itself."""

_KEY = "robusttest-self-test"

Call = Callable[..., Awaitable[Completion]]


@dataclass(frozen=True, slots=True)
class Passed:
    """What is carried for a model: parameters and kinds of messages that fared the same both ways."""

    params: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    """What LiteLLM sends with every call to this provider, besides: its own name, for one."""
    reason: str | None = None
    """Why nothing is."""
    wire: plain.Wire | None = None
    """How it is asked in the plain form; None: it isn't."""

    def carries(self, request: Request, kinds: str) -> bool:
        return (
            self.reason is None
            and request.params.keys() <= self.params
            and self.kinds.issuperset(kinds.split(","))
        )


async def compare(
    model: str,
    ours: Call,
    theirs: Call,
    carried: Callable[[Request], bool],
    headers: dict[str, str],
    by_wire: Callable[[plain.Wire], Call],
    base: str | None = None,
) -> Passed | None:
    """What fares the same both ways; None where it could not be found out, as LiteLLM got no reply either.

    All raise what `backends.Backend.call` does; ``carried`` says what ``ours`` takes at all; ``by_wire`` makes calls in
    the plain form, and ``base`` is the provider's own address. Headers that LiteLLM sends besides are put into
    ``headers``, for ``ours`` to send them too.
    """
    with canned.Server() as server:
        trial = _Trial(model, server, ours, theirs, carried)
        first = await outcome(theirs, trial.request(canned.PLAIN))
        if not isinstance(first, Completion):
            # Where it was not even asked, the model's own kind of request is what does not fit.
            return Passed(reason="LiteLLM does not ask it by the usual path") if server.seen else None
        path, theirs_sent, body = server.seen[-1]
        server.seen.clear()
        if carried(asked := trial.request(canned.PLAIN)):
            await outcome(ours, asked)
            if server.seen:
                sent = _named(server.seen[-1][1])
                headers.update(
                    {k: v for k, v in _named(theirs_sent).items() if sent.get(k) != v and _KEY not in v}
                )
        wire = _wire(model, path, theirs_sent, body, base)
        trial.plain = by_wire(wire) if wire is not None else None
        for kind in canned.REPLIES:
            if (reason := await trial.same(canned.PLAIN, kind)) is not None:
                return Passed(reason=reason)
        if model.partition("/")[0] in shapes.KEYLESS:
            trial.key = None
            trial.known.clear()
            if (reason := await trial.same(canned.PLAIN, "ok")) is not None:
                return Passed(reason=f"{reason} without a key")
            trial.key = _KEY
            trial.known.clear()
        params: set[str] = set()
        plain_params = set(plain.VALUES)
        kinds = set(shapes.shape(canned.PLAIN.messages).split(","))
        for name, value in canned.PARAMS.items():
            question = canned.Question(canned.PLAIN.messages, {name: value})
            if await trial.same(question, "ok") is None:
                params.add(name)
        together: dict[str, bool] = {}
        for question in canned.OTHERS:
            equal = await trial.same(question, question.reply) is None
            if equal:
                kinds.update(shapes.shape(question.messages).split(","))
            for name in question.params:
                together[name] = together.get(name, True) and equal
        params.update(name for name, equal in together.items() if equal and name not in canned.PARAMS)
        params.difference_update(name for name, equal in together.items() if not equal)
        every = {
            name: canned.PARAMS[name]
            for name in sorted(params & canned.PARAMS.keys() - {"max_completion_tokens"})
        }
        if every and await trial.same(canned.Question(canned.PLAIN.messages, every), "ok") is not None:
            params -= canned.PARAMS.keys()
        if wire is not None and trial.plain is not None:
            found = await _plain_params(trial, sorted(params & plain_params))
            wire = None if found is None else replace(wire, params=found)
        return Passed(frozenset(params), frozenset(kinds), dict(headers), wire=wire)


@dataclass
class _Trial:
    model: str
    server: canned.Server
    ours: Call
    theirs: Call
    carried: Callable[[Request], bool]
    key: str | None = _KEY
    plain: Call | None = None
    """None as soon as something that every call has fares differently in the plain form."""
    known: dict[str, tuple[Any, list[Any]]] = field(default_factory=dict)
    """What LiteLLM's calls came to: they cost ten times as much as ours, and are made once for each question."""

    def request(self, question: canned.Question) -> Request:
        private: dict[str, Any] = {"api_base": shapes.base_of(self.model, self.server.host)}
        if self.key is not None:
            private["api_key"] = self.key
        params = dict(question.params)
        return Request(model=self.model, messages=question.messages, params=params, private=private)

    async def same(self, question: canned.Question, kind: str) -> str | None:
        """What differs; None: nothing. All may fail, in the same way."""
        self.server.kind = kind
        if not self.carried(self.request(question)):
            return "not carried"
        expected, sent = await self._theirs(question)
        mine, sent_by_us = await self._asked(self.ours, question)
        if self.plain is not None and question is canned.PLAIN:
            plainly = await self._asked(self.plain, question)
            if plainly != (expected, sent_by_us):
                self.plain = None
        # Where LiteLLM's client repeats a failed call by itself, whatever it is told, ours leaves that to the gateway.
        if len(sent_by_us) != 1 or not sent or any(one != sent_by_us[0] for one in sent):
            return "another request is sent"
        return None if expected == mine else f"a reply ({kind}) is read differently"

    async def plainly_same(self, question: canned.Question, kind: str = "ok") -> bool:
        assert self.plain is not None
        self.server.kind = kind
        return await self._theirs(question) == await self._asked(self.plain, question)

    async def _theirs(self, question: canned.Question) -> tuple[Any, list[Any]]:
        key = json.dumps([self.server.kind, question.messages, question.params], sort_keys=True)
        if key not in self.known:
            self.known[key] = await self._asked(self.theirs, question)
        return self.known[key]

    async def _asked(self, call: Call, question: canned.Question) -> tuple[Any, list[Any]]:
        self.server.seen.clear()
        came = await outcome(call, self.request(question))
        return came, [(p, _named(h), b) for p, h, b in self.server.seen]


def _wire(
    model: str, path: str, headers: Mapping[str, str], body: Any, base: str | None
) -> plain.Wire | None:
    """The plain form that LiteLLM's request to the plain question has; None: another form."""
    _, _, after = path.partition("/v1")
    name = body.get("model") if isinstance(body, dict) else None
    messages = [dict(m) for m in canned.PLAIN.messages]
    if not after or not isinstance(name, str) or body != {"model": name, "messages": messages}:
        return None
    if headers.get("authorization") != f"Bearer {_KEY}":
        return None
    more = {k: v for k, v in _named(headers).items() if k not in ("authorization", "content-type")}
    base = base.removesuffix(after) if base is not None and base.endswith(after) else None
    # That they have none is found out with the rest: a reply with a price would be read differently.
    answered = frozenset((name, canned.served(name)))
    return plain.Wire(model=name, path=after, headers=more, base=base, unpriced=answered)


async def _plain_params(trial: _Trial, names: list[str]) -> frozenset[str] | None:
    """The parameters that are sent as they are; None where messages are not, or a reply is read differently."""
    for messages in canned.CONVERSATIONS:
        if not await trial.plainly_same(canned.Question(messages, {})):
            return None
    for kind in canned.ORDINARY:
        if not await trial.plainly_same(canned.PLAIN, kind):
            return None
    found = set(names)
    # The values that are not asked by themselves before: all first ones at once, then all second ones, and where that
    # is not the same, one by one. The two limits of tokens are never given together.
    for nth in range(max(map(len, plain.VALUES.values()))):
        values = {n: plain.VALUES[n][nth] for n in names if nth < len(plain.VALUES[n])}
        apart = {n: values.pop(n) for n in ("max_completion_tokens",) if n in values}
        for group in (values, apart):
            if group and not await trial.plainly_same(canned.Question(canned.PLAIN.messages, group)):
                for name, value in group.items():
                    if not await trial.plainly_same(canned.Question(canned.PLAIN.messages, {name: value})):
                        found.discard(name)
    together = {n: plain.VALUES[n][-1] for n in sorted(found - {"max_completion_tokens"})}
    if together and not await trial.plainly_same(canned.Question(canned.PLAIN.messages, together)):
        return None
    return frozenset(found)


async def outcome(call: Call, request: Request) -> Completion | tuple[Any, ...] | str:
    """A completion without its times, or what a failure is called."""
    try:
        completion = await call(request, timeout=SECONDS)
    except AttemptError as error:
        return error.kind, error.retryable, error.retry_after
    except CallError as error:
        return ("call", error.kind)
    except ConfigurationError:
        return "configuration"
    meta = {
        k: v for k, v in completion.meta.items() if k != "rate_limit"
    }  # which some of LiteLLM's ways leave out
    # LiteLLM makes an id up where the provider gives none, another one each time.
    calls = completion.tool_calls
    if calls is not None:
        calls = tuple({**c, "id": c["id"] if c["id"] == canned.CALL_ID else None} for c in calls)
    return replace(completion, latency=None, created=None, meta=meta, tool_calls=calls)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in headers.items() if not k.startswith(_OWN_HEADERS)}


# --- what is kept


class Results:
    """What came of self-tests, in a file of the user's cache folder, by installed versions and model."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = cache_folder() / "transport.json" if path is None else path
        self._versions = _versions()
        self._known: dict[str, Passed] = {}
        for model, facts in (self._read().get(self._versions) or {}).items():
            with contextlib.suppress(Exception):
                self._known[model] = Passed(
                    frozenset(facts["params"]),
                    frozenset(facts["kinds"]),
                    dict(facts["headers"]),
                    facts["reason"],
                    _wire_from(facts["wire"]),
                )

    def get(self, model: str) -> Passed | None:
        return self._known.get(model)

    def learn_unpriced(self, model: str, served: str) -> None:
        """LiteLLM found no price for what answered in this model's name."""
        passed = self._known.get(model)
        if passed is None or passed.wire is None or served in passed.wire.unpriced:
            return
        if len(passed.wire.unpriced) < UNPRICED_KEPT:
            wire = replace(passed.wire, unpriced=passed.wire.unpriced | {served})
            self.put(model, replace(passed, wire=wire))

    def put(self, model: str, passed: Passed) -> None:
        """Kept where it can be; a folder that can't be written means another test in the next run."""
        self._known[model] = passed
        whole = self._read()
        mine = whole.pop(self._versions, None) or {}
        facts = {
            "params": sorted(passed.params),
            "kinds": sorted(passed.kinds),
            "headers": dict(passed.headers),
            "reason": passed.reason,
            "wire": None if passed.wire is None else _plain_json(asdict(passed.wire)),
        }
        kept = dict(list(whole.items())[-(KEPT - 1) :])
        with contextlib.suppress(StorageError):
            files.write_text(
                self.path, json.dumps({**kept, self._versions: {**mine, model: facts}}, indent=1)
            )

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        good = isinstance(found, dict) and all(isinstance(v, dict) for v in found.values())
        return found if good else {}


def _plain_json(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: sorted(v) if isinstance(v, frozenset) else v for k, v in facts.items()}


def _wire_from(facts: dict[str, Any] | None) -> plain.Wire | None:
    if facts is None:
        return None
    facts = {**facts, "params": frozenset(facts["params"]), "unpriced": frozenset(facts["unpriced"])}
    return plain.Wire(**facts)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/robusttest``, or what the platform has in its place."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "robusttest"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "robusttest" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "robusttest"
    return Path.home() / ".cache" / "robusttest"


def _versions() -> str:
    """``litellm 1.106.0 · …``, and a digest of the code that is compared."""
    names = []
    for name in ("litellm", "openai", "httpx", "aiohttp"):
        with contextlib.suppress(PackageNotFoundError):
            names.append(f"{name} {version(name)}")
    here = Path(__file__).parent
    code = [p.read_text(encoding="utf-8") for p in sorted(here.glob("*.py"))]
    return f"{', '.join(names)}, {digest(*code, size=6)}"
