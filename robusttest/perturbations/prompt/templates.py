"""Reading and rewriting the texts of a `Prompt`: its placeholders, its ``Descriptor: {field}`` lines, its cue.

Pure functions on strings; `layout` and `prompt` build perturbations of them. A field line is a short descriptor, a
separator and one placeholder; the cue is the last line, a descriptor alone (``Answer:``). Everything else is left
as it stands.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from robusttest.core.nouns import Case, Prompt

PLACEHOLDER = re.compile(r"(?<!\{)\{([^\W\d]\w*)(?:[.\[!:][^{}]*)?\}(?!\})")
"""A placeholder of a template; ``{{`` and ``}}`` are literal braces."""

# At most five words without sentence punctuation: "Ticket", "Customer's question"; not "Reply with one of".
_DESCRIPTOR = r"[^\W\d_](?:[^\s{}.,;:?!|=]|(?<=\S)[ /-](?=\w)){0,47}"
_MARK = r"(?::{1,3}|\|{1,2}|-{1,2}|[–—=>])"
_FIELD = re.compile(
    rf"^(?P<descriptor>{_DESCRIPTOR})(?P<separator>[ \t]*{_MARK}[ \t]*\n?|\t)"
    rf"(?P<value>\{{[^\W\d]\w*\}})(?=[ \t]*$)",
    re.MULTILINE,
)
_CUE = re.compile(rf"^(?P<descriptor>{_DESCRIPTOR})(?P<separator>[ \t]*{_MARK})(?P<tail>\s*)\Z", re.MULTILINE)
_MAX_WORDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One field line, or the cue (``value`` empty): where it stands and what it is made of."""

    start: int
    end: int
    descriptor: str
    separator: str
    value: str


def placeholders(text: str) -> list[str]:
    """Names of the placeholders in order of appearance, with repetitions."""
    return [m[1] for m in PLACEHOLDER.finditer(text)]


def field_lines(text: str) -> list[Line]:
    """The ``Descriptor: {field}`` lines, and the cue at the end if there is one, in order."""
    found = [
        Line(m.start(), m.end(), m["descriptor"], m["separator"], m["value"])
        for m in _FIELD.finditer(text)
        if len(m["descriptor"].split()) <= _MAX_WORDS
    ]
    cue = _CUE.search(text, found[-1].end if found else 0)
    if cue and len(cue["descriptor"].split()) <= _MAX_WORDS:
        found.append(Line(cue.start(), cue.end(), cue["descriptor"], cue["separator"] + cue["tail"], ""))
    return found


def rewrite_lines(
    text: str,
    *,
    descriptor: Callable[[str], str] | None = None,
    separator: str | None = None,
    gap: str | None = None,
    order: Sequence[int] | None = None,
) -> str:
    """The text with its field lines rewritten; None keeps a part as it is.

    ``gap`` stands between neighbouring lines instead of the line breaks there; ``order`` permutes the lines of the
    first block of neighbours (see `block`), without the cue.
    """
    lines = field_lines(text)
    if not lines:
        return text
    between = [text[a.end : b.start] for a, b in itertools.pairwise(lines)]
    content = list(lines)
    if order is not None:
        first, count = block(text)
        if count == len(order):
            content[first : first + count] = [lines[first + i] for i in order]
    out = [text[: lines[0].start]]
    for i, line in enumerate(content):
        name = descriptor(line.descriptor) if descriptor else line.descriptor
        mark = line.separator if separator is None else separator
        if separator is not None and not line.value:
            # A prompt that ends in blanks asks for a token that begins with one: the cue ends in its mark.
            mark = mark.rstrip(" \t") or line.separator
        out.append(name + mark + line.value)
        if i < len(between):
            out.append(gap if gap is not None and not between[i].strip() else between[i])
    out.append(text[lines[-1].end :])
    return "".join(out)


def block(text: str) -> tuple[int, int]:
    """``(first, count)``: the longest run of field lines with nothing but blanks between; the answer's are none."""
    lines = field_lines(text)
    best, start = (0, 0), 0
    for i, line in enumerate(lines):
        if line.value in ("", "{target}"):
            start = i + 1
            continue
        if i > start and text[lines[i - 1].end : line.start].strip():
            start = i
        if i - start + 1 > best[1]:
            best = (start, i - start + 1)
    return best


def texts(prompt: Prompt) -> tuple[str, ...]:
    """The texts that put the question: template and demo template, or the messages that are text."""
    if prompt.messages is not None:
        return tuple(m["content"] for m in prompt.messages if isinstance(m.get("content"), str))
    return tuple(t for t in (prompt.template, prompt.demo_template) if t is not None)


def with_texts(prompt: Prompt, rewrite: Callable[[str], str]) -> Prompt:
    """The prompt with ``rewrite`` applied to each of its `texts`."""
    if prompt.messages is not None:
        messages = tuple(
            {**m, "content": rewrite(m["content"])} if isinstance(m.get("content"), str) else m
            for m in prompt.messages
        )
        return replace(prompt, messages=messages)
    return replace(
        prompt,
        template=None if prompt.template is None else rewrite(prompt.template),
        demo_template=None if prompt.demo_template is None else rewrite(prompt.demo_template),
    )


def shown(prompt: Prompt) -> set[str]:
    """Names of all placeholders that the prompt shows, the system prompt's included."""
    every = texts(prompt) + ((prompt.system,) if prompt.system else ())
    return {name for text in every for name in placeholders(text)}


def unknown_fields(text: str, case: Case) -> list[str]:
    """Placeholders of ``text`` that this case has nothing to fill in for."""
    known = set(case.fields) | ({"options", "choices"} if case.choices else set())
    return [name for name in dict.fromkeys(placeholders(text)) if name not in known]
