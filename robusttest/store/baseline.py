"""``robust-baseline.json``: what a suite came to, small enough to review and commit.

Sorted, one line for each case, so that a diff shows the cases that changed::

    "t17": {"target": "5d1f0a2c", "outcomes": "3f2a9c01+ 77aa01b2- .", "wrong": {"delivery": [1]}}

A word for each variant, in the order of the cell's ``variants``: eight hex digits of the variant's input (its text,
options and decoding, whatever the prompt), and what came of it: ``+`` right, ``-`` wrong, ``=0.5`` a score between, ``?`` unparsed, ``!`` refused, ``x`` no reply;
``.`` is a variant that this case does not have. ``wrong`` holds the answers of failures, cut, with their places;
``asked`` eight digits of all that was put to the model for the reference. Before schema 2 (and in a cell with ``"of":
"prompt"``) the words hold those, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from robusttest.compare.rows import SHORT, CellRows, Key, Row, Version
from robusttest.core import codec
from robusttest.core.files import write_text
from robusttest.core.nouns import REFERENCE, CellKey, Json, Judging, RecordStatus, RunInfo
from robusttest.core.secrets import one_line
from robusttest.errors import StorageError

BASELINE = "robust-baseline.json"
KIND = "robusttest-baseline"
SCHEMA = 2
ANSWER = 24
"""Bytes of a wrong answer that are kept."""
VERSIONS = ("robusttest", "nlpaug", "litellm")
"""Distributions whose version may change a variant or a reply; others would only make noise in diffs."""

WHO = ("model_versions", "served", "fingerprints")
"""Facts of a run that say who answered, by model."""

T = TypeVar("T")
_MARKERS = ("<<<<<<< ", ">>>>>>> ", "||||||| ")
_WORD = re.compile(rf"([0-9a-f]{{{SHORT}}})?([?!]?)(\+|-|x|=[0-9.e-]+)?")
_STATUS: dict[str, RecordStatus] = {"?": "unparsed", "!": "refused", "": "ok"}
_MARK = {status: mark for mark, status in _STATUS.items()}

_Column = tuple[str, str, int]
"""(perturbation, variant, repeat)."""


def merged(old: Version | None, new: Version) -> Version:
    """The new version's cells, and the old one's of tests that the new one did not run.

    A test that ran is replaced whole: cells of models that it no longer has are dropped.
    """
    if old is None:
        return new
    ran = {(c.test, c.task) for c in new.cells}
    kept = [c for c in old.cells if (c.test, c.task) not in ran]
    left = {c.model for c in kept} - {c.model for c in new.cells}
    was, now = old.info, new.info

    def both(then: Mapping[str, T], present: Mapping[str, T]) -> dict[str, T]:
        return {model: held for model, held in then.items() if model in left} | dict(present)

    info = replace(
        now,
        model_versions=both(was.model_versions, now.model_versions),
        served=both(was.served, now.served),
        fingerprints=both(was.fingerprints, now.fingerprints),
    )
    return replace(new, info=info, cells=(*new.cells, *kept))


def write_baseline(path: str | os.PathLike[str], version: Version) -> Path:
    """Write the baseline whole or not at all. Raises `StorageError` if the path can't be written."""
    return write_text(path, "".join(f"{line}\n" for line in _lines(version)))


def _lines(version: Version) -> Iterator[str]:
    info = version.info
    run = {
        "created": info.created,
        "commit": info.commit,
        "label": info.label,
        "seed": info.seed,
        "versions": {k: v for k, v in sorted(info.versions.items()) if k in VERSIONS},
        **{name: dict(sorted(held.items())) for name in WHO if (held := getattr(info, name))},
    }
    yield "{"
    yield f'"kind": {_text(KIND)}, "schema_version": {SCHEMA},'
    yield f'"run": {_text(run)},'
    yield '"cells": ['
    cells = sorted(version.cells, key=lambda c: (c.test or "", c.task, c.model))
    for i, cell in enumerate(cells):
        yield from _cell_lines(cell, "," if i < len(cells) - 1 else "")
    yield "]"
    yield "}"


