"""A run's records as Parquet, in parts: one for each cell, and beside it the cell's sums by case.

``FOLDER/<name of the run file>/``, FOLDER a path or a URL::

    run.jsonl                 the run file, without its records: the run, its cells, its end
    <cell>.records.parquet    a row a record; the columns are `Record`'s fields, what is no text or number as JSON
    <cell>.cases.parquet      a row a case, for each choice of variants (`robusttest.stats.cell.case_table`)
    <cell>.variants.parquet   a row for each choice, the sums of its variants in lists

Each file is there whole or not at all. Where a file of sums is not there, it is made anew of the records.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from robusttest.core import codec
from robusttest.core.codec import Line
from robusttest.core.locations import Location, location
from robusttest.core.nouns import CellKey, Record, RunInfo, digest
from robusttest.errors import MissingExtraError, StorageError
from robusttest.store.writer import PartRef, storage

if TYPE_CHECKING:
    from robusttest.stats.cell.case_table import CaseTable
    from robusttest.stats.cell.frame import Frame
    from robusttest.stats.cell.table_cell import CellFacts, TableCell

KIND = "parquet"
SCHEMA = 1
"""Of the columns; it stands in each file's metadata."""
RUN = "run.jsonl"
_META, _FACTS = b"robusttest", b"robusttest.cell"
_ODD = "odd"
"""JSON of a row's texts that UTF-8 has no form for (lone surrogates); their own columns show them escaped."""
_ROWS = 131_072
"""Of a row group: what a reader holds at once."""


def folder_of(records: str) -> Location | None:
    """The folder of ``parquet:URL``; None for ``jsonl``."""
    kind, _, url = records.partition(":")
    return location(url) if kind == KIND else None


def check(records: str) -> None:
    """Refuse what parts can't be written to, before money is spent. Raises `MissingExtraError` or `StorageError`."""
    if (folder := folder_of(records)) is not None:
        _parquet()
        folder.check_writable()


def _parquet() -> Any:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("records as Parquet", "robusttest[parquet]") from None
    return parquet


