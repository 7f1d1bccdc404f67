"""Replies as a cassette: sorted JSONL that is reviewed, committed, and replayed in CI."""

from __future__ import annotations

import argparse
from pathlib import Path

from robusttest.cli.console import directory, say
from robusttest.report.text import count

HELP = "export or import stored replies"


def arguments(p: argparse.ArgumentParser) -> None:
    sub = p.add_subparsers(dest="action", required=True, metavar="ACTION")
    out = sub.add_parser("export", help="write the stored replies as sorted JSONL, to review and commit")
    into = sub.add_parser("import", help="put the replies of such a file into the store")
    for q in (out, into):
        q.add_argument("file", metavar="FILE.jsonl")
        directory(q)
    out.add_argument(
        "--run", metavar="RUN", help="only what this run used (path, id, label, git ref, latest)"
    )


def run(a: argparse.Namespace) -> None:
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
