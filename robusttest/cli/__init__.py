"""``robusttest``: what needs no test session. A command is a module with ``HELP``, ``arguments`` and ``run``.

Exit codes: 0 done, 1 it could not be done (or a threshold was missed, or ``compare --fail-on`` fails), 2 wrong usage. ``run`` may return one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from robusttest.errors import RobusttestError, UsageError

COMMANDS = {
    "demo": "robusttest.cli.demo",
    "perturb": "robusttest.cli.perturb",
    "analyze": "robusttest.cli.analyze",
    "show": "robusttest.cli.show",
    "history": "robusttest.cli.history",
    "compare": "robusttest.cli.compare",
    "merge": "robusttest.cli.merge",
    "cache": "robusttest.cli.cache",
    "runs": "robusttest.cli.runs",
    "canary": "robusttest.cli.canary",
    "scan": "robusttest.cli.scan",
    "init": "robusttest.cli.init",
}
"""Name → module. Each imports what it uses when it runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = _parser().parse_args(argv)
    code: int | None
    try:
        code = _module(arguments.command).run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except RobusttestError as e:
        from robusttest.cli.console import say

        say(f"robusttest {arguments.command}: {e}", sys.stderr)
        return 2 if isinstance(e, UsageError) else 1
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="robusttest", description="Robustness tests for language models, without a test session."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        module.arguments(sub.add_parser(name, help=module.HELP, description=module.__doc__ or module.HELP))
    return parser


def _module(command: str) -> Any:
    return import_module(COMMANDS[command])


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            said = version("robusttest")
        except PackageNotFoundError:  # a source tree that is not installed
            said = "(not installed)"
        parser.exit(message=f"robusttest {said}\n")