class Parts:
    """The parts of one run in its folder. Raises `StorageError` for one that is not there, is torn, or is a newer version's."""

    def __init__(self, folder: Location) -> None:
        self.folder = folder

    @classmethod
    def of(cls, run: RunInfo, file: Path | Location) -> Parts:
        """Those of the run with this file: they lie beside a file called `RUN`, and else where the run was told to put them."""
        if file.name == RUN:
            return cls(file.parent if isinstance(file, Location) else location(str(file.parent)))
        folder = folder_of(run.settings.get("records", ""))
        if folder is None:
            raise StorageError(f"{file}: its cells have parts, and nothing says where")
        return cls(folder / file.name.removesuffix(".jsonl"))

    def end(self, file: Path) -> None:
        """Lay the run file, which is complete, beside its parts."""
        with storage(file, "read"):
            (self.folder / RUN).write(file.read_bytes())

    def write(self, key: CellKey, records: Sequence[Record]) -> PartRef:
        """Add a cell's records, its sums first: a part with records is complete."""
        from robusttest.stats.cell.case_table import tables_of
        from robusttest.stats.cell.frame import frames

        name = digest(key.test or "", key.task, key.model, size=8)
        for frame in frames(records):
            self._write_sums(name, list(tables_of(frame)), _facts(frame, records))
        rows = range(0, len(records), _ROWS)
        return self.put_records(name, [_table(records[i : i + _ROWS]) for i in rows], len(records))

    def put_records(self, name: str, tables: Sequence[Any], rows: int) -> PartRef:
        """A part of records that are columns already, by `schema_of_records`."""
        self._put(f"{name}.records.parquet", tables)
        return PartRef(name, rows)

    def check(self, part: PartRef) -> Any:
        """Its file of records, opened: there, whole and of this run."""
        file = self._opened(f"{part.name}.records.parquet")
        if file.metadata.num_rows != part.rows:
            raise StorageError(
                f"{self.file(part)}: {file.metadata.num_rows:,} records, and the run file says {part.rows:,}: it is of another run"
            )
        return file

    def put_lines(self, part: PartRef, lines: Sequence[Line]) -> None:
        """Other lines in the place of the part's; its sums stay."""
        records = [codec.read(Record, line) for line in lines]
        rows = range(0, len(records), _ROWS)
        self.put_records(part.name, [_table(records[i : i + _ROWS]) for i in rows], len(records))

    def lines(self, part: PartRef) -> Iterator[Line]:
        """The part's records as lines of a run file."""
        with self.check(part) as file:
            for batch in file.iter_batches(_ROWS, use_threads=False):
                yield from lines_of(batch.to_pydict())

    def frame(self, key: CellKey, part: PartRef) -> Frame:
        """The part's records as arrays."""
        from robusttest.metrics import METRICS
        from robusttest.stats.cell.columns import ARRAYS, READ, Coded, frame_of
        from robusttest.stats.cell.frame import frames

        if any(m.own for m in METRICS.values()):  # these take the records themselves
            return frames(codec.read(Record, line) for line in self.lines(part))[0]
        table = (
            self._opened(f"{part.name}.records.parquet", READ)
            .read(list(READ), use_threads=False)
            .unify_dictionaries()
        )
        columns: dict[str, Any] = {}
        for name in READ:
            column = table.column(name).combine_chunks()
            if name in ARRAYS:
                columns[name] = column.to_numpy(zero_copy_only=False)
            else:
                codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
                columns[name] = Coded(codes, column.dictionary.to_pylist())
        return frame_of(key, columns)

    def facts(self, key: CellKey, part: PartRef) -> CellFacts:
        """What the sums don't say, of the end of their file alone."""
        from robusttest.stats.cell.table_cell import CellFacts

        try:
            cases = self._opened(f"{part.name}.cases.parquet")
            return codec.read(CellFacts, codec.loads(cases.schema_arrow.metadata[_FACTS]))
        except (StorageError, KeyError):
            return self.sums(key, part).facts

    def sums(self, key: CellKey, part: PartRef) -> TableCell:
        """The cell by its sums; where they are not there, by its records."""
        from robusttest.stats.cell.case_table import tables_of
        from robusttest.stats.cell.table_cell import CellFacts, TableCell

        try:
            cases, variants = (self._opened(f"{part.name}.{kind}.parquet") for kind in ("cases", "variants"))
            facts = codec.read(CellFacts, codec.loads(cases.schema_arrow.metadata[_FACTS]))
        except (StorageError, KeyError):
            records = [codec.read(Record, line) for line in self.lines(part)]
            frame = self.frame(key, part)
            return TableCell(key, tables_of(frame), _facts(frame, records))
        return TableCell(key, _tables(cases, variants), facts)

    def _write_sums(self, name: str, tables: Sequence[CaseTable], facts: CellFacts) -> None:
        """Row group i of one file and row i of the other are of one choice."""
        import pyarrow as pa

        types, columns = _types(), [t.columns() for t in tables]
        each = [
            pa.table(
                {
                    n: pa.array(_utf8(values) if _of_sums(n) == "text" else values, types[_of_sums(n)])
                    for n, values in c.items()
                }
            )
            for c in columns
        ]
        self._put(f"{name}.cases.parquet", each, {_FACTS: codec.dumps(codec.plain(facts)).encode()})
        rows = [
            {
                n: v if n == "cases" else _utf8(v) if n == "variants" else v.tolist()
                for n, v in t.variants.row().items()
            }
            for t in tables
        ]
        self._put(f"{name}.variants.parquet", [pa.Table.from_pylist(rows)])

    def _put(self, name: str, tables: Sequence[Any], metadata: Mapping[bytes, bytes] | None = None) -> None:
        """A file, each table a row group of its own."""
        out = io.BytesIO()
        schema = tables[0].schema.with_metadata({_META: str(SCHEMA).encode(), **(metadata or {})})
        with _parquet().ParquetWriter(out, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(schema), row_group_size=max(table.num_rows, 1))
        (self.folder / name).write(out.getvalue())

    def _opened(self, name: str, coded: Sequence[str] = ()) -> Any:
        """A file of Parquet; ``coded``: columns whose texts are read as they are kept, each different one once."""
        at = self.folder / name
        parquet = _parquet()
        if not at.exists():
            raise StorageError(f"{at}: this part of the run is missing")
        try:
            file = parquet.ParquetFile(at.open() if at.local is None else at.local, read_dictionary=[*coded])
        except (ValueError, OSError) as e:
            raise StorageError(f"{at}: this part of the run is torn: {str(e).splitlines()[0]}") from None
        found = (file.schema_arrow.metadata or {}).get(_META, b"")
        codec.check_schema(int(found) if found.isdigit() else None, SCHEMA, f"the part {str(at)!r}")
        return file

    def file(self, part: PartRef) -> Location:
        """The file with its records."""
        return self.folder / f"{part.name}.records.parquet"


