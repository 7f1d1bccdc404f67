"""Variants frozen in a file: one JSON object a line, sorted, made to be reviewed and committed.

A run that has such a file uses exactly its variants: whatever changes in a perturbation, in nlpaug or in a writer's model
later, the questions stay those that were reviewed. What no longer fits its case is refused by name. First come the lines
that say what was frozen, then one for each variant::

    {"task": "intents", "perturbation": "ocr", "frozen": 1, "variants": 5, "seed": 0}
    {"task": "intents", "case": "t1", "perturbation": "ocr", "index": 0, "fields": {"input": "…"}, "edits": …, "of": "…"}

A reviewer may change a text, set ``"status": "rejected"`` with a ``reason``, or delete the line of one variant of several.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robusttest.core.nouns import Case, Draft, Edit, Json, Prompt, Variant, canonical_json, digest
from robusttest.errors import UsageError, did_you_mean
from robusttest.perturbations.base.edits import apply_edits, diff_edits
from robusttest.perturbations.base.fields import text_at
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.spans import protect_rules
from robusttest.settings import Settings
from robusttest.variants.expand import identity
from robusttest.variants.frozen_file import SCHEMA, Row, key_of, named, read, write

REFRESH = "--robust-update-freeze (evaluate: update_freeze=True) makes them anew; then review the difference"
NAMED = 5
"""Stale variants that an error names before it counts the rest."""


class StaleError(UsageError):
    """A file's variants no longer fit the cases, the prompt or the perturbations of a run."""


@dataclass(frozen=True)
class Scope:
    """What one test × model asks of a frozen file, or puts into it."""

    task: str
    cases: Sequence[Case]
    """All of the task's."""
    selected: Sequence[Case]
    """Those that this run takes."""
    perturbations: Sequence[Perturbation]
    variants: int
    seed: int
    prompt: Prompt | None = None
    protect: Iterable[Any] = ()

    def reference(self, case: Case) -> Draft:
        return Draft(case=case, prompt=self.prompt, protect=protect_rules(self.protect))


# --- writing ----------------------------------------------------------------------------------------------------


class Freezer:
    """Gathers the variants of one test × model as rows."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.rows: list[Row] = [
            {"task": scope.task, "perturbation": p.spec, "frozen": SCHEMA, "variants": scope.variants, "seed": scope.seed}
            for p in scope.perturbations
        ]  # fmt: skip
        self._held: set[tuple[str, str]] = set()
        self._of: tuple[str, str] = ("", "")

    def add(self, variant: Variant) -> None:
        """Keep one variant; the reference is its case, and not kept."""
        if not variant.perturbation:
            return
        case = variant.original
        self._held.add((case.id, variant.perturbation))
        if self._of[0] != case.id:
            self._of = (case.id, fingerprint(self.scope.reference(case)))
        try:
            self.rows.append(_row(variant, self.scope, self._of[1]))
        except (TypeError, ValueError) as e:
            raise UsageError(
                f"task {self.scope.task!r}, {case.id}::{variant.id} can't be frozen: it holds what JSON can't ({e})"
            ) from None

    def missing(self) -> list[str]:
        """``task: case::perturbation`` of what could not be made, as where a writer's call failed."""
        wanted = ((c.id, p.spec) for c in self.scope.selected for p in self.scope.perturbations)
        return [f"{self.scope.task}: {c}::{spec}" for c, spec in wanted if (c, spec) not in self._held]


def fingerprint(reference: Draft) -> str:
    """16 hex digits over a case as its variants were made from it: fields, target, choices, metadata, protection."""
    case = reference.case
    parts = [dict(case.fields), case.target, case.choices, dict(case.metadata), list(reference.protect)]
    if case.language is not None or case.perturb is not None:
        parts.append([case.language, case.perturb])
    return digest(_canonical(parts), size=8)


def _prompt_print(prompt: Prompt | None) -> str:
    return digest(_canonical(None if prompt is None else asdict(prompt)), size=8)


def _canonical(value: Json) -> str:
    try:
        return canonical_json(value)
    except (TypeError, ValueError):
        return repr(value)  # dates, NaN: not JSON, and the same in every run all the same


