"""New runs and stored ones: where they are, which one is meant, what was checked out."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from robusttest.core.nouns import Json, RunInfo
from robusttest.errors import StorageError, UsageError
from robusttest.store.reader import read_info
from robusttest.store.writer import FOLDER


def new_run(
    id: str | None = None,
    *,
    label: str | None = None,
    models: Sequence[str] = (),
    seed: int = 0,
    versions: Mapping[str, str] | None = None,
    settings: Mapping[str, Json] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> RunInfo:
    """A run that starts now: fresh id, UTC time, and the commit that is checked out (None without git)."""
    commit, dirty = git_state(cwd)
    return RunInfo(
        id=id or secrets.token_hex(4),
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        commit=commit,
        dirty=dirty,
        repo=git_remote(cwd),
        ci=ci_page(os.environ),
        label=label,
        models=tuple(models),
        seed=seed,
        versions=dict(versions or {}),
        settings=dict(settings or {}),
    )


def used_versions() -> dict[str, str]:
    """Of what takes part in a run: a distribution that was not imported changes nothing."""
    import platform
    import sys

    from robusttest import __version__

    found = {"robusttest": __version__, "python": platform.python_version()}
    for name in ("pytest", "litellm", "nlpaug", "numpy", "scipy"):
        if name in sys.modules and (version := _version(name)) is not None:
            found[name] = version
    return found


@cache
def _version(name: str) -> str | None:
    """Of a distribution; it takes milliseconds to find, and stays what it is as long as the process lives."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def list_runs(directory: str | os.PathLike[str]) -> list[Path]:
    """The run files under ``directory`` (``.robusttest``), the oldest first: by the time in their names, then by that
    of the last write, since ids say nothing about runs of one second.
    """
    return sorted((Path(directory) / FOLDER).glob("*.jsonl"), key=_time)


def _time(path: Path) -> tuple[str, int, str]:
    try:
        written = path.stat().st_mtime_ns
    except OSError:  # gone, or a broken link
        written = 0
    return path.name.partition("-")[0], written, path.name


def find_run(ref: str, directory: str | os.PathLike[str] = ".robusttest", *, but: str | None = None) -> Path:
    """A run by path, ``latest``, beginning of its id, label, or git ref (its newest run), tried in that order.

    ``but`` is the id of one that is not meant: that which is being written.
    Raises `UsageError` where none or several fit; the message lists what there is.
    """
    if ref and Path(ref).is_file():
        return Path(ref)
    paths = [p for p in list_runs(directory) if but is None or not p.stem.endswith(f"-{but}")]
    if not paths:
        raise UsageError(
            f"no run {ref!r}: no runs are stored in {os.fspath(Path(directory) / FOLDER)!r}; "
            "pytest writes one at each run with robust tests"
        )
    if ref == "latest":
        return paths[-1]
    infos = [(path, info) for path in paths if (info := _readable(path)) is not None]
    if ref:
        by_id = [path for path, info in infos if info.id.startswith(ref)]
        if len(by_id) > 1 and len(ref) < 8:
            listed = ", ".join(info.id for path, info in infos if path in by_id)
            raise UsageError(f"run {ref!r} is ambiguous: {listed}")
        labelled = [path for path, info in infos if info.label == ref]
        for found in (by_id, labelled):
            if found:
                return found[-1]
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        for path, info in reversed(infos):
            if info.commit and (info.commit == commit or (len(ref) >= 7 and info.commit.startswith(ref))):
                return path
    known = ", ".join(dict.fromkeys(x for _, info in infos[-8:] for x in (info.label, info.id) if x))
    raise UsageError(f"no run {ref!r}: give a path, 'latest', a label, a git ref or an id. Stored: {known}")


def _readable(path: Path) -> RunInfo | None:
    try:
        return read_info(path)
    except StorageError:
        return None


# git


def git_state(cwd: str | os.PathLike[str] | None = None) -> tuple[str | None, bool | None]:
    """(commit, whether tracked files differ from it); (None, None) without git, repository or commit."""
    here = Path(cwd or ".").absolute()
    if "GIT_DIR" not in os.environ and not any(
        (folder / ".git").exists() for folder in (here, *here.parents)
    ):
        return None, None  # without a process that says so
    status = git("status", "--porcelain=v2", "--branch", "--untracked-files=no", cwd=cwd)
    oid, *lines = (status or "").removeprefix("# branch.oid ").splitlines() or [""]
    if not oid or oid == "(initial)":
        return None, None
    return oid, any(not line.startswith("#") for line in lines)


def git_remote(cwd: str | os.PathLike[str] | None = None) -> str | None:
    """Where the code comes from: the URL of ``origin``, without user and password; None without one."""
    url = git("config", "--get", "remote.origin.url", cwd=cwd)
    return None if not url else re.sub(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", r"\1", url)


def ci_page(environ: Mapping[str, str]) -> str | None:
    """The page of the job that runs this, as GitHub, GitLab, Jenkins, CircleCI, Buildkite or Azure tell it."""
    if all(n in environ for n in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")):
        return f"{environ['GITHUB_SERVER_URL']}/{environ['GITHUB_REPOSITORY']}/actions/runs/{environ['GITHUB_RUN_ID']}"
    if all(n in environ for n in ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT", "BUILD_BUILDID")):
        where = environ["SYSTEM_COLLECTIONURI"] + environ["SYSTEM_TEAMPROJECT"]
        return f"{where}/_build/results?buildId={environ['BUILD_BUILDID']}"
    pages = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL")
    return next((environ[n] for n in pages if environ.get(n)), None)


def git(*args: str, cwd: str | os.PathLike[str] | None = None) -> str | None:
    """What git says, stripped; None if it is not there, fails or takes more than five seconds."""
    try:
        done = subprocess.run(
            ["git", *args], cwd=cwd, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
