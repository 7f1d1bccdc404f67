"""A place by path or URL: written whole or not at all, and refused with what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from robusttest.core.locations import location
from robusttest.errors import MissingExtraError, StorageError, UsageError


@pytest.mark.parametrize("url", ["here", "file://{}/there", "memory://locations/here"])
def test_a_file_is_written_and_read(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = location(url.format(tmp_path)) / "folder"
    assert folder.names() == []
    folder.check_writable()
    assert folder.names() == []
    file = folder / "b.txt"
    file.write(b"one")
    file.write(b"two")
    (folder / "a.txt").write(b"")
    assert folder.names() == ["a.txt", "b.txt"]
    assert file.exists()
    with file.open() as f:
        assert f.read() == b"two"
    assert (file.name, str(file.parent)) == ("b.txt", str(folder))
    file.remove()
    file.remove()
    assert not file.exists()
    with pytest.raises(StorageError, match=r"can't read .*b\.txt"):
        file.open()


def test_a_path_is_absolute_and_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (str(location("x/y/")), location("x/y").local) == (f"{tmp_path}/x/y", tmp_path / "x" / "y")
    assert location(f"file://{tmp_path}/x").local == tmp_path / "x"
    assert location("memory://x").local is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = location(str(tmp_path)) / "x"
    file.write(b"old")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.system[0], "mv", fails, raising=False)
    with pytest.raises(StorageError, match=r"can't write .*x: No space left on device"):
        file.write(b"new")
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_no_rights_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = location("memory://locations/closed")

    def fails(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(folder.system[0], "pipe_file", fails, raising=False)
    with pytest.raises(
        StorageError,
        match=r"can't write memory://locations/closed/.*: no rights there \(Access Denied\); give",
    ):
        folder.check_writable()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is no path and no URL"),
        ("s3://", "is no path and no URL"),
        ("a\nb", "is no path and no URL"),
        ("ftp://me:hunter2@host/x", "holds no user, password or key"),
        ("https://host/x?sig=abcdef", "holds no user, password or key"),
    ],
)
def test_what_is_no_place_is_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as e:
        location(url)
    assert "hunter2" not in str(e.value)
    assert "abcdef" not in str(e.value)


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(UsageError, match=r"nosuch://x/y/.*: Protocol not known: nosuch"):
        location("nosuch://x/y").check_writable()


def test_without_fsspec_the_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'robusttest\[store\]'"):
        location("memory://x").exists()


@pytest.mark.parametrize(
    ("url", "package"), [("s3://bucket/x", "s3fs"), ("gs://bucket/x", "gcsfs"), ("abfs://box/x", "adlfs")]
)
def test_a_storages_package_is_named_with_its_install(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"^{url}: .*{package}.*: pip install '{package}'$"):
        location(url).exists()
