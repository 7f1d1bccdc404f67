"""What is stored of users goes: old runs as a whole, or the texts of one case from all runs and replies, while its numbers stay."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from robusttest.cli.console import purging, say
from robusttest.errors import UsageError, did_you_mean
from robusttest.report.text import count

HELP = "purge old runs, or the texts of one case"
SHORTEST = 20
"""Characters of a text by which requests are known that no record names: a shorter one may be another case's, too."""


def arguments(p: argparse.ArgumentParser) -> None:
    sub = p.add_subparsers(dest="action", required=True, metavar="ACTION")
    purge = sub.add_parser("purge", help="delete old runs, or the texts of one case", description=__doc__)
    purging(purge, required=False)
    purge.add_argument(
        "--case",
        metavar="ID",
        help="remove this case's texts from run files, replies and failures; numbers stay",
    )
    purge.add_argument("--task", metavar="TASK", help="with --case: of this task alone")


def run(a: argparse.Namespace) -> None:
    if a.task is not None and a.case is None:
        raise UsageError("--task goes with --case ID")
    if a.older is None and a.case is None:
        raise UsageError("purge what? Give --older AGE, as in --older 90d, or --case ID")
    from robusttest.store import purge

    directory = Path(a.directory)
    if a.older is not None:
        old = purge.old_runs(directory, time.time() - a.older)
        for path in [] if a.dry_run else old:
            purge.remove_run(path)
        say(f"{'would delete' if a.dry_run else 'deleted'} {count(len(old), 'run', 'runs')} in {a.directory}")
    if a.case is not None:
        _forget(directory, a)


def _forget(directory: Path, a: argparse.Namespace) -> None:
    from robusttest.cli.cache import purged
    from robusttest.store import purge

    found = purge.forget(directory, a.case, a.task, dry=a.dry_run)
    if not found.records and not found.failures:
        of = "" if a.task is None else f" of task {a.task!r}"
        raise UsageError(f"no stored run has case {a.case!r}{of}.{did_you_mean(a.case, sorted(found.known))}")
    import json

    texts = [json.dumps(t)[1:-1] for t in found.texts if len(t) >= SHORTEST]
    texts += [json.dumps(t, ensure_ascii=False)[1:-1] for t in found.texts if len(t) >= SHORTEST]
    replies = purged(
        directory,
        of=lambda key, text: key in found.keys or any(t in text for t in texts),
        store=a.store,
        dry=a.dry_run,
    )
    say(
        f"{'would remove' if a.dry_run else 'removed'} the texts of case {a.case!r}: {count(found.records, 'record', 'records')} in "
        f"{count(found.runs, 'run', 'runs')}, {count(found.failures, 'failure', 'failures')}, {count(replies, 'reply', 'replies')}"
    )
    say("cassettes, reports, frozen variants, baselines and what git holds are not looked at")
