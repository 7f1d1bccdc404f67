"""The prompt of a task: made of what its author gave, and held against the fields that its cases have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from robusttest.core.nouns import Case, Json, Prompt
from robusttest.errors import UsageError, nearest
from robusttest.tasks.render import OPTION_NAMES, tokens
from robusttest.tasks.tools import tool_list


def named_prompts(name: str, prompts: Any) -> list[tuple[str, str | Prompt]]:
    if not isinstance(prompts, Mapping) or len(prompts) < 2:
        raise UsageError(
            f"task {name!r}: prompts={prompts!r}: give two prompts or more by name, as in "
            'prompts={"short": "…", "long": "…"}'
        )
    for key, text in prompts.items():
        if not isinstance(key, str) or not key.strip():
            raise UsageError(f"task {name!r}: prompts: {key!r} is no name of a prompt")
        if not isinstance(text, str | Prompt):
            raise UsageError(f"task {name!r}: prompts[{key!r}]={text!r} is neither a text nor a Prompt")
    return list(prompts.items())


def prompt_of(
    where: str,
    prompt: str | Prompt | None,
    system: str | None,
    messages: Sequence[Mapping[str, Json]] | None,
    demos: tuple[Case, ...],
    demo_template: str | None,
) -> Prompt:
    if isinstance(prompt, Prompt):
        if system is not None or messages is not None or demo_template is not None:
            raise UsageError(f"{where}: prompt is a Prompt already; put system, messages and demos into it")
        return replace(prompt, demos=demos) if demos else prompt
    for label, value in (("prompt", prompt), ("system", system), ("demo_template", demo_template)):
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{where}: {label}={value!r} is not a text")
    if messages is None:
        template = "{input}" if prompt is None else prompt
        return Prompt(template=template, system=system, demos=demos, demo_template=demo_template)
    if prompt is not None:
        raise UsageError(f"{where}: give prompt or messages, not both")
    if isinstance(messages, str | Mapping) or not messages:
        raise UsageError(f"{where}: messages={messages!r} is not a non-empty list of messages")
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise UsageError(f"{where}: messages[{i}]={message!r} is not a dict with a role and content")
    return Prompt(
        template=None,
        system=system,
        messages=tuple(dict(m) for m in messages),
        demos=demos,
        demo_template=demo_template,
    )


def _templates(prompt: Prompt) -> list[tuple[str, str]]:
    """``(where, template)`` of everything that has placeholders."""
    found = [("system", prompt.system), ("prompt", prompt.template if prompt.messages is None else None)]
    for i, message in enumerate(prompt.messages or ()):
        content = message.get("content")
        if isinstance(content, str):
            found.append((f"messages[{i}]", content))
        elif isinstance(content, list | tuple):
            texts = [p["text"] for p in content if isinstance(p, Mapping) and isinstance(p.get("text"), str)]
            found += [(f"messages[{i}]", text) for text in texts]
            found += [(f"messages[{i}]", v) for v in _whole_values(content)]
    return [(where, text) for where, text in found if text]


def _whole_values(content: Any) -> list[str]:
    """Values of parts other than text that are one placeholder."""
    out: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                if key != "text":
                    walk(inner)
        elif isinstance(value, str) and len(value) <= 200:
            found = tokens(value)
            if len(found) == 1 and found[0][1]:
                out.append(value)

    for part in content:
        walk(part)
    return out


def with_fields(cases: tuple[Case, ...], prompt: Prompt, where: str, offered: str | None) -> tuple[Case, ...]:
    """The cases with every column that the prompt shows as a field, and that of the tools they offer; refuses a name that a
    case lacks.
    """
    shown: dict[str, str] = {}
    for place, text in _templates(prompt):
        _check_braces(place, text, where)
        for written, name, suffix in tokens(text):
            if name is None:
                continue
            if suffix:
                raise UsageError(
                    f"{where}: {place} shows {written!r}: write {{{name}}} alone, and double the braces of text ({{{{ }}}})"
                )
            shown.setdefault(name, place)
    if shown.keys() <= set(OPTION_NAMES) and len({c.choices for c in cases if shown}) < 2:
        raise UsageError(
            f"{where}: the prompt shows nothing of a case, so that all cases are one question: write {{input}} where its text "
            "belongs"
        )
    if offered is not None:
        shown.setdefault(offered, "tools")
    out: list[Case] = []
    for case in cases:
        fields = dict(case.fields)
        for name, place in shown.items():
            if name in fields or (name == "input" and len(case.fields) == 1):
                continue
            if name in OPTION_NAMES:
                if not case.choices:
                    raise UsageError(
                        f"{where}: {place} shows {{{name}}}, and case {case.id!r} has no choices: give choices=[…], or a "
                        "scorer with labels, as in choice(['yes', 'no'])"
                    )
            elif name in case.metadata:
                fields[name] = case.metadata[name]
            else:
                raise UsageError(_unknown(where, place, name, case))
        if offered is not None:
            fields[offered] = tool_list(fields[offered], f"{where}: case {case.id!r}, {offered}")
        if fields != case.fields:
            rest = {k: v for k, v in case.metadata.items() if k not in fields}
            case = replace(case, fields=fields, metadata=rest)
        out.append(case)
    return tuple(out)


def _unknown(where: str, place: str, name: str, case: Case) -> str:
    known = [*case.fields, *case.metadata, *(OPTION_NAMES if case.choices else ())]
    near = nearest(name, known, cutoff=0.5)
    hint = "" if near is None else f" Did you mean {{{near}}}?"
    return (
        f"{where}: {place} shows {{{name}}}, and case {case.id!r} has no such field.{hint} It has: "
        f"{', '.join(known) or 'none'}. For braces that are text write {{{{{name}}}}}"
    )


def _check_braces(place: str, text: str, where: str) -> None:
    """Doubled and single literal braces in one text: the doubled ones would come out single, likely unmeant."""
    literal = "".join(t for t, name, how in tokens(text) if name is None and not how)
    doubled = any(name is None and how for _, name, how in tokens(text))
    if doubled and ("{" in literal or "}" in literal):
        raise UsageError(
            f"{where}: {place} has single and doubled braces that are text; double each of them: {{{{ and }}}} come out "
            "as one"
        )
