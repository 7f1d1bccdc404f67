"""The engine ``ray`` on a cluster of two nodes on this machine. Without Ray: what is said then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from robusttest import Task, evaluate
from robusttest.errors import ConfigurationError, UsageError
from robusttest.scorers import choice
from robusttest.settings import Settings

HAS_RAY = find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="ray is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of its own

CASES = [
    {"id": f"t{i}", "input": f"my {'refund' if i % 2 else 'parcel'} number {i} is late", "target": "billing" if i % 2 else "delivery"}
    for i in range(16)
]  # fmt: skip

MODULE = (
    f"CASES = {CASES!r}\n"
    + """
import os, pathlib, time
from robusttest import model

HERE = pathlib.Path(os.environ["RAY_TEST_NOTES"])

def noted(name, text):
    with open(HERE / name, "a") as f:
        f.write(f"{os.getpid()} {text!r}\\n")

def label(prompt):
    return "billing" if "refund" in prompt else "delivery"

@model(version="1")
class Loaded:
    def __init__(self):
        noted("made", "")
    def __call__(self, prompt):
        noted("calls", prompt)
        time.sleep(0.02)
        if "5" in prompt and "REFUND" in prompt:
            raise ValueError("no weights")
        return label(prompt)

def fragile(prompt):
    noted("calls", prompt)
    if "number 3" in prompt and not (HERE / "died").exists():
        (HERE / "died").touch()
        os._exit(3)
    return label(prompt)

@model(gpus=1)
def on_gpu(prompt):
    return label(prompt)

@model(batch_size=4, workers=1)
def batched(prompts):
    noted("calls", len(prompts))
    return [label(p) for p in prompts]

@model(version="1")
def slow(prompt):
    noted("calls", prompt)
    time.sleep(0.1)
    return label(prompt)

from robusttest import Task
from robusttest.scorers import choice

named = Task("t", cases=CASES, scorer=choice(["billing", "delivery"]))
"""
)

DRIVER = """
import pathlib, sys, of_ray
from robusttest import evaluate
from robusttest.run.cases import CaseWorkers
directory, engine, store = sys.argv[1:]
whole, submit = [], CaseWorkers.submit
CaseWorkers.submit = lambda self, job, cases: whole.append(cases) or submit(self, job, cases)
result = evaluate(of_ray.named, model="python:of_ray:slow", perturbations=["casing", "whitespace"], variants=2, engine=engine,
                  directory=pathlib.Path(directory), store=store)
