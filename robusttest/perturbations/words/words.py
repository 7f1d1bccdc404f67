"""Words in another form with the same meaning: contractions, numbers, British and American spelling.

The functions that end in ``_candidates`` are pure: what could be replaced, and by what. They leave a place alone where
the other form would change the meaning or break the grammar (``it's been``, ``don't you``, ``2024``, ``one of``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import cache

from robusttest.core.nouns import NotApplicable, Preserves
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, parse_severity, replace_spans, text_perturbation
from robusttest.perturbations.base.lexicon import (
    Candidate,
    begins_sentence,
    english,
    in_case_of,
    table,
    without_overlaps,
)
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span
from robusttest.perturbations.notation.numerals import DIGITS, LARGEST, WORDED, from_words, to_words

_NEXT_WORD = re.compile(r"[ \t]+([^\W\d_]+)")
_WORD_BEFORE = re.compile(r"([^\W\d_]+)[ \t]+\Z")


_Ways = Mapping[str, Callable[[str], list[Candidate]]]


def _choose(
    name: str,
    arg: str | float | None,
    ways: _Ways,
    *,
    severity: float | None,
    what: str,
    description: str,
    preserves: Preserves = "preserves",
    changes: tuple[str, ...] = (),
) -> Perturbation:
    """A perturbation over one or all of ``ways``. Without a severity the first variant changes every place, and
    the others a random part of them.
    """
    spec, chosen = name, tuple(ways.values())
    if isinstance(arg, str) and arg in ways:
        spec, chosen = f"{name}:{arg}", (ways[arg],)
    elif isinstance(arg, str) and not arg[:1].isdigit():
        raise UnknownNameError(f"direction of {name}", arg, ways)
    elif arg is not None:
        severity, spec = parse_severity(name, arg, default=1.0)
    if severity is not None and arg is not severity:
        severity, _ = parse_severity(name, severity, default=1.0)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        candidates = without_overlaps([c for candidates in chosen for c in candidates(text)])
        # 1 - random() is in (0, 1]: at least one place, at most all.
        part = severity if severity is not None else 1.0 if index == 0 else 1 - rng.random()
        return replace_spans(text, candidates, rng=rng, protected=protected, severity=part, what=what)

    return text_perturbation(
        name,
        fn,
        spec=spec,
        severity=severity,
        preserves=preserves,
        scripts=("Latin",),
        languages=("en",),
        changes=changes,
        description=description,
    )


def _next_word(text: str, end: int) -> str:
    m = _NEXT_WORD.match(text, end)
    return m[1].lower() if m else ""


def _word_before(text: str, start: int) -> str:
    m = _WORD_BEFORE.search(text, max(0, start - 40), start)
    return m[1].lower() if m else ""


# --- contractions


@cache
def _short_to_long() -> Mapping[str, str]:
    forms = table("contractions")
    return {
        short: long for long, short in {**forms["positive"], **forms["negative"]}.items() if long != "can not"
    }


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    def form(phrase: str) -> str:
        return re.escape(phrase).replace(r"\ ", r"[ \t]").replace("'", "['’]")

    inner = "|".join(form(w) for w in sorted(words, key=lambda w: (-len(w), w)))
    return re.compile(rf"(?<![\w'’-])(?:{inner})(?![\w'’-])", re.IGNORECASE)


def _participle(word: str) -> bool:
    return word.endswith("ed") or word in table("contractions")["participles"]


def expand_candidates(text: str) -> list[Candidate]:
    """``don't`` → ``do not``, ``it's`` → ``it is``; not before a subject (``don't you``) or a participle (``it's been``)."""
    forms = _short_to_long()
    found = []
    for m in _pattern(tuple(forms)).finditer(text):
        short = m[0].lower().replace("’", "'")
        following = _next_word(text, m.end())
        if short.endswith("n't"):
            inverted = begins_sentence(text, m.start()) and short != "don't"
            if (
                inverted
                or following in english("subjects")
                or _word_before(text, m.start()) in english("question_words")
            ):
                continue
        elif short.endswith("'s") and short != "let's":
            # "it's been" has "has" in it; what follows decides, and at the end nothing does.
            if not following or (
                _participle(following) and following not in ("not", "always", "never", "also")
            ):
                continue
        elif short.endswith("'d") and following not in table("contractions")["bases"]:
            continue
        found.append(Candidate(m.start(), m.end(), in_case_of(m[0], forms[short])))
    return [_kept_i(text, c) for c in found]


def contract_candidates(text: str) -> list[Candidate]:
    """``do not`` → ``don't``, ``it is`` → ``it's``; only before a further word, ``have`` only before a participle."""
    forms = {**table("contractions")["negative"], **table("contractions")["positive"]}
    found = []
    for m in _pattern(tuple(forms)).finditer(text):
        long = re.sub(r"\s", " ", m[0].lower())
        following = _next_word(text, m.end())
        if long in table("contractions")["negative"]:
            if "NOT" in m[0]:
                continue  # stressed on purpose
        elif not following:
            continue  # "I know what it is."
        elif (long.endswith(" have") and not _participle(following)) or (
            long.endswith(" is") and following == "not" and long.split()[0] not in ("it", "he", "she", "that")
        ):
            continue
        found.append(Candidate(m.start(), m.end(), in_case_of(m[0], forms[long])))
    return without_overlaps([_kept_i(text, c) for c in found])


def _kept_i(text: str, c: Candidate) -> Candidate:
    """``i'm`` for the pronoun is written with a capital wherever it stands, unless the text has it small."""
    if text[c.start] == "I" and c.text[:1] == "i":
        return c._replace(text="I" + c.text[1:])
    return c