def _row(v: Variant, scope: Scope, of: str) -> Row:
    draft, case, old = v.draft, v.draft.case, v.original
    row: Row = {"task": scope.task, "case": old.id, "perturbation": v.perturbation, "index": v.index}
    if v.status != "ok":
        row |= {"status": v.status, "reason": v.reason}
    if changed := {
        k: text for k, text in case.fields.items() if k not in old.fields or old.fields[k] != text
    }:
        row["fields"] = changed
    if gone := [k for k in old.fields if k not in case.fields]:
        row["without"] = gone
    for name in ("target", "choices", "metadata", "cluster"):
        value = getattr(case, name)
        if value != getattr(old, name):
            row[name] = list(value) if isinstance(value, tuple) else value
    if edits := {k: [list(e) for e in made] for k, made in draft.edits.items() if made}:
        row["edits"] = edits
    if draft.realised is not None:
        row["realised"] = draft.realised
    if draft.prompt is not None and scope.prompt is not None and draft.prompt != scope.prompt:
        new, before = asdict(draft.prompt), asdict(scope.prompt)
        row["prompt"] = {k: value for k, value in new.items() if value != before[k]}
        row["of_prompt"] = _prompt_print(scope.prompt)
    for name, value in (
        ("params", dict(draft.params)),
        ("sample", draft.sample),
        ("factors", dict(draft.factors)),
        ("tool_names", dict(draft.tool_names)),
        ("fault", dict(draft.fault)),
    ):
        if value:
            row[name] = value
    row |= {"level": v.level, "severity": v.severity, "preserves": v.preserves, "seed": v.seed}
    if v.writer is not None:
        row["writer"] = v.writer
    row["of"] = of
    result: Row = json.loads(json.dumps(row, allow_nan=False))  # a copy that nothing changes, and is JSON
    return result


def save(path: Path, freezers: Sequence[Freezer], rows: Iterable[Row] | None = None) -> int:
    """Put what was gathered into a file that may be there already. ``rows``: also of other processes."""
    kept = read(path) if path.exists() else []
    if rows is None:
        rows = [row for f in freezers for row in f.rows]
    cases: dict[str, set[str]] = {}
    for f in freezers:
        cases.setdefault(f.scope.task, set()).update(c.id for c in f.scope.cases)
    return write(path, rows, cases=cases, kept=kept)


def lacking(unfrozen: Iterable[str]) -> list[str]:
    """A line that says what could not be frozen; none where all was."""
    first = list(dict.fromkeys(unfrozen))
    if not first:
        return []
    more = f" and {len(first) - 3:,} more" if len(first) > 3 else ""
    return [
        f"not frozen, as the model that writes it was not asked or did not reply: {', '.join(first[:3])}{more}"
    ]


# --- reading ----------------------------------------------------------------------------------------------------


class Frozen:
    """The variants of a file, by task."""

    def __init__(self, path: Path, rows: Iterable[Row]) -> None:
        self.path = path
        self._heads: dict[tuple[str, str], Row] = {}
        self._groups: dict[tuple[str, str, str], list[Row]] = {}
        self._cases: dict[str, set[str]] = {}
        for row in rows:
            task, case, spec, _ = key_of(row)
            if "frozen" in row:
                self._heads[task, spec] = row
            else:
                self._groups.setdefault((task, case, spec), []).append(row)
                self._cases.setdefault(task, set()).add(case)
        for group in self._groups.values():
            group.sort(key=lambda row: row["index"])

    def stale(self, scope: Scope) -> list[str]:
        """What of the file does not fit, and what it lacks: ``task: case::perturbation#0: why``. Empty: all is well."""
        found: list[str] = []
        for p in scope.perturbations:
            head = self._heads.get((scope.task, p.spec))
            if head is None:
                found.append(f"{p.spec} is not in it")
            elif head["seed"] != scope.seed:
                found.append(f"{p.spec} was frozen with seed {head['seed']}, and this run has {scope.seed}")
            elif head["variants"] < min(scope.variants, p.limit or scope.variants):
                found.append(
                    f"{p.spec} was frozen with {head['variants']} variants a case, and this run wants {scope.variants}"
                )
        if found:
            return [f"{scope.task}: {said}" for said in found]
        for (task, _, spec), group in self._groups.items():
            if task != scope.task:
                continue
            head = self._heads.get((task, spec))
            for row in group:
                if head is None:
                    found.append(f"{named(row)}: it was added: no line says that {spec} was frozen")
                elif row["index"] >= head["variants"]:
                    found.append(
                        f"{named(row)}: it was added: {head['variants']} variants a case were frozen"
                    )
        gone = self._cases.get(scope.task, set()) - {c.id for c in scope.cases}
        found += [f"{case}: there is no such case any more" for case in sorted(gone)]
        of_prompt = _prompt_print(scope.prompt)
        for case in scope.selected:
            reference = scope.reference(case)
            of, unchanged = fingerprint(reference), identity(reference, reference, {})
            for p in scope.perturbations:
                group = self._groups.get((scope.task, case.id, p.spec), [])
                if not group:
                    found.append(f"{case.id}::{p.spec} is not in it")
                for row in group:
                    why = None
                    if row["of"] != of:
                        why = "the case has changed since"
                    elif row.get("of_prompt", of_prompt) != of_prompt:
                        why = "the prompt has changed since"
                    elif row.get("status", "ok") == "ok" and (why := _spoilt(row, case)) is None:
                        draft = _draft(row, reference)
                        if identity(draft, reference, {}) == unchanged:
                            why = "it is its original"
                    if why is not None:
                        found.append(f"{named(row)}: {why}")
        return [f"{scope.task}: {said}" for said in found]

    def source(self, scope: Scope) -> Callable[[Case], Iterator[Variant]]:
        """A case's variants as `jobs.Job` and a body take them: the reference first. `stale` has been asked before."""

        def variants(case: Case) -> Iterator[Variant]:
            reference = scope.reference(case)
            yield Variant(original=case, draft=reference)
            for p in scope.perturbations:
                for row in self._groups.get((scope.task, case.id, p.spec), ()):
                    if row["index"] < scope.variants:
                        yield _variant(row, reference, p)

        return variants


