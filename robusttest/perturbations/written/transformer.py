"""nlpaug's augmenters that load a model of their own through transformers: words in context, translation and back.

An optional extra (``pip install 'robusttest[transformers]'``); the models come from a local folder or from the Hugging
Face hub on first use. The model's name is the variant's `writer`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

from robusttest.core.nouns import NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.edits import (
    Edited,
    EditText,
    diff_edits,
    parse_severity,
    replace_spans,
    share,
    survive,
    text_perturbation,
)
from robusttest.perturbations.base.lexicon import in_case_of
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span
from robusttest.perturbations.words.words_random import whole_words
from robusttest.perturbations.written.local_models import require, running
from robusttest.perturbations.written.rewrite import MAX_LENGTH, framed_like, refuse

DEFAULT_SEVERITY = 0.1
_WINDOW = 400  # characters of context on each side: well within 512 tokens
_MIN_LETTERS = 3


def contextual(
    severity: float | str | None = None,
    *,
    model: str = "bert-base-uncased",
    model_type: str = "",
    device: str = "cpu",
    top_k: int = 10,
) -> Perturbation:
    """Words replaced by what a masked language model expects there: nlpaug's `ContextualWordEmbsAug`.

    ``severity`` (0.1) is the share of words; one of the ``top_k`` likeliest is drawn. What fits the place need not mean the
    same (``good`` → ``bad``): look at variants before gating on it. ``model_type`` (bert, roberta, bart) where the
    model's name does not tell it.
    """
    require("perturbation 'contextual'")
    value, spec = parse_severity("contextual", severity, default=DEFAULT_SEVERITY)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise UsageError(f"contextual: top_k={top_k!r} is not a number of words to draw from")
    if model != "bert-base-uncased":
        spec = f"contextual:{_named(model)}" + (f"@{value:g}" if severity is not None else "")

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        spans = [(s, e) for s, e in whole_words(text, protected) if e - s >= _MIN_LETTERS]
        if not spans:
            return NotApplicable(reason="no word of 3 or more letters outside protected text")
        wanted = share(value, len(spans), rng)
        order = rng.sample(spans, len(spans))
        made: list[tuple[int, int, str]] = []
        for start, end in order:
            if len(made) == wanted:
                break
            word = text[start:end]
            fitting = _fill(_masker(model, model_type, device, top_k), text, start, end)
            others = [w for w in fitting if w.lower() != word.lower()]
            if others:
                made.append((start, end, in_case_of(word, rng.choice(others))))
        return replace_spans(
            text, made, rng=rng, protected=protected, what="word that the model has another for"
        )

    typed: EditText = fn
    lifted = text_perturbation(
        "contextual",
        typed,
        spec=spec,
        severity=value,
        preserves="probably",
        changes=("share",),
        description="a word that a masked language model expects in its place",
    )
    return _written_by(lifted, model)


def machine_translation(
    there: str = "Helsinki-NLP/opus-mt-en-de",
    back: str = "Helsinki-NLP/opus-mt-de-en",
    *,
    device: str = "cpu",
    max_length: int = 300,
) -> Perturbation:
    """Translated by one model and back by another: nlpaug's `BackTranslationAug`. One variant, it draws nothing.

    Refused, by reason, where a number or a protected part does not come back. For a translation by an LLM of the
    gateway see `back_translation`.
    """
    require("perturbation 'machine_translation'")
    spec = "machine_translation"
    if (there, back) != ("Helsinki-NLP/opus-mt-en-de", "Helsinki-NLP/opus-mt-de-en"):
        spec = f"machine_translation:{_named(there)}"
        _named(back)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...]
    ) -> Edited | NotApplicable:
        if len(text) > MAX_LENGTH:
            return NotApplicable(reason=f"the text has {len(text):,} characters; {MAX_LENGTH:,} is the most")
        engine = _translator(there, back, device, max_length)
        lines = text.splitlines(keepends=True)
        worded = [i for i, line in enumerate(lines) if any(c.isalpha() for c in line)]
        if not worded:
            return NotApplicable(reason="the text has no letters")
        try:
            with running():
                translated = engine.substitute([lines[i].strip() for i in worded])
        except (RuntimeError, ValueError, IndexError) as e:  # an empty or too long line, inside the model
            return NotApplicable(
                reason=f"the translation models failed on this text: {type(e).__name__}: {e}"[:200]
            )
        for i, new in zip(worded, translated, strict=True):
            lines[i] = framed_like(lines[i], new)
        new_text = "".join(lines)
        if (why := refuse(text, new_text, protected)) is not None:
            return NotApplicable(reason=f"the translation was refused: {why}")
        edits = diff_edits(text, new_text)
        if not survive(text, new_text, edits, tuple(s for s in protected if s.kind in ("code", "json"))):
            return NotApplicable(reason="the translation was refused: it changes code or data")
        return new_text, edits

    typed: EditText = fn
    lifted = text_perturbation(
        "machine_translation",
        typed,
        spec=spec,
        preserves="probably",
        limit=1,
        changes=("share",),
        moves=True,
        description="the input translated and back by two local models",
    )
    return _written_by(lifted, f"{there}+{back}")


def _named(model: str) -> str:
    if not isinstance(model, str) or not model.strip() or any(c in model for c in ",[]#+:@\n"):
        raise UsageError(f"model={model!r} is not the name or folder of a model")
    return model


def _written_by(perturbation: Perturbation, model: str) -> Perturbation:
    return replace(perturbation, writer=model)


@cache
def _masker(model: str, model_type: str, device: str, top_k: int) -> Any:
    from nlpaug.augmenter.word import ContextualWordEmbsAug

    # The model gives the likeliest words in order; nlpaug's own sampler would draw from torch's global generator.
    with running():
        return ContextualWordEmbsAug(
            model_path=model,
            model_type=model_type,
            action="substitute",
            device=device,
            top_k=top_k,
            use_custom_api=False,
        )


@cache
def _translator(there: str, back: str, device: str, max_length: int) -> Any:
    from nlpaug.augmenter.word import BackTranslationAug

    with running():
        return BackTranslationAug(
            from_model_name=there, to_model_name=back, device=device, max_length=max_length
        )


def _fill(augmenter: Any, text: str, start: int, end: int) -> list[str]:
    """What the model expects instead of ``text[start:end]``, likeliest first: whole words of letters."""
    left, right = text[max(0, start - _WINDOW) : start], text[end : end + _WINDOW]
    masked = f"{left}{augmenter.model.get_mask_token()}{right}"
    with running():
        (found,) = augmenter.model.predict([masked], target_words=[text[start:end]])
    return [w for token in found if (w := token.strip()).isalpha()]
