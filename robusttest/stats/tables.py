"""The border to pandas: recorded tables in, records out. The only module of this room that imports pandas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from robusttest.data import REFERENCE, Record
from robusttest.errors import CaseError, UsageError
from robusttest.registry import split_spec
from robusttest.stats.frame import REPEAT, Cell, cells

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("model", "task", "case_id", "variant")
OPTIONAL = (
    "score", "answer", "target", "perturbation", "repeat", "cluster", "level", "severity", "status", "reply",
    "test", "input_hash",
)  # fmt: skip
DECODING = ("temperature", "top_p")
_STATUSES = ("ok", "unparsed", "refused", "error", "skipped", "rejected", "not_applicable")


def from_dataframe(
    df: pd.DataFrame, *, mapping: Mapping[str, str] | None = None, reference: str | None = None
) -> list[Cell]:
    """Cells from a table with one row for each reply.

    Columns ``model``, ``task``, ``case_id``, ``variant`` and ``score`` (in [0, 1]), or ``answer`` and ``target``
    (then right is equal, and an empty answer is unparsed: wrong, and equal to nothing). Optional
    ``perturbation``, ``repeat``, ``cluster``, ``level``, ``severity``, ``status``, ``reply``.

    ``mapping`` says our column → the table's, where they differ (``{"task": "dataset"}``). ``reference`` names the
    variant that stands for the unperturbed prompt; without it, it is the variant with an empty ``perturbation``
    (or an empty name), or none: then metrics that need one are absent.

    Without ``perturbation`` each variant is one. A ``score`` may be missing only where ``status`` is ``error`` or
    ``skipped``. Raises `UsageError` and `CaseError` that name row and column.

    """
    return cells(records_from(df, mapping=mapping, reference=reference))


def records_from(
    df: pd.DataFrame, *, mapping: Mapping[str, str] | None = None, reference: str | None = None
) -> list[Record]:
    """The table's rows as records, checked; see `from_dataframe`."""
    columns = _columns(df, mapping or {})
    size = len(df)
    if not size:
        raise UsageError("the table has no rows")

    def text(name: str, default: str = "") -> list[str]:
        return (
            [default if v is None else _plain(v) for v in columns[name]]
            if name in columns
            else [default] * size
        )

    for name in REQUIRED[:3]:
        for row, value in enumerate(columns[name]):
            if value is None or value == "":
                raise CaseError(f"{_at(row, name)}: empty")
    model, task, case, variant = (text(name) for name in REQUIRED)
    perturbation = text("perturbation") if "perturbation" in columns else list(variant)
    if reference is not None:
        if reference not in variant:
            known = ", ".join(sorted(set(variant))[:20])
            raise UsageError(f"reference {reference!r} is not among the variants: {known}")
        perturbation = [
            REFERENCE if v == reference else p or v for v, p in zip(variant, perturbation, strict=True)
        ]
    _one_reference(model, task, variant, perturbation)
    variant = [v if p else REFERENCE for v, p in zip(variant, perturbation, strict=True)]
    repeat = _integers("repeat", columns.get("repeat"), size)
    status = _statuses(columns, size)
    score = _scores(columns, status, size)
    level = text("level")
    severity = columns.get("severity", [None] * size)
    answer, target = columns.get("answer", [None] * size), columns.get("target", [None] * size)
    cluster, reply = columns.get("cluster", [None] * size), columns.get("reply", [None] * size)
    asked, test = columns.get("input_hash", [None] * size), columns.get("test", [None] * size)
    seen: dict[tuple[Any, ...], int] = {}
    records = []
    for i in range(size):
        key = (test[i], task[i], model[i], case[i], perturbation[i], variant[i], repeat[i])
        if (first := seen.setdefault(key, i)) != i:
            raise CaseError(
                f"row {i + 1} repeats row {first + 1}: model {model[i]!r}, task {task[i]!r}, case {case[i]!r}, "
                f"variant {variant[i] or 'reference'!r}, repeat {repeat[i]}; number reruns in a column 'repeat'"
            )
        records.append(
            Record(
                task=task[i],
                model=model[i],
                case_id=case[i],
                variant=variant[i],
                perturbation=perturbation[i],
                level=level[i] or _level(perturbation[i]),
                repeat=repeat[i],
                status=status[i],  # type: ignore[arg-type]
                severity=None if severity[i] is None else float(severity[i]),
                score=score[i],
                answer=answer[i],
                target=target[i],
                cluster=None if cluster[i] is None else _plain(cluster[i]),
                reply=None if reply[i] is None else _plain(reply[i]),
                input_hash=asked[i],
                test=test[i],
            )
        )
    return records


