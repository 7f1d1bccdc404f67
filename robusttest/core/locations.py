"""A folder or file by path or URL, over fsspec: what this machine and every shared storage have in common.

``results``, ``/data/results``, ``memory://results``, ``s3://bucket/results``: what comes after the scheme is the file system's, which a
package of its own brings (``s3fs``, ``gcsfs``, ``adlfs``). Keys come by the environment, as that package says; a URL that holds
some is refused, since URLs stand in run files.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from robusttest.core.files import URL, absolute
from robusttest.errors import MissingExtraError, StorageError, UsageError


class Location:
    """One path of one file system, with what `pathlib.Path` calls alike. Raises `StorageError` where storage can't do it."""

    def __init__(self, url: str) -> None:
        """``url`` as `absolute` gives it."""
        self.url = url.rstrip("/") or "/"

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Location:
        return Location(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Location:
        return Location(self.url.rpartition("/")[0])

    @cached_property
    def local(self) -> Path | None:
        """The path on this machine's own file system, if it is there."""
        found = URL.fullmatch(self.url)
        return Path(self.url) if found is None else Path(found["rest"]) if found["scheme"] == "file" else None

    @cached_property
    def system(self) -> tuple[Any, str]:
        """Fsspec's file system, and the path in it."""
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError(f"{self.url}: a place by URL", "robusttest[store]") from None
        with _storage(self, "reach"):
            try:
                system, path = url_to_fs(self.url)
            except ImportError as e:  # the scheme's package, which fsspec names
                raise UsageError(f"{self.url}: {e}{_install(self.url)}") from None
            except ValueError as e:
                raise UsageError(f"{self.url}: {e}") from None
        return system, path

    def write(self, data: bytes) -> None:
        """The whole file or none: written beside it, then renamed."""
        system, path = self.system
        beside = f"{path}.{secrets.token_hex(4)}.tmp"
        with _storage(self, "write"):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                system.pipe_file(beside, data)
                system.mv(beside, path)
            except BaseException:
                if system.exists(beside):
                    system.rm_file(beside)
                raise

    def create(self, data: bytes) -> bool:
        """The whole file, if there is none yet; False where there is, whoever else creates it at the same time."""
        system, path = self.system
        with _storage(self, "write"):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                if self.local is None:
                    system.pipe_file(path, data, mode="create")
                else:  # what is being written has another name: nobody reads half of it
                    beside = f"{path}.{secrets.token_hex(4)}.tmp"
                    system.pipe_file(beside, data)
                    try:
                        os.link(beside, path)
                    finally:
                        os.unlink(beside)
            except FileExistsError:
                return False
        return True

    def read(self) -> bytes | None:
        """What is in the file; None where there is none."""
        system, path = self.system
        with _storage(self, "read"):
            try:
                return bytes(system.cat_file(path))
            except FileNotFoundError:
                return None

    def modified(self) -> float | None:
        """When the file was written, by the storage's clock, in seconds since the epoch; None where there is none."""
        system, path = self.system
        with _storage(self, "read"):
            try:
                system.invalidate_cache(path.rpartition("/")[0])
                return float(system.modified(path).timestamp())
            except FileNotFoundError:
                return None

    def open(self, mode: str = "rb") -> IO[bytes]:
        """To read."""
        system, path = self.system
        with _storage(self, "read"):
            opened: IO[bytes] = system.open(path, mode)
            return opened

    def exists(self) -> bool:
        system, path = self.system
        with _storage(self, "read"):
            return bool(system.exists(path))

    def names(self) -> list[str]:
        """What the folder holds, by name and sorted; nothing where there is no folder."""
        system, path = self.system
        with _storage(self, "read"):
            try:
                system.invalidate_cache(path)
                found = system.ls(path, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(str(p).rstrip("/").rpartition("/")[2] for p in found)

    def remove(self) -> None:
        """A file that is there goes."""
        system, path = self.system
        with _storage(self, "remove"):
            if system.exists(path):
                system.rm_file(path)

    def check_writable(self) -> None:
        """`StorageError` where nothing can be written into the folder: to be called before money is spent."""
        probe = self / f".robusttest-{secrets.token_hex(4)}"
        probe.write(b"")
        probe.remove()


def _install(url: str) -> str:
    """``: pip install 's3fs'``, by the module that fsspec has for a scheme; empty where it is one of its own."""
    from fsspec.registry import known_implementations

    known = known_implementations.get(url.partition("://")[0], {})
    package = str(known.get("class", "fsspec")).partition(".")[0]
    return "" if package == "fsspec" else f": pip install '{package}'"


def location(url: str) -> Location:
    """The location of a path or URL; raises `UsageError` as `robusttest.core.files.absolute` does."""
    return Location(absolute(url))


@contextmanager
def _storage(at: Location, verb: str) -> Iterator[None]:
    """What a file system raises → `StorageError` with the place and what to do; packages of storage have errors of their own."""
    try:
        yield
    except (StorageError, UsageError):
        raise
    except PermissionError as e:
        raise StorageError(
            f"can't {verb} {at}: no rights there ({e.strerror or e}); give the process rights, or another place"
        ) from e
    except Exception as e:
        said = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise StorageError(f"can't {verb} {at}: {said.splitlines()[0]}") from e
