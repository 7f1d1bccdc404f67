"""The failing variants of earlier runs, kept to be asked first in the next one: who waits for a fix sees it at once.

They order what is planned, and nothing else: which variants a run takes, and every number, stay the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from robusttest.core import codec
from robusttest.core.codec import Line
from robusttest.core.files import own_folder, write_text
from robusttest.core.nouns import CellKey, Record
from robusttest.engine.record import failing

FILE = "failures.jsonl"
"""In ``.robusttest/``: one failing variant a line, those of the last run last."""
MOST = 1000
"""Lines that are kept; the oldest go."""
MOST_EACH = 50
"""The worst of one test × model."""


def cases_first(directory: Path) -> dict[CellKey, frozenset[str]]:
    """The cases with a failing variant, by test × task × model. Empty where nothing can be read: it only orders."""
    found: defaultdict[CellKey, set[str]] = defaultdict(set)
    for line in lines(directory / FILE):
        found[_key(line)].add(line["case"])
    return {key: frozenset(cases) for key, cases in found.items()}


def keep(directory: Path, records: Iterable[Sequence[Record]]) -> None:
    """Put the failing variants of a run, test by test, in the place of what is known of their cases.

    Raises `StorageError` where the file can't be written.
    """
    path = directory / FILE
    ran: set[tuple[CellKey, str]] = set()
    new: list[Line] = []
    for rows in records:
        ran |= {(r.key, r.case_id) for r in rows}
        worst = [r for _, r in failing(rows) if r.variant][:MOST_EACH]
        new += [
            {
                **r.key._asdict(),
                "case": r.case_id,
                "variant": r.variant,
                "text": r.text,
                "shrunk": None if r.shrunk is None else r.shrunk["text"],
            }
            for r in worst
        ]
    known = list(lines(path))
    now = [line for line in known if (_key(line), line["case"]) not in ran] + new
    if not now and not known:
        return
    own_folder(directory)
    write_text(path, "".join(codec.dumps(line) + "\n" for line in now[-MOST:]))


def _key(line: Line) -> CellKey:
    return CellKey(line["test"], line["task"], line["model"])


def lines(path: Path) -> Iterable[Line]:
    """What is kept there; nothing where nothing can be read."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        try:
            row = codec.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("task", "model", "case")):
            yield {"test": None, **row}
