"""What a perturbation is: a name, a level, and a function from one `Draft` to another.

A user's own is a function, registered by decorator::

    @perturbation("shout", preserves="preserves")
    def shout(text: str, rng: random.Random) -> str:
        return text.upper()

It gets the same guarantees as the built-in ones: protected parts restored or the variant rejected, no no-op,
no duplicate, a private random generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal

from robusttest.core.nouns import Completion, Draft, Effect, Level, NotApplicable, Preserves, Request
from robusttest.errors import UsageError

Apply = Callable[[Draft, random.Random, int], Draft | NotApplicable]
"""``(draft, rng, index)``: ``index`` is the variant's number, for perturbations that count through levels."""

Rewrite = Callable[[Draft, random.Random, int], Generator[Request, Completion, Draft | NotApplicable]]
"""A perturbation that a model writes: yields Requests, receives Completions, does no I/O itself."""

Expect = Literal["target", "same", "changes", "increases", "decreases"]
"""What a right answer is: the target; the reference's answer; any other answer; a larger or smaller number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One perturbation at one severity. ``spec`` is its identity in thresholds, records and seeds."""

    name: str
    """The family, as in ``flip_rate["keyboard"]``."""
    spec: str
    """``keyboard`` at its default severity, else ``keyboard:0.2``."""
    level: Level
    apply: Apply | None = None
    rewrite: Rewrite | None = None
    """Set instead of ``apply`` where a model writes the variant."""
    severity: float | None = None
    """Share of eligible words that are edited, in (0, 1]; None where that has no meaning."""
    preserves: Preserves = "preserves"
    scripts: tuple[str, ...] = ("any",)
    """Unicode scripts it can act on (``Latin`` …), or ``any``: `acting` enforces both."""
    languages: tuple[str, ...] = ("any",)
    """Codes of the languages that it speaks (``en`` …), or ``any``."""
    fields: tuple[str, ...] | None = None
    """The input fields that it varies; None: the task's, else what `fields.varied` finds."""
    limit: int | None = None
    """How many distinct variants exist at most (``casing`` has four); None: as many as asked for."""
    writer: str | None = None
    separable: bool = True
    """Whether a part of its edits is a variant, too: of two typos one is, of two sentences that change places none.
    Shrinking leaves out edits only where it is."""
    expect: Expect = "target"
    aims: bool = False
    """Whether it may give a variant a target of its own."""
    changes: tuple[str, ...] = ()
    """Kinds of protected text that it changes on purpose (``number``, ``negation`` …, `spans.KINDS`), and
    validity gates that don't apply to it (``lines``, ``share`` …, `validity.GATES`)."""
    usual: bool = False
    """Whether ``"usual"`` chose it: then it is left out where the task gives it nothing to act on."""
    description: str = ""
    """One line for the documentation and ``robusttest perturb --list``."""

    @property
    def effect(self) -> Effect:
        """What its variants do to the right answer, where their target is the case's."""
        return "same" if self.expect in ("target", "same") else self.expect

    @property
    def ruled(self) -> bool:
        """Whether it is known what is right for its variants."""
        return self.preserves != "alters" or self.expect != "target" or self.aims

    def __str__(self) -> str:
        return self.spec


def need_rules(perturbations: Iterable[Perturbation]) -> None:
    """Refuse those that change the right answer and do not say what is right then: against the old target every model that
    reads well would be wrong.
    """
    for p in perturbations:
        if not p.ruled:
            raise UsageError(
                f"perturbation {p.spec!r} changes the right answer, and nothing says what is right then: write "
                f"directional({p.spec!r}, expect='changes') (or increases, decreases, target=function); where the answer stays "
                "right all the same, expect='same'"
            )
