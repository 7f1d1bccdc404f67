"""One task × model as arrays: cases down, variants across. Everything in `robusttest.stats` reads a `Frame`.

`frames` makes them from records in one pass; `robusttest.stats.cell.tables` from recorded tables. A missing score is NaN in
the array and nowhere else: it is in no numerator and no denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, CellKey, Record
from robusttest.errors import CaseError
from robusttest.metrics import METRICS
from robusttest.stats.cell.answers import UNREADABLE, Coder, settle_unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

REPEAT = "repeat"
OWN_NAME_ONLY = ("decoding", REPEAT)
"""Levels whose variants count only where they are asked for by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One way to put the question, the same for all cases. ``variant`` is empty for the reference."""

    variant: str
    perturbation: str
    family: str
    level: str = "input"
    severity: float | None = None
    index: int = 0
    repeat: int = 0
    factors: tuple[tuple[str, str], ...] = ()
    """(factor, level) in the design's order, where several perturbations are crossed."""

    @property
    def is_reference(self) -> bool:
        return self.perturbation == REFERENCE


@dataclass(frozen=True, eq=False)
class Frame:
    """What one model did on one task: ``n`` cases × ``K`` columns (variants and their repeats)."""

    task: str
    model: str
    test: str | None
    case_ids: tuple[str, ...]
    clusters: tuple[str | None, ...]
    columns: tuple[Column, ...]
    """The reference first, where there is one."""
    scores: Floats
    """(n, K) in [0, 1]; NaN where there is none. An unparsed or refused reply has its 0."""
    answers: Codes
    """(n, K): equal codes are equal answers; -1 is absent. Unreadable replies (``unreadable``) are equal where their raw
    texts are."""
    replies: Codes | None
    """(n, K) codes of the raw replies, -1 absent; None if no reply was recorded."""
    planned: Mask
    unparsed: Mask
    refused: Mask
    errors: Mask
    """Planned, and without a reply: failed calls and those a budget left out."""
    sensitive: Mask
    """Variants that change the right answer, or have a rule for it: sensitivity, never pooled with invariance."""
    cut: Mask
    """Replies that stop at the token limit."""
    known: tuple[str, ...] = ()
    """Every perturbation's spec in first-seen order, those included that could act on no case."""
    questions: Codes | None = None
    """(n, K) codes of what was put to the model (``input_hash``), -1 absent."""
    sequential: bool = False
    """The cases came in random order until every threshold was decided: only anytime-valid limits are shown."""
    averaged: Floats | None = None
    """(n, K) scores averaged over the reruns of each variant; None where nothing was run twice."""
    rows: NDArray[np.object_] | None = None
    """(n, K) the records themselves (None is absent), kept where a metric of the user's own reads them."""
    checks: Codes | None = None
    """(n, K) codes of what the second scorer reads in the same replies, -1 absent; None without one."""
    judged: bool = False
    """The second scorer asked a model: its codes are right (1) and wrong (0), not answers."""
    by: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    """Column → the value of each case, of the columns by which results are broken down."""
    prompt: str | None = None
    """The prompt's name, where the task has several; ``task`` is then ``NAME [PROMPT]``."""
    whole: Frame | None = None
    """The cell that this one was selected from."""
    chosen: str | None = None
    """The perturbation that was selected."""

    @property
    def key(self) -> CellKey:
        return CellKey(self.test, self.task, self.model)

    @property
    def base_task(self) -> str:
        """The task's name without its prompt's."""
        return self.task if self.prompt is None else self.task.removesuffix(f" [{self.prompt}]")

    @property
    def n_cases(self) -> int:
        return len(self.case_ids)

    @property
    def n_variants(self) -> int:
        """Columns, the reference and repeats included."""
        return len(self.columns)

    @property
    def n_calls(self) -> int:
        return int(self.planned.sum())

    @cached_property
    def is_reference(self) -> Mask:
        """(K,) True at the reference and its repeats."""
        return np.array([c.is_reference for c in self.columns], dtype=bool)

    @property
    def has_reference(self) -> bool:
        return bool(self.is_reference.any())

    @cached_property
    def unreadable(self) -> Mask:
        return self.unparsed | self.refused

    @cached_property
    def n_scored(self) -> int:
        """Cases with a score, or (without labels) an answer, at a variant that keeps the right answer."""
        there = (~np.isnan(self.scores) | (self.answers >= 0)) & ~self.sensitive
        return int(there.any(axis=1).sum())

    def has(self, perturbation: str, *, sensitive: bool) -> bool:
        """Whether some variant of a perturbation (a family, a spec) is one of sensitivity, or of invariance."""
        found: dict[str, tuple[bool, bool]] = self.memo.setdefault("has", {})
        if perturbation not in found:
            at = self.columns_of(perturbation)
            planned, moved = self.planned[:, at], self.sensitive[:, at]
            found[perturbation] = bool((planned & ~moved).any()), bool((planned & moved).any())
        return found[perturbation][sensitive]

    def columns_of(self, perturbation: str) -> list[int]:
        """The columns of a perturbation: a family, or a spec."""
        if "columns" not in self.memo:
            found: dict[str, list[int]] = {}
            for i, c in enumerate(self.columns):
                for name in {c.perturbation, c.family}:
                    found.setdefault(name, []).append(i)
            self.memo["columns"] = found
        return list(self.memo["columns"].get(perturbation, ()))

    @property
    def coverage(self) -> float | None:
        """Replies (read or not) / planned calls; None where nothing was planned."""
        return _share(self.planned & ~self.errors, self.planned)

    @property
    def reference_coverage(self) -> float | None:
        ref = self.is_reference
        return _share((self.planned & ~self.errors)[:, ref], self.planned[:, ref])

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Specs in first-seen order."""
        return self.known

    @property
    def families(self) -> tuple[str, ...]:
        """Names without severity, in first-seen order."""
        return tuple(dict.fromkeys(split_spec(p)[0] for p in self.known))

    @cached_property
    def has_repeats(self) -> bool:
        return any(c.level == REPEAT or (c.is_reference and c.repeat > 0) for c in self.columns)

    @property
    def unchanged(self) -> int:
        """Input and prompt variants that put the very question of the reference: they inflate consistency."""
        if self.questions is None or not self.has_reference:
            return 0
        cols = [i for i, c in enumerate(self.columns) if not c.is_reference and c.level not in OWN_NAME_ONLY]
        ref = self.questions[:, [int(np.argmax(self.is_reference))]]
        return int(((self.questions[:, cols] == ref) & (ref >= 0)).sum())

    @cached_property
    def cluster_index(self) -> Codes | None:
        """(n,) cluster number of each case; None if the cases are independent (no cluster holds two)."""
        return cluster_numbers(self.case_ids, self.clusters)

    def select(self, perturbation: str | None = None, *, sensitive: bool = False) -> Frame:
        """The reference and the variants that a metric runs over, each once; see `selection.select`.

        ``None``: every input and prompt variant. A family (``"ocr"``) pools its severities, a whole spec
        (``"ocr:0.2"``) is that one. ``"repeat"`` also finds reruns of the reference itself. Variants that change the
        right answer are left out; ``sensitive``: all others are.

        Raises `UnknownNameError` for a perturbation that this cell has never seen.
        """
        memo: dict[tuple[str | None, bool], Frame] = self._selected
        key = (perturbation, sensitive)
        if key not in memo:
            from robusttest.stats.cell.selection import select

            memo[key] = select(self, perturbation, sensitive=sensitive)
        return memo[key]

    @cached_property
    def _selected(self) -> dict[tuple[str | None, bool], Frame]:
        return {}

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What other modules of this room have computed from these (never changing) arrays."""
        return {}

    def take(self, columns: Sequence[int], **changes: Any) -> Frame:
        """A cell of these columns alone."""
        at = list(columns)
        taken = self._arrays(lambda a: a.take(at, axis=1))
        return replace(self, columns=tuple(self.columns[i] for i in at), **taken, **changes)

    def take_cases(self, rows: Sequence[int] | Codes | Mask) -> Frame:
        """A cell of these cases alone (indices or a mask)."""
        at = np.arange(self.n_cases)[rows]
        return replace(
            self,
            case_ids=tuple(self.case_ids[i] for i in at),
            clusters=tuple(self.clusters[i] for i in at),
            by={name: tuple(values[i] for i in at) for name, values in self.by.items()},
            **self._arrays(lambda a: a[at]),
        )

    def _arrays(self, part: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, Any]:
        names = (
            "scores", "answers", "replies", "planned", "unparsed", "refused", "errors", "sensitive", "cut", "questions",
            "averaged", "rows", "checks",
        )  # fmt: skip
        return {n: None if (a := getattr(self, n)) is None else part(a) for n in names}