def _tables(cases: Any, variants: Any) -> Iterator[CaseTable]:
    from robusttest.stats.cell.case_table import table_of
    from robusttest.stats.cell.variant_sums import VariantSums

    table = cases.read(use_threads=False)
    columns = {
        name: column.to_numpy() if _of_sums(name) in ("int", "float") else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    begin = 0
    for i, row in enumerate(variants.read(use_threads=False).to_pylist()):
        end = begin + cases.metadata.row_group(i).num_rows
        yield table_of({n: c[begin:end] for n, c in columns.items()}, VariantSums.of_row(row))
        begin = end


def _facts(frame: Frame, records: Sequence[Record]) -> CellFacts:
    from robusttest.engine.record import fails
    from robusttest.stats.cell.table_cell import CellFacts

    return CellFacts.of(frame, records, sum(map(fails, records)))


# --- records as columns


def _table(records: Sequence[Record]) -> Any:
    import pyarrow as pa

    types = _types()
    made: dict[str, Any] = {}
    odd: dict[int, dict[str, str]] = {}
    for name, kind in _kinds().items():
        values: list[Any] = [getattr(r, name) for r in records]
        if kind == "json":
            values = [None if v is None else codec.dumps(v) for v in values]
        elif kind == "float":
            values = [codec.finite(v) for v in values]
        elif kind == "text":
            for i, v in enumerate(values):
                if v is not None and not _is_utf8(v):
                    odd.setdefault(i, {})[name] = v
            values = _utf8(values)
        made[name] = pa.array(values, types[kind])
    rest = [codec.dumps(odd[i]) if i in odd else None for i in range(len(records))]
    return pa.table({**made, _ODD: pa.array(rest, types["json"])})


def schema_of_records() -> Any:
    """Arrow's schema of a part."""
    import pyarrow as pa

    return pa.schema([(name, _types()[kind]) for name, kind in {**_kinds(), _ODD: "json"}.items()])


def _types() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "json": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
    }


def _utf8(texts: Sequence[str | None]) -> list[str | None]:
    """Lone surrogates escaped: in sums a case's name only tells it from others."""
    return [v if v is None or _is_utf8(v) else v.encode("utf-8", "backslashreplace").decode() for v in texts]


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def lines_of(columns: Mapping[str, Sequence[Any]]) -> Iterator[Line]:
    """Columns of records, all or some, as lines of a run file."""
    kinds = _kinds()
    known = {name: values for name, values in columns.items() if name in kinds}
    as_json = [name for name in known if kinds[name] == "json"]
    for values, odd in zip(zip(*known.values(), strict=True), columns[_ODD], strict=True):
        line = {name: v for name, v in zip(known, values, strict=True) if v is not None}
        for name in as_json:
            if name in line:
                line[name] = codec.loads(line[name])
        if odd is not None:
            line |= codec.loads(odd)
        yield {"kind": "record", **line}


@cache
def _kinds() -> dict[str, str]:
    """How each field of a record is kept: ``text``, ``int``, ``float``, ``bool`` or ``json``."""
    hints = get_type_hints(Record)
    return {f.name: _kind(hints[f.name]) for f in fields(Record)}


def _kind(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        kinds = {_kind(a) for a in get_args(hint) if a is not NoneType}
        return kinds.pop() if len(kinds) == 1 else "json"
    if get_origin(hint) is Literal:
        return "text"
    return {str: "text", int: "int", float: "float", bool: "bool"}.get(hint, "json")


def _of_sums(name: str) -> str:
    """The same of a column of sums."""
    from robusttest.stats.cell.case_table import COUNTS, KEYS

    return "bool" if name == "sensitive" else "text" if name in KEYS else "int" if name in COUNTS else "float"