@fielded
def contractions(direction: str | float | None = None, *, severity: float | None = None) -> Perturbation:
    """``don't`` ↔ ``do not``: ``contractions:expand``, ``contractions:contract``, or whatever the text has of both."""
    return _choose(
        "contractions",
        direction,
        {"expand": expand_candidates, "contract": contract_candidates},
        what="contraction or full form",
        severity=severity,
        changes=("negation",),
        description="contractions expanded and formed: don't, do not",
    )


# --- numbers


_NAMES = re.compile(r"[^\s(\"'“‘]$|[$£€¥₹]\s$|\d\s$|[^.!?\s]\s[A-Z]\w+\s$|\b\w+\d\w*\s$")
"""Before an amount (``$ 4``), the number of a thing (``Fx 4300``), of a list or of two in a row (``a 3 4 defence``)."""


_COUNTS = re.compile(
    r"(?=[ \t]+(?!(?:min|hrs?|lbs?|mins?|secs?|bar|mol|psi|rpm|bpm|kcal|oz|pm|am|x|and \d)(?!\w))(?:[a-z]{3}|(?:of|is|to|in|or|by|at|on|as|we"
    r"|he|it|if)(?!\w)))|(?=\s*(?:$|[.,;!?)](?:\s|$)))"
)
"""What follows a number that counts: a word that is no unit, or the end of a clause."""
_DIGITS_BEFORE = re.compile(r"[\d+/–-][ \u00a0]?\Z")


def spell_candidates(text: str) -> list[Candidate]:
    """``42`` → ``forty-two`` for whole numbers that count something: no years, identifiers, ``order 17``."""
    found = []
    for m in DIGITS.finditer(text):
        plain = m[0].replace(",", "")
        if (len(plain) > 1 and plain[0] == "0") or (
            len(plain) == 4 and "," not in m[0] and "1500" <= plain <= "2199"
        ):
            continue
        if not _COUNTS.match(text, m.end()) or _DIGITS_BEFORE.search(text, max(0, m.start() - 3), m.start()):
            continue
        if int(plain) > LARGEST or _word_before(text, m.start()) in english("number_labels"):
            continue
        if _NAMES.search(text, max(m.start() - 24, 0), m.start()) or text[m.end() : m.end() + 1] == ")":
            continue
        words = to_words(int(plain))
        if m.start() == 0:
            words = words[0].upper() + words[1:]
        found.append(Candidate(m.start(), m.end(), words))
    return found


def digit_candidates(text: str) -> list[Candidate]:
    """``forty-two`` → ``42``; not ``one`` alone (``this one``), not before ``million``, not years in words."""
    found = []
    for m in WORDED.finditer(text):
        value = from_words(m[0])
        following = _next_word(text, m.end())
        if value is None or m[0].lower() in ("one", "zero", "a hundred", "a thousand"):
            continue
        if following in (
            "million",
            "billion",
            "trillion",
            "hundred",
            "thousand",
            "of",
            "and",
            "or",
            "to",
            "point",
        ):
            continue
        found.append(Candidate(m.start(), m.end(), str(value)))
    return found


@fielded
def numbers(direction: str | float | None = None, *, severity: float | None = None) -> Perturbation:
    """``42`` ↔ ``forty-two``: ``numbers:words``, ``numbers:digits``, or whatever the text has of both."""
    return _choose(
        "numbers",
        direction,
        {"words": spell_candidates, "digits": digit_candidates},
        what="number that counts something",
        severity=severity,
        changes=("number", "number_word"),
        preserves="probably",
        description="numbers as words and back: 42, forty-two",
    )


# --- British and American spelling


@cache
def _spellings() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """British → American, American → British."""
    tables = table("spelling")
    pairs: dict[str, str] = tables["pairs"]
    return {**pairs, **tables["to_american_only"]}, {american: british for british, american in pairs.items()}


_WORD = re.compile(r"(?<![\w'’-])[A-Za-z]{3,24}(?![\w’'-])")


def american_candidates(text: str) -> list[Candidate]:
    """``colour`` → ``color``."""
    return _spelled(text, _spellings()[0])


def british_candidates(text: str) -> list[Candidate]:
    """``color`` → ``colour``; words that mean something else in British English too (``check``, ``tire``) stay."""
    return _spelled(text, _spellings()[1])


def _spelled(text: str, forms: Mapping[str, str]) -> list[Candidate]:
    found = []
    for m in _WORD.finditer(text):
        other = forms.get(m[0].lower())
        # A capital inside a sentence is a name: Pearl Harbor, the Labour Party.
        if other and (m[0].islower() or begins_sentence(text, m.start())):
            found.append(Candidate(m.start(), m.end(), in_case_of(m[0], other)))
    return found


@fielded
def spelling_variant(direction: str | float | None = None, *, severity: float | None = None) -> Perturbation:
    """British ↔ American: ``spelling_variant:american``, ``spelling_variant:british``, or either."""
    return _choose(
        "spelling_variant",
        direction,
        {"american": american_candidates, "british": british_candidates},
        what="word that is spelled differently in British and American English",
        severity=severity,
        description="British and American spelling: colour, color",
    )
