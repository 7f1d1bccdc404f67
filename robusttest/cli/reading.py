"""How recorded results are read: the arguments that say it, and the reading."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robusttest.errors import UsageError
from robusttest.store.readers.file import FORMATS

if TYPE_CHECKING:
    from robusttest.core.nouns import Record


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--format", metavar="NAME", help=f"say it where the content does not: {', '.join(FORMATS)}"
    )
    p.add_argument(
        "--set", action="append", default=[], metavar="COLUMN=VALUE", type=_pair, dest="constants",
        help="a column that the table does not have, as in model=mine (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--wide", metavar="COLUMNS", type=_names, default=(),
        help="columns that are variants and hold scores, as in original,typo,paraphrase",
    )  # fmt: skip
    p.add_argument(
        "--right", action="append", default=[], metavar="VALUE",
        help="a value of the score's column that means right, all others wrong (repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", type=_pair,
        help="the table's name of one of our columns: case_id=item, variant=format+shots, case_id=doc.id, variant=file "
        "(repeatable)",
    )  # fmt: skip
    p.add_argument(
        "--reference", metavar="VARIANT",
        help="the variant that is the unperturbed prompt (default: the one with an empty perturbation, if any)",
    )  # fmt: skip
    p.add_argument(
        "--factors", metavar="COLUMNS", type=_names, default=(),
        help="columns that are the factors of a crossed design, as in wording,shots,temperature: which of them matters",
    )  # fmt: skip
    p.add_argument(
        "--by", action="append", default=[], metavar="COLUMN",
        help="break results down by this column: target, cluster, or another one of the table (repeatable)",
    )  # fmt: skip
    p.add_argument("--encoding", default="utf-8", metavar="NAME", help="of text files (default utf-8)")


def read(a: argparse.Namespace, files: Sequence[str]) -> tuple[list[Record], list[str]]:
    """The records of these files, and what the reader of them should know."""
    from robusttest.store.readers import read

    return read(
        files,
        format=a.format,
        mapping=_once("--map", a.map),
        constants=_once("--set", a.constants),
        wide=a.wide,
        right=a.right,
        reference=a.reference,
        encoding=a.encoding,
        factors=a.factors,
        by=a.by,
    )


def _once(flag: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    names = [ours for ours, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{flag} names {twice[0]!r} twice")
    return dict(pairs)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals or not ours or not theirs:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE, as in case_id=item or model=mine")
    return ours, theirs


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: write names of columns, each once, as in original,typo")
    return names
