"""A `Draft` as messages: templates filled in, options marked, examples shown. A pure function of the draft.

``{name}`` is a field of the case; ``{choices}`` the options in one line, ``{options}`` one marked line each; ``{{``
and ``}}`` are literal braces, and so is a brace that begins no placeholder. What is filled in is never read as a
template again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from robusttest.core.markers import marker_text
from robusttest.core.nouns import Case, Draft, Json, Prompt
from robusttest.errors import UsageError

OPTION_NAMES = ("choices", "options")

_TOKEN = re.compile(r"\{\{|\}\}|\{([^\W\d]\w*)((?:[.\[!:][^{}]*)?)\}")

Message = dict[str, Json]


def render(draft: Draft) -> tuple[Message, ...]:
    """The messages of a draft, in LiteLLM's (OpenAI's) form: system, examples, question.

    A message whose content is one placeholder of a field that holds a list of content parts gets these parts as they
    are; so does a part whose value is one placeholder. A prompt that is one placeholder of a conversation is its messages.
    ``{"role": "placeholder", "content": "{history}"}`` stands for
    the messages that a field holds.
    """
    prompt, case = draft.prompt, draft.case
    if prompt is None:
        raise UsageError(
            "render: the draft has no prompt; a test with a body of its own asks its model itself"
        )
    fill = _filler(case, prompt)
    out: list[Message] = []
    if prompt.system:
        out.append({"role": "system", "content": fill(prompt.system)})
    demos = [_demo(d, prompt) for d in prompt.demos]
    if prompt.messages is None:
        template = prompt.template if prompt.template is not None else "{input}"
        parts, turns = _parts(template, case), _turns(template, case)
        if turns is not None:
            out += [*({"role": "user", "content": d} for d in demos), *turns]
        elif parts is not None:
            out += [{"role": "user", "content": d} for d in demos]
            out.append({"role": "user", "content": parts})
        else:
            question = fill(template)
            out.append({"role": "user", "content": prompt.demo_separator.join([*demos, question])})
        return tuple(out)
    messages = list(_messages(prompt.messages, case, fill))
    if demos:
        _show_demos(messages, prompt.demo_separator.join(demos), prompt.demo_separator)
    return (*out, *messages)


def prompt_text(messages: tuple[Mapping[str, Json], ...]) -> str:
    """Messages as one text for a reader: the only message as it is, else each under its role."""
    shown = [(str(m.get("role", "")), _shown(m)) for m in messages]
    if len(shown) == 1:
        return shown[0][1]
    return "\n\n".join(f"[{role}]\n{text}" for role, text in shown)


def tools_text(tools: Json) -> str:
    """The tools of a request for a reader, below its prompt: a line each, as they are offered. Empty where there are none."""
    if not isinstance(tools, list | tuple) or not tools:
        return ""
    lines = []
    for tool in tools:
        held = tool.get("function", tool) if isinstance(tool, Mapping) else {}
        schema = held.get("parameters")
        shown = json.dumps(schema, ensure_ascii=False, default=str) if isinstance(schema, Mapping) else "{}"
        lines.append(f"{held.get('name')}: {held.get('description') or ''} {shown}")
    return "\n\n[tools]\n" + "\n".join(lines)


def _shown(message: Mapping[str, Json]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "\n".join(
            str(p["text"])
            if isinstance(p, Mapping) and "text" in p
            else f"[{p.get('type', 'part')}]"
            if isinstance(p, Mapping)
            else str(p)
            for p in content
        )
    rest = {
        k: v for k, v in message.items() if k not in ("role", "content") or (k == "content" and v is not None)
    }
    return json.dumps(rest, ensure_ascii=False, default=str)


def as_text(value: Json) -> str:
    """A field's value within a text: strings as they are, None empty, the rest as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=512)