def _spoilt(row: Row, case: Case) -> str | None:
    """What an edit by hand may have done to the fields of a row; None where they can be asked."""
    for name, value in row.get("fields", {}).items():
        if name not in case.fields:
            if near := did_you_mean(name, case.fields):
                return f"the case has no field {name!r}.{near}"
            continue  # a rendering holds the fields under a name of its own
        before = case.fields[name]
        if isinstance(before, str) != isinstance(value, str):
            return f"{name!r} is a {type(value).__name__}, and was a {type(before).__name__}"
        if isinstance(value, str) and not value.strip() and str(before).strip():
            return f"the text of {name!r} is empty: to leave it out, set status to 'rejected', with a reason"
    return None


def begin(path: Path, settings: Settings) -> Frozen | None:
    """The variants of the file; None where there is none, or it is to be made anew: then gather them.

    Raises `UsageError` where the run takes no whole to freeze.
    """
    if not settings.update_freeze and path.exists():
        return Frozen(path, read(path))
    if settings.case:
        raise UsageError("freezing takes the variants of whole cases: leave out --robust-case (case=…)")
    if settings.adaptive:
        raise UsageError(
            "an adaptive run asks some of the cases, so its variants can't be frozen: leave out --robust-adaptive "
            "(adaptive=…) in the run, or the dry run, that writes the file"
        )
    return None


def refuse(path: Path, stale: Sequence[str]) -> StaleError:
    """The error that names what is stale."""
    rest = len(stale) - NAMED
    lines = [f"{path} does not fit this run:", *(f"  {said}" for said in stale[:NAMED])]
    if rest > 0:
        lines.append(f"  and {rest:,} more")
    return StaleError("\n".join([*lines, REFRESH]))


def _draft(row: Row, reference: Draft) -> Draft:
    case = reference.case
    changes: dict[str, Any] = {n: row[n] for n in ("target", "metadata", "cluster") if n in row}
    if "choices" in row:
        changes["choices"] = None if row["choices"] is None else tuple(row["choices"])
    texts = {k: v for k, v in case.fields.items() if k not in row.get("without", ())} | row.get("fields", {})
    edits: dict[str, tuple[Edit, ...]] = {}
    for name, made in row.get("edits", {}).items():
        before, after = text_at(case.fields, name), text_at(texts, name)
        if before is not None and after is not None:
            edits[name] = _edits(before, after, made)
    prompt = reference.prompt
    if prompt is not None and "prompt" in row:
        prompt = replace(prompt, **{k: _prompt_field(k, v) for k, v in row["prompt"].items()})
    return reference.with_(
        case=replace(case, fields=texts, **changes),
        prompt=prompt,
        edits=edits,
        realised=row.get("realised"),
        params=row.get("params", {}),
        sample=row.get("sample", 0),
        factors=row.get("factors", {}),
        tool_names=row.get("tool_names", {}),
        fault=row.get("fault", {}),
    )


def _edits(before: str, after: str, made: Json) -> tuple[Edit, ...]:
    """The edits of the file, where they lead to its text; a reviewer who changed the text need not change them, too."""
    try:
        edits = tuple(Edit(int(start), int(end), str(text)) for start, end, text in made)
        if apply_edits(before, edits) == after:
            return edits
    except (TypeError, ValueError):
        pass
    return diff_edits(before, after)


def _prompt_field(name: str, value: Json) -> Any:
    if name == "demos":
        return tuple(
            Case(**{**d, "choices": None if d.get("choices") is None else tuple(d["choices"])}) for d in value
        )
    return tuple(value) if name == "messages" and value is not None else value


def _variant(row: Row, reference: Draft, p: Perturbation) -> Variant:
    return Variant(
        original=reference.case,
        draft=_draft(row, reference),
        perturbation=p.spec,
        index=row["index"],
        level=p.level,
        severity=p.severity,
        preserves=p.preserves,
        expected=p.effect,
        status=row.get("status", "ok"),
        reason=row.get("reason"),
        seed=row.get("seed", 0),
        writer=row.get("writer"),
    )
