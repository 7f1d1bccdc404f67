"""Hypothesis strategies: texts and variants that a perturbation makes, shrinking towards the unperturbed one.

::

    from hypothesis import given
    from robusttest.strategies import perturbed, variants

    @given(perturbed("please cancel my order", "keyboard", "casing"))
    def test_routes(text):
        assert route(text) == "account"

    @given(variants(intents, "keyboard", "ocr:0.2"))
    def test_prompt_fits(variant):
        assert tokens(intents.render(variant)) < 1000

What fails shrinks to fewer edits, then to smaller ones, to earlier perturbations and cases; the original text is the
simplest of all. So a property that fails without any edit is reported with the original. No model is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from robusttest.core.nouns import Case, Draft, Edit, Json, Prompt, Variant
from robusttest.engine.parts import can_part, part, places
from robusttest.errors import UsageError
from robusttest.perturbations.base.catalog import Spec, make_all
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.fields import text_at, with_texts
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import protect_rules
from robusttest.perturbations.base.validity import DEFAULT, Validity, check
from robusttest.tasks.task import Task
from robusttest.variants.expand import expand_case, identity

USUAL = ("keyboard", "doubled", "missing_space", "whitespace", "punctuation", "casing")
"""The perturbations of a call that names none: slips of a hurried writer, which keep the right answer right."""

_MOST_EDITS = 12
"""Edits that are left out one by one; of more, several go together."""
_CASES = 256
"""Cases whose variants are held at a time."""


def perturbed(
    text: str | st.SearchStrategy[str],
    *perturbations: Spec,
    severity: float | None = None,
    variants: int = 20,
    seed: int = 0,
    protect: Iterable[str | re.Pattern[str]] = (),
    target: Json = None,
    choices: Sequence[str] | None = None,
) -> st.SearchStrategy[str]:
    """``text``, or what one of the perturbations makes of it (`USUAL` where none is named); shrinks to ``text``.

    ``text`` may be a strategy itself (``st.sampled_from(QUESTIONS)``). ``severity`` is that of every perturbation named
    without one. Of each there are ``variants`` variants, and every part of their edits. ``protect``, ``target`` and
    ``choices`` are left standing, as in a `Task`.

    Raises `UsageError` for an unknown name, or a perturbation that a model writes.
    """
    made = _made(perturbations, severity)
    pool = _Pool(made, variants=variants, seed=seed, protect=protect)
    options = None if choices is None else tuple(choices)

    @st.composite
    def texts(draw: Any) -> str:
        original = draw(text) if isinstance(text, st.SearchStrategy) else text
        case = Case(id="text", fields={"input": original}, target=target, choices=options)
        return str(_drawn(draw, pool, case).input)

    if not isinstance(text, str | st.SearchStrategy):
        raise UsageError(f"perturbed({text!r}): give a text, or a strategy of texts")
    return texts()


def variants(
    task: Task,
    *perturbations: Spec,
    severity: float | None = None,
    variants: int = 20,
    seed: int = 0,
) -> st.SearchStrategy[Variant]:
    """A `Variant` of one of the task's cases; shrinks to the first case, unperturbed.

    A prompt or decoding perturbation makes its variants as a whole. ``task.render(variant)`` gives the messages.
    """
    if not isinstance(task, Task):
        raise UsageError(f"variants({task!r}): give a Task; for a text there is perturbed(text)")
    made = _made(perturbations, severity)
    pool = _Pool(
        made,
        task.prompt,
        task.params,
        variants=variants,
        seed=seed,
        protect=task.protect,
        validity=task.validity,
    )

    @st.composite
    def drawn(draw: Any) -> Variant:
        number = draw(st.integers(0, len(task.cases) - 1))
        return _drawn(draw, pool, task.cases[number])

    return drawn()


def _made(perturbations: Sequence[Spec], severity: float | None) -> list[Perturbation]:
    specs: list[Any] = list(perturbations or USUAL)
    if severity is not None:
        specs = [_at(spec, severity) for spec in specs]
    made = make_all(specs)
    for p in made:
        if p.apply is None:
            raise UsageError(
                f"perturbation {p.spec!r} is written by a model, which Hypothesis would ask for every example"
            )
    return made


def _at(spec: Any, severity: float) -> Any:
    if not isinstance(spec, str) or ":" in spec or "+" in spec:
        return spec
    (plain,) = make_all([spec])
    return spec if plain.severity is None else f"{spec}:{severity:g}"


class _Pool:
    """The variants of each case, made when it is first drawn and kept: Hypothesis draws from a case many times."""

    def __init__(
        self,
        perturbations: Sequence[Perturbation],
        prompt: Prompt | None = None,
        params: Mapping[str, Json] | None = None,
        *,
        variants: int,
        seed: int,
        protect: Iterable[Any],
        validity: Validity = DEFAULT,
    ) -> None:
        self.by_spec = {p.spec: p for p in perturbations}
        self.prompt, self.protect, self.validity = prompt, tuple(protect), validity
        self.how: dict[str, Any] = {"params": params, "variants": variants, "seed": seed}
        self._held: dict[str, list[Variant]] = {}

    def reference(self, case: Case) -> Variant:
        draft = Draft(case=case, prompt=self.prompt, protect=protect_rules(self.protect))
        return Variant(original=case, draft=draft)

    def of(self, case: Case) -> list[Variant]:
        key = repr((case.id, case.fields))
        if key not in self._held:
            if len(self._held) >= _CASES:
                self._held.clear()
            made = expand_case(
                case,
                self.by_spec.values(),
                prompt=self.prompt,
                protect=self.protect,
                validity=self.validity,
                **self.how,
            )
            self._held[key] = [v for v in made if v.perturbation and v.status == "ok"]
        return self._held[key]

    def size(self, v: Variant) -> int:
        """Edits that can be left out one by one; 1 for a variant that is there or not."""
        return len(places(v)) if can_part(v, self.by_spec[v.perturbation]) else 1

    def valid(self, v: Variant, reference: Draft) -> bool:
        p = self.by_spec[v.perturbation]
        if identity(v.draft, reference, {}) == identity(reference, reference, {}):
            return False
        return check(v.original, v.draft, p, self.validity) is None


def _drawn(draw: Any, pool: _Pool, case: Case) -> Variant:
    """Whether each edit is made, then which variant, then how large: an edit that is not needed is dropped by itself."""
    reference, made = pool.reference(case), pool.of(case)
    if not made:
        return reference
    bits = [draw(st.booleans()) for _ in range(min(_MOST_EDITS, max(map(pool.size, made))))]
    if not any(bits):
        return reference
    whole: Variant = made[draw(st.integers(0, len(made) - 1))]
    size = pool.size(whole)
    some = whole
    if size > 1:
        # Of more edits than bits several hang on one.
        kept = [place for i, place in enumerate(places(whole)) if bits[i % len(bits)]]
        if not kept:
            return reference
        if len(kept) < size:
            some = part(whole, kept)
    if size > 1 or len(places(whole)) == 1:
        some = _smaller(draw, some)
    # A part may be refused where the whole is not: of two edits of numbers that keep their count, say.
    return some if some is whole or pool.valid(some, reference.draft) else whole


def _smaller(draw: Any, v: Variant) -> Variant:
    """The variant with as much of each edit as is drawn: of ``HELLO`` for ``hello`` that is ``Hello`` at least."""
    if v.level != "input":
        return v
    made: dict[str, tuple[Edit, ...]] = {}
    texts: dict[str, str] = {}
    for name, edits in v.draft.edits.items():
        before = text_at(v.original.fields, name)
        if before is None or apply_edits(before, edits) != text_at(v.fields, name):
            return v
        out: list[Edit] = []
        for edit in edits:
            letters = _letters(before[edit.start : edit.end], edit)
            out += letters[: draw(st.integers(1, len(letters)))] if len(letters) > 1 else letters
        texts[name], made[name] = apply_edits(before, out), tuple(out)
    if made == dict(v.draft.edits):
        return v
    fields = with_texts(v.draft.case.fields, texts)
    return replace(v, draft=v.draft.with_(case=replace(v.draft.case, fields=fields), edits=made))


def _letters(old: str, edit: Edit) -> list[Edit]:
    """One edit for each character where only case or width changes; else the edit as it is."""
    pairs = list(zip(old, edit.text, strict=False))
    if len(old) != len(edit.text) or any(_plain(a) != _plain(b) for a, b in pairs):
        return [edit]
    return [Edit(edit.start + i, edit.start + i + 1, b) for i, (a, b) in enumerate(pairs) if a != b]


def _plain(character: str) -> str:
    return unicodedata.normalize("NFKC", character).casefold()