def _cell_lines(cell: CellRows, comma: str) -> Iterator[str]:
    columns = sorted({key[1:] for key in cell.rows}, key=lambda c: (c[0], len(c[1]), c[1], c[2]))
    place = {column: i for i, column in enumerate(columns)}
    by_case: dict[str, dict[int, Row]] = {}
    for key, row in cell.rows.items():
        by_case.setdefault(key[0], {})[place[key[1:]]] = row
    yield f"{{{_text(cell.key._asdict())[1:-1]},"
    if by_prompt := not any(row.question for row in cell.rows.values()):
        yield '"of": "prompt",'
    if cell.judging is not None:
        yield f'"judging": {_text(codec.plain(cell.judging))},'
    yield f'"levels": {_text(dict(sorted(cell.levels.items())))},'
    yield f'"variants": {_text([_column_text(c) for c in columns])},'
    yield '"cases": {'
    cases = sorted(by_case)
    for i, case in enumerate(cases):
        line = _case(by_case[case], len(columns), cell.clusters.get(case), by_prompt)
        yield f"{_text(case)}: {_text(line)}" + ("," if i < len(cases) - 1 else "")
    yield f"}}}}{comma}"


def _case(rows: dict[int, Row], columns: int, cluster: str | None, by_prompt: bool) -> dict[str, Json]:
    wrong: dict[str, list[int]] = {}
    for i, row in sorted(rows.items()):
        if row.score is not None and row.score < 1 and row.answer is not None:
            wrong.setdefault(_answer(row.answer), []).append(i)
    line: dict[str, Json] = {"target": rows[min(rows)].target}
    targets = {str(i): r.target for i, r in sorted(rows.items()) if r.target != line["target"]}
    if targets:  # an option perturbation may change a case's target
        line["targets"] = targets
    if cluster is not None:
        line["cluster"] = cluster
    if not by_prompt and (asked := rows[min(rows)].asked):  # the reference, whose name is empty, comes first
        line["asked"] = asked[:SHORT]
    line["outcomes"] = " ".join(_word(rows[i], by_prompt) if i in rows else "." for i in range(columns))
    if wrong:
        line["wrong"] = wrong
    return line


def _word(row: Row, by_prompt: bool) -> str:
    question = (row.asked if by_prompt else row.question)[:SHORT]
    if row.score is None:
        return question + "x"
    mark = _MARK.get(row.status, "")
    if row.score >= 1:
        return question + mark + "+"
    if row.score > 0:
        return f"{question}{mark}={row.score!r}"
    return question + (mark or "-")


def _answer(value: Json) -> str:
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    if len(text.encode("utf-8", "replace")) <= ANSWER:
        return text
    while len(text.encode("utf-8", "replace")) > ANSWER - 3:
        text = text[:-1]
    return text + "…"


def _column_text(column: _Column) -> Json:
    perturbation, variant, repeat = column
    if not repeat and perturbation == variant.rpartition("#")[0]:
        return variant
    return list(column)


