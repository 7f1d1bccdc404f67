"""What a mail program puts around a message: a signature, a legal footer, a quoted reply, a forwarded head."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from robusttest.core.nouns import Case, Edit, NotApplicable
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.acting import fielded
from robusttest.perturbations.base.edits import Edited, apply_edits, text_perturbation
from robusttest.perturbations.base.lexicon import table
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import Span, labels_in

_ADDS = ("share", "lines", "number", "negation")


def _signature(rng: random.Random) -> str:
    held = table("mail")
    name = f"{rng.choice(held['first_names'])} {rng.choice(held['last_names'])}"
    return f"\n\n-- \n{name}\n{rng.choice(held['addresses'])}\n{rng.choice(held['phones'])}"


def _footer(rng: random.Random) -> str:
    return "\n\n" + str(rng.choice(table("mail")["footers"]))


def _device(rng: random.Random) -> str:
    return "\n\n" + str(rng.choice(table("mail")["devices"]))


def _quoted(rng: random.Random) -> str:
    held = table("mail")
    head = f"On {rng.choice(held['days'])}, {rng.choice(held['first_names'])} {rng.choice(held['last_names'])} wrote:"
    lines = str(rng.choice(held["replies"])).split("\n")
    return "\n\n" + head + "\n" + "\n".join(f"> {line}" for line in lines)


def _forwarded(rng: random.Random) -> str:
    held = table("mail")
    name = f"{rng.choice(held['first_names'])} {rng.choice(held['last_names'])}"
    return (
        f"---------- Forwarded message ---------\nFrom: {name}\nSubject: {rng.choice(held['subjects'])}\n\n"
    )


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "signature": _signature,
    "footer": _footer,
    "quoted": _quoted,
    "forwarded": _forwarded,
    "device": _device,
}


@fielded
def mail(kind: str | None = None) -> Perturbation:
    """What a mail program adds, one kind a variant, with other words each time.

    ``signature`` (name, street, phone after ``--``), ``footer`` (a legal notice), ``quoted`` (an earlier reply with ``>`` before
    its lines, which says nothing of the matter), ``forwarded`` (From and Subject before the text), ``device`` (``Sent from my …``).
    The text itself stands; nothing that is added holds a label.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind of mail", kind, KINDS)
    kinds = tuple(KINDS) if kind is None else (kind,)

    def fn(
        text: str, *, rng: random.Random, index: int, protected: tuple[Span, ...], case: Case
    ) -> Edited | NotApplicable:
        what = kinds[index % len(kinds)]
        for _ in range(10):
            added = KINDS[what](rng)
            if not labels_in(added, case):
                at = len(text) - len(text.lstrip()) if what == "forwarded" else len(text.rstrip())
                edit = Edit(at, at, added)
                return apply_edits(text, [edit]), (edit,)
        return NotApplicable(reason=f"each {what} holds a label of the case")

    return text_perturbation(
        "mail",
        fn,
        spec="mail" if kind is None else f"mail:{kind}",
        languages=("en",),
        changes=_ADDS,
        adds=True,
        description="a signature, a footer, a quoted reply or a forwarded head, as of a mail",
    )
