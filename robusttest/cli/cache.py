"""Replies as a cassette: sorted JSONL that is reviewed, committed, and replayed in CI. Old ones are purged."""

from __future__ import annotations

import argparse
import secrets
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
    age: float | None = None,
    of: Callable[[str, str], bool] | None = None,
    store: str | None = None,
    dry: bool = False,
) -> int:
    """Delete replies as `ReplyStore.purge` does, and in the shared ``store``; also a file that was set aside as damaged, as a whole,
    if it is older.
    """
    import zlib

    from robusttest.gateway.store import database, shared
    from robusttest.gateway.store.replies import FILE, ReplyStore

    before = None if age is None else time.time() - age
    count = 0
    near = database.near(directory, store is not None)
    for aside in sorted(near.glob(f"{FILE}.damaged-*")):
        if not dry and (before is None or aside.stat().st_mtime < before):
            aside.unlink()
    if (near / FILE).exists():
        own = ReplyStore(directory) if store is None else ReplyStore(near)
        try:
            count += own.purge(before=before, of=of, dry=dry)
        finally:
            own.close()
    if store is not None:
        far = shared.opened(store, f"purge {secrets.token_hex(4)}")
        try:
            look = None if of is None else lambda row: of(row.key, zlib.decompress(row.request).decode())
            count += far.purge(age=age, of=look, dry=dry)
        finally:
            far.close()
    return count


def run(a: argparse.Namespace) -> None:
    if a.action == "purge":
        n = purged(Path(a.directory), age=a.older, store=a.store, dry=a.dry_run)
        say(
            f"{'would delete' if a.dry_run else 'deleted'} {count(n, 'reply', 'replies')} in {a.store or a.directory}"
        )
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
