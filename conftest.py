"""Shared test set-up: pytester for the plugin's tests, and what a test registers ends with it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a job in the background: the processes that tests interrupt would inherit it, and not hear them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of tests start a Python of their own, and each would compile the package anew, three quarters of its time: this
# process leaves the bytecode that they read. They leave none, as what a test writes twice within a second would be taken for
# what it was.
os.environ["PYTHONDONTWRITEBYTECODE"], sys.dont_write_bytecode = "1", False

# Threads of BLAS cost more than they bring for matrices of a few hundred rows, and with a worker on each core much more.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long one example takes says more about the machine than about us.
settings.register_profile("robusttest", deadline=None)
settings.load_profile("robusttest")


@pytest.fixture(autouse=True, scope="session")
def _a_cache_folder_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One for all workers; the user's own is left alone."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield


@pytest.fixture(autouse=True)
def _nothing_stays_registered() -> Iterator[None]:
    """Names of perturbations, and secrets to hide: a short one would be hidden in other tests' texts."""
    catalog = sys.modules.get("robusttest.perturbations.base.catalog")
    before = set(catalog.PERTURBATIONS) if catalog is not None else None
    hiding = sys.modules.get("robusttest.core.secrets")
    secrets = hiding._given if hiding is not None else {}
    yield
    if hiding is None:
        hiding = sys.modules.get("robusttest.core.secrets")
    if hiding is not None:
        hiding._given = secrets
    if catalog is not None and before is not None:
        for name in set(catalog.PERTURBATIONS) - before:
            catalog.PERTURBATIONS.unregister(name)
