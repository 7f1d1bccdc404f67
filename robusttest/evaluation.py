"""The straight line as one function, for notebooks and scripts: the same numbers as in pytest."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from robusttest.core.nouns import Threshold
from robusttest.engine.cell import Result, cell_of
from robusttest.engine.job import Job
from robusttest.engine.results import ResultList
from robusttest.errors import UsageError
from robusttest.metrics import thresholds
from robusttest.run import baseline
from robusttest.settings import Settings, overridden
from robusttest.tasks.task import Task
from robusttest.variants.select import calls_per_case, unknown_case

if TYPE_CHECKING:
    from robusttest.variants.frozen import Freezer


@overload
def evaluate(
    task: Task,
    *,
    model: str,
    perturbations: Iterable[Any] = (),
    variants: int | None = None,
    expect: Iterable[Threshold | str] | Threshold | str = (),
    settings: Settings | None = None,
    **options: Any,
) -> Result: ...
@overload
def evaluate(
    task: Task,
    *,
    model: list[str] | tuple[str, ...],
    perturbations: Iterable[Any] = (),
    variants: int | None = None,
    expect: Iterable[Threshold | str] | Threshold | str = (),
    settings: Settings | None = None,
    **options: Any,
) -> ResultList: ...
def evaluate(
    task: Task,
    *,
    model: Any,
    perturbations: Iterable[Any] = (),
    variants: int | None = None,
    expect: Iterable[Threshold | str] | Threshold | str = (),
    settings: Settings | None = None,
    **options: Any,
) -> Any:
    """Run a task perturbed and return its `Result`; with a list of models their `ResultList`, a list in its order.

    ::

        result = evaluate(task, model="openai/gpt-4o-mini", perturbations=["keyboard", "format"], variants=5,
                          expect=[accuracy >= 0.9], limit=50)
        result.accuracy, result["keyboard"].flip_rate, result.verdicts, result.to_frame()

    ``model``: a name that LiteLLM knows, or ``python:module:callable``. ``options`` are the fields of `Settings`
    (``seed``, ``limit``, ``concurrency``, ``max_cost``, ``replies``, ``writer`` …; ``report="html:PATH"``, or several,
    writes what ``--robust-report`` does). Works within a running event loop
    (Jupyter): calls are made by a thread of their own. As in pytest ``settings.directory`` keeps the replies, and the run:
    its records as they are made, for ``robusttest show``, ``history`` and ``compare``. ``baseline="robust-baseline.json"``
    compares in the reports, ``update_baseline="write"`` writes it; what could not be written is a warning.

    ``freeze="variants.jsonl"`` uses exactly the variants in that file, and refuses those that no longer fit; where there
    is no such file, or with ``update_freeze=True``, it is written, to be reviewed and committed (`robusttest.variants.frozen`).

    Raises `UsageError` before any call for whatever is wrong, `RunAbortedError` where no call makes sense.
    """
    settings, made = _settings(settings, variants, options), thresholds(expect, "expect")
    if not isinstance(task, Task):
        raise UsageError(f"evaluate({type(task).__name__}): the first argument is a Task")
    if task.prompts:
        raise UsageError(
            f"evaluate(): task {task.name!r} has several prompts: evaluate each, as in [evaluate(t, …) for t in "
            "task.prompts.values()], and robusttest.stats.across.prompts.side_by_side([r.frame for r in results]) compares them"
        )
    many = isinstance(model, list | tuple)
    names = [_name(m) for m in (model if many else [model])]
    if not names:
        raise UsageError("evaluate(model=[]): name at least one model")
    if len(set(names)) < len(names):
        raise UsageError(f"evaluate(model={names!r}): a model is listed twice")
    specs = [perturbations] if isinstance(perturbations, str) else list(perturbations)
    jobs = [Job(task, name, specs, made, settings) for name in names]
    from robusttest.run.jobs import failing_first, with_frozen

    jobs, freezers = with_frozen(jobs, settings)
    if settings.fail_on is not None:
        raise UsageError(
            f"evaluate(fail_on={settings.fail_on!r}): there is no test to fail; leave it out, and read the comparison in a report"
        )
    baseline.check(settings, flagged=False)
    if (refusal := unknown_case(settings, [job.tested() for job in jobs])) is not None:
        raise UsageError(
            refusal.replace("--robust-case=", "case=").replace(
                "no collected test has", "the task does not have"
            )
        )
    from robusttest.report import files
    from robusttest.run.calls import opened
    from robusttest.run.ledger import Ledger, check_records, tally
    from robusttest.run.plan import planned
    from robusttest.run.progress import KernelProgress, in_kernel

    for target in settings.report:
        files.check_writable(target.path)
    check_records(settings.records)
    ledger = Ledger(settings, files=lambda: _files(jobs, settings), plans=lambda: planned(jobs))
    ledger.load_baseline()
    jobs = ledger.look_back(failing_first(jobs, settings))
    progress: KernelProgress | None = None

    def tick() -> None:
        if progress is not None:
            progress.tick()

    gateway, runner, budget = opened(settings, ledger.recorded, tests=len(jobs), tick=tick)
    with gateway:
        gateway.preflight(tuple(dict.fromkeys(m for job in jobs for m in job.models())))
        progress = in_kernel(gateway, sum(_planned_calls(job) for job in jobs))
        for job in jobs:
            runner.add(job)
        try:
            records = [runner.result(job, budget) for job in jobs]
        finally:  # of a run that is interrupted, its records so far are there
            ledger.end_stream()
            if progress is not None:
                progress.tick(last=True)
        notes = _saved(settings, freezers)
        results = [
            cell_of(
                job,
                made_of,
                notes=(*job.notes, *notes, *runner.notes(job)),
                adaptive=runner.stopping(job),
                judging=runner.judging(job),
            )
            for job, made_of in zip(jobs, records, strict=True)
        ]
        for result in results:
            ledger.add(result, ledger.lines(result))
        ledger.tallies["here"] = tally(gateway)
    ledger.close(complete=True)
    for result in results:
        result.run = ledger.run
    for problem in ledger.problems:
        warnings.warn(f"robusttest: {problem}", stacklevel=2)
    return ResultList(results) if many else results[0]


def _planned_calls(job: Job) -> int:
    """Calls of a job, at most: before expansion nobody knows what will not be applicable."""
    chosen = len(job.selected())
    return chosen if job.settings.case else chosen * calls_per_case(job.wanted, job.settings)


def _files(jobs: Iterable[Job], settings: Settings) -> dict[str, Path | None]:
    """The models, and the program that calls `evaluate`: what is typed into a notebook has no file."""
    from robusttest.run.resume import files_of

    program = getattr(sys.modules.get("__main__"), "__file__", None)
    found = files_of((m for job in jobs for m in job.models()), settings.directory)
    return {"the program": None if program is None else Path(program), **found}


def _saved(settings: Settings, freezers: list[Freezer]) -> list[str]:
    if settings.freeze is None or not freezers:
        return []
    from robusttest.variants.frozen import lacking, save

    save(settings.freeze, freezers)
    return lacking(name for f in freezers for name in f.missing())


def _settings(settings: Settings | None, variants: int | None, options: dict[str, Any]) -> Settings:
    if variants is not None:
        options["variants"] = variants
    return overridden(settings, options, "evaluate")


def _name(model: Any) -> str:
    if isinstance(model, str) and model.strip():
        return model
    raise UsageError(
        f"model={model!r}: give a name, as in 'openai/gpt-4o-mini', or 'python:package.module:callable'"
    )
