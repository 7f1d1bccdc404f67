"""Reading and rewriting the texts of a `Prompt`: its placeholders, its ``Descriptor: {field}`` lines, its cue.

Pure functions on strings; `layout` and `prompt` build perturbations of them. A field line is a short descriptor, a
separator and one placeholder; the cue is the last line, a descriptor alone (``Answer:``). Everything else is left
as it stands.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from robusttest.core.nouns import Case, Prompt

PLACEHOLDER = re.compile(r"(?<!\{)\{([^\W\d]\w*)(?:[.\[!:][^{}]*)?\}(?!\})")
"""A placeholder of a template; ``{{`` and ``}}`` are literal braces."""

# At most five words without sentence punctuation: "Ticket", "Customer's question"; not "Reply with one of".
_DESCRIPTOR = r"[^\W\d_](?:[^\s{}.,;:?!|=*#<>\[\]：，。；？！、]|(?<=\S)[ /-](?=\w)){0,47}"
_MARK = r"(?::{1,3}|：|\|{1,2}|-{1,2}|[–—=>])"
_VALUE = r"\{[^\W\d]\w*\}"
_NAME = rf"(?P<descriptor>{_DESCRIPTOR})"
_SEPARATED = rf"[ \t]*{_MARK}[ \t]*\n?|\t"
_ENDS = r"(?=[ \t]*$)"
# One line after another: the next name follows a value on its line, begins with a capital, and has a colon.
_INLINE = rf"(?<=\}})[ \t]+(?P<descriptor>(?=[^\W\d_a-z]){_DESCRIPTOR})(?P<separator>[ \t]*[:：][ \t]*)"
_NEXT = rf"(?=[ \t]*$|[ \t]+(?=[^\W\d_a-z]){_DESCRIPTOR}[ \t]*[:：])"

STYLES: Mapping[str, tuple[str, str]] = {
    "plain": (
        rf"^{_NAME}(?P<separator>{_SEPARATED})(?P<value>{_VALUE}){_NEXT}",
        rf"^{_NAME}(?P<separator>[ \t]*{_MARK})(?P<tail>\s*)\Z",
    ),
    "inline": (
        rf"{_INLINE}(?P<value>{_VALUE}){_NEXT}",
        rf"{_INLINE}(?P<tail>\s*)\Z",
    ),
    "bullet": (
        rf"^(?P<open>[-*•+][ \t]+){_NAME}(?P<separator>{_SEPARATED})(?P<value>{_VALUE}){_ENDS}",
        rf"^(?P<open>[-*•+][ \t]+){_NAME}(?P<separator>[ \t]*{_MARK})(?P<tail>\s*)\Z",
    ),
    "bold": (
        rf"^(?P<open>\*\*|__){_NAME}(?P<separator>[ \t]*[:：]?(?P=open)[ \t]*[:：]?[ \t]*\n*)(?P<value>{_VALUE}){_ENDS}",
        rf"^(?P<open>\*\*|__){_NAME}(?P<separator>[ \t]*[:：]?(?P=open)[ \t]*[:：]?)(?P<tail>\s*)\Z",
    ),
    "bracket": (
        rf"^(?P<open>\[){_NAME}(?P<separator>\][ \t]*[:：]?[ \t]*\n*)(?P<value>{_VALUE}){_ENDS}",
        rf"^(?P<open>\[){_NAME}(?P<separator>\][ \t]*[:：]?)(?P<tail>\s*)\Z",
    ),
    "heading": (
        rf"^(?P<open>#{{1,6}}[ \t]+){_NAME}(?P<separator>[ \t]*[:：]?[ \t]*\n+)(?P<value>{_VALUE}){_ENDS}",
        rf"^(?P<open>#{{1,6}}[ \t]+){_NAME}(?P<separator>[ \t]*[:：]?)(?P<tail>\s*)\Z",
    ),
    "xml": (
        r"^<(?P<descriptor>[^\W\d][\w-]{0,47})>(?P<separator>\s*)"
        + rf"(?P<value>{_VALUE})"
        + r"\s*</(?P=descriptor)>"
        + _ENDS,
        r"^<(?P<descriptor>[^\W\d][\w-]{0,47})>(?P<separator>)(?P<tail>\s*)\Z",
    ),
}
"""How people write a field line, and the cue: ``Ticket: {x}``, ``A: {a} B: {b}``, ``- Ticket: {x}``, ``**Ticket:** {x}``,
``[Ticket] {x}``, a heading, a pair of tags."""
_LINES = {style: re.compile(line, re.MULTILINE) for style, (line, _) in STYLES.items()}
_CUES = {style: re.compile(cue, re.MULTILINE) for style, (_, cue) in STYLES.items()}
_MAX_WORDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One field line, or the cue (``value`` empty): where it stands and what it is made of."""

    start: int
    end: int
    descriptor: str
    separator: str
    """Between the name and what follows, with all that closes the name."""
    value: str
    style: str = "plain"
    """A key of `STYLES`."""
    open: str = ""
    """What stands before the name."""

    def written(self, name: str, separator: str) -> str:
        """The line with another name and separator."""
        if self.style == "xml":
            gap = separator if self.value else ""
            return f"<{name}>{gap}{self.value}{gap}</{name}>" if self.value else f"<{name}>{separator}"
        return f"{self.open}{name}{separator}{self.value}"


