"""Stored replies as a file to review and commit: sorted JSONL, free of secrets, replayed where there is no key."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from robusttest.core.codec import check_schema
from robusttest.core.files import write_text
from robusttest.core.nouns import Json, canonical_json, digest
from robusttest.core.secrets import HIDDEN, scrubbed
from robusttest.errors import StorageError, UsageError
from robusttest.gateway.store.replies import FILE, ReplyStore
from robusttest.gateway.store.stored import completion_from

KIND = "robusttest-cassette"
SCHEMA = 1
_KEY = re.compile(r"[0-9a-f]{64}")


def export(directory: Path, file: Path, *, keys: Collection[str] | None = None) -> int:
    """Write the replies of ``directory``'s store to ``file`` (those with these keys), and say how many.

    One line a reply: ``{"key", "request", "completion"}``, sorted by model, then text. Latency and cost go too; what
    is or looks like a secret is hidden, in replies and in prompts (whose ``key`` still finds them). Raises `StorageError`.
    """
    if not (directory / FILE).exists():
        raise StorageError(f"{directory / FILE} is not there: no run has stored replies in {directory}")
    store = ReplyStore(directory, read_only=True)
    try:
        rows = [
            (str(request.get("model", "")), canonical_json(request), key, completion)
            for key, request, completion in store.rows()
            if keys is None or key in keys
        ]
    finally:
        store.close()
    rows.sort(key=lambda row: row[:3])
    lines = [json.dumps({"kind": KIND, "schema": SCHEMA, "replies": len(rows)})]
    for _, request, key, completion in rows:
        line = {"key": key, "request": scrubbed(json.loads(request)), "completion": scrubbed(completion)}
        lines.append(json.dumps(line, ensure_ascii=False, sort_keys=True))
    write_text(file, "\n".join(lines) + "\n")
    return len(rows)


def import_(directory: Path, file: Path) -> int:
    """Put a cassette's replies into ``directory``'s store, and say how many. Raises `UsageError`, `StorageError`."""
    rows = list(_read(file))
    store = ReplyStore(directory)
    try:
        return store.insert(rows, created=time.time())
    finally:
        store.close()


def _read(file: Path) -> Iterator[tuple[str, Json, Json]]:
    try:
        text = file.read_text(encoding="utf-8", errors="surrogatepass")
    except OSError as e:
        raise UsageError(f"{file}: {e.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            raise UsageError(f"{file}, line {number}: a merge conflict is not resolved")
        try:
            row = json.loads(line)
            if number == 1 and row.get("kind") == KIND:
                check_schema(row.get("schema"), SCHEMA, f"the cassette {str(file)!r}")
                continue
            request, completion = row["request"], row["completion"]
            completion_from(completion)
            text_of_request = canonical_json(request)
            key = digest(text_of_request, size=32)
            if HIDDEN in text_of_request and _KEY.fullmatch(row["key"]):
                key = row["key"]  # of the request before its secrets were hidden
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(
                f"{file}, line {number}: not a reply of a cassette ('robusttest cache export' writes them)"
            ) from None
        yield key, request, completion
