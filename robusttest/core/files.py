"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from robusttest.errors import StorageError, UsageError

URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)


def absolute(url: str) -> str:
    """A URL as it is; a path taken from the current folder. Raises `UsageError` for what is neither, and for a URL that holds
    a password or a key: it may stand in run files.
    """
    found = URL.fullmatch(url)
    if not url.strip() or "\0" in url or "\n" in url or (found is not None and not found["rest"].strip("/")):
        raise UsageError(f"{url!r} is no path and no URL: write a folder, as results or s3://bucket/results")
    if found is None:
        return str(Path(url).absolute())
    if "@" in found["rest"].partition("/")[0] or "?" in url:
        raise UsageError(
            f"{found['scheme']}://…: a URL stands in run files, so it holds no user, password or key: give those by the environment, as the "
            "package for this storage says"
        )
    return f"{found['scheme'].lower()}://{found['rest']}"


def check_writable(path: str | os.PathLike[str]) -> None:
    """`StorageError` if ``path`` can't be written: to be called before money is spent. Makes its folder."""
    target = Path(path)
    try:
        if target.is_dir():
            raise StorageError(f"can't write {os.fspath(path)!r}: it is a folder; name a file in it")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(13, "Permission denied")
        descriptor, probe = tempfile.mkstemp(dir=target.parent, prefix=".robusttest-")
        os.close(descriptor)
        os.unlink(probe)
    except OSError as e:
        raise StorageError(f"can't write {os.fspath(path)!r}: {e.strerror or e}") from e


def own_folder(folder: Path) -> None:
    """Make a folder of ours, with a ``.gitignore`` of its own; one that is there is left as its owner has it."""
    if not folder.exists():
        write_text(folder / ".gitignore", "*\n")


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """UTF-8, through a temporary file beside it: readers see the old file or the new one, never half."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # /dev/stdout, a pipe: nothing to replace
            target.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            return target
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-", suffix=".tmp")
        try:
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as f:
                f.write(text)
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as e:
        raise StorageError(f"can't write {os.fspath(path)!r}: {e.strerror or e}") from e
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
