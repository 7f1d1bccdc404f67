"""Recorded results in, records out: a DataFrame, or a file. The only module of this room that imports pandas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast, get_args

from robusttest.core.equality import same
from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, Effect, Record
from robusttest.errors import CaseError, UsageError, did_you_mean
from robusttest.stats.cell.frame import REPEAT, Frame, frames
from robusttest.tasks.sources import SourceRow

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "task", "case_id", "variant")
OPTIONAL = (
    "score", "answer", "target", "perturbation", "repeat", "cluster", "level", "severity", "status", "reply",
    "test", "input_hash", "reason", "effect", "cut",
)  # fmt: skip
DECODING = ("temperature", "top_p")
_STATUSES = ("ok", "unparsed", "refused", "error", "skipped", "rejected", "not_applicable")


def from_dataframe(
    df: pd.DataFrame, *, mapping: Mapping[str, str] | None = None, reference: str | None = None
) -> list[Frame]:
    """Cells from a table with one row for each reply.

    Columns ``model``, ``task``, ``case_id``, ``variant`` and ``score`` (in [0, 1]), or ``answer`` and ``target``
    (then right is equal, and an empty answer is unparsed: wrong, and equal to nothing). Optional
    ``perturbation``, ``repeat``, ``cluster``, ``level``, ``severity``, ``status``, ``reply``.

    ``mapping`` says our column → the table's, where they differ (``{"task": "dataset"}``); ``"a+b"`` are the texts of
    two columns joined. ``reference`` names the
    variant that stands for the unperturbed prompt; without it, it is the variant with an empty ``perturbation``
    (or an empty name), or none: then metrics that need one are absent.

    Without ``perturbation`` each variant is one. A ``score`` may be missing only where ``status`` is ``error`` or
    ``skipped``. Raises `UsageError` and `CaseError` that name row and column.

    """
    return frames(records_from(df, mapping=mapping, reference=reference))


def records_from(
    df: pd.DataFrame, *, mapping: Mapping[str, str] | None = None, reference: str | None = None
) -> list[Record]:
    """The table's rows as records, checked; see `from_dataframe`."""
    columns = [str(c) for c in df.columns]
    values = {}
    for i, name in enumerate(columns):
        column = df.iloc[:, i]
        missing = column.isna().tolist()
        values[name] = [None if gone else v for v, gone in zip(column.tolist(), missing, strict=True)]
    table = _Table("the table", columns, values, len(df), lambda row: f"row {row + 1}")
    return _records(table, mapping or {}, reference)


def records_from_rows(
    name: str,
    found: Iterable[SourceRow],
    *,
    mapping: Mapping[str, str] | None = None,
    reference: str | None = None,
    right: Sequence[str] = (),
    notes: list[str] | None = None,
    factors: Sequence[str] = (),
    by: Sequence[str] = (),
) -> list[Record]:
    """Rows as they were read as records; see `from_dataframe` for their columns.

    ``doc.id`` in ``mapping`` goes into an object. ``right`` names the values of ``score`` that mean right, where all
    others mean wrong; without it C/I, pass/fail, correct/incorrect, true/false and percent (``92 %``) are read. What the
    reader of the result should know is added to ``notes``. ``factors`` are the columns of a crossed design, ``by`` those by
    which results are broken down. Values of a csv are texts: an answer ``NA`` is an answer, an
    empty cell is a missing value. Raises `UsageError` and `CaseError` that name the file, the row and the column.
    """
    rows = list(found)
    values = _by_column([cast("Mapping[str, Any]", row.values) for row in rows])
    table = _Table(name, list(values), values, len(rows), lambda i: rows[i].place)
    return _records(table, mapping or {}, reference, right=right, notes=notes, factors=factors, by=by)


