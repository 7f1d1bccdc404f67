"""OpenTelemetry traces of an application → rows of cases, by the GenAI semantic conventions.

A case is one request of a user: the calls of a trace that answer one user message, however many there were. Read are the
attributes ``gen_ai.input.messages`` and ``gen_ai.output.messages`` of spans and of ``gen_ai.client.inference.operation.details``,
the events ``gen_ai.user.message`` … ``gen_ai.choice`` of conventions up to 1.36, and the attributes ``gen_ai.prompt.0.content``
of instrumentations that number them. https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robusttest.core.nouns import canonical_json
from robusttest.errors import CaseError
from robusttest.tasks.sources import SourceRow
from robusttest.tasks.trace_spans import TraceSpan, documents, spans

Message = dict[str, Any]

_OTHER = ("execute_tool", "embeddings", "create_agent", "retrieval")
"""Operations that ask no model for an answer."""
_AGENT = ("invoke_agent", "invoke_workflow")
"""Operations around others, which repeat their messages."""
_DETAILS = "gen_ai.client.inference.operation.details"
_UNCAUGHT = (
    "none of them holds a message: instrumentations leave contents out unless they are told to keep them, as by "
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true (or span_only, with OTEL_SEMCONV_STABILITY_OPT_IN="
    "gen_ai_latest_experimental)"
)


@dataclass(slots=True)
class _Call:
    """One call of a model, as its span tells it."""

    span: TraceSpan
    input: list[Message]
    output: list[Message]

    @property
    def question(self) -> int | None:
        """Where in the input the last message of the user stands."""
        return next((i for i in range(len(self.input) - 1, -1, -1) if self.input[i]["role"] == "user"), None)


def read_path(path: Path, text_of: Callable[[Path], str]) -> Iterator[SourceRow]:
    """The rows of a file, whose text ``text_of`` gives."""
    return trace_rows(documents(text_of(path), str(path)), str(path))


def read_items(items: Iterable[Any], name: str) -> Iterator[SourceRow]:
    """The rows of spans that are objects already."""
    return trace_rows(((f"{name}[{i}]", item) for i, item in enumerate(items)), name)


def trace_rows(values: Iterable[tuple[str, Any]], name: str) -> Iterator[SourceRow]:
    """A row for each request of a user.

    Columns: ``id``; ``input``, the last message of the user; ``target``, empty until somebody says what is right; ``answer``,
    what was answered then, None where nothing was; ``calls``, the tools that were called on the way; ``history``, ``system``,
    ``tools``, ``model``, ``conversation``, ``error``, ``trace``. Raises `CaseError` where there is no span of a model's call, or
    none that holds its messages.
    """
    found = spans(values)
    asked = [s for s in found if _is_call(s)]
    if not asked:
        raise CaseError(f"{name}: no spans of GenAI calls (gen_ai.operation.name) among {len(found)} spans")
    calls = [c for c in map(_call, asked) if c.question is not None]
    if not calls:
        raise CaseError(f"{name}: {len(asked)} spans of GenAI calls, and {_UNCAUGHT}")
    inner = {c.span.trace for c in calls if c.span.attributes.get("gen_ai.operation.name") not in _AGENT}
    requests: dict[tuple[str, str], list[_Call]] = {}
    for call in calls:
        if call.span.trace in inner and call.span.attributes.get("gen_ai.operation.name") in _AGENT:
            continue
        assert call.question is not None
        asked_for = canonical_json(
            [m.get("content") for m in call.input[: call.question + 1] if m["role"] == "user"]
        )
        requests.setdefault((call.span.trace or call.span.place, asked_for), []).append(call)
    seen: defaultdict[str, int] = defaultdict(int)
    for (trace, _), group in requests.items():
        seen[trace] += 1
        yield _row(trace if seen[trace] == 1 else f"{trace}-{seen[trace]}", group)


def _row(id: str, calls: Sequence[_Call]) -> SourceRow:
    first, last = calls[0], calls[-1]
    at = first.question
    assert at is not None
    held = last.span.attributes
    said = [m.get("content") for m in last.output if m.get("content")]
    before = [m for m in first.input[:at] if m["role"] not in ("system", "developer")]
    system = [m["content"] for m in first.input[:at] if m["role"] in ("system", "developer") and m["content"]]
    values = {
        "id": id,
        "input": first.input[at]["content"],
        "target": None,
        "answer": said[0] if said else None,
        "calls": [call for c in calls for m in c.output[:1] for call in _plain_calls(m)],
        "history": before,
        "system": "\n\n".join(map(str, system)) or None,
        "tools": _json(first.span, "gen_ai.tool.definitions"),
        "model": held.get("gen_ai.request.model", held.get("gen_ai.response.model")),
        "conversation": held.get("gen_ai.conversation.id"),
        "error": last.span.error,
        "trace": last.span.trace,
    }
    return SourceRow(f"{first.span.place} (trace {id})", values)


def _plain_calls(message: Message) -> Iterator[dict[str, Any]]:
    """Calls as targets name them."""
    for call in message.get("tool_calls") or ():
        held = call["function"]
        arguments = held["arguments"]
        with contextlib.suppress(ValueError):  # else as the model wrote them
            arguments = json.loads(arguments) if arguments else {}
        yield {"name": held["name"], "arguments": arguments}


# --- one span -----------------------------------------------------------------------------------------------


def _is_call(span: TraceSpan) -> bool:
    operation = span.attributes.get("gen_ai.operation.name")
    if operation is not None:
        return operation not in _OTHER
    named = any(
        str(key).startswith(("gen_ai.input.", "gen_ai.prompt", "gen_ai.request.")) for key in span.attributes
    )
    return named or any(name.startswith("gen_ai.") for name, _ in span.events)


def _call(span: TraceSpan) -> _Call:
    for name, held in span.events:
        if name == _DETAILS:
            span.attributes = {**held, **span.attributes}
    given, said = _json(span, "gen_ai.input.messages"), _json(span, "gen_ai.output.messages")
    if given is None and said is None:
        given, said = _evented(span)
    if not given and not said:
        given, said = _numbered(span, "gen_ai.prompt"), _numbered(span, "gen_ai.completion")
    input = [m for item in _listed(span, given) for m in _messages(span, item)]
    for part in reversed(_listed(span, _instructions(span))):
        text = part if isinstance(part, str) else part.get("content")
        input.insert(0, {"role": "system", "content": text})
    return _Call(span, input, [m for item in _listed(span, said) for m in _messages(span, item, "assistant")])


def _json(span: TraceSpan, key: str) -> Any:
    """An attribute that is structured, or JSON in a text."""
    value = span.attributes.get(key)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise CaseError(
            f"{span.place}: {key} of trace {span.trace} is not JSON. Was it cut (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT)?"
        ) from None


def _instructions(span: TraceSpan) -> Any:
    """System instructions: parts, or a plain text."""
    value = span.attributes.get("gen_ai.system_instructions")
    plain = isinstance(value, str) and not value.lstrip().startswith("[")
    return [value] if plain else _json(span, "gen_ai.system_instructions")


def _listed(span: TraceSpan, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(m, Mapping | str) for m in value):
        raise CaseError(f"{span.place}: trace {span.trace}: {str(value)[:60]!r} is no list of messages")
    return value


def _messages(span: TraceSpan, item: Any, role: str = "user") -> Iterator[Message]:
    """A message of the conventions as chat messages: the results of several tools are one message each."""
    if isinstance(item, str):
        yield {"role": role, "content": item}
        return
    role = str(item.get("role") or role)
    parts = item.get("parts")
    if parts is None:
        yield _chat(role, item)
        return
    content: list[Any] = []
    calls = []
    for part in _listed(span, parts):
        if isinstance(part, str):
            part = {"type": "text", "content": part}
        kind = part.get("type")
        if kind == "text":
            content.append({"type": "text", "text": str(part.get("content") or "")})
        elif kind == "tool_call":
            calls.append(_tool_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            result = part.get("response", part.get("result"))
            yield {"role": "tool", "tool_call_id": part.get("id"), "content": _text(result)}
        elif kind in ("blob", "uri") and part.get("modality", "image") == "image":
            uri = part.get("uri")
            url = uri if kind == "uri" else f"data:{part.get('mime_type')};base64,{part.get('content')}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        elif kind not in ("reasoning", "thinking"):
            raise CaseError(
                f"{span.place}: trace {span.trace}: a {role} message has a part {kind!r}; text, images, tool calls and their "
                "results can be read"
            )
    if content or calls:
        yield {"role": role, "content": _joined(content), **({"tool_calls": calls} if calls else {})}


def _joined(content: list[Any]) -> Any:
    """One text where all is text, else the parts; None for nothing."""
    if all(p["type"] == "text" for p in content):
        return "\n".join(p["text"] for p in content) if content else None
    return content


def _chat(role: str, item: Mapping[str, Any]) -> Message:
    """A message that has a content and perhaps calls, as chat interfaces have it."""
    out: Message = {"role": role, "content": item.get("content")}
    calls = item.get("tool_calls")
    if isinstance(calls, str):
        calls = json.loads(calls)
    if calls:
        out["tool_calls"] = [
            _tool_call(c.get("id"), (f := c.get("function") or c).get("name"), f.get("arguments"))
            for c in calls
        ]
    if role == "tool":
        out["tool_call_id"] = item.get("id", item.get("tool_call_id"))
        out["content"] = _text(item.get("content"))
    return out


def _tool_call(id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    written = arguments if isinstance(arguments, str) else json.dumps({} if arguments is None else arguments)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": written}}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- older conventions --------------------------------------------------------------------------------------

_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


def _evented(span: TraceSpan) -> tuple[list[Any], list[Any]]:
    """Messages that are events: one each, or all of them in one text."""
    given: list[Any] = []
    said: list[Any] = []
    for name, held in span.events:
        if isinstance(whole := held.get("gen_ai.event.content"), str):
            held = {**held, **_parsed(whole)}
        if name in _ROLES:
            given.append({**held, "role": held.get("role") or _ROLES[name]})
        elif name == "gen_ai.choice":
            message = held.get("message")
            message = _parsed(message) if isinstance(message, str) else message
            said.append({"role": "assistant", **(message if isinstance(message, Mapping) else held)})
        elif name == "gen_ai.content.prompt":
            given += _listed(span, _parsed(held.get("gen_ai.prompt"), many=True))
        elif name == "gen_ai.content.completion":
            said += _listed(span, _parsed(held.get("gen_ai.completion"), many=True))
    return given, said


def _parsed(text: Any, *, many: bool = False) -> Any:
    """JSON in a text; a text that is none is a message's content."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = {"content": text}
    if many:
        return (
            value
            if isinstance(value, list)
            else [value if isinstance(value, Mapping) else {"content": value}]
        )
    return value if isinstance(value, Mapping) else {"content": value}


_NUMBERED = re.compile(r"(\d+)\.(role|content|tool_calls\.(\d+)\.(id|name|arguments)|tool_call_id)")


def _numbered(span: TraceSpan, prefix: str) -> list[Message]:
    """Messages whose parts are attributes of their own: ``gen_ai.prompt.0.content``."""
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    calls: defaultdict[int, defaultdict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for key, value in span.attributes.items():
        if not key.startswith(f"{prefix}.") or not (m := _NUMBERED.fullmatch(key[len(prefix) + 1 :])):
            continue
        if m[3] is None:
            found[int(m[1])][m[2]] = value
        else:
            calls[int(m[1])][int(m[3])][m[4]] = value
    for i, several in calls.items():
        found[i]["tool_calls"] = [several[j] for j in sorted(several)]
    return [found[i] for i in sorted(found)]