def placeholders(text: str) -> list[str]:
    """Names of the placeholders in order of appearance, with repetitions."""
    return [m[1] for m in PLACEHOLDER.finditer(text)]


def field_lines(text: str) -> list[Line]:
    """The ``Descriptor: {field}`` lines in any of `STYLES`, and the cue at the end if there is one, in order."""
    found = [
        _line(style, m, m["value"])
        for style, pattern in _LINES.items()
        for m in pattern.finditer(text)
        if len(m["descriptor"].split()) <= _MAX_WORDS
    ]
    found.sort(key=lambda line: line.start)
    after = found[-1].end if found else 0
    cues = ((style, pattern.search(text, after)) for style, pattern in _CUES.items())
    cue = next(((style, m) for style, m in cues if m and len(m["descriptor"].split()) <= _MAX_WORDS), None)
    if cue is not None:
        found.append(_line(*cue, ""))
    return found


def _line(style: str, m: re.Match[str], value: str) -> Line:
    parts = m.groupdict()
    # The blanks before a name on the line of another field are the gap between the two.
    start = m.start("descriptor") if style == "inline" else m.start()
    separator = parts["separator"] + (parts.get("tail") or "")
    return Line(start, m.end(), parts["descriptor"], separator, value, style, parts.get("open") or "")


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
        mark = line.separator if separator is None else _separator(line, separator)
        out.append(line.written(name, mark))
        if i < len(between):
            fits = gap is not None and not between[i].strip() and _may_follow(content[i + 1], gap)
            out.append(gap if fits and gap is not None else between[i])
    out.append(text[lines[-1].end :])
    return "".join(out)


def _may_follow(line: Line, gap: str) -> bool:
    """A heading and a bullet begin a line."""
    return gap.endswith("\n") or line.style not in ("heading", "bullet")


def _separator(line: Line, wanted: str) -> str:
    """``wanted`` in the line's own style: what closes the name stands, a heading ends its line, tags have blanks alone."""
    own = line.separator
    if line.style in ("heading", "xml"):
        breaks = wanted.count("\n")
        made = "\n" * (max(1, breaks) if line.style == "heading" else breaks)
        return (
            (own.rstrip() + made if line.value else own)
            if line.style == "heading"
            else (made if line.value else own)
        )
    if line.style in ("bold", "bracket"):
        made = (line.open if line.style == "bold" else "]") + wanted
    else:
        made = wanted
    # A prompt that ends in blanks asks for a token that begins with one: the cue ends in its mark.
    return made if line.value else made.rstrip(" \t") or own


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