def cluster_numbers(case_ids: Sequence[str], clusters: Sequence[str | None]) -> Codes | None:
    """(n,) cluster number of each case, a case without a cluster in one of its own; None if no cluster holds two."""
    if clusters.count(None) == len(clusters):
        return None
    seen: dict[tuple[bool, str], int] = {}
    keys = ((c is None, case if c is None else c) for case, c in zip(case_ids, clusters, strict=True))
    index = np.array([seen.setdefault(k, len(seen)) for k in keys], dtype=np.int64)
    return index if len(seen) < len(index) else None


def frames(
    records: Iterable[Record], *, unparsed_equal: bool = False, sequential: bool = False
) -> list[Frame]:
    """Group records into cells by (test, task, model), in first-seen order.

    ``unparsed_equal``: all unreadable replies count as one answer, whatever they say. ``sequential``:
    they are of an adaptive run, in the order of its cases.

    Raises `CaseError` for two rows of one case and variant, and for a score that is NaN or outside [0, 1].
    """
    builders: dict[tuple[str | None, str, str], FrameBuilder] = {}
    for key, group in groupby(records, attrgetter("test", "task", "model")):
        builder = builders.get(key)
        if builder is None:
            builder = builders[key] = FrameBuilder(*key)
        builder.add(group)
    return [b.build(unparsed_equal, sequential) for b in builders.values()]


