"""What holds for every perturbation before it acts: its fields, its scripts, its languages. The one place that says so."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from robusttest.core.nouns import Completion, Draft, NotApplicable, Request
from robusttest.errors import UsageError
from robusttest.perturbations.base.fields import check_names, varied
from robusttest.perturbations.base.languages import detect
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import script_of

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian", "nl": "Dutch",
    "pl": "Polish", "cs": "Czech", "ru": "Russian", "uk": "Ukrainian", "tr": "Turkish", "el": "Greek", "sv": "Swedish",
    "da": "Danish", "no": "Norwegian", "fi": "Finnish", "hu": "Hungarian", "ro": "Romanian", "vi": "Vietnamese",
    "id": "Indonesian", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "th": "Thai", "hi": "Hindi", "ar": "Arabic",
    "he": "Hebrew",
}  # fmt: skip


def act(p: Perturbation, draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
    """``p.apply`` on its fields, where scripts and language suit it."""
    assert p.apply is not None
    ready = _ready(p, draft)
    return ready if isinstance(ready, NotApplicable) else _done(draft, p.apply(ready, rng, index))


def rewritten(
    p: Perturbation, draft: Draft, rng: random.Random, index: int
) -> Generator[Request, Completion, Draft | NotApplicable]:
    """The same for a perturbation that a model writes."""
    assert p.rewrite is not None
    ready = _ready(p, draft)
    if isinstance(ready, NotApplicable):
        return ready
    return _done(draft, (yield from p.rewrite(ready, rng, index)))


def _ready(p: Perturbation, draft: Draft) -> Draft | NotApplicable:
    if p.fields is not None:
        check_names(p.fields, draft.case, f"{p.spec}: fields={list(p.fields)!r}")
        draft = draft.with_(vary=p.fields)
    if "any" in p.scripts and "any" in p.languages:
        return draft
    found = [t for t in varied(draft).values() if t.strip()]
    if not found:
        return draft  # what it says of a case without a text is better than what we could say
    if "any" not in p.scripts and not any(_has_script(t, p.scripts) for t in found):
        more = " …" if len(p.scripts) > 3 else ""
        return NotApplicable(reason=f"needs text in {' or '.join(p.scripts[:3])}{more} script")
    if "any" not in p.languages:
        language = draft.case.language or detect("\n".join(found))
        if language is not None and language not in p.languages:
            needed = " or ".join(NAMES.get(code, code) for code in p.languages[:3])
            return NotApplicable(reason=f"needs {needed}: the text is {NAMES.get(language, language)}")
    return draft


def _done(before: Draft, outcome: Draft | NotApplicable) -> Draft | NotApplicable:
    if isinstance(outcome, Draft) and outcome.vary != before.vary:
        return outcome.with_(vary=before.vary)
    return outcome


def _has_script(text: str, scripts: tuple[str, ...]) -> bool:
    if text.isascii():
        return "Latin" in scripts and any(map(str.isalpha, text))
    return any(c.isalpha() and script_of(c) in scripts for c in text)


def on_fields(p: Perturbation, fields: object) -> Perturbation:
    """The perturbation on these input fields alone; its spec says so: ``keyboard:0.2(question)``."""
    names = (
        (fields,) if isinstance(fields, str) else tuple(fields) if isinstance(fields, list | tuple) else ()
    )
    if not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise UsageError(
            f"{p.spec}: fields={fields!r}: give names of input fields, as in fields=['question']"
        )
    if odd := next((n for n in names if any(c in n for c in "()&,[]#+:\n")), None):
        raise UsageError(f"{p.spec}: the field {odd!r} can't be named in a spec: rename it")
    return replace(p, fields=names, spec=f"{p.spec}({'&'.join(names)})")


def fielded(factory: Callable[..., Perturbation]) -> Callable[..., Perturbation]:
    """Decorator: the factory takes ``fields=``, the input fields that its perturbation varies, and ``target="prompt"``."""

    @wraps(factory)
    def make(
        *args: Any, fields: str | Sequence[str] | None = None, target: str = "case", **keywords: Any
    ) -> Perturbation:
        return on_target(factory(*args, **keywords), fields, target)

    own = inspect.signature(factory)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (
            ("fields", None, "str | Sequence[str] | None"),
            ("target", "case", "str"),
        )
    ]
    make.__signature__ = own.replace(parameters=[*own.parameters.values(), *extra])  # type: ignore[attr-defined]  # inspect reads it of any callable
    return make


def on_target(p: Perturbation, fields: str | Sequence[str] | None, target: str) -> Perturbation:
    """The perturbation on the case's texts, on those fields of it, or on the prompt around it (``target="prompt"``)."""
    if target not in ("case", "prompt"):
        raise UsageError(f"{p.spec}: target={target!r}: 'case' or 'prompt'")
    if target == "prompt":
        if fields is not None:
            raise UsageError(
                f"{p.spec}: fields={fields!r} are the case's, and target='prompt' varies the prompt"
            )
        from robusttest.perturbations.prompt.instruction import instruction

        return instruction(p)
    return p if fields is None else on_fields(p, fields)
