"""Replies as a cassette: sorted JSONL that is reviewed, committed, and replayed in CI. Old ones are purged."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from robusttest.cli.console import directory, purging, say
from robusttest.report.text import count

HELP = "export, import or purge stored replies"


def arguments(p: argparse.ArgumentParser) -> None:
    sub = p.add_subparsers(dest="action", required=True, metavar="ACTION")
    out = sub.add_parser("export", help="write the stored replies as sorted JSONL, to review and commit")
    into = sub.add_parser("import", help="put the replies of such a file into the store")
    for q in (out, into):
        q.add_argument("file", metavar="FILE.jsonl")
        directory(q)
    purge = sub.add_parser(
        "purge", help="delete old replies (those of one case: robusttest runs purge --case)"
    )
    purging(purge, required=True)
    out.add_argument(
        "--run", metavar="RUN", help="only what this run used (path, id, label, git ref, latest)"
    )


def purged(
    directory: Path,
    *,
    before: float | None = None,
    of: Callable[[str, str], bool] | None = None,
    dry: bool = False,
) -> int:
    """Delete replies as `ReplyStore.purge` does; also of a file that was set aside as damaged, as a whole, if it is older."""
    from robusttest.gateway.store.replies import FILE, ReplyStore

    for aside in sorted(directory.glob(f"{FILE}.damaged-*")):
        if not dry and (before is None or aside.stat().st_mtime < before):
            aside.unlink()
    if not (directory / FILE).exists():
        return 0
    store = ReplyStore(directory)
    try:
        return store.purge(before=before, of=of, dry=dry)
    finally:
        store.close()


def run(a: argparse.Namespace) -> None:
    if a.action == "purge":
        n = purged(Path(a.directory), before=time.time() - a.older, dry=a.dry_run)
        say(f"{'would delete' if a.dry_run else 'deleted'} {count(n, 'reply', 'replies')} in {a.directory}")
        return
    from robusttest.gateway.store import cassette

    if a.action == "export":
        from robusttest.report.files import check_writable

        check_writable(a.file)
        keys = None
        if a.run is not None:
            from robusttest.store import find_run, read_run

            used = read_run(find_run(a.run, a.directory)).records
            keys = {r.request_key for r in used if r.request_key is not None}
        n = cassette.export(Path(a.directory), Path(a.file), keys=keys)
        say(f"wrote {count(n, 'reply', 'replies')} to {a.file}")
    else:
        n = cassette.import_(Path(a.directory), Path(a.file))
        say(f"read {count(n, 'reply', 'replies')} from {a.file}")
