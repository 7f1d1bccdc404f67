"""One test × one model: what it plans, and what came of it. Knows pytest's item only when it is made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robusttest.core.nouns import CellKey, Record, Threshold
from robusttest.engine.rounds import Stopping
from robusttest.plugin.collect import MODEL, PROMPT, needs_model, own_arguments

if TYPE_CHECKING:
    import pytest

    from robusttest.core.nouns import Case, Judging
    from robusttest.engine.cell import Cell
    from robusttest.engine.job import Job
    from robusttest.perturbations.base.protocol import Perturbation
    from robusttest.plugin.mark import Marked
    from robusttest.settings import Settings
    from robusttest.variants.frozen import Freezer


@dataclass(slots=True, kw_only=True)
class RobustItem:
    """The state of one item, for as long as the session lasts: a rerun finds the result of the run before."""

    nodeid: str
    """As pytest is told from where it runs: a replay command that is copied works."""
    node: str
    """As pytest names it itself, from its root."""
    test: str
    """The node id without the model: what a record calls its test."""
    task: str
    """The task's name."""
    model: str
    marked: Marked
    settings: Settings
    arguments: tuple[str, ...]
    """The test's arguments that are ours."""
    job: Job
    """What it plans: the prompts of a declared task, or the runs of a body of its own."""
    notes: tuple[str, ...] = ()
    result: Cell | None = None
    records: list[Record] = field(default_factory=list)
    """What a body of its own has so far."""
    running: bool = False
    """Whether its body is under way: a report made meanwhile is a subtest's."""
    subtests: int = 0
    """Failed subtests that pytest has reported."""
    failed: int = 0
    """Bodies that ended with a failed assertion."""
    freezer: Freezer | None = None
    """Gathers the variants, to freeze them."""
    skips: list[str] = field(default_factory=list)
    """Why bodies skipped their variants."""
    first_failure: BaseException | None = None
    """The first assertion of a body that failed: pytest shows its lines, and a debugger stops there."""
    line: str | None = None
    """What the summary says of it, where it is not passed: the number first."""
    first_error: Exception | None = None
    """The first exception of a body that was no assertion: its traceback is worth more than a count."""
    sent: bool = False
    """Whether its outcome is on a report."""

    @property
    def declared(self) -> bool:
        return self.marked.declared

    @property
    def lacks_model(self) -> bool:
        """Whether it asks for a model, and none is given."""
        return not self.model and needs_model(self.marked, self.arguments)

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.job.task.cases

    @property
    def wanted(self) -> tuple[Perturbation, ...]:
        return self.job.wanted

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        return self.job.judged

    @property
    def selected(self) -> int:
        """Cases that this run takes."""
        return len(self.job.selected())

    @property
    def key(self) -> CellKey:
        return self.job.key

    def finish(
        self,
        records: Sequence[Record],
        adaptive: Stopping | None = None,
        notes: Sequence[str] = (),
        judging: Judging | None = None,
    ) -> Cell:
        """Make the result, once all records are there."""
        self.notes = (*self.notes, *(note for note in notes if note not in self.notes))
        self.result = self.make_cell(records, adaptive=adaptive, judging=judging)
        return self.result

    @property
    def cell(self) -> Cell:
        """The result; of an item that was interrupted, what it has: without verdicts."""
        return self.make_cell(self.records, verdicts=()) if self.result is None else self.result

    def make_cell(self, records: Sequence[Record], **facts: Any) -> Cell:
        from robusttest.engine.cell import cell_of

        return cell_of(self.job, records, nodeid=self.nodeid, notes=self.notes, **facts)


def partial(key: CellKey, records: Sequence[Record], item: RobustItem | None) -> Cell:
    """A cell of which these records are left, as its test was interrupted, or the process that ran it crashed."""
    if item is not None:
        return item.make_cell(records, verdicts=())
    from robusttest.engine.cell import Cell

    return Cell(key, records, verdicts=())


def make(item: pytest.Function, marked: Marked, settings: Settings) -> RobustItem:
    """The state of a collected item. Raises `robusttest.errors.UsageError` for what collection has refused already."""
    from robusttest.engine.job import BodyTask, Job
    from robusttest.perturbations.base.validity import DEFAULT
    from robusttest.plugin.collect import subject

    params: Mapping[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    model = params.get(MODEL) or ""
    prompt = params.get(PROMPT)
    test = _without_model(item.nodeid, "-".join(filter(None, [model, prompt])))
    task = subject(marked, params)
    if prompt is not None:
        task = task.prompts[prompt]
    if not marked.declared:
        name, validity = marked.name or item.originalname, marked.validity or DEFAULT
        task = BodyTask(
            name=name, cases=tuple(task), protect=marked.protect, validity=validity, scorer=marked.scorer
        )
    job = Job(
        task=task,
        model=model,
        perturbations=marked.specs,
        thresholds=marked.thresholds,
        settings=settings,
        test=test,
    )
    return RobustItem(
        nodeid=_as_told(item.config, item.nodeid),
        node=item.nodeid,
        test=test,
        task=task.name,
        model=model,
        marked=marked,
        settings=settings,
        arguments=tuple(own_arguments(item)),
        job=job,
        notes=job.notes,
    )


def _as_told(config: pytest.Config, nodeid: str) -> str:
    """A node id, which is relative to pytest's root, as it is named from the folder where pytest was started.

    pytest's own function for it takes a text up to 9.1 and an object since.
    """
    path, colons, rest = nodeid.partition("::")
    try:
        path = os.path.relpath(config.rootpath / path, config.invocation_params.dir)
    except ValueError:  # another drive
        path = str(config.rootpath / path)
    return path.replace(os.sep, "/") + colons + rest


def _without_model(nodeid: str, model: str) -> str:
    model = model.encode("unicode_escape").decode("ascii")  # as pytest writes ids
    if model and nodeid.endswith(f"[{model}]"):
        return nodeid[: -len(model) - 2]
    if model and nodeid.endswith(f"-{model}]"):
        return nodeid[: -len(model) - 2] + "]"
    return nodeid


def can_be_planned(item: pytest.Function) -> bool:
    """Whether its calls may begin before its setup: no mark that may skip it, no fixture of the user's."""
    for name in ("skip", "skipif", "xfail"):
        if item.get_closest_marker(name) is not None:
            return False
    root = item.config.rootpath
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        function = definitions[-1].func
        code = getattr(function, "__code__", None)
        if code is not None and _is_of_user(Path(code.co_filename), root):
            return False
    return True


def _is_of_user(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and "site-packages" not in file.relative_to(root).parts
