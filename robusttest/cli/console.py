"""Standard output for people: escaped for its encoding, coloured where it is a terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import Any, TextIO

from robusttest.report.escape import encodable


def say(line: str = "", stream: TextIO | None = None) -> None:
    """One line on a stream that may not be able to show all of it."""
    stream = stream or sys.stdout
    stream.write(encodable(line, encoding(stream)).rstrip() + "\n")


def encoding(stream: TextIO | None = None) -> str:
    return getattr(stream or sys.stdout, "encoding", None) or "utf-8"


def color() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def width() -> int:
    return shutil.get_terminal_size().columns


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def option(parser: argparse.ArgumentParser, name: str, **changes: Any) -> None:
    """Add an option of the table under its own name, with its check: ``--report``, ``--seed``."""
    from robusttest.settings import OPTIONS

    entry = next(o for o in OPTIONS if o.name == name)
    default = [] if entry.many else entry.default
    parser.add_argument(f"--{name.replace('_', '-')}", **{**entry.arguments(), "default": default, **changes})


def directory(parser: argparse.ArgumentParser) -> None:
    """Add ``--directory``."""
    parser.add_argument(
        "--directory",
        default=".robusttest",
        metavar="DIR",
        help="where runs and replies are (default .robusttest)",
    )


def purging(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--older`` and ``--dry-run``."""

    def age(text: str) -> float:
        from robusttest.errors import UsageError
        from robusttest.settings import duration

        try:
            return duration(text)
        except UsageError as e:
            raise argparse.ArgumentTypeError(str(e)) from None

    parser.add_argument(
        "--older", type=age, required=required, metavar="AGE", help="what is older than this: 12h, 90d, 26w"
    )
    option(parser, "store", help="the store that machines share, as --robust-store: its replies, too")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and leave it")
    directory(parser)