print(sum(r.score for r in result.records), len(result.records), bool(whole))
"""


def test_without_ray_the_install_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"engine='ray': .*pip install 'robusttest\[ray\]'"):
        Settings(engine="ray")


def test_an_address_that_is_none_is_refused_first():
    with pytest.raises(UsageError, match=r"give a cluster's address, as in ray:10\.0\.0\.1:6379"):
        Settings(engine="ray:")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    from ray.cluster_utils import Cluster

    notes = tmp_path_factory.mktemp("notes")
    os.environ["RAY_TEST_NOTES"] = str(notes)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()
    os.environ.pop("RAY_TEST_NOTES")


@pytest.fixture
def here(tmp_path, monkeypatch, request):
    (tmp_path / "of_ray.py").write_text(MODULE)
    notes = Path(os.environ["RAY_TEST_NOTES"])
    for path in notes.iterdir():
        path.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield notes
    sys.modules.pop("of_ray", None)


def run(name: str, engine: str, directory: str = "d", **more: Any) -> Any:
    task = Task("t", cases=CASES, scorer=choice(["billing", "delivery"]))
    options = {"perturbations": ["casing", "whitespace"], "variants": 2, **more}
    return evaluate(task, model=f"python:of_ray:{name}", engine=engine, directory=Path(directory), **options)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def plain(result: Any) -> list[Any]:
    """Records without times."""
    return [
        {k: getattr(r, k) for k in r.__slots__ if k not in ("created", "latency", "cached", "seconds")}
        for r in result.records
    ]


@needs_ray
def test_two_nodes_give_the_records_of_a_local_run_whatever_dies(cluster, here, monkeypatch):
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    engine = f"ray:{cluster.address}"
    away = run("Loaded", engine)
    calls = [line.split()[0] for line in lines(here / "calls")]
    assert len(set(calls)) == 2
    assert sorted(line.split()[0] for line in lines(here / "made")) == sorted(set(calls))
    local = run("Loaded", "local", "l")
    assert plain(away) == plain(local)
    assert any("no weights (of_ray.py:" in (r.reason or "") for r in away.records)

    before = len(lines(here / "calls"))
    run("Loaded", engine)
    failed = sum(r.status == "error" for r in away.records)
    assert len(lines(here / "calls")) == before + failed, "what is stored is asked of nobody"

    assert plain(run("fragile", engine, "f")) == plain(run("fragile", "local", "g"))
    assert (here / "died").exists()

    assert plain(run("batched", engine, "b")) == plain(run("batched", "local", "c"))
    with pytest.raises(ConfigurationError, match="0 GPUs: no worker with 1 GPUs fits"):
        run("on_gpu", engine)

    monkeypatch.setattr("robusttest.workers.actors.SECONDS", 20.0)
    before = len(lines(here / "calls"))

    def removed() -> None:
        until = time.monotonic() + 60
        while len(lines(here / "calls")) < before + 20 and time.monotonic() < until:
            time.sleep(0.01)
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=removed)
    thread.start()
    after = run("Loaded", engine, "r", replies="live")
    thread.join()
    assert plain(after) == plain(local)


def driver(directory: str, engine: str, store: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, directory, engine, store],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@needs_ray
def test_cases_go_to_the_nodes_whole_and_a_killed_driver_has_lost_what_was_under_way(cluster, here):
    """With a shared store: the driver that is started again, and a second one beside it, ask only what is missing."""
    import of_ray

    from robusttest.run import cases

    cluster.add_node(num_cpus=1)  # two drivers take turns on one
    cluster.wait_for_nodes()
    engine, store = f"ray:{cluster.address}", str(Path.cwd() / "shared")
    local = evaluate(
        of_ray.named,
        model="python:of_ray:slow",
        perturbations=["casing", "whitespace"],
        variants=2,
        directory=Path("l"),
    )
    told = f"{sum(r.score for r in local.records)} {len(local.records)} True"
    asked = sorted(line.split(" ", 1)[1] for line in lines(here / "calls"))
    (here / "calls").unlink()

    killed = driver("one", engine, store)
    until = time.monotonic() + 120
    while len(lines(here / "calls")) < 10 and killed.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    killed.kill()
    assert "Traceback" not in killed.communicate()[1]
    time.sleep(1.0)  # its actors end with it
    before = [line.split(" ", 1)[1] for line in lines(here / "calls")]
    assert 10 <= len(before) < len(asked)

    again = [driver(name, engine, store) for name in ("one", "two")]
    said = [p.communicate(timeout=240) for p in again]
    assert [out.strip().splitlines()[-1] for out, _ in said] == [told, told], said
    calls = [line.split(" ", 1)[1] for line in lines(here / "calls")]
    assert sorted(set(calls)) == asked
    twice = sum(calls.count(text) - 1 for text in set(before))
    assert twice <= 2 * cases.MOST, "what was stored is asked of nobody"
    assert twice < len(before)


@needs_ray
def test_a_scorer_that_no_module_holds_stays_with_the_driver(cluster, here):
    def run_it(engine: str, directory: str) -> Any:
        task = Task("t", cases=CASES[:4], scorer=lambda reply, target: reply == target)
        return evaluate(
            task,
            model="python:of_ray:fragile",
            perturbations=["casing"],
            engine=engine,
            directory=Path(directory),
            store="shared",
        )

    (here / "died").touch()
    assert plain(run_it(f"ray:{cluster.address}", "a")) == plain(run_it("local", "b"))


@needs_ray
def test_a_cluster_that_cant_be_reached_is_refused_before_any_call(here):
    with pytest.raises(
        ConfigurationError, match=r"no cluster can be reached at 127\.0\.0\.1:9: .*ray start --head"
    ):
        run("Loaded", "ray:127.0.0.1:9")
    assert lines(here / "calls") == []
