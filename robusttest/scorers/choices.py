"""Which option a reply means: by its text, or by its letter or number where the prompt shows one.

The answer is the option's text, so that another order of options changes nothing about it. Two options named where
one was asked for is no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from robusttest.core import equality
from robusttest.core.markers import letter, name, style_of
from robusttest.core.nouns import Case, Completion, Json, Prompt, Score, Variant
from robusttest.errors import UsageError
from robusttest.scorers.protocol import SCORERS, Scorer, unparsed
from robusttest.scorers.text import accepted

_CUE = re.compile(
    r"(?:\banswers?\b|\bchoice\b|\boption\b|\blabel\b|\bcategory\b|\bfinal\b)"
    r"[^\S\n]*(?:\b(?:is|was|would be|should be|are|number|no\.)\b)?[^\S\n]*[:=\-–—]*[^\S\n]*",
    re.IGNORECASE,
)
_CUES, _AFTER_CUE = 8, 300
"""The last cues that are looked at, and how far behind each: a reply may say "answer" a thousand times."""

_WRAP = " \t\r\n*_`~#\"'“”‘’«»|<>"
_NEGATION = re.compile(
    r"(?:\bnot|n't|n’t|\bnever|\bneither|\bnor|\brather than|\binstead of)\s+(?:an?\s+|the\s+)?$"
)


@SCORERS.register("choice")
def choice(labels: Iterable[str] | None = None) -> Scorer:
    """The reply names the right one of ``labels``, or of the case's own choices where none are given.

    Read are the label itself (``billing``, ``**Billing.**``), a marker that the prompt shows (``B``, ``(b)``, ``B) because
    …``), either after a cue (``Answer: B``), and a label within a sentence where it is the only one: longer labels
    first, so that ``not spam`` is not read as ``spam``. Case is ignored unless two labels differ by nothing else.
    """
    if labels is None:
        return Scorer("choice", _choice, check=_check)
    if isinstance(labels, str):
        raise UsageError(f"choice({labels!r}): give a list of labels, as in choice(['yes', 'no'])")
    given = tuple(labels)
    check_labels(given, "choice")
    return Scorer("choice", _choice, labels=given, check=_check)


def check_labels(labels: tuple[str, ...], where: str) -> None:
    """Labels are two or more different, non-empty texts."""
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise UsageError(f"{where}: the label {label!r} is not a non-empty text")
    if len(set(labels)) < len(labels):
        twice = next(x for x in labels if labels.count(x) > 1)
        raise UsageError(f"{where}: the label {twice!r} is listed twice")
    if len(labels) < 2:
        raise UsageError(f"{where}: give at least two labels, not {list(labels)!r}")


def _check(case: Case) -> str | None:
    if not case.choices:
        return "it has no choices: give the scorer labels, as in choice(['yes', 'no']), or the case choices"
    outside = [t for t in accepted(case.target) if t not in case.choices]
    if outside:
        return f"the target {outside[0]!r} is none of its choices {list(case.choices)!r}"
    return None


def _choice(completion: Completion, variant: Variant) -> Score:
    choices = variant.choices
    if not choices:
        return unparsed("the case has no choices")
    prompt = variant.draft.prompt
    index = read_choice(completion.text, choices, _style(prompt, choices))
    if isinstance(index, str):
        return unparsed(index)
    label = choices[index]
    # "3.1" and "3.10" are one number: as labels side by side they are two answers, told apart by their quotes.
    alike = len({equality.key(c) for c in choices}) < len(choices)
    return Score(value=float(label in accepted(variant.target)), answer=f'"{label}"' if alike else label)


def _style(prompt: Prompt | None, choices: tuple[str, ...]) -> str | None:
    """The style of the markers that the prompt shows; None where it shows none, so that ``A`` is no answer."""
    if prompt is None:
        return "letter"
    return _style_in(_texts(prompt), prompt.option_marker, choices[0])


@lru_cache(maxsize=256)
def _style_in(texts: tuple[str, ...], marker: str, option: str) -> str | None:
    if any("{options}" in text for text in texts):
        return style_of(marker)
    # Options that the user wrote out by hand.
    by_hand = r"(?:^|[\s(\[]){}[).:\]]\s*{}"
    for style in ("letter", "lower", "number"):
        first = re.compile(by_hand.format(re.escape(name(style, 0)), re.escape(option)))
        if any(first.search(text) for text in texts):
            return style
    return None


@lru_cache(maxsize=64)
def _texts_of(template: str | None, system: str | None) -> tuple[str, ...]:
    return tuple(t for t in (template, system) if t)


def _texts(prompt: Prompt) -> tuple[str, ...]:
    if prompt.messages is None:
        return _texts_of(prompt.template, prompt.system)
    found = [prompt.system] if prompt.system else []
    for message in prompt.messages:
        content: Json = message.get("content")
        if isinstance(content, str):
            found.append(content)
        elif isinstance(content, list | tuple):
            found += [p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str)]
    return tuple(found)


class _LabelReader:
    """The compiled way to read one set of labels; made once for each set and style."""

    def __init__(self, choices: tuple[str, ...], style: str | None) -> None:
        folded = [_fold(c) for c in choices]
        self.fold = len(set(folded)) == len(folded)
        names = folded if self.fold else [_clean(c) for c in choices]
        self.labels = {n: i for i, n in enumerate(names)}
        longest = sorted(self.labels, key=lambda n: (-len(n), n))
        self.mention = re.compile("|".join(_whole(n) for n in longest))
        self.markers: dict[str, int] = {}
        if style is not None:
            self.markers = {name(style, i): i for i in range(len(choices))}
        insensitive = {m.casefold(): i for m, i in self.markers.items()}
        self.insensitive = insensitive
        any_marker = "|".join(sorted((re.escape(m) for m in insensitive), key=lambda m: (-len(m), m)))
        self.first = self.inside = None
        if any_marker:
            # "B", "(b)", "[B]", "B.", "B)", "B: …", "B - …": then a delimiter or the end of the line.
            self.first = re.compile(
                rf"[(\[]?({any_marker})(?:[)\]]|[.:,](?!\w)|\s*[-–—]\s|\s*(?=\n|$))", re.IGNORECASE
            )
            capital = "|".join(re.escape(m) for m in self.markers if m not in ("A", "I", "a", "i"))
            alone = rf"|(?<![\w'’])({capital})(?![\w'’])" if style == "letter" and capital else ""
            self.inside = re.compile(rf"[(\[]((?i:{any_marker}))[)\]]{alone}")

    def form(self, text: str) -> str:
        return _fold(text) if self.fold else _clean(text)

    def whole(self, text: str) -> int | None:
        """The text is a label or a marker, and nothing else."""
        bare = text.strip(_WRAP)
        found = self.labels.get(self.form(bare))
        if found is None:
            found = self.labels.get(self.form(bare.rstrip(".!,;:").strip(_WRAP)))
        if found is None and self.insensitive:
            found = self.insensitive.get(bare.strip("()[]{}.,:;!" + _WRAP).casefold())
        return found

    def leading(self, text: str) -> int | str | None:
        """The text begins with a marker (``B) because``) or with a label (``billing, because``)."""
        bare = text.lstrip(_WRAP)
        if self.first is not None and (m := self.first.match(bare)):
            index = self.insensitive[m[1].casefold()]
            rest = bare[m.end() :].lstrip(_WRAP)
            said = self.whole(rest.split("\n", 1)[0]) if rest else None
            if (
                said is not None
                and said != index
                and self.labels.get(self.form(rest.split("\n", 1)[0].strip(_WRAP + "."))) == said
            ):
                return f"it says {m[1]} and names another option"
            return index
        return None

    def mentioned(self, text: str) -> set[int]:
        text = self.form(text)
        return {
            self.labels[m[0]]
            for m in self.mention.finditer(text)
            if not _NEGATION.search(text[max(0, m.start() - 24) : m.start()])
        }


@lru_cache(maxsize=256)
def _reader(choices: tuple[str, ...], style: str | None) -> _LabelReader:
    return _LabelReader(choices, style)


def read_choice(reply: str, choices: tuple[str, ...], style: str | None = "letter") -> int | str:
    """The index of the option that a reply means, or why it can't be told."""
    reader = _reader(choices, style)
    if not reply.strip():
        return "the reply is empty"
    found = reader.whole(reply)
    if found is not None:
        return found
    leading = reader.leading(reply)
    if leading is not None:
        return leading
    # What follows the last cue stands over what was weighed before it.
    cues = deque(_CUE.finditer(reply), maxlen=_CUES)
    for cue in reversed(cues):
        rest = reply[cue.end() : cue.end() + _AFTER_CUE]
        line = rest.lstrip().split("\n", 1)[0]
        if not line.strip(_WRAP):
            continue
        found = reader.whole(line)
        if found is not None:
            return found
        leading = reader.leading(line)
        if leading is not None:
            return leading
        said = reader.mentioned(line)
        if len(said) == 1:
            return said.pop()
        if len(said) > 1:
            return "it names more than one option"
    said = reader.mentioned(reply)
    if len(said) == 1:
        return said.pop()
    if len(said) > 1:
        return "it names more than one option"
    if reader.inside is not None:
        marks = {reader.insensitive[(m[1] or m[2]).casefold()] for m in reader.inside.finditer(reply)}
        if len(marks) == 1:
            return marks.pop()
        if marks:
            return "it names more than one option"
    return "it names none of the options"


def option_of(value: Json, choices: tuple[str, ...]) -> str | None:
    """The option that a target means: its text, else its text but for case, else its letter. None if none."""
    if not isinstance(value, str):
        return None
    if value in choices:
        return value
    folded = [c for c in choices if _fold(c) == _fold(value)]
    if len(folded) == 1:
        return folded[0]
    bare = value.strip().strip("()[].: ").upper()
    letters = {letter(i): c for i, c in enumerate(choices)}
    return letters.get(bare)


def _clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _fold(text: str) -> str:
    return _clean(text).casefold()


def _whole(label: str) -> str:
    before = r"(?<!\w)" if label[:1].isalnum() else ""
    after = r"(?!\w)" if label[-1:].isalnum() else ""
    return before + re.escape(label) + after
