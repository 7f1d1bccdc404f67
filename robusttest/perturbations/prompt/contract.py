"""What a prompt says of the form of its answer and of its own layout: no variant may say otherwise.

Read from all that the model is told: the system prompt, the template or messages, the examples' template and answers. Where
the wording is in doubt it counts as said: a layout fewer is no harm, a contradiction is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from robusttest.core.markers import STYLES, style_of
from robusttest.core.nouns import Prompt
from robusttest.perturbations.prompt.orders import names_letters
from robusttest.perturbations.prompt.templates import PLACEHOLDER, field_lines, texts

_SAID: dict[str, str] = {
    "letter": r"(?<!small )(?<!lower[- ]case )(?<!lowercase )\b(?:letters?|alphabetical)\b",
    "lower": r"\b(?:small|lower[- ]?case)\s(?:\w+\s)?letters?\b",
    "number": r"\b(?:option|answer|choice)s?(?:['’]s)?\snumbers?\b|\bnumbers?\sof\s(?:the|your|one)\s(?:\w+\s)?(?:option|answer|choice)"
    r"|\b(?:reply|answer|respond|write|output|say|give|return|choose|select|pick|only|just|single)\s(?:\w+\s){0,3}(?:number|digit)\b",
    "roman": r"\broman\s(?:numerals?|numbers?)\b",
}
_LITERAL: dict[str, str] = {
    "letter": r"(?<![\w'’])[(\[]?A[)\]]?\s?(?:,|/|\||\bor\b|\band\b|-|–|\bto\b|\bthrough\b)\s?[(\[]?[B-H](?![\w'’])"
    r"|[\"'“‘`(\[][A-H][\"'”’`)\]]|(?i:\b(?:answer|option|choice|label)\s?(?:is|:)?\s?)[(\[]?[A-H](?![\w'’])|^\W{0,3}[A-H]\W{0,3}$",
    "lower": r"(?<![\w'’])[(\[]?a[)\]]?\s?(?:,|/|\||\bor\b|-|–|\bto\b)\s?[(\[]?[b-h](?![\w'’])|[\"'“‘`(\[][a-h][\"'”’`)\]]",
    "number": r"(?<![\w.,])[(\[]?1[)\]]?\s?(?:,|/|\||\bor\b|-|–|\bto\b|\bthrough\b)\s?[(\[]?[2-9](?![\w.])|[\"'“‘`(\[][1-9][\"'”’`)\]]",
    "roman": r"(?<![\w'’])i\s?(?:,|/|\bor\b)\s?ii(?!\w)",
}
_SAYS = {style: re.compile(p, re.IGNORECASE) for style, p in _SAID.items()}
_SHOWS = {style: re.compile(p, re.MULTILINE) for style, p in _LITERAL.items()}
_SEPARATED = re.compile(
    r"(?i)\b(?:commas?|semi-?colons?|slash(?:es)?|pipes?|vertical bars?|dash(?:es)?|colons?|tabs?|separated|delimited|bullets?|bulleted|numbered"
    r"|lines?|paragraphs?|columns?|headings?)\b"
)
_PLACED = re.compile(
    r"(?i)\b(?:first|second|third|last|above|after|before|then|next|previous|preceding|former|latter|followed|begins?|starts?|ends?|order"
    r"|top|bottom|left|right side|beginning)\b"
)
_DATA = re.compile(r"(?i)\b(json|ya?ml|markdown|xml|csv|tsv|html|tables?)\b")
_OUTPUT = re.compile(
    r"(?i)\b(?:reply|answer|respond|return|output|write|give|produce|print|format)\b[^.\n]{0,60}\Z"
)


@dataclass(frozen=True, slots=True)
class Contract:
    """What the layouts of one prompt have to keep."""

    styles: frozenset[str]
    """In which styles the options may be marked: those of `STYLES` that the prompt does not rule out."""
    bracket: str | None
    """``(`` or ``[`` where the prompt shows a marker in such brackets."""
    separators: bool
    """Whether separators and line breaks may change: nothing is said of them."""
    order: bool
    """Whether fields may change places: nothing is said of where one stands."""
    descriptors: bool
    """Whether the names of fields may be written otherwise: none is quoted elsewhere."""
    data: str | None
    """The form of data that the fields are said to be in."""

    def allows(self, marker: str, choices: Sequence[str] | None = None) -> bool:
        """Whether options may be marked so."""
        style = style_of(marker)
        if style is not None and style not in self.styles:
            return False
        if self.bracket is not None and style is not None and not marker.startswith(self.bracket):
            return False
        return style == "letter" or choices is None or not names_letters(choices)


def contract_of(prompt: Prompt) -> Contract:
    """Read off every text of the prompt that the model sees, without what is filled in."""
    said = (*texts(prompt), *((prompt.system,) if prompt.system else ()))
    answers = tuple(d.target for d in prompt.demos if isinstance(d.target, str) and len(d.target) <= 3)
    return _read(said, answers, prompt.option_marker)


@lru_cache(maxsize=256)
def _read(said: tuple[str, ...], answers: tuple[str, ...], marker: str) -> Contract:
    rest = "\n".join((*(_without_lines(t) for t in said), *answers))
    styles = frozenset(STYLES)
    for style in STYLES:
        if _SAYS[style].search(rest) or _SHOWS[style].search(rest):
            styles &= {style}
    own = style_of(marker)
    if not styles and own is not None:
        styles = frozenset({own})  # it says two things; as it is it can't be worse
    bracket = next(
        (b for b, e in (("(", ")"), ("[", "]")) if re.search(rf"\{b}(?:[A-Ha-h]|[1-9])\{e}", rest)), None
    )
    names = {line.descriptor for t in said for line in field_lines(t)}
    return Contract(
        styles=styles,
        bracket=bracket if bracket is None or marker.startswith(bracket) else None,
        separators=not _SEPARATED.search(rest),
        order=not _PLACED.search(rest),
        descriptors=not any(_mentions(rest, name) for name in names),
        data=_data(rest),
    )


def _without_lines(text: str) -> str:
    """The text but for its field lines and placeholders: what it says in words."""
    out, at = [], 0
    for line in field_lines(text):
        out.append(text[at : line.start])
        at = line.end
    return PLACEHOLDER.sub(" ", "\n".join([*out, text[at:]]))


def _mentions(rest: str, name: str) -> bool:
    """Whether a field's name is quoted, or stands with its colon, in what is said."""
    written = re.escape(name)
    return bool(
        re.search(rf"(?i)[\"'“‘`*<\[]\s*{written}\s*:?\s*[\"'”’`*>\]]|(?<!\w){written}\s*:", rest)
        or (
            len(name) > 3
            and re.search(rf"(?<!\w){written}(?!\w)", rest)
            and re.search(r"(?i)\b(?:after|field|line|section|label(?:l?ed)?)\b", rest)
        )
    )


def _data(rest: str) -> str | None:
    for m in _DATA.finditer(rest):
        if not _OUTPUT.search(rest[: m.start()]):
            return m[1].lower().replace("yml", "yaml")
    return None
