"""What a comparison needs of a run: one outcome for each variant, whether it comes from records or from a baseline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from robusttest.core import codec
from robusttest.core.equality import same
from robusttest.core.nouns import (
    REFERENCE,
    CellKey,
    Json,
    Judging,
    Record,
    RecordStatus,
    RunInfo,
    canonical_json,
    digest,
)

SHORT = 8
"""Hex digits of a hash that a baseline keeps."""

_HEX = re.compile("[0-9a-f]{16}")
_NOT_PUT = ("rejected", "not_applicable")

Key: TypeAlias = tuple[str, str, str, int]
"""(case id, perturbation, variant, repeat)."""


class Row(NamedTuple):
    """What came of one variant of one case."""

    question: str
    """Hex digits of what the variant made of the case, whatever the prompt: 16, or a baseline's `SHORT`; empty where it
    is not known."""
    target: str
    """`SHORT` hex digits of the right answer; empty where it is not known."""
    status: RecordStatus
    score: float | None
    answer: Json
    """None where it was not kept: a baseline keeps those of failures alone."""
    right: Json = None
    """The right answer itself, to be shown; None from a baseline."""
    text: str | None = None
    """What was put to the model, to be shown; None from a baseline."""
    asked: str = ""
    """Hex digits of all that was put to the model; a baseline keeps that of the reference. Empty where it is not known."""


class SameRow(NamedTuple):
    """A pair of which both sides have the same question, right answer and score."""

    case_id: str
    perturbation: str
    variant: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRows:
    """One test × task × model of one version."""

    key: CellKey
    rows: dict[Key, Row] = field(default_factory=dict, repr=False)
    clusters: dict[str, str | None] = field(default_factory=dict, repr=False)
    """By case id, in first-seen order."""
    levels: dict[str, str] = field(default_factory=dict)
    """By perturbation's spec, in first-seen order."""
    judging: Judging | None = None
    """How its judge did on answers that a person graded, where it has some."""

    def loaded(self) -> CellRows:
        """With all its rows: a cell that stands in a file reads them."""
        return self

    def beside(self, other: CellRows) -> tuple[CellRows, CellRows, Sequence[SameRow]]:
        """Both sides with the rows that have to be looked at, and the pairs of which both sides are known to say the same."""
        return self.loaded(), other.loaded(), ()

    @property
    def test(self) -> str | None:
        return self.key.test

    @property
    def task(self) -> str:
        return self.key.task

    @property
    def model(self) -> str:
        return self.key.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One side of a comparison."""

    info: RunInfo
    cells: tuple[CellRows, ...]
    name: str = ""
    """What it is called by whoever compares: a path, a label, a git ref."""

    @classmethod
    def of(
        cls,
        info: RunInfo,
        records: Iterable[Record],
        *,
        name: str = "",
        judging: Mapping[CellKey, Judging] | None = None,
    ) -> Version:
        """A version made of a run's records. ``judging``: how judges did on labelled answers, by cell."""
        known = judging or {}
        cells = (replace(c, judging=known.get(c.key)) for c in rows_of(records))
        return cls(info=info, cells=tuple(cells), name=name)

    @property
    def title(self) -> str:
        """``robust-baseline.json (v1, 2026-11-24, 353a334d)``: the label, else the version that all its models declare."""
        versions = set(self.info.model_versions.values())
        called = self.info.label or (f"version {versions.pop()}" if len(versions) == 1 else None)
        facts = [called, self.info.created[:10], (self.info.commit or "")[:8]]
        name = self.name or self.info.id
        told = ", ".join(x for x in facts if x and x != name)
        return f"{name} ({told})" if told else name


def rows_of(records: Iterable[Record]) -> list[CellRows]:
    """Group records by test × task × model, in first-seen order. Of a variant that comes twice the last one counts."""
    found = RowsBuilder()
    for r in records:
        found.add(
            r.test, r.task, r.model, r.case_id, r.perturbation, r.variant, r.repeat, r.level, r.cluster, r.status,
            r.score, r.answer, r.target, r.text, r.input_hash, r.case_hash,
        )  # fmt: skip
    return found.cells


