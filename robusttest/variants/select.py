"""What of a task a run takes: which cases, which of their variants, which perturbations. Pure functions of settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from robusttest.core.names import split_spec
from robusttest.core.nouns import Case, Threshold
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.base.catalog import PERTURBATIONS, make_all, meant
from robusttest.perturbations.base.protocol import Perturbation, need_rules
from robusttest.perturbations.written.rewrite import with_writer
from robusttest.settings import Settings


class Selected(NamedTuple):
    """A case, and the ids of the variants that are wanted of it (None: all)."""

    case: Case
    variants: frozenset[str] | None


def select_cases(cases: Sequence[Case], settings: Settings) -> list[Selected]:
    """The cases of ``--robust-case``, else the first ``--robust-limit`` (and ``--robust-max-cases``) of them.

    ``CASE_ID::VARIANT`` is read as a case id first, where a case is called so. An id of another task selects nothing
    here, so the result may be empty.
    """
    if settings.case:
        by_id = {case.id: case for case in cases}
        wanted: dict[str, set[str] | None] = {}
        for text in settings.case:
            if text in by_id:
                wanted[text] = None
                continue
            case_id, separator, variant = text.rpartition("::")
            if separator and case_id in by_id:
                held = wanted.setdefault(case_id, set())
                if held is not None:
                    held.add(variant)
        return [
            Selected(case, None if (held := wanted[case.id]) is None else frozenset(held))
            for case in cases
            if case.id in wanted
        ]
    most = min((n for n in (settings.limit, settings.max_cases) if n is not None), default=len(cases))
    return [Selected(case, None) for case in cases[:most]]


def calls_per_case(wanted: Iterable[Perturbation], settings: Settings) -> int:
    """Variants of each case at most, the reference included: before expansion nobody knows what will not apply."""
    most = settings.variants
    return 1 + sum(min(most, p.limit or most) for p in wanted)


def spec_of(variant: str) -> tuple[str, int]:
    """``keyboard:0.1#3`` → ``("keyboard:0.1", 3)``; the reference is ``("", 0)``."""
    spec, mark, index = variant.rpartition("#")
    if not mark or not (index.isascii() and index.isdigit()):
        if not variant or variant == "reference":
            return "", 0
        raise UsageError(f"--robust-case=…::{variant}: a variant is written as keyboard:0.1#3")
    return spec, int(index)


def select_perturbations(
    specs: Iterable[Any], settings: Settings, *, model: str = ""
) -> tuple[list[Perturbation], list[Perturbation]]:
    """``(all, wanted)``: every perturbation of the test, and those left by ``--robust-only`` and ``--robust-skip``.

    Those that a model writes get their writer. `UsageError` where they have none, or where ``--robust-writer`` is the
    model under test: it would mark its own homework; and where one changes the right answer without a rule for it.
    """
    every = make_all(specs)
    need_rules(every)
    names = {p.spec for p in every} | {p.name for p in every}
    for option in (settings.only, settings.skip):
        for wanted in option:
            if wanted not in names and split_spec(wanted)[0] not in PERTURBATIONS:
                raise UnknownNameError("perturbation", wanted, names | set(PERTURBATIONS))

    def listed(p: Perturbation, option: tuple[str, ...]) -> bool:
        return p.spec in option or p.name in option

    kept = [
        p for p in every if (not settings.only or listed(p, settings.only)) and not listed(p, settings.skip)
    ]
    out = []
    for p in kept:
        written = with_writer(p, settings.writer)
        if p.rewrite is not None and p.writer is None and settings.writer == model:
            raise UsageError(
                f"perturbation {p.spec!r}: the writer {model!r} is the model under test; name another one in "
                f"--robust-writer, or {p.name}(model={model!r}) if that is meant"
            )
        out.append(written)
    return every, out


def check_thresholds(thresholds: Iterable[Threshold], perturbations: Iterable[Perturbation]) -> None:
    """Refuse a threshold at a perturbation that the test does not have, by name."""
    perturbations = list(perturbations)
    names = {p.spec for p in perturbations} | {p.name for p in perturbations}
    for threshold in thresholds:
        if threshold.perturbation is not None and meant(threshold.perturbation, names) is None:
            raise UnknownNameError(
                f"perturbation in the threshold '{threshold}':", threshold.perturbation, names
            )


def judged(
    thresholds: Iterable[Threshold], wanted: Iterable[Perturbation]
) -> tuple[list[Threshold], list[str]]:
    """The thresholds that this run can judge, and a note for each whose perturbation is left out of it."""
    names = {n for p in wanted for n in (p.spec, p.name)}
    kept, notes = [], []
    for threshold in thresholds:
        if threshold.perturbation is None or meant(threshold.perturbation, names) is not None:
            kept.append(threshold)
        else:
            notes.append(f"'{threshold}' is not judged: {threshold.perturbation} is left out of this run")
    return kept, notes
