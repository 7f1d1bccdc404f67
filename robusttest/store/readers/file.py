"""One file of results: what it holds, told by its content, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from robusttest.tasks.sources import SourceRow

FORMATS = (
    "inspect",
    "lm-eval",
    "promptfoo",
    "helm",
    "openai-evals",
    "deepeval",
    "every-eval-ever",
    "robusttest",
    "table",
)
"""Names for ``format=`` and ``--format``; ``table`` is one row for each reply, under any names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file says of all its rows."""

    model: str | None = None
    task: str | None = None
    run: str | None = None
    """The tool's own name of the run: two files of one run hold the same rows."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Task arguments and decoding: where two files of a model and task differ in them, they are two variants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """The rows of one file, under our names as far as its format knows them."""

    name: str
    format: str
    said: FileFacts
    rows: Iterator[SourceRow]


def cells_of(row: SourceRow) -> Mapping[str, Any]:
    """A row's columns: what stands in files is never a finished case."""
    return cast("Mapping[str, Any]", row.values)