class RowsBuilder:
    """Rows as they come: of records, or of a run file's lines without making records of them."""

    def __init__(self) -> None:
        self._cells: dict[CellKey, CellRows] = {}
        self._targets: dict[str, str] = {}
        self._judging: dict[CellKey, Judging] = {}

    @property
    def cells(self) -> list[CellRows]:
        return [replace(c, judging=self._judging.get(key)) for key, c in self._cells.items()]

    def add_cell(self, line: Mapping[str, Json]) -> None:
        """A run file's line of a cell: what it says of the judge."""
        if (judging := line.get("judging")) is not None:
            key = CellKey(line.get("test"), line["task"], line["model"])
            self._judging[key] = codec.read(Judging, judging)

    def add_line(self, line: Mapping[str, Json]) -> None:
        """A record as `robusttest.core.codec` writes it: fields that hold their default are left out."""
        get = line.get
        self.add(
            get("test"), line["task"], line["model"], line["case_id"], get("perturbation", REFERENCE),
            get("variant", REFERENCE), get("repeat", 0), get("level", "reference"), get("cluster"),
            get("status", "ok"), get("score"), get("answer"), get("target"), get("text"), get("input_hash"),
            get("case_hash"),
        )  # fmt: skip

    def add(
        self,
        test: str | None,
        task: str,
        model: str,
        case_id: str,
        perturbation: str,
        variant: str,
        repeat: int,
        level: str,
        cluster: str | None,
        status: RecordStatus,
        score: float | None,
        answer: Json,
        target: Json,
        text: str | None,
        input_hash: str | None,
        case_hash: str | None,
    ) -> None:
        """One record's fields."""
        mine = CellKey(test, task, model)
        cell = self._cells.get(mine)
        if cell is None:
            cell = self._cells[mine] = CellRows(key=mine)
        if status in _NOT_PUT:
            return
        cell.clusters.setdefault(case_id, cluster)
        cell.levels.setdefault(perturbation, level)
        if target is None:
            code = ""
        elif type(target) is str:
            code = self._targets.get(target) or self._targets.setdefault(target, _code(target))
        else:
            code = _code(target)
        cell.rows[case_id, perturbation, variant, repeat] = Row(
            case_hash or "", code, status, score, answer, target, text, _asked(input_hash, text)
        )


def _code(target: Json) -> str:
    """Stands in committed baselines: it must never change."""
    try:
        return digest(canonical_json(target), size=SHORT // 2)
    except ValueError:  # NaN: equals nothing, and is shown as unknown
        return ""


def _asked(given: str | None, text: str | None) -> str:
    """Ours is 16 hex digits; that of other tools, or a text where that is all there is, is made so."""
    if given is not None and _HEX.fullmatch(given):
        return given
    if given is None and text is None:
        return ""
    return digest("text", text, size=8) if given is None and text is not None else digest(str(given), size=8)


def same_hash(old: str, new: str) -> bool:
    """Whether two hashes are equal; a baseline's short one is compared as far as it goes."""
    if not old or not new:
        return False
    return old == new or (SHORT in (len(old), len(new)) and old[:SHORT] == new[:SHORT])


def noise(cell: CellRows) -> tuple[int, int]:
    """(repeats of the very prompt that came out otherwise than the first, repeats)."""
    differ = total = 0
    for (case, perturbation, _, repeat), row in cell.rows.items():
        if cell.levels.get(perturbation) != "repeat" and not (perturbation == REFERENCE and repeat > 0):
            continue
        first = cell.rows.get((case, REFERENCE, REFERENCE, 0))
        if first is None or first.score is None or row.score is None:
            continue
        total += 1
        known = first.answer is not None and row.answer is not None
        differ += first.score != row.score or (known and not same(first.answer, row.answer))
    return differ, total
