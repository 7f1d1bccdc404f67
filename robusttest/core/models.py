"""A model with more to it than its name: parameters of its own, a name for tables, the servers that it is asked at.

A `Model` is a string, its name: whatever takes a model's name takes one, and tables, ids and files show the name. The
gateway reads the rest (`Gateway.request`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from robusttest.core.formats import json_params
from robusttest.core.nouns import Json, canonical_json
from robusttest.core.secrets import is_address
from robusttest.errors import UnknownNameError, UsageError

_NAME = re.compile(r"[^\[\]\x00-\x1f\x7f]+")
_KEYS = ("model", "params", "drop", "endpoints")
_DATE = r"(?:-\d{4}-\d{2}-\d{2})?"
_REASONING = re.compile(
    rf"(?:o[1-9](?:-mini|-pro)?|gpt-5(?:-mini|-nano|-pro|-codex|-search-api)?){_DATE}|gpt-5\.\d+-chat-latest"
    r"|gpt-(?:5\.(?:[5-9]|\d\d)|[6-9])\b.*"
)
"""OpenAI's models that take no other temperature than 1."""
_HOSTS = ("openai", "azure")


class Model(str):
    """What is asked, and how.

    ::

        Model("openai/gpt-5-mini", params={"reasoning_effort": "low"}, drop=["temperature"], name="gpt5")
        Model("hosted_vllm/llama", endpoints=["http://a:8000/v1", "http://b:8000/v1"], name="llama")

    ``params`` stand over those of the task and of its variants, for this model alone (a ``None`` takes one away); ``drop``
    names those that are never sent to it, which the run says. ``name`` is what tables and ids show, and what stored replies
    are known by in the place of an address that changes. ``endpoints`` are servers of the same model: each call goes to
    the one with the least under way, and one that is dead leaves its calls to the others.
    """

    __slots__ = ("asked", "drop", "endpoints", "named", "params")

    asked: str
    """What LiteLLM is told, or ``python:module:callable``."""
    params: Mapping[str, Json]
    drop: tuple[str, ...]
    endpoints: tuple[str, ...]
    named: bool
    """It has a name of its own."""

    def __new__(
        cls,
        model: str,
        *,
        name: str | None = None,
        params: Mapping[str, Json] | None = None,
        drop: Iterable[str] = (),
        endpoints: Iterable[str] = (),
    ) -> Self:
        where = f"Model({model!r})"
        if not isinstance(model, str) or not model.strip():
            raise UsageError(f"{where}: the first argument is a model's name, as in 'openai/gpt-4o-mini'")
        if name is not None and (not isinstance(name, str) or not name.strip() or not _NAME.fullmatch(name)):
            raise UsageError(f"{where}: name={name!r}: a text without brackets and line breaks")
        if params is not None and not isinstance(params, Mapping):
            raise UsageError(f"{where}: params={params!r}: a mapping of names to values")
        if isinstance(drop, str) or isinstance(endpoints, str):
            raise UsageError(f"{where}: drop and endpoints are lists")
        dropped, servers = tuple(drop), tuple(endpoints)
        for url in servers:
            if not is_address(url):
                raise UsageError(
                    f"{where}: endpoint {url!r}: write the whole address, as in http://localhost:8000/v1"
                )
        if len(set(servers)) < len(servers):
            raise UsageError(f"{where}: an endpoint is listed twice")
        own = json_params(params)
        if both := sorted(set(own) & set(dropped)):
            raise UsageError(f"{where}: {', '.join(both)} is in params and in drop")
        if servers and (own.get("api_base") or own.get("base_url")):
            raise UsageError(f"{where}: give api_base in params, or endpoints, not both")
        if servers and model.startswith("python:"):
            raise UsageError(f"{where}: a model in Python has no endpoints")
        try:
            canonical_json(own)
        except (TypeError, ValueError) as e:
            raise UsageError(f"{where}: params {sorted(own)} are not JSON values: {e}") from None
        made = super().__new__(cls, name or model)
        made.asked, made.params, made.drop, made.endpoints = model, own, dropped, servers
        made.named = name is not None
        return made

    def __repr__(self) -> str:
        # Parameters may hold a key.
        more = f", name={str(self)!r}" if self.named else ""
        return f"Model({self.asked!r}{more})"

    def __reduce__(self) -> Any:
        return _again, (
            self.asked,
            str(self) if self.named else None,
            dict(self.params),
            self.drop,
            self.endpoints,
        )


def _again(
    asked: str,
    name: str | None,
    params: dict[str, Json],
    drop: tuple[str, ...],
    endpoints: tuple[str, ...],
) -> Model:
    return Model(asked, name=name, params=params, drop=drop, endpoints=endpoints)


def asked(model: str) -> str:
    """What LiteLLM is told of a model, or ``python:module:callable``."""
    return model.asked if isinstance(model, Model) else model


def merged(model: str, params: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The parameters of a call to this model, and the names of those that are left out of it."""
    if isinstance(model, Model):
        own = {**params, **model.params}
        gone = {name for name, value in model.params.items() if value is None} | set(model.drop)
    else:
        own, gone = dict(params), set()
    temperature = own.get("temperature")
    if temperature is not None and temperature != 1 and one_temperature(asked(model)):
        gone = {*gone, "temperature"}
    left = {name: value for name, value in own.items() if name not in gone}
    return left, tuple(sorted(gone & {n for n, v in params.items() if v is not None}))


def one_temperature(model: str) -> bool:
    """Whether a model is one of OpenAI's that refuse every temperature but 1."""
    provider, slash, name = model.rpartition("/")
    return (not slash or provider in _HOSTS) and _REASONING.fullmatch(name) is not None


def table_of(pyproject: Path) -> dict[str, Model]:
    """The models that ``[tool.robusttest.models.NAME]`` of a pyproject.toml describes, by name.

    Each table has ``model`` and may have ``params``, ``drop`` and ``endpoints``. Raises `UsageError`.
    """
    import tomllib

    try:
        data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # pytest itself says what is wrong with the file
    found = data.get("tool", {}).get("robusttest", {}).get("models", {})
    if not isinstance(found, dict):
        raise UsageError(f"tool.robusttest.models in {pyproject}: a table of tables, one for each name")
    out = {}
    for name, facts in found.items():
        where = f"tool.robusttest.models.{name} in {pyproject}"
        if not isinstance(facts, dict) or not isinstance(facts.get("model"), str):
            raise UsageError(f"{where}: a table with model = 'provider/name'")
        for key in facts:
            if key not in _KEYS:
                raise UsageError(f"{where}: {UnknownNameError('key', key, _KEYS)}")
        try:
            out[name] = Model(
                facts["model"],
                name=name,
                params=facts.get("params"),
                drop=facts.get("drop", ()),
                endpoints=facts.get("endpoints", ()),
            )
        except (UsageError, TypeError) as e:
            raise UsageError(f"{where}: {e}") from None
    return out