def _by_column(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columns in first-seen order; a value that a row lacks, and NaN, is None."""
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if len(names) > 1 and all(len(row) == len(names) for row in rows):
        columns: Iterable[Iterable[Any]] = zip(*map(itemgetter(*names), rows), strict=True)
    else:
        columns = ([row.get(name) for row in rows] for name in names)
    return {name: _values(column) for name, column in zip(names, columns, strict=True)}


def _values(column: Iterable[Any]) -> list[Any]:
    values = list(column)
    if not any(issubclass(kind, float) for kind in set(map(type, values))):
        return values
    return [None if isinstance(v, float) and v != v else v for v in values]


@dataclass(frozen=True)
class _Table:
    """Columns as lists of plain Python values, a missing one None; and how to call a row."""

    name: str
    columns: Sequence[str]
    values: Mapping[str, list[Any]]
    size: int
    place: Callable[[int], str]


@dataclass(frozen=True)
class _Columns:
    """The table under our names."""

    table: _Table
    names: Mapping[str, str]
    """Ours → theirs, of those that the table has."""

    def __contains__(self, ours: str) -> bool:
        return ours in self.names

    def __getitem__(self, ours: str) -> list[Any]:
        return self.table.values[self.names[ours]]

    def get(self, ours: str) -> list[Any]:
        """The column, or one without values."""
        return self[ours] if ours in self else [None] * self.table.size

    def text(self, ours: str) -> list[str]:
        return [v if type(v) is str else "" if v is None else _plain(v) for v in self.get(ours)]

    def at(self, row: int, ours: str) -> str:
        return f"{self.table.place(row)}, column {self.names[ours]!r}"


def _records(
    table: _Table,
    mapping: Mapping[str, str],
    reference: str | None,
    *,
    right: Sequence[str] = (),
    notes: list[str] | None = None,
    factors: Sequence[str] = (),
    by: Sequence[str] = (),
) -> list[Record]:
    if factors and "variant" not in mapping and "variant" not in table.columns:
        for name in factors:
            _there(table, name, "factors")
        mapping = {**mapping, "variant": "+".join(factors)}
    columns, size = _columns(table, mapping), table.size
    design, sliced = _named(columns, factors, "factors"), _named(columns, by, "by")
    if not size:
        raise UsageError(f"{table.name} has no rows")
    for name in REQUIRED[:3]:
        values = columns[name]
        if None in values or "" in values:
            row = next(i for i, value in enumerate(values) if value is None or value == "")
            rest = f", or say it for all rows: --set {name}=NAME" if name in REQUIRED[:2] else ""
            raise CaseError(f"{columns.at(row, name)}: empty; fill it in, leave the row out{rest}")
    model, task, case, variant = (columns.text(name) for name in REQUIRED)
    perturbation = columns.text("perturbation") if "perturbation" in columns else list(variant)
    if reference is None and all(perturbation):
        reference = _by_name(variant, notes)
    elif reference is None and "perturbation" not in columns:
        _no_gap(columns, variant)
    if reference is not None:
        if reference not in variant:
            known = ", ".join(sorted(set(variant))[:20])
            raise UsageError(f"reference {reference!r} is not among the variants: {known}")
        perturbation = [
            REFERENCE if v == reference else p or v for v, p in zip(variant, perturbation, strict=True)
        ]
    _one_reference(model, task, variant, perturbation)
    variant = [v if p else REFERENCE for v, p in zip(variant, perturbation, strict=True)]
    repeat = _integers("repeat", columns)
    status = _statuses(columns)
    score = _scores(columns, status, right)
    if notes is not None:
        notes += _doubts(columns, [*zip(model, task, strict=True)], case, variant)
    level, severity = columns.text("level"), _severities(columns)
    answer, target, asked = columns.get("answer"), columns.get("target"), columns.get("input_hash")
    effect = _effects(columns, test=columns.get("test"), names=(task, model, case, perturbation))
    cut = [v is not None and v in (True, "True", "true", "TRUE", 1, "1") for v in columns.get("cut")]
    reply, test, reason = columns.get("reply"), columns.get("test"), columns.get("reason")
    by_name = {p: _level(p) for p in set(perturbation)}
    keys = list(zip(test, task, model, case, perturbation, variant, repeat, strict=True))
    if len(set(keys)) < size:
        seen: dict[tuple[Any, ...], int] = {}
        i, first = next((i, at) for i, key in enumerate(keys) if (at := seen.setdefault(key, i)) != i)
        raise CaseError(
            f"{table.place(i)} repeats {table.place(first)}: model {model[i]!r}, task {task[i]!r}, "
            f"case {case[i]!r}, variant {variant[i] or 'reference'!r}, repeat {repeat[i]}; number reruns in a "
            "column 'repeat', or tell files apart by their names, as in --map variant=file"
        )
    level = [said or by_name[p] for said, p in zip(level, perturbation, strict=True)]
    cluster = _clusters(columns, list(zip(test, model, task, case, strict=True)))
    cluster, reply, reason = (
        [None if v is None else _plain(v) for v in column] for column in (cluster, reply, reason)
    )
    none = [None] * size
    return [
        Record(
            test=one, task=two, model=three, case_id=four, perturbation=five, variant=six, repeat=seven, level=said,
            status=state, severity=severe, score=worth, answer=answered, target=meant, cluster=group, reply=replied,
            input_hash=put, reason=why, effect=does, cut=short, factors=crossed, by=parts,
        )
        for (one, two, three, four, five, six, seven), said, state, severe, worth, answered, meant, group, replied, put, why,
        does, short, crossed, parts in zip(
            keys, level, cast("list[Any]", status), severity, score, answer, target, cluster, reply, asked, reason, effect,
            cut, design or none, sliced or none, strict=True,
        )
    ]  # fmt: skip


def _clusters(columns: _Columns, cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """A case's cluster, in each of its rows; what one row says holds for those that say nothing."""
    given = columns.get("cluster")
    if "cluster" not in columns:
        return given
    first: dict[tuple[Any, ...], int] = {}
    for row, (case, cluster) in enumerate(zip(cases, given, strict=True)):
        if cluster is not None and given[before := first.setdefault(case, row)] != cluster:
            raise CaseError(
                f"{columns.at(row, 'cluster')}: {cluster!r}, but case {case[-1]!r} is in {given[before]!r} by "
                f"{columns.table.place(before)}; a case is in one cluster"
            )
    return [given[first[case]] if case in first else None for case in cases]


def _named(columns: _Columns, names: Sequence[str], flag: str) -> list[dict[str, str]] | None:
    """Column → value of each row, of columns that are called by our name or by the table's own."""
    if not names:
        return None
    found: list[dict[str, str]] = [{} for _ in range(columns.table.size)]
    for name in names:
        theirs = columns.names.get(name) if name not in columns.table.columns else name
        theirs = _there(columns.table, theirs or name, flag)
        for row, value in zip(found, columns.table.values[theirs], strict=True):
            if value is not None:
                row[name] = _plain(value)
    return found


def _there(table: _Table, name: str, flag: str) -> str:
    if name not in table.columns:
        hint = did_you_mean(name, table.columns)
        raise UsageError(f"--{flag} {name}: {table.name} has no such column.{hint} It has: {_list(table)}")
    return name


def _effects(columns: _Columns, *, test: list[Any], names: Sequence[Sequence[str]]) -> list[Effect]:
    """As the table says; else ``target`` where a row's right answer is another one than its reference's (without a
    reference: than the case's first row has): a model that stays with its answer there is wrong.
    """
    if "effect" in columns:
        for row, value in enumerate(columns["effect"]):
            if value is not None and value not in get_args(Effect):
                raise CaseError(
                    f"{columns.at(row, 'effect')}: {value!r} is not one of {', '.join(get_args(Effect))}"
                )
        return [value or "same" for value in columns["effect"]]
    target = columns.get("target")
    task, model, case, perturbation = names
    where = list(zip(test, task, model, case, strict=True))
    there = [
        (key, value, p)
        for key, value, p in zip(where, target, perturbation, strict=True)
        if value is not None
    ]
    first: dict[tuple[Any, ...], Any] = {}
    for at_reference in (True, False):
        for key, value, p in there:
            if not at_reference or p == REFERENCE:
                first.setdefault(key, value)
    out: list[Effect] = []
    for key, value, p in zip(where, target, perturbation, strict=True):
        kept = value is None or p == REFERENCE or value == first[key] or same(value, first[key])
        out.append("same" if kept else "target")
    return out


def to_dataframe(records: Iterable[Record]) -> pd.DataFrame:
    """One row for each record, one column for each of its fields; a missing value is None (NaN in numbers)."""
    import pandas as pd

    names = [f.name for f in fields(Record)]
    rows = [tuple(getattr(r, name) for name in names) for r in records]
    frame = pd.DataFrame(rows, columns=names)
    for name in ("score", "severity", "cost", "latency"):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _columns(table: _Table, mapping: Mapping[str, str]) -> _Columns:
    ours = (*REQUIRED, *OPTIONAL)
    table = _with_joined(table, mapping.values())
    for name, theirs in mapping.items():
        if name not in ours:
            raise UsageError(f"mapping: {name!r} is not one of our columns: {', '.join(ours)}")
        if theirs not in table.columns:
            raise UsageError(
                f"mapping {name}={theirs}: {table.name} has no column {theirs!r}, only {_list(table)}"
            )
    names = {name: mapping.get(name, name) for name in ours}
    present = {name: theirs for name, theirs in names.items() if theirs in table.columns}
    if not table.columns:
        raise UsageError(f"{table.name} has no rows")
    for name in REQUIRED:
        if name not in present:
            near = [c for c in table.columns if c.strip().casefold().replace(" ", "_") == name]
            raise UsageError(
                f"{table.name} has no column {name!r}, only {_list(table)}; map yours, as in --map {name}="
                + (near[0] if near else "YOURS")
                + (f", or say it for all rows: --set {name}=NAME" if name in REQUIRED[:2] else "")
            )
    if "score" not in present and "answer" not in present:
        raise UsageError(
            f"{table.name} needs a column 'score', or 'answer' and 'target'; it has {_list(table)}"
        )
    for theirs in present.values():
        if list(table.columns).count(theirs) > 1:
            raise UsageError(f"{table.name} has the column {theirs!r} more than once")
    return _Columns(table, present)


def _with_joined(table: _Table, wanted: Iterable[str]) -> _Table:
    """The table with a column for each ``a+b`` and ``a.b`` that is wanted: two texts joined, and the inside of an object."""
    columns, values = list(table.columns), dict(table.values)
    for part in dict.fromkeys(p for name in wanted if name not in values for p in name.split("+")):
        head, *path = part.split(".")
        while head not in values and path:
            head = f"{head}.{path.pop(0)}"
        if path and head in values:
            columns.append(part)
            values[part] = [_inside(v, path) for v in values[head]]
    for name in wanted:
        parts = name.split("+")
        if name in values or not all(part in values for part in parts):
            continue
        columns.append(name)
        values[name] = [
            " ".join(_plain(values[part][row]) for part in parts if values[part][row] is not None)
            for row in range(table.size)
        ]
    return replace(table, columns=columns, values=values)


def _inside(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and key.isdecimal()
            and int(key) < len(value)
        ):
            value = value[int(key)]
        else:
            return None
    return value


def _list(table: _Table) -> str:
    return ", ".join(map(repr, table.columns))


def _plain(value: Any) -> str:
    """A name as text: 3 and 3.0 (a column with gaps) are ``3``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else json.dumps(value, default=str)


_REFERENCES = ("original", "orig", "reference", "base", "baseline", "clean", "unperturbed", "identity")


def _by_name(variant: Sequence[str], notes: list[str] | None) -> str | None:
    """The variant that is the unperturbed prompt by its name, or as it is the only one; what was taken is noted."""
    names = set(variant)
    found = [v for v in sorted(names) if v.casefold() in _REFERENCES]
    if notes is None or (len(found) != 1 and len(names) != 1):
        return None
    taken = found[0] if len(found) == 1 else variant[0]
    why = "by its name" if len(names) > 1 else "the only variant"
    notes.append(f"{taken!r} is taken for the unperturbed prompt ({why}); --reference says another")
    return taken


def _no_gap(columns: _Columns, variant: Sequence[str]) -> None:
    """A variant without a name is the unperturbed prompt; where others are it by their name, it is a gap."""
    named = sorted({v for v in variant if v.casefold() in _REFERENCES})
    if named:
        row = variant.index("")
        raise CaseError(
            f"{columns.at(row, 'variant')}: empty, where other rows have {named[0]!r} for the unperturbed prompt; fill it in, or "
            f"say that {named[0]!r} is a variant like any other, by a column 'perturbation'"
        )


def _one_reference(model: list[str], task: list[str], variant: list[str], perturbation: list[str]) -> None:
    """Several variants without a perturbation would be one column: ask which is meant."""
    found: dict[tuple[str, str], str] = {}
    for m, t, v, p in zip(model, task, variant, perturbation, strict=True):
        if not p and (first := found.setdefault((m, t), v)) != v:
            raise UsageError(
                f"task {t!r}, model {m!r}: the variants {first!r} and {v!r} both have an empty perturbation; "
                "name the reference (reference=…, --reference), or fill the column 'perturbation'"
            )


def _integers(name: str, columns: _Columns) -> list[int]:
    out = []
    if name not in columns:
        return [0] * columns.table.size
    for row, value in enumerate(columns[name]):
        try:
            number = 0.0 if value is None else float(value)
        except (TypeError, ValueError):
            number = -1.0
        if number < 0 or not number.is_integer():
            raise CaseError(f"{columns.at(row, name)}: {value!r} is not a whole number from 0")
        out.append(int(number))
    return out


def _severities(columns: _Columns) -> list[float | None]:
    out: list[float | None] = []
    if "severity" not in columns:
        return [None] * columns.table.size
    for row, value in enumerate(columns["severity"]):
        try:
            out.append(None if value is None else float(value))
        except (TypeError, ValueError):
            raise CaseError(f"{columns.at(row, 'severity')}: {value!r} is not a number") from None
    return out


def _statuses(columns: _Columns) -> list[str]:
    if "status" in columns:
        for row, value in enumerate(columns["status"]):
            if value is not None and value not in _STATUSES:
                raise CaseError(
                    f"{columns.at(row, 'status')}: {value!r} is not one of {', '.join(_STATUSES)}"
                )
        return [value or "ok" for value in columns["status"]]
    if "answer" not in columns:
        return ["ok"] * columns.table.size
    return [
        "unparsed" if a in (None, "") and s in (None, 0, "0", "0.0", "False", "false") else "ok"
        for a, s in zip(columns["answer"], columns.get("score"), strict=True)
    ]


def _scores(columns: _Columns, status: list[str], right: Sequence[str] = ()) -> list[float | None]:
    """Given, or right where answer equals target; an unreadable answer to a question with a target has 0."""
    replied = frozenset(("ok", "unparsed", "refused"))
    if "score" not in columns:
        return [
            None if t is None or s not in replied else float(s == "ok" and same(a, t))
            for a, t, s in zip(columns["answer"], columns.get("target"), status, strict=True)
        ]
    out: list[float | None] = []
    read: dict[str, float] = {}  # the few texts that stand there again and again
    for row, (value, s) in enumerate(zip(columns["score"], status, strict=True)):
        if type(value) is str and s == "ok" and (known := read.get(value)) is not None:
            out.append(known)
            continue
        if s not in replied:
            out.append(None)
            continue
        if value is None:
            raise CaseError(
                f"{columns.at(row, 'score')}: missing; a call that failed has status 'error' in a column 'status', "
                "or no row"
            )
        number = float(_plain(value).strip() in right) if right else _score(value)
        if number is None:
            raise CaseError(
                f"{columns.at(row, 'score')}: {value!r} is not a number; say which values are right, as in --right "
                f"{str(value)[:20]!r}, or give the score's column, as in --map score=YOURS"
            )
        if not 0 <= number <= 1:
            raise CaseError(
                f"{columns.at(row, 'score')}: {value!r} is not in [0, 1]; percent are read with their sign, as in '92 %'"
            )
        if type(value) is str and len(read) < _REMEMBERED:
            read[value] = number
        out.append(number)
    if right and not any(out):
        shown = ", ".join(sorted({_plain(v) for v in columns["score"] if v is not None})[:10])
        raise UsageError(
            f"{columns.table.name}: no score is {' or '.join(map(repr, right))}; there are: {shown}"
        )
    return out


_REMEMBERED = 1000
_WORDS = {
    **dict.fromkeys(("c", "correct", "true", "pass", "passed", "right"), 1.0),
    **dict.fromkeys(("i", "n", "incorrect", "false", "fail", "failed", "wrong"), 0.0),
    "p": 0.5,
}
"""Right and wrong as tools write them, in small letters; C, I, P (partly) and N (no answer) are inspect_ai's."""


def _score(value: Any) -> float | None:
    """A score as it stands in a table: a number, a bool, a word for right or wrong, or percent with their sign."""
    if isinstance(value, str):
        text = value.strip()
        if (word := _WORDS.get(text.lower())) is not None:
            return word
        value, share = (text[:-1].strip(), 100.0) if text.endswith("%") else (text, 1.0)
    else:
        share = 1.0
    try:
        number = float(value) / share
    except (TypeError, ValueError):
        return None
    return number


def _doubts(
    columns: _Columns, cell: Sequence[tuple[str, str]], case: Sequence[str], variant: Sequence[str]
) -> list[str]:
    """What is likely not as it was meant."""
    said: list[str] = []
    if "score" not in columns and "answer" in columns:
        pairs = list(zip(columns["answer"], columns.get("target"), strict=True))
        texts = [(a, t) for a, t in pairs if isinstance(a, str) and isinstance(t, str)]
        near = sum(a != t and a.strip().casefold() == t.strip().casefold() for a, t in texts)
        if near:
            said.append(
                f"{near} of {len(texts)} answers differ from their target by blanks or capitals alone, and count as wrong"
            )
        if mixed := sum(_mixed(a, t) for a, t in pairs):
            said.append(
                f"{mixed} of {len(pairs)} answers are true or false where the target is 1 or 0, or the reverse, and count as "
                "wrong: write both alike"
            )
        gone = sum(t is None for _, t in pairs)
        if 0 < gone < len(pairs):
            said.append(
                f"{gone} of {len(pairs)} rows have no target: they have no score, and count in no accuracy"
            )
    if "cluster" in columns:
        known: dict[tuple[tuple[str, str], str], bool] = {}
        for key, cluster in zip(zip(cell, case, strict=True), columns["cluster"], strict=True):
            known[key] = known.get(key, False) or cluster is not None
        gone = len(known) - sum(known.values())
        if 0 < gone < len(known):
            said.append(
                f"{gone} of {len(known)} cases have no cluster: they count as independent of all others"
            )
    for name, values in (
        ("model", [m for m, _ in cell]), ("task", [t for _, t in cell]), ("case_id", case), ("variant", variant)
    ):  # fmt: skip
        alike: dict[str, list[str]] = {}
        for value in dict.fromkeys(values):
            alike.setdefault(value.strip().casefold(), []).append(value)
        said += [
            f"{name} {a!r} and {b!r} differ by blanks or capitals alone, and count as two"
            for a, b, *_ in [v for v in alike.values() if len(v) > 1][:_MOST_UNEVEN]
        ]
    of: dict[tuple[str, str], dict[str, set[str]]] = {}
    for where, c, v in zip(cell, case, variant, strict=True):
        of.setdefault(where, {}).setdefault(v, set()).add(c)
    uneven: list[str] = []
    for (model, task), variants in of.items():
        every = len(set().union(*variants.values()))
        some = {v or "the reference": len(cases) for v, cases in variants.items() if len(cases) < every}
        if some and len(variants) > 1:
            shown = ", ".join(f"{v} {n}" for v, n in sorted(some.items())[:5])
            whose = f" of {task} × {model}" if len(of) > 1 else ""
            uneven.append(f"not every case{whose} has every variant: of {every} cases {shown}")
    if len(uneven) > _MOST_UNEVEN:
        more = len(uneven) - _MOST_UNEVEN
        uneven = [*uneven[:_MOST_UNEVEN], f"nor do those of {more} other task{'s' * (more != 1)} × models"]
    return said + uneven


_MOST_UNEVEN = 3
_TRUTH = {"true": "1", "false": "0"}


def _mixed(answer: Any, target: Any) -> bool:
    """Whether one is true or false and the other 1 or 0, and they mean the same."""
    a, t = (_plain(v).strip().casefold() for v in (answer, target))
    return (a in _TRUTH) != (t in _TRUTH) and _TRUTH.get(a, a.removesuffix(".0")) == _TRUTH.get(
        t, t.removesuffix(".0")
    )


def _level(perturbation: str) -> str:
    name = split_spec(perturbation)[0]
    if not name:
        return "reference"
    return REPEAT if name == REPEAT else "decoding" if name in DECODING else "input"


def metrics_table(
    values: Mapping[str, Sequence[float | None]], columns: Sequence[tuple[str, str]]
) -> pd.DataFrame:
    """Metrics (rows) × models (columns); of several tasks the columns have the levels ``task`` and ``model``."""
    import pandas as pd

    index = pd.MultiIndex.from_tuples(columns, names=["task", "model"])
    if len({task for task, _ in columns}) == 1:
        index = index.droplevel("task")  # type: ignore[assignment]  # a MultiIndex is left
    table = pd.DataFrame([list(v) for v in values.values()], index=list(values), columns=index, dtype=float)
    table.index.name = "metric"
    return table
