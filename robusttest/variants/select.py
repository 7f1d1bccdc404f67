"""What of a task a run takes: which cases, which of their variants, which perturbations. Pure functions of settings."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, Case, Threshold, Variant
from robusttest.core.shards import Shard
from robusttest.errors import UnknownNameError, UsageError, did_you_mean
from robusttest.metrics import get_metric
from robusttest.perturbations.base.catalog import PERTURBATIONS, make_all, meant
from robusttest.perturbations.base.protocol import Perturbation, need_rules
from robusttest.perturbations.written.rewrite import with_writer
from robusttest.settings import Settings
from robusttest.tasks.cases import broken_down

Fits: TypeAlias = Callable[[list[Perturbation]], list[Perturbation]]


class Selected(NamedTuple):
    """A case, and the ids of the variants that are wanted of it (None: all)."""

    case: Case
    variants: frozenset[str] | None


def named_case(text: str, known: Container[str]) -> tuple[str, str | None] | None:
    """``--robust-case``, read: the case, and the variant of it (None: all). None where no known case is meant.

    ``CASE_ID::VARIANT`` is read as a case id first, where a case is called so.
    """
    if text in known:
        return text, None
    case, separator, variant = text.rpartition("::")
    return (case, variant) if separator and case in known else None


def select_cases(
    cases: Sequence[Case], settings: Settings, wanted: Iterable[Perturbation] | None = None
) -> list[Selected]:
    """The cases of ``--robust-case``, else the first ``--robust-limit`` (and ``--robust-max-cases``) of them.

    An id of another test selects nothing here, nor does a variant of a perturbation that is not ``wanted``, so the result
    may be empty; what no test has is told by `unknown_case`. Of those only the shard's, where the run is one.
    """
    found = _chosen(broken_down(cases, settings.by), settings, wanted)
    if settings.shard is None:
        return found
    shard = Shard.parse(settings.shard)
    return [s for s in found if shard.has(s.case.id)]


def _chosen(
    cases: Sequence[Case], settings: Settings, wanted: Iterable[Perturbation] | None
) -> list[Selected]:
    if settings.case:
        specs = None if wanted is None else {REFERENCE, *(p.spec for p in wanted)}
        by_id = {case.id: case for case in cases}
        chosen: dict[str, set[str] | None] = {}
        for text in settings.case:
            if (named := named_case(text, by_id)) is None:
                continue
            case_id, variant = named
            if variant is None:
                chosen[case_id] = None
            elif specs is None or spec_of(variant)[0] in specs:
                held = chosen.setdefault(case_id, set())
                if held is not None:
                    held.add(variant)
        return [
            Selected(case, None if (held := chosen[case.id]) is None else frozenset(held))
            for case in cases
            if case.id in chosen
        ]
    most = min((n for n in (settings.limit, settings.max_cases) if n is not None), default=len(cases))
    return [Selected(case, None) for case in cases[:most]]


class Tested(NamedTuple):
    """What one test has, to look for a case in."""

    cases: Sequence[Case]
    wanted: Sequence[Perturbation]
    made: Callable[[Selected], Iterable[Variant]]
    """The variants of a case that were asked for by id, as far as they can be made without a model."""


def unknown_case(settings: Settings, tests: Sequence[Tested]) -> str | None:
    """What of ``--robust-case`` no test of the run has: the case, the perturbation or the variant, and the nearest one."""
    for text in settings.case:
        flag = f"--robust-case={text}"
        holders = [
            (t, c, n[1]) for t in tests for c in t.cases if (n := named_case(text, {c.id})) is not None
        ]
        if not holders:
            known = list(dict.fromkeys(case.id for test in tests for case in test.cases))
            hint = did_you_mean(text, known, cutoff=0.5) or did_you_mean(
                text.rpartition("::")[0], known, cutoff=0.5
            )
            return f"{flag}: no collected test has such a case.{hint or ' The first ones: ' + ', '.join(known[:5])}"
        # One case may be called as another and its variant are.
        if any(variant is None for _, _, variant in holders):
            continue
        try:
            spec = spec_of(holders[0][2] or "")[0]
        except UsageError as e:
            return str(e)
        of = [(t, c, variant or "", p) for t, c, variant in holders for p in t.wanted if p.spec == spec]
        if spec and not of:
            specs = list(dict.fromkeys(p.spec for t, _, _ in holders for p in t.wanted))
            return (
                f"{flag}: no perturbation {spec!r} in this run of the tests that have the case.{did_you_mean(spec, specs)} They have: "
                f"{', '.join(specs) or 'none'}"
            )
        if not of or any(p.rewrite is not None for *_, p in of):
            continue
        found = {
            v.id
            for t, c, variant, _ in of
            for v in t.made(Selected(c, frozenset([variant])))
            if v.status != "not_applicable"
        }
        if not found & {variant for _, _, variant, _ in of}:
            case, variant = of[0][1].id, of[0][2]
            return f"{flag}: the case {case!r} has no variant {variant!r}: {spec} does not make so many of it, or does not apply"
    return None


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
    specs: Iterable[Any], settings: Settings, *, model: str = "", fits: Fits = list
) -> tuple[list[Perturbation], list[Perturbation]]:
    """``(all, wanted)``: every perturbation of the test, and those left by ``--robust-only`` and ``--robust-skip``.

    ``fits`` leaves out what the task gives nothing to act on (`usual.fitting`). Those that a model writes get their writer. `UsageError` where they have none, or where ``--robust-writer`` is the
    model under test: it would mark its own homework; and where one changes the right answer without a rule for it.
    """
    every = fits(make_all(specs))
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
    """Refuse a threshold at a perturbation that the test does not have, by name, and one whose metric stays undefined with
    the perturbations that it has, whatever the model says.
    """
    perturbations = list(perturbations)
    names = {p.spec for p in perturbations} | {p.name for p in perturbations}
    for threshold in thresholds:
        if threshold.perturbation is not None and meant(threshold.perturbation, names) is None:
            raise UnknownNameError(
                f"perturbation in the threshold '{threshold}':", threshold.perturbation, names
            )
        if (lacking := _lacking(threshold, perturbations)) is not None:
            raise UsageError(f"the threshold '{threshold}' stays undefined: {lacking}")


def _lacking(threshold: Threshold, perturbations: Sequence[Perturbation]) -> str | None:
    """What it takes to define a threshold's metric, where the perturbations of the test do not give it."""
    metric = get_metric(threshold.metric)
    if metric.needs_repeats and not any(p.level == "repeat" for p in perturbations):
        return "it takes several replies to one prompt: add the perturbation 'repeat'"
    if threshold.perturbation is not None:
        return None
    lacks = metric.lacks
    if lacks == "sensitive" and not any(p.effect != "same" or p.aims for p in perturbations):
        return "it is of variants that change the right answer: add one, as directional('negation', expect='changes')"
    if lacks in ("variants", "pairs") and not perturbations:
        return "it compares variants of a prompt: add perturbations=[…], as 'keyboard'"
    return None


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
