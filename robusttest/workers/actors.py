"""The engine ``ray``: actors of a Ray cluster, each doing one shard at a time, with the GPUs and the memory that a model declares.

Ray places and spreads the actors. A shard is a text that goes to an actor and a text that comes back; the code of the repo reaches other
machines by Ray's ``runtime_env``. An actor or a node that is gone is told by `WorkerDiedError`: the shard is then asked again, of
another actor. Served models are not asked from here, but by the one driver, so that a rate limit holds over all nodes.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from robusttest.errors import ConfigurationError, MissingExtraError, UsageError
from robusttest.workers.engines import MOST, Needs
from robusttest.workers.processes import WorkerDiedError

SECONDS = 30.0
"""A cluster that can't be reached within so many seconds is refused; so is one that has no room for a worker for as long."""
STARTS = 3
"""Actors that may die as they start, one after the other."""


def check(argument: str | None) -> None:
    """Refuse an address that is none, and say what to install. Imports nothing."""
    from importlib.util import find_spec

    if argument is not None and (not argument or argument != argument.strip()):
        raise UsageError(
            f"ray:{argument}: give a cluster's address, as in ray:10.0.0.1:6379, ray:auto or ray:ray://head:10001; ray alone starts one here"
        )
    if find_spec("ray") is None:
        raise MissingExtraError("the engine ray", "robusttest[ray]")


class Actor:
    """One worker: what Ray makes an actor of."""

    def __init__(self, paths: list[str], root: str) -> None:
        here = os.getcwd()  # the copy of the driver's folder, where Ray brought one
        for given in paths:
            within = os.path.relpath(given, root)
            mine = given if within.startswith(os.pardir) else os.path.join(here, within)
            for path in (os.path.normpath(mine), given):
                if path not in sys.path and os.path.exists(path):
                    sys.path.append(path)

    def version(self) -> str:
        """The robusttest that it has."""
        from robusttest import __version__

        return __version__

    def run(self, fn: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do one shard; ``fn`` is ``module:name``."""
        module, name = fn.split(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found(*args, **kwargs)


class Actors(Executor):
    """``workers`` actors, made as there is work for them, of a cluster that is reached before anything is submitted."""

    def __init__(self, address: str | None, needs: Needs) -> None:
        check(address)
        self.needs = needs
        self._began = _connected(address)
        self.workers = self._size()
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = self._serving = 0
        self._actors: set[Any] = set()
        self._closed = False

    def _size(self) -> int:
        import ray

        there, gpus = ray.cluster_resources(), self.needs.gpus
        most = (
            there.get("CPU", 0.0)
            if gpus is None
            else min(there.get("CPU", 0.0), there.get("GPU", 0.0) / gpus)
        )
        if most < 1:
            self._end()
            raise ConfigurationError(
                f"the Ray cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs: no worker with "
                f"{gpus or 0:g} GPUs fits; say what the model takes by @model(gpus=…)"
            )
        return max(1, min(int(most) // self.needs.share, self.needs.workers or MOST, MOST))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the engine is shut down")
            self._pending += 1
            if self._pending > self._serving and self._serving < self.workers:
                self._serving += 1
                threading.Thread(target=self._serve, name="robusttest-actor", daemon=True).start()
        self._tasks.put((future, (f"{fn.__module__}:{fn.__qualname__}", args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the actors; at once, whatever they do, as what they are at is not waited for by anybody."""
        import ray

        with self._lock:
            closed, self._closed = self._closed, True
            actors, serving = list(self._actors), self._serving
        if closed:
            return
        for _ in range(serving):
            self._tasks.put(None)
        for actor in actors:
            with contextlib.suppress(Exception):
                ray.kill(actor)
        self._end()

    def _end(self) -> None:
        import ray

        if self._began:
            with contextlib.suppress(Exception):
                ray.shutdown()

    # --- a thread for each actor

    def _serve(self) -> None:
        import ray
        from ray.exceptions import RayActorError, RayError

        actor: Any = None
        while (task := self._tasks.get()) is not None:
            future, call = task
            if future.running() or future.set_running_or_notify_cancel():
                try:
                    actor = actor or self._made()
                    if actor is None:  # there is no room for it any more, and others go on
                        self._tasks.put(task)
                        return
                    future.set_result(ray.get(actor.run.remote(*call)))
                except RayActorError as e:
                    self._lost(actor)
                    actor = None
                    future.set_exception(WorkerDiedError(f"its actor is gone: {_first(e)}"))
                except RayError as e:
                    future.set_exception(RuntimeError(_first(e)))
                except Exception as e:
                    future.set_exception(e)
            with self._lock:
                self._pending -= 1

    def _made(self) -> Any:
        """An actor that answers. None where the cluster has no room for one more than there are. One that dies as it starts is made
        again: its node may have gone.
        """
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError

        from robusttest import __version__

        kind = ray.remote(Actor).options(
            num_cpus=1,
            num_gpus=self.needs.gpus or 0,
            memory=self.needs.memory,
            scheduling_strategy="SPREAD",
        )
        died = ""
        for _ in range(STARTS):
            actor = kind.remote([os.path.abspath(p) for p in sys.path], os.getcwd())
            with self._lock:
                self._actors.add(actor)
            try:
                version = ray.get(actor.version.remote(), timeout=SECONDS)
            except GetTimeoutError:
                self._lost(actor)
                with self._lock:
                    if self._serving > 1:
                        self._serving -= 1
                        self.workers = self._serving
                        return None
                raise ConfigurationError(
                    f"no node of the Ray cluster had room for a worker within {SECONDS:g} s: `ray status` shows what is taken"
                ) from None
            except RayActorError as e:
                self._lost(actor)
                died = _first(e)
                continue
            if version != __version__:
                raise ConfigurationError(
                    f"the cluster has robusttest {version}, the driver {__version__}: install the same on both"
                )
            return actor
        raise ConfigurationError(f"a worker can't be started on the Ray cluster: {died}")

    def _lost(self, actor: Any) -> None:
        import ray

        with self._lock:
            self._actors.discard(actor)
        with contextlib.suppress(Exception):
            ray.kill(actor)


def _connected(address: str | None) -> bool:
    """Reach the cluster, or start one here. False where the program has done that itself."""
    import ray

    if ray.is_initialized():
        return False
    if address is not None:
        _reachable(address)
    # What `ray job submit` has brought is there already.
    env = {} if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or address is None else _environment(Path.cwd())
    try:
        ray.init(
            address,
            runtime_env=env,
            log_to_driver=True,
            logging_level="warning",
            include_dashboard=False if address is None else None,
        )
    except Exception as e:
        raise ConfigurationError(
            f"engine ray: the cluster at {address or 'this machine'} can't be used: {type(e).__name__}: {_first(e)}"
        ) from None
    return True


def _reachable(address: str) -> None:
    """Refuse an address at which nobody listens, in seconds; Ray tries for much longer."""
    import socket

    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # as `auto`: Ray finds it, or says that there is none
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as e:
        raise ConfigurationError(
            f"engine ray: no cluster can be reached at {address}: {e}. `ray start --head` starts one, and `ray status` shows its address"
        ) from None


def _environment(folder: Path) -> dict[str, Any]:
    """The driver's folder, copied to each node, but for what no test needs there."""
    return {
        "working_dir": str(folder),
        "excludes": [".robusttest/", ".git/", ".venv/", "venv/", "node_modules/"],
    }


def _first(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
