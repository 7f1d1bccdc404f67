"""A body's tools as a fault leaves them: what ``ask.tool(name, function)`` gives back."""

from __future__ import annotations

import functools
import inspect
import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from robusttest.core.nouns import Completion, Json, Score
from robusttest.errors import ToolFaultError, UsageError

_RAISED: Mapping[str, tuple[str, int | None]] = {
    "timeout": ("timed out", None),
    "429": ("429 Too Many Requests", 429),
    "500": ("500 Internal Server Error", 500),
}


TROUBLE = r"\b(?:unavailable|(?:could|can|did) ?n[o']t|cannot|unable|fail(?:s|ed|ure)?|errors?|timed out|try (?:it )?again|later|sorry|problems?)\b"
"""What tells a user, in English, that something went wrong."""


class Tools:
    """The tools of one run of a body, and what became of them."""

    def __init__(self, fault: Mapping[str, Json]) -> None:
        self.fault = fault
        self.calls: list[dict[str, Json]] = []
        """Each use, in order: name, arguments, and the fault it met, if it met one."""
        self.used: dict[str, int] = {}
        """How often each tool was used."""
        self._last: dict[str, Any] = {}

    @property
    def met(self) -> bool:
        """Whether the fault came about."""
        return any("fault" in call for call in self.calls)

    @property
    def recovered(self) -> bool:
        """Whether the tool that met the first fault was used again, and gave an answer."""
        first = next((i for i, call in enumerate(self.calls) if "fault" in call), None)
        if first is None:
            return False
        name = self.calls[first]["name"]
        return any(c["name"] == name and "fault" not in c for c in self.calls[first + 1 :])

    @property
    def retries(self) -> int:
        """How often the call that met the first fault was made again, with the same arguments."""
        at = next((i for i, call in enumerate(self.calls) if "fault" in call), len(self.calls))
        same = [(c["name"], c["arguments"]) for c in self.calls[at:]]
        return same.count(same[0]) - 1 if same else 0

    def handled(
        self,
        reply: Any,
        *,
        recovers: bool = False,
        reports: bool | str = False,
        retries: int | None = None,
    ) -> Score:
        """Whether what a body did about the fault that it met is what is expected; see `Ask.handled`."""
        if retries is not None and (isinstance(retries, bool) or not isinstance(retries, int) or retries < 0):
            raise UsageError(
                f"ask.handled(retries={retries!r}): at most how often the tool may be tried again, from 0 on"
            )
        if not recovers and not reports and retries is None:
            raise UsageError("ask.handled: say what is expected: recovers=True, reports=True, retries=2")
        said = (
            reply.text if isinstance(reply, Completion) else reply if isinstance(reply, str) else _text(reply)
        )
        first = next((i for i, call in enumerate(self.calls) if "fault" in call), None)
        if first is None:
            return Score(value=1.0, answer=said.strip())
        name, kind = str(self.calls[first]["name"]), self.calls[first]["fault"]
        recovered = self.recovered
        reported = (
            bool(re.search(TROUBLE if reports is True else reports, said, re.IGNORECASE))
            if reports
            else False
        )
        wrong = []
        if (recovers or reports) and not (recovers and recovered) and not reported:
            expected = [
                word for word, asked in (("recover from it", recovers), ("report it", reports)) if asked
            ]
            wrong.append(f"{name} met {kind}, and the body did not {' or '.join(expected)}")
        if retries is not None and self.retries > retries:
            wrong.append(f"{name} met {kind} and was tried again {self.retries} times, {retries} at most")
        return Score(value=float(not wrong), answer=said.strip(), explanation="; ".join(wrong) or None)

    def tool(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, sync or async, with the variant's fault where it is to come."""
        if not isinstance(name, str) or not name or not callable(function):
            raise UsageError(f"ask.tool({name!r}, {function!r}): a name and a function")
        self.used.setdefault(name, 0)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                kind = self._use(name, args, kwargs)
                self._raise(name, kind)
                return self._spoilt(name, kind, await function(*args, **kwargs))

            return awaited

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            kind = self._use(name, args, kwargs)
            self._raise(name, kind)
            return self._spoilt(name, kind, function(*args, **kwargs))

        return called

    def _use(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """Note a use; the kind of the fault that it meets."""
        self.used[name] += 1
        call: dict[str, Json] = {
            "name": name,
            "arguments": dict(kwargs) if not args else {"args": list(args), **kwargs},
        }
        self.calls.append(call)
        if not self.fault or self.fault.get("tool") not in (None, name):
            return None
        kind = str(self.fault["kind"])
        if not self._due(name, self.used[name]):
            return None
        if kind == "stale" and name not in self._last:
            return None  # there is nothing old yet
        call["fault"] = kind
        return kind

    def _due(self, name: str, use: int) -> bool:
        """Whether the fault comes at this use of the tool, counted from 1."""
        if "rate" in self.fault:
            draw = random.Random(f"{self.fault['seed']}/{name}/{use}").random()
            return draw < float(self.fault["rate"])
        first = int(self.fault["at"])
        return first <= use < first + int(self.fault["times"])

    def _raise(self, name: str, kind: str | None) -> None:
        if kind == "timeout":
            raise TimeoutError(f"{name}: timed out")
        if kind is not None and kind in _RAISED:
            text, status = _RAISED[kind]
            raise ToolFaultError(f"{name}: {text}", status=status)

    def _spoilt(self, name: str, kind: str | None, value: Any) -> Any:
        if kind == "stale":
            return self._last[name]
        self._last[name] = value
        return value if kind is None else _SPOIL[kind](value)


def fault_text(fault: Mapping[str, Json]) -> str:
    """A variant's fault for a reader, below its question. Empty where there is none."""
    if not fault:
        return ""
    if "rate" in fault:
        which = f"{float(fault['rate']):.0%} of the uses"
    else:
        first, last = int(fault["at"]), int(fault["at"]) + int(fault["times"]) - 1
        which = f"use {first}" if first == last else f"uses {first} to {last}"
    tool = "each tool" if fault.get("tool") is None else str(fault["tool"])
    return f"\n\n[tool fault: {fault['kind']} at {which} of {tool}]"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _empty(value: Any) -> Any:
    return type(value)() if isinstance(value, str | list | dict | tuple) else None


def _drifted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {f"{k}_v2": v for k, v in value.items()}
    return {"result": value}


_SPOIL: Mapping[str, Callable[[Any], Any]] = {
    "malformed": lambda value: '{"error": ' + _text(value)[:20],
    "truncated": lambda value: _text(value)[: max(1, len(_text(value)) // 2)],
    "empty": _empty,
    "schema_drift": _drifted,
}
