"""Write a first test, pytest's settings and a GitHub workflow into a repository. Nothing that exists is changed."""

from __future__ import annotations

import argparse
import os
import shlex
from importlib.resources import files
from pathlib import Path, PurePosixPath

from robusttest.cli.console import say
from robusttest.errors import StorageError, UsageError

HELP = "write a first test, settings and a GitHub workflow into a repository"

CONFIGS = (
    "pyproject.toml",
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "tox.ini",
    "setup.cfg",
    "setup.py",
)
"""Where one of these is, pytest's settings are the user's to change: the lines to add are printed."""


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the project's folder (this one)")


def run(a: argparse.Namespace) -> None:
    folder = Path(a.folder)
    if not folder.is_dir():
        raise UsageError(f"{a.folder!r} is not a folder: make it first, or name another one")
    root = repository(folder)
    inner = PurePosixPath(folder.resolve().relative_to(root.resolve()).as_posix())
    test = Path("test" if (folder / "test").is_dir() and not (folder / "tests").is_dir() else "tests")
    test /= "test_robustness.py"

    _offer(folder / test, _template("test_robustness.py"))
    config = next((name for name in CONFIGS if (folder / name).exists()), None)
    settings = _template("pyproject.toml")
    if config is None:
        _offer(folder / "pyproject.toml", settings)
    else:
        say(f"{folder / config} is yours; pytest's settings may have, in the form of pyproject.toml:")
        for line in settings.splitlines():
            say(f"    {line}")
    _offer(root / ".github" / "workflows" / "robustness.yml", workflow(inner, test.as_posix()))
    say()
    at = "" if folder.resolve() == Path.cwd().resolve() else f"cd {shlex.quote(os.fspath(folder))} && "
    say(f"Now run it: {at}python -m pytest {test.as_posix()}")
    say(f"To test an LLM, change the line MODEL = … in {folder / test}.")


def repository(folder: Path) -> Path:
    """The folder at or above this one that holds ``.git``; itself where there is none."""
    here = folder.resolve()
    return next((p for p in (here, *here.parents) if (p / ".git").exists()), folder)


def workflow(folder: PurePosixPath, test: str) -> str:
    """The workflow of a project in this folder of its repository."""
    prefix = "" if folder == PurePosixPath(".") else f"{folder}/"
    text = _template("robustness.yml").replace("@TEST@", test)
    return text.replace("@FOLDER@", _yaml(str(folder))).replace("@PREFIX@", prefix)


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _template(name: str) -> str:
    return (files("robusttest.cli") / "templates" / f"{name}.txt").read_text(encoding="utf-8")


def _offer(path: Path, text: str) -> None:
    """Write a file that is not there, and say what was done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as f:
            f.write(text)
    except FileExistsError:
        if not path.is_file() and not path.is_symlink():
            raise StorageError(
                f"can't write {os.fspath(path)!r}: something that is no folder is in the way"
            ) from None
        say(f"left {_shown(path)} as it is")
    except OSError as e:
        raise StorageError(f"can't write {os.fspath(path)!r}: {e.strerror or e}") from e
    else:
        say(f"wrote {_shown(path)}")


def _shown(path: Path) -> Path:
    """As one would type it here."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path
