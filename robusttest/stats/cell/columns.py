"""A cell's records as columns → `Frame`: the same arrays as `frames` makes of records, without making records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from robusttest.core import codec
from robusttest.core.names import split_spec
from robusttest.core.nouns import CellKey
from robusttest.errors import CaseError
from robusttest.stats.cell.answers import ABSENT, UNREADABLE
from robusttest.stats.cell.frame import (
    ABSENT_ROW,
    ERROR_ROW,
    OK_ROW,
    STATUS,
    Codes,
    Column,
    Frame,
    FrameBuilder,
    FrameRows,
    Mask,
)


class Coded(NamedTuple):
    """A column of few different values: their places in ``values`` (a sequence), -1 where there is none."""

    codes: Codes
    values: Any

    def at(self, row: int) -> Any:
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]

    def each(self, function: Callable[[Any], int], where: Mask | None = None) -> Codes:
        """What the function says of each row's value, `ABSENT` where there is none, or ``where`` is not true. Of a value that no
        row has it is not asked.
        """
        codes = self.codes if where is None else np.where(where, self.codes, -1)
        used = np.zeros(len(self.values) + 1, dtype=bool)
        used[codes] = True
        said = [function(v) if there else ABSENT for v, there in zip(self.values, used[:-1], strict=True)]
        return np.array([*said, ABSENT], dtype=np.int64)[codes]


READ = (
    "case_id", "cluster", "variant", "perturbation", "level", "severity", "index", "repeat", "status", "score", "answer",
    "reply", "input_hash", "effect", "cut", "check", "factors", "by", "prompt",
)  # fmt: skip
"""The fields of a record that a frame is made of; ``answer``, ``check``, ``factors`` and ``by`` as JSON text."""
ARRAYS = ("severity", "index", "repeat", "score", "cut")
"""Those that are numbers: arrays, NaN where there is none. The others are `Coded`."""


def frame_of(key: CellKey, columns: Mapping[str, Any]) -> Frame:
    """One cell's frame of the columns `READ`. Raises `CaseError` as `robusttest.stats.cell.frame.frames` does."""
    made = FrameBuilder(*key)
    made.kept = None
    status = columns["status"].each(lambda s: STATUS.get(s, ABSENT_ROW))
    cases, first = _renumbered(columns["case_id"])
    names: Coded = columns["case_id"]
    made.cases = {names.at(row): i for i, row in enumerate(first)}
    made.clusters = [columns["cluster"].at(row) for row in first]
    if len(first):
        made.prompt = columns["prompt"].at(first[-1])
    for i, row in enumerate(first):
        if (by := columns["by"].at(row)) is not None:
            for name, value in codec.loads(by).items():
                made.by.setdefault(name, {})[i] = value
    specs: Coded = columns["perturbation"]
    made.known = dict.fromkeys(specs.at(row) for row in _renumbered(specs)[1])
    planned = np.flatnonzero(status != ABSENT_ROW)
    places = _columns(made, columns, planned)
    failed = status == ERROR_ROW
    score = np.where(failed, np.nan, columns["score"])
    if len(wrong := np.flatnonzero((score < 0) | (score > 1))):
        row = int(wrong[0])
        raise CaseError(
            f"case {names.at(row)!r}, variant {columns['variant'].at(row) or 'reference'!r} of task {key.task!r}, model {key.model!r}: "
            f"score {float(score[row])!r} is not in [0, 1]"
        )
    there = status != ABSENT_ROW  # of what was never planned nothing is read
    answers = columns["answer"].each(lambda text: made.answer(codec.loads(text)), status == OK_ROW)
    answers[status != OK_ROW] = UNREADABLE
    reply, question = (
        columns["reply"].each(made.reply, there),
        columns["input_hash"].each(made.question, there),
    )
    check = columns["check"].each(lambda text: made.checked(codec.loads(text)), there)
    for codes in (answers, reply, question, check):
        codes[failed] = ABSENT
    sensitive = columns["effect"].each(lambda e: e != "same") == 1
    rows = (
        cases,
        places,
        status,
        score,
        answers,
        reply,
        question,
        sensitive,
        columns["cut"] & ~failed,
        check,
    )
    planned_rows: Any = [values[planned] for values in rows]
    made.rows = [FrameRows(*planned_rows)]
    return made.build()


def _columns(made: FrameBuilder, columns: Mapping[str, Any], planned: Codes) -> Codes:
    """Each row's column of the frame, told to the builder in first-seen order."""
    specs, variants = columns["perturbation"], columns["variant"]
    repeat = columns["repeat"].astype(np.int64)
    most = int(repeat.max(initial=0)) + 1
    where = (specs.codes.astype(np.int64) * len(variants.values) + variants.codes) * most + repeat
    values, codes = np.unique(where[planned], return_inverse=True)
    places = np.full(len(where), -1, dtype=np.int64)
    places[planned], first = _renumbered(Coded(codes, values))
    for row in planned[first].tolist():
        spec, severity, factors = specs.at(row), float(columns["severity"][row]), columns["factors"].at(row)
        made.details.append(
            Column(
                variants.at(row), spec, split_spec(spec)[0], columns["level"].at(row), None if np.isnan(severity) else severity,
                int(columns["index"][row]), int(repeat[row]), tuple(codec.loads(factors).items()) if factors else (),
            )
        )  # fmt: skip
    return places


def _renumbered(column: Coded) -> tuple[Codes, Codes]:
    """Codes in first-seen order, and the first row of each."""
    n = len(column.codes)
    first = np.full(len(column.values), n, dtype=np.int64)
    first[column.codes[::-1]] = np.arange(n)[::-1]  # of several the last one stands: the first row
    order = np.argsort(first, kind="stable")[: int((first < n).sum())]
    number = np.empty(len(first), dtype=np.int64)
    number[order] = np.arange(len(order))
    return number[column.codes], first[order]
