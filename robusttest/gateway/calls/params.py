"""Parameters that no call takes: what says a thing twice, what nothing here reads, what lets another than the model answer."""

from __future__ import annotations

from collections.abc import Mapping

from robusttest.core.nouns import Json
from robusttest.errors import UsageError

_ONE_THING = (("api_base", "base_url"), ("max_tokens", "max_completion_tokens"), ("tools", "functions"))
"""Pairs of names of which a call takes one."""
_MODEL, _MESSAGES = "the test or --robust-model names the model", "the messages are the task's"
_DROP = "what this model does not take is left out by name: Model(…, drop=[…])"
_ANOTHER = "another model's reply is none of this one's"
_NO_MODEL = "no model would be asked; a reply of your own comes from a python: model"
_NEVER = {
    "model": _MODEL,
    "messages": _MESSAGES,
    "drop_params": _DROP,
    "additional_drop_params": _DROP,
    "caching": "replies are kept by --robust-replies",
    "cache": "replies are kept by --robust-replies",
    "no-log": "LiteLLM's logging is off",
    "fallbacks": _ANOTHER,
    "context_window_fallback_dict": _ANOTHER,
    "model_list": _ANOTHER,
    "mock_response": _NO_MODEL,
    "mock_tool_calls": _NO_MODEL,
    "mock_timeout": _NO_MODEL,
    "acompletion": "calls are made by the plugin",
}
_UNREAD = {
    "stream": ((None, False), "replies are read whole"),
    "stream_options": ((None,), "replies are read whole"),
    "n": ((None, 1), "one reply is read of each call; perturbations=['repeat'] asks again"),
    "logprobs": ((None, False), "they are not read"),
    "top_logprobs": ((None,), "they are not read"),
}
"""Name → the values that are as none, and what there is instead."""
_BODY = "extra_body"


def refuse(model: str, params: Mapping[str, Json]) -> None:
    """Raises `UsageError` that names the parameter and what to write instead; also for one within ``extra_body``, which is sent as it is."""
    given = {name for name, value in params.items() if value is not None}
    for pair in _ONE_THING:
        if given.issuperset(pair):
            raise UsageError(
                f"{model}: {' and '.join(pair)} are one thing, given twice: leave one of them out"
            )
    for name in sorted(given & _NEVER.keys()):
        _refuse(model, name, params[name], _NEVER[name])
    _unread(model, params, "")
    body = params.get(_BODY)
    if isinstance(body, Mapping):
        for name in ("model", "messages"):
            if name in body:
                _refuse(model, f"{_BODY}.{name}", body[name], _NEVER[name])
        if twice := sorted(set(body) & given):
            raise UsageError(
                f"{model}: {twice[0]} is given twice, in {_BODY} and beside it: leave one of them out"
            )
        _unread(model, body, f"{_BODY}.")


def _unread(model: str, params: Mapping[str, Json], where: str) -> None:
    for name, (harmless, instead) in _UNREAD.items():
        value = params.get(name)
        if not any(value is h or (type(value) is type(h) and value == h) for h in harmless):
            _refuse(model, where + name, value, instead)


def _refuse(model: str, name: str, value: Json, instead: str) -> None:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    raise UsageError(f"{model}: {name}={shown} is not taken: {instead}. Leave it out")