def _text(value: Json) -> str:
    """JSON that people read: UTF-8, but for lone surrogates, which no file can hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False)
    return text


# reading


def read_baseline(path: str | os.PathLike[str]) -> Version:
    """The version that a baseline holds.

    Raises `StorageError` for a file that can't be read, is cut off, has merge-conflict markers, is no baseline, or
    was written by a newer robusttest.
    """
    where = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise StorageError(f"{where!r} is not a baseline: it is not UTF-8 text") from e
    except OSError as e:
        raise StorageError(f"can't read the baseline {where!r}: {e.strerror or e}") from e
    try:
        data = json.loads(text, object_pairs_hook=_no_twins)
    except _TwinsError as e:
        raise StorageError(
            f"baseline {where!r} has {e} twice, as after a merge that kept both sides: {_AGAIN}"
        ) from None
    except ValueError as e:
        raise StorageError(_unreadable(where, text, e)) from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise StorageError(f"{where!r} is not a baseline: --robust-update-baseline writes one")
    codec.check_schema(data.get("schema_version"), SCHEMA, f"the baseline {where!r}")
    cell = case = ""
    try:
        cells = []
        for raw in data["cells"]:
            cell, case = f"{raw['task']} · {raw['model']}", ""
            made = CellRows(
                key=CellKey(raw["test"], raw["task"], raw["model"]),
                levels=dict(raw["levels"]),
                judging=codec.read(Judging, raw["judging"]) if "judging" in raw else None,
            )
            columns = [_column(c) for c in raw["variants"]]
            by_prompt = data["schema_version"] < 2 or raw.get("of") == "prompt"
            for case, line in raw["cases"].items():
                made.clusters[case] = line.get("cluster")
                made.rows.update(_rows(case, line, columns, by_prompt))
            cells.append(made)
        run = data["run"]
        info = RunInfo(
            id=(run.get("commit") or "")[:8] or "baseline", created=run["created"], commit=run.get("commit"),
            label=run.get("label"), seed=run.get("seed", 0), versions=dict(run.get("versions") or {}), complete=True,
            models=tuple(dict.fromkeys(c.model for c in cells if c.model)),
            model_versions=dict(run.get("model_versions") or {}),
served=_names(run, "served"), fingerprints=_names(run, "fingerprints"),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as e:
        at = "".join(f", {kind} {name!r}" for kind, name in (("cell", cell), ("case", case)) if name)
        raise StorageError(f"baseline {where!r}{at}: not as robusttest wrote it ({e}); {_AGAIN}") from e
    return Version(info=info, cells=tuple(cells), name=Path(path).name)


def _names(run: Mapping[str, Json], what: str) -> dict[str, tuple[str, ...]]:
    return {model: tuple(map(str, names)) for model, names in (run.get(what) or {}).items()}


_AGAIN = "resolve it, or write it anew with --robust-update-baseline"


class _TwinsError(ValueError):
    pass


def _no_twins(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwinsError(repr(next(n for n in names if names.count(n) > 1)))
    return found


def _unreadable(where: str, text: str, error: ValueError) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(_MARKERS):
            return f"baseline {where!r} has merge-conflict markers (line {number}): {_AGAIN}"
    at = getattr(error, "pos", 0)
    number = text.count("\n", 0, at) + 1
    if not text[at:].strip() or number >= text.rstrip().count("\n") + 1:
        return f"baseline {where!r} is cut off in line {number}: restore it, or write it anew with --robust-update-baseline"
    return f"baseline {where!r} is not JSON (line {number}: {error}): {_AGAIN}"


def _column(value: Json) -> _Column:
    if isinstance(value, str):
        return value.rpartition("#")[0], value, 0
    perturbation, variant, repeat = value
    return perturbation, variant, repeat


def _rows(
    case: str, line: dict[str, Json], columns: Sequence[_Column], by_prompt: bool
) -> Iterator[tuple[Key, Row]]:
    words = line["outcomes"].split(" ")
    if len(words) != len(columns):
        raise ValueError(f"{len(words)} outcomes for {len(columns)} variants")
    answers = {i: answer for answer, places in line.get("wrong", {}).items() for i in places}
    targets = line.get("targets", {})
    for i, word in enumerate(words):
        if word == ".":
            continue
        match = _WORD.fullmatch(word)
        if match is None or not (match[2] or match[3]):
            raise ValueError(f"outcome {word!r}")
        question, mark, value = match[1] or "", match[2], match[3]
        target = targets.get(str(i), line["target"]) if targets else line["target"]
        status: RecordStatus = "error" if value == "x" else _STATUS[mark]
        asked = question if by_prompt else line.get("asked", "") if columns[i][0] == REFERENCE else ""
        row = Row("" if by_prompt else question, target, status, _score(value), answers.get(i), asked=asked)
        yield (case, *columns[i]), row


def _score(value: str | None) -> float | None:
    if value == "x":
        return None
    if value == "+":
        return 1.0
    if value is None or value == "-":
        return 0.0
    score = float(value[1:])
    if not 0 <= score <= 1:
        raise ValueError(f"score {score!r}")
    return score