def to_dataframe(records: Iterable[Record]) -> pd.DataFrame:
    """One row for each record, one column for each of its fields; a missing value is None (NaN in numbers)."""
    import pandas as pd

    names = [f.name for f in fields(Record)]
    rows = [tuple(getattr(r, name) for name in names) for r in records]
    frame = pd.DataFrame(rows, columns=names)
    for name in ("score", "severity", "cost", "latency"):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _columns(df: pd.DataFrame, mapping: Mapping[str, str]) -> dict[str, list[Any]]:
    """Our columns as lists of plain Python values, a missing one None."""
    ours = (*REQUIRED, *OPTIONAL)
    for name, theirs in mapping.items():
        if name not in ours:
            raise UsageError(f"mapping: {name!r} is not one of our columns: {', '.join(ours)}")
        if theirs not in df.columns:
            raise UsageError(f"mapping {name}={theirs}: the table has no column {theirs!r}, only {_list(df)}")
    names = {name: mapping.get(name, name) for name in ours}
    present = {name: theirs for name, theirs in names.items() if theirs in df.columns}
    for name in REQUIRED:
        if name not in present:
            raise UsageError(
                f"the table has no column {name!r}, only {_list(df)}; map yours with {name}=YOURS"
            )
    if "score" not in present and "answer" not in present:
        raise UsageError(f"the table needs a column 'score', or 'answer' and 'target'; it has {_list(df)}")
    out = {}
    for name, theirs in present.items():
        if list(df.columns).count(theirs) > 1:
            raise UsageError(f"the table has the column {theirs!r} more than once")
        column = df[theirs]
        missing = column.isna().tolist()
        out[name] = [None if gone else v for v, gone in zip(column.tolist(), missing, strict=True)]
    return out


def _list(df: pd.DataFrame) -> str:
    return ", ".join(repr(str(c)) for c in df.columns)


def _at(row: int, column: str) -> str:
    return f"row {row + 1}, column {column!r}"


def _plain(value: Any) -> str:
    """A name as text: 3 and 3.0 (a column with gaps) are ``3``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else json.dumps(value, default=str)


def _one_reference(model: list[str], task: list[str], variant: list[str], perturbation: list[str]) -> None:
    """Several variants without a perturbation would be one column: ask which is meant."""
    found: dict[tuple[str, str], str] = {}
    for m, t, v, p in zip(model, task, variant, perturbation, strict=True):
        if not p and (first := found.setdefault((m, t), v)) != v:
            raise UsageError(
                f"task {t!r}, model {m!r}: the variants {first!r} and {v!r} both have an empty perturbation; "
                "name the reference (reference=…, --reference), or fill the column 'perturbation'"
            )


def _integers(name: str, values: list[Any] | None, size: int) -> list[int]:
    if values is None:
        return [0] * size
    out = []
    for row, value in enumerate(values):
        try:
            number = 0 if value is None else int(value)
        except (TypeError, ValueError):
            number = -1
        if number < 0 or (isinstance(value, float) and value != number):
            raise CaseError(f"{_at(row, name)}: {value!r} is not a whole number from 0")
        out.append(number)
    return out


def _statuses(columns: dict[str, list[Any]], size: int) -> list[str]:
    if "status" in columns:
        for row, value in enumerate(columns["status"]):
            if value is not None and value not in _STATUSES:
                raise CaseError(f"{_at(row, 'status')}: {value!r} is not one of {', '.join(_STATUSES)}")
        return [value or "ok" for value in columns["status"]]
    if "answer" not in columns:
        return ["ok"] * size
    scores = columns.get("score", [None] * size)
    return [
        "unparsed" if a in (None, "") and not s else "ok"
        for a, s in zip(columns["answer"], scores, strict=True)
    ]


def _scores(columns: dict[str, list[Any]], status: list[str], size: int) -> list[float | None]:
    """Given, or right where answer equals target; an unreadable answer to a question with a target has 0."""
    replied = ("ok", "unparsed", "refused")
    if "score" not in columns:
        targets = columns.get("target", [None] * size)
        return [
            None if t is None or s not in replied else float(s == "ok" and _same(a, t))
            for a, t, s in zip(columns["answer"], targets, status, strict=True)
        ]
    out: list[float | None] = []
    for row, (value, s) in enumerate(zip(columns["score"], status, strict=True)):
        if s not in replied:
            out.append(None)
            continue
        if value is None:
            raise CaseError(
                f"{_at(row, 'score')}: missing; a call that failed has status 'error' in a column 'status', "
                "or no row"
            )
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise CaseError(f"{_at(row, 'score')}: {value!r} is not a number") from None
        if not 0 <= number <= 1:
            raise CaseError(f"{_at(row, 'score')}: {value!r} is not in [0, 1]")
        out.append(number)
    return out


def _same(answer: Any, target: Any) -> bool:
    return bool(answer == target) or _plain(answer) == _plain(target)


def _level(perturbation: str) -> str:
    name = split_spec(perturbation)[0]
    if not name:
        return "reference"
    return REPEAT if name == REPEAT else "decoding" if name in DECODING else "input"