def tokens(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """The template cut into ``(text, None, "")``, ``(brace, None, "escaped")`` and ``(as written, name, suffix)``."""
    out: list[tuple[str, str | None, str]] = []
    at = 0
    for m in _TOKEN.finditer(template):
        if m.start() > at:
            out.append((template[at : m.start()], None, ""))
        if m[0] in ("{{", "}}"):
            out.append((m[0][0], None, "escaped"))
        else:
            out.append((m[0], m[1], m[2]))
        at = m.end()
    if at < len(template):
        out.append((template[at:], None, ""))
    return tuple(out)


def fill_in(template: str, values: Mapping[str, Json] | Callable[[str], Json]) -> str:
    """The template with its placeholders filled in; a name without a value is a `UsageError`."""
    get = values if callable(values) else values.__getitem__
    out = []
    for text, name, suffix in tokens(template):
        if name is None:
            out.append(text)
            continue
        if suffix:
            raise UsageError(
                f"the placeholder {text!r}: write {{{name}}} alone, and double braces that are text"
            )
        try:
            out.append(as_text(get(name)))
        except KeyError:
            raise UsageError(f"the prompt shows {{{name}}}, and the case has no such field") from None
    return "".join(out)


def _filler(case: Case, prompt: Prompt) -> Callable[[str], str]:
    def get(name: str) -> Json:
        if name in case.fields:
            return case.fields[name]
        if name in OPTION_NAMES and case.choices:
            return option_text(name, case.choices, prompt)
        if name == "input":
            return case.input
        raise KeyError(name)

    return lambda template: fill_in(template, get)


def option_text(name: str, choices: tuple[str, ...], prompt: Prompt) -> str:
    """``{choices}`` or ``{options}`` as the prompt writes them."""
    if name == "choices":
        return prompt.choice_separator.join(choices)
    lines = (marker_text(prompt.option_marker, i) + c for i, c in enumerate(choices))
    return prompt.option_separator.join(lines)


def _demo(demo: Case, prompt: Prompt) -> str:
    fill = _filler(demo, prompt)
    if prompt.demo_template is None:
        if prompt.template is None:
            return f"{as_text(demo.input)} {as_text(demo.target)}"
        question = fill(prompt.template)
        gap = "" if question[-1:].isspace() else " "
        return question + gap + as_text(demo.target)

    def get(name: str) -> Json:
        if name == "target" and name not in demo.fields:
            return demo.target
        if name in demo.fields:
            return demo.fields[name]
        if name in OPTION_NAMES and demo.choices:
            return option_text(name, demo.choices, prompt)
        raise KeyError(name)

    return fill_in(prompt.demo_template, get)


def _show_demos(messages: list[Message], shown: str, separator: str) -> None:
    """Put the examples before the last user message that is text."""
    for i in range(len(messages) - 1, -1, -1):
        m = messages[i]
        if m.get("role") == "user" and isinstance(m.get("content"), str):
            messages[i] = {**m, "content": shown + separator + m["content"]}
            return
    raise UsageError("the messages have no user message in text that examples could stand before")


def _messages(
    templates: tuple[Mapping[str, Json], ...], case: Case, fill: Callable[[str], str]
) -> Iterator[Message]:
    for template in templates:
        content = template.get("content")
        if template.get("role") == "placeholder":
            yield from _history(content, case)
        elif isinstance(content, str):
            parts = _parts(content, case)
            yield {**template, "content": fill(content) if parts is None else parts}
        elif isinstance(content, list | tuple):
            yield {**template, "content": [_part(p, case, fill) for p in content]}
        else:
            yield dict(template)


def _history(content: Json, case: Case) -> list[Message]:
    name = _only(content) if isinstance(content, str) else None
    value = case.fields.get(name) if name else None
    if not isinstance(value, list | tuple) or not (conversation(value) or not value):
        raise UsageError(
            f"case {case.id!r}: a placeholder message shows one field that holds a list of messages, not {content!r}"
        )
    return [dict(m) for m in value]


def _part(part: Any, case: Case, fill: Callable[[str], str]) -> Any:
    """A text part is a template; in any other part only a value that is one placeholder is filled in."""
    if not isinstance(part, Mapping):
        return part
    if isinstance(part.get("text"), str):
        return {**part, "text": fill(part["text"])}

    def whole(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: whole(v) for k, v in value.items()}
        if isinstance(value, str) and (name := _only(value)) is not None and name in case.fields:
            return case.fields[name]
        return value

    return whole(part)


def _turns(template: str, case: Case) -> list[Message] | None:
    """The messages of a field, where the template is that field alone and it holds a conversation."""
    name = _only(template)
    value = case.fields.get(name) if name else None
    return [dict(m) for m in value] if isinstance(value, list | tuple) and conversation(value) else None


def conversation(value: Json) -> bool:
    """Whether a value is a list of chat messages."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(m, Mapping) and "role" in m for m in value)
    )


def _parts(template: str, case: Case) -> list[Json] | None:
    """The content parts of a field, where the template is that field alone and it holds parts."""
    name = _only(template)
    value = case.fields.get(name) if name else None
    if (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(p, Mapping) and "type" in p for p in value)
    ):
        return list(value)
    return None


def _only(template: str) -> str | None:
    """The name of the placeholder that the template is, and nothing else."""
    if len(template) > 200:
        return None
    found = tokens(template)
    return found[0][1] if len(found) == 1 and not found[0][2] else None
