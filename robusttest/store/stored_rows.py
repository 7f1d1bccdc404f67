"""A comparison of two runs with parts: what both sides say alike is found by DuckDB, and only the rest becomes rows of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from robusttest.compare.rows import CellRows, RowsBuilder, SameRow, Version
from robusttest.core.locations import Location
from robusttest.errors import MissingExtraError
from robusttest.store.parquet import Parts, lines_of
from robusttest.store.reader import read_cells
from robusttest.store.writer import PartRef

MEMORY = "512MB"
"""What DuckDB holds at most; beyond it writes to disk."""
_READ = "test, task, model, case_id, perturbation, variant, repeat, level, cluster, status, score, answer, target, text, input_hash, case_hash, odd"
_NAME = "case_id, perturbation, variant, repeat"
_SAME = f"""
CREATE TEMP TABLE same AS SELECT {_NAME}, a.score FROM old a JOIN new b USING ({_NAME})
WHERE a.case_hash = b.case_hash AND a.input_hash = b.input_hash AND a.target IS NOT DISTINCT FROM b.target AND a.score = b.score
  AND a.level = b.level AND a.level <> 'repeat' AND perturbation <> '' AND repeat = 0 AND a.odd IS NULL AND b.odd IS NULL
"""
"""What the noise of repeats is told by is not among it: the unperturbed prompt, and its repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows(CellRows):
    """A cell whose rows stand in a part, and are read when they are compared."""

    parts: Parts
    part: PartRef

    def loaded(self) -> CellRows:
        found = RowsBuilder()
        for line in self.parts.lines(self.part):
            found.add_line(line)
        (cell,) = found.cells
        return CellRows(
            key=self.key, rows=cell.rows, clusters=cell.clusters, levels=cell.levels, judging=self.judging
        )

    def beside(self, other: CellRows) -> tuple[CellRows, CellRows, list[SameRow]]:
        if not isinstance(other, StoredRows) or self.judging is not None or other.judging is not None:
            return self.loaded(), other.loaded(), []  # a judge's errors are told by every row
        for side in (self, other):
            side.parts.check(side.part)
        with _connected(self._file, other._file) as db:
            db.execute(_SAME)
            same = [
                SameRow(*row)
                for row in db.execute("SELECT case_id, perturbation, variant, score FROM same").fetchall()
            ]
            return self._rest(db, "old"), other._rest(db, "new"), same

    @property
    def _file(self) -> Location:
        return self.parts.file(self.part)

    def _rest(self, db: Any, side: str) -> CellRows:
        """All but the same rows; with every case and perturbation."""
        clusters = dict(
            db.execute(f"SELECT case_id, any_value(cluster) FROM {side} GROUP BY case_id").fetchall()
        )
        levels = dict(
            db.execute(f"SELECT perturbation, any_value(level) FROM {side} GROUP BY perturbation").fetchall()
        )
        found = RowsBuilder()
        rest = db.execute(f"SELECT {_READ} FROM {side} ANTI JOIN same USING ({_NAME})")
        while rows := rest.fetchmany(10_000):
            for line in lines_of(dict(zip(_READ.split(", "), zip(*rows, strict=True), strict=True))):
                found.add_line(line)
        own = {cell.key: cell for cell in found.cells}.get(self.key)
        if own is None:
            return CellRows(key=self.key, clusters=clusters, levels=levels)
        # what was read last knows texts as they are
        return CellRows(
            key=self.key,
            rows=own.rows,
            clusters={**clusters, **own.clusters},
            levels={**levels, **own.levels},
        )


@contextmanager
def _connected(old: Location, new: Location) -> Iterator[Any]:
    """A database in memory with the views ``old`` and ``new`` of two parts."""
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("a comparison of runs with parts", "robusttest[parquet]") from None
    with duckdb.connect(config={"memory_limit": MEMORY}) as db:
        for name, file in (("old", old), ("new", new)):
            if file.local is None:
                db.register_filesystem(file.system[0])
            where = str(file if file.local is None else file.local).replace("'", "''")
            db.execute(
                f"CREATE TEMP VIEW {name} AS SELECT {_READ} FROM read_parquet('{where}') WHERE status NOT IN ('rejected', 'not_applicable')"
            )
        yield db


def stored_version(file: Location, name: str) -> Version:
    """A run with parts as a side of a comparison."""
    info, cells, parts = read_cells(file)
    at = Parts.of(info, file)
    held = tuple(
        StoredRows(key=key, judging=cells[key].judging, parts=at, part=part) for key, part in parts.items()
    )
    return Version(info=info, cells=held, name=name)