OK_ROW, UNPARSED_ROW, REFUSED_ROW, ERROR_ROW, ABSENT_ROW = range(5)
STATUS = {
    "ok": OK_ROW,
    "unparsed": UNPARSED_ROW,
    "refused": REFUSED_ROW,
    "error": ERROR_ROW,
    "skipped": ERROR_ROW,
}
_AT_ONCE = 5_000
"""Records of a cell that are held until they are turned into arrays: many, for speed, and not all, for memory."""


class FrameRows(NamedTuple):
    """Records of one cell, an (m,) array for each of their fields; codes are -1 where there is nothing."""

    case: Codes
    column: Codes
    status: Codes
    score: Floats
    answer: Codes
    reply: Codes
    question: Codes
    sensitive: Mask
    cut: Mask
    check: Codes


class FrameBuilder:
    """The rows of one cell as they come, turned into arrays some thousand at a time."""

    def __init__(self, test: str | None, task: str, model: str) -> None:
        self.test, self.task, self.model = test, task, model
        self.pending: list[Record] = []
        self.cases: dict[str, int] = {}
        self.clusters: list[str | None] = []
        self.columns: dict[tuple[str, str, int], int] = {}
        self.details: list[Column] = []
        self.known: dict[str, None] = {}
        self.answer, self.reply, self.question = Coder(), Coder(str), Coder(str)
        self.check, self.judged = Coder(), False
        self.prompt: str | None = None
        self.by: dict[str, dict[int, str]] = {}
        self.rows: list[FrameRows] = []
        self.kept: list[Record] | None = [] if any(m.own for m in METRICS.values()) else None

    def add(self, records: Iterator[Record]) -> None:
        """The cell's next records; enough of them are turned into arrays at once."""
        pending = self.pending
        pending.extend(islice(records, _AT_ONCE - len(pending)))
        while len(pending) >= _AT_ONCE:
            self.settle()
            pending.extend(islice(records, _AT_ONCE))

    def settle(self) -> None:
        """Turn the pending records into arrays."""
        records = self.pending[:]
        self.pending.clear()
        if not records:
            return
        names = [r.case_id for r in records]
        for r in _first(names, self.cases, records):
            self._add_case(r)
        self.known |= dict.fromkeys([r.perturbation for r in records])
        status = _each(STATUS, [r.status for r in records], ABSENT_ROW)
        if (status == ABSENT_ROW).any():
            records = list(compress(records, status != ABSENT_ROW))
            names = [r.case_id for r in records]
            status = status[status != ABSENT_ROW]
        fields = [r.perturbation for r in records], [r.variant for r in records], [r.repeat for r in records]
        where = list(zip(*fields, strict=True))
        for r in _first(where, self.columns, records):
            self._add_column(r)
        self._add_rows(records, _each(self.cases, names), _each(self.columns, where), status)
        if self.kept is not None:
            self.kept.extend(records)

    def _add_case(self, r: Record) -> None:
        self.prompt = r.prompt
        row = self.cases[r.case_id] = len(self.cases)
        self.clusters.append(r.cluster)
        for name, value in (r.by or {}).items():
            self.by.setdefault(name, {})[row] = value

    def _add_column(self, r: Record) -> None:
        self.columns[r.perturbation, r.variant, r.repeat] = len(self.columns)
        family = split_spec(r.perturbation)[0]
        factors = tuple((r.factors or {}).items())
        self.details.append(
            Column(r.variant, r.perturbation, family, r.level, r.severity, r.index, r.repeat, factors)
        )

    def _add_rows(self, records: list[Record], case: Codes, column: Codes, status: Codes) -> None:
        failed, ok = status == ERROR_ROW, status == OK_ROW
        scores = [r.score for r in records]
        score = np.array(scores, dtype=np.float64)
        score[failed] = np.nan
        for at in np.flatnonzero(~((score >= 0) & (score <= 1)) & ~failed):
            if (wrong := scores[at]) is not None:
                raise CaseError(
                    f"case {records[at].case_id!r}, variant {records[at].variant or 'reference'!r} of task {self.task!r}, "
                    f"model {self.model!r}: score {wrong!r} is not in [0, 1]"
                )
        answers = [r.answer for r in records]
        answer = self.answer.codes(
            answers if ok.all() else [a if r else None for a, r in zip(answers, ok, strict=True)]
        )
        answer[~ok] = UNREADABLE
        reply = self.reply.codes([r.reply for r in records])
        question = self.question.codes([r.input_hash for r in records])
        checks = [r.check for r in records]
        check = np.full(len(records), -1, dtype=np.int64)
        if checks.count(None) < len(checks):
            check[:] = [-1 if c is None else self.checked(c) for c in checks]
        for codes in (answer, reply, question, check):
            codes[failed] = -1
        sensitive = np.array([r.effect != "same" for r in records], dtype=np.bool_)
        cut = np.array([r.cut for r in records], dtype=np.bool_) & ~failed
        self.rows.append(
            FrameRows(case, column, status, score, answer, reply, question, sensitive, cut, check)
        )

    def checked(self, check: Mapping[str, Any]) -> int:
        """The code of what the second scorer says: its answer; of a model that judges, right or wrong."""
        if check.get("judge"):
            self.judged = True
            return int((check.get("value") or 0.0) >= 0.5)
        status = check.get("status", "ok")
        return self.check(check.get("answer") if status == "ok" else [status])

    def build(self, unparsed_equal: bool = False, sequential: bool = False) -> Frame:
        self.settle()
        if not self.rows:
            self._add_rows([], *(np.zeros(0, dtype=np.int64) for _ in range(3)))
        order = sorted(range(len(self.details)), key=lambda i: (not self.details[i].is_reference, i))
        n, k = len(self.cases), len(order)
        columns: list[Any] = [np.concatenate(parts) for parts in zip(*self.rows, strict=True)]
        data = FrameRows(*columns)
        rows, cols, status = data.case, data.column, data.status
        self._refuse_duplicates(rows, cols, k)
        place = np.empty(k, dtype=np.int64)
        place[order] = np.arange(k)
        at = (rows, place[cols])

        def spread(values: NDArray[Any], empty: Any, dtype: Any) -> NDArray[Any]:
            full = np.full((n, k), empty, dtype=dtype)
            full[at] = values
            return full

        def codes(coder: Coder, values: Codes) -> Codes | None:
            return spread(values, -1, np.int64) if len(coder) else None

        replies = codes(self.reply, data.reply)
        return Frame(
            task=self.task,
            model=self.model,
            test=self.test,
            case_ids=tuple(self.cases),
            clusters=tuple(self.clusters),
            columns=tuple(self.details[i] for i in order),
            scores=spread(data.score, np.nan, np.float64),
            answers=settle_unreadable(spread(data.answer, -1, np.int64), replies, equal=unparsed_equal),
            replies=replies,
            planned=spread(np.ones(len(rows)), False, np.bool_),
            unparsed=spread(status == UNPARSED_ROW, False, np.bool_),
            refused=spread(status == REFUSED_ROW, False, np.bool_),
            errors=spread(status == ERROR_ROW, False, np.bool_),
            sensitive=spread(data.sensitive, False, np.bool_),
            cut=spread(data.cut, False, np.bool_),
            rows=None if self.kept is None else spread(_objects(self.kept), None, np.object_),
            known=tuple(p for p in self.known if p != REFERENCE),
            checks=spread(data.check, -1, np.int64) if len(self.check) or self.judged else None,
            judged=self.judged,
            prompt=self.prompt,
            by={name: tuple(held.get(i) for i in range(n)) for name, held in self.by.items()},
            questions=codes(self.question, data.question),
            sequential=sequential,
        )

    def _refuse_duplicates(self, rows: Codes, cols: Codes, k: int) -> None:
        flat = rows * max(k, 1) + cols
        if not (np.bincount(flat) > 1).any():
            return
        values, counts = np.unique(flat, return_counts=True)
        twice = int(values[np.argmax(counts > 1)])
        case, column = list(self.cases)[twice // k], self.details[twice % k]
        raise CaseError(
            f"task {self.task!r}, model {self.model!r}: two rows for case {case!r}, "
            f"variant {column.variant or 'reference'!r}, repeat {column.repeat}; each may come once"
        )


def _first(keys: list[Any], known: Mapping[Any, int], records: list[Record]) -> list[Record]:
    """The first record of each key that is not known yet."""
    if not (new := [key for key in dict.fromkeys(keys) if key not in known]):
        return []
    first = dict(zip(reversed(keys), reversed(records), strict=True))
    return [first[key] for key in new]


def _each(numbers: Mapping[Any, int], keys: list[Any], other: int = -1) -> Codes:
    """The number of each key; ``other``, where it is given, for those that have none."""
    if keys and keys.count(keys[0]) == len(keys):
        return np.full(len(keys), numbers.get(keys[0], other), dtype=np.int64)
    found = map(numbers.__getitem__, keys) if other == -1 else (numbers.get(key, other) for key in keys)
    return np.fromiter(found, np.int64, len(keys))


def _objects(items: Sequence[object]) -> NDArray[np.object_]:
    out = np.empty(len(items), dtype=np.object_)
    out[:] = items
    return out


def _share(part: Mask, whole: Mask) -> float | None:
    total = int(whole.sum())
    return int(part.sum()) / total if total else None


def from_dataframe(
    df: pd.DataFrame, *, mapping: Mapping[str, str] | None = None, reference: str | None = None
) -> list[Frame]:
    """Cells from a recorded table; see `robusttest.stats.cell.tables.from_dataframe`."""
    from robusttest.stats.cell import tables

    return tables.from_dataframe(df, mapping=mapping, reference=reference)


def to_dataframe(records: Iterable[Record]) -> pd.DataFrame:
    """Records as a DataFrame; see `robusttest.stats.cell.tables.to_dataframe`."""
    from robusttest.stats.cell import tables

    return tables.to_dataframe(records)
