"""How far the layout of a prompt alone moves a model's accuracy: FormatSpread, searched by bandit under a budget of calls.

::

    from robusttest import format_search

    found = format_search(tickets, model="openai/gpt-4o-mini", budget=600)
    found.spread          # Estimate: best minus worst, on cases that chose neither
    found.worst.prompt    # the layout to avoid
    print(found)
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robusttest.core.nouns import Case, Draft, Estimate, Variant, derive_seed
from robusttest.engine.driver import Runner
from robusttest.engine.job import Job
from robusttest.errors import UsageError
from robusttest.perturbations.base.catalog import make
from robusttest.report.text import value_interval
from robusttest.settings import Settings, overridden
from robusttest.tasks.render import prompt_text, render
from robusttest.tasks.task import Task
from robusttest.variants.expand import expand_case
from robusttest.variants.select import select_cases

BATCH = 20
"""Cases a pull: what a layout is asked before the next is chosen."""
FEWEST = 40
"""Cases that a search takes: half of them choose, the others confirm."""
MOST_CONFIRMING = 200
"""Cases on which best and worst are confirmed, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One layout of the prompt."""

    name: str
    """``as written``, or the variant: ``format#12``, as `--robust-case` and ``perturbations=["format"]`` number it."""
    prompt: str
    """The first case's prompt in it."""
    searched: float | None
    """Mean score in the search, which chose it: too good for the best, too bad for the worst."""
    n: int
    """Scores in the search."""
    accuracy: Estimate | None = None
    """On the confirming cases: of the best, the worst and the prompt as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSearch:
    """What `format_search` found."""

    task: str
    model: str
    spread: Estimate
    """Accuracy of the best layout less that of the worst (-1 to 1), on cases that chose neither, with the 95 % interval of
    paired differences. The best of few is no maximum of all: layouts beyond those tried may lie further apart."""
    best: Format
    worst: Format
    written: Format
    """The prompt as the user wrote it."""
    formats: tuple[Format, ...]
    """Every layout that was tried, the best in the search first."""
    calls: int
    """Questions put, also those answered from the store."""
    failed: int
    """Questions without a score."""

    @property
    def lines(self) -> list[str]:
        """The answer in a few lines of ASCII."""
        s = self.spread
        out = [
            f"format search of {self.task} on {self.model}: {len(self.formats)} layouts tried in {self.calls:,} calls"
            + (f", {self.failed:,} without a score" if self.failed else "")
        ]
        if s.value is None:
            return [*out, f"  no spread: {s.reason}"]
        for what, f in (("best", self.best), ("as written", self.written), ("worst", self.worst)):
            name = "" if f.name == what else f" ({f.name})"
            out.append(f"  {what}{name}: {'-' if f.accuracy is None else value_interval(f.accuracy)}")
        says = "" if s.low is None or s.low > 0 else "; the two are not surely apart"
        return [*out, f"  spread {value_interval(s)} on {s.n} cases that chose neither{says}"]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def format_search(
    task: Task,
    *,
    model: str,
    budget: int = 1000,
    formats: int = 100,
    batch: int = BATCH,
    settings: Settings | None = None,
    **options: Any,
) -> FormatSearch:
    """Search the best and the worst layout of a task's prompt, and say how far they lie apart.

    Layouts are those of the perturbation ``format`` (number 0 is the prompt as it is). Half of the cases are searched, by
    Thompson sampling as published (`robusttest.stats.across.bandit`); best, worst and the prompt as written are then
    asked on the others, at most `MOST_CONFIRMING`, so that ``spread`` is no maximum over noise. All that takes at most
    ``budget`` calls; a call that fails is no wrong answer, and counts. ``formats``: layouts to choose from, at most.
    ``options`` are the fields of `Settings`. The same seed and replies give the same answer.

    Raises `UsageError` before any call for a task without a prompt to lay out, without labels, with fewer than `FEWEST`
    cases, or a budget that is too small to tell anything.
    """
    settings = overridden(settings, options, "format_search")
    if not isinstance(task, Task):
        raise UsageError(f"format_search({type(task).__name__}): the first argument is a Task")
    if batch < 1 or formats < 2:
        raise UsageError(
            f"format_search(formats={formats}, batch={batch}): two formats and a batch of one at least"
        )
    cases = [
        s.case
        for s in select_cases(task.cases, settings, ())
        if s.case.target is not None and task.labels != "none"
    ]
    if len(cases) < FEWEST:
        raise UsageError(
            f"format_search: task {task.name!r} has {len(cases)} cases with a target; {FEWEST} are needed, as half of them "
            "choose the layouts and the others confirm them"
        )
    least = 2 * 3 * (FEWEST // 2)
    if budget < least:
        raise UsageError(
            f"format_search(budget={budget}): {least} calls at least, half of which confirm what was found"
        )
    searched, others = halves(cases, derive_seed("format_search", settings.seed, task.name))
    # Three layouts are confirmed, with at most half of the budget.
    confirming = others[: min(MOST_CONFIRMING, budget // 6)]
    left = budget - 3 * len(confirming)
    layouts = Layouts(task, formats, settings.seed)
    from robusttest.gateway import Gateway
    from robusttest.stats.across.bandit import Search

    search = Search(
        arms=len(layouts.numbers),
        cases=len(searched),
        budget=left,
        batch=batch,
        seed=derive_seed("arms", task.name),
    )
    with Gateway(settings) as gateway:
        gateway.preflight((model,))
        asked = _Questions(task, model, settings, layouts, Runner(gateway, settings))
        pulls = search.pulls()
        some = next(pulls, None)
        while some is not None:
            arm, places = some
            scores = asked.scores(arm, searched[places.start : places.stop])
            try:
                some = pulls.send([s for s in scores if s is not None])
            except StopIteration:
                some = None
        ends = search.extremes()
        if ends is None:
            raise UsageError(f"format_search: no call came back with a score: {asked.why or 'see the model'}")
        best, worst = ends
        confirmed = {
            arm: asked.scores(arm, confirming) for arm in dict.fromkeys((best.number, worst.number, 0))
        }
    return _found(task, model, layouts, search, (best.number, worst.number), confirmed, confirming, asked)


def halves(cases: Sequence[Case], seed: int) -> tuple[list[Case], list[Case]]:
    """The cases in a random order, the second half at least as large; cases of one cluster stay together."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(
            f"case {case.id}" if case.cluster is None else f"cluster {case.cluster}", []
        ).append(case)
    order = list(groups.values())
    random.Random(seed).shuffle(order)
    first: list[Case] = []
    rest: list[Case] = []
    for group in order:
        (first if len(first) + len(group) <= len(cases) // 2 else rest).extend(group)
    if not first:
        raise UsageError(
            "format_search: the cases are of one cluster; others are needed to confirm what is found"
        )
    return first, rest


class Layouts:
    """The prompts to choose from: number 0 as it is, then the variants of ``format``."""

    def __init__(self, task: Task, most: int, seed: int) -> None:
        self.perturbation = make("format")
        self.task, self.seed = task, seed
        first = self._variants(task.cases[0], most - 1)
        self.numbers = [0, *(v.index + 1 for v in first if v.status == "ok")]
        if len(self.numbers) < 2:
            why = next((v.reason for v in first if v.reason), "it has no other layout")
            raise UsageError(f"format_search: the prompt of task {task.name!r} can't be laid out: {why}")

    def _variants(self, case: Case, most: int) -> list[Variant]:
        made = expand_case(
            case,
            (self.perturbation,),
            prompt=self.task.prompt,
            params=self.task.params,
            variants=most,
            seed=self.seed,
            protect=self.task.protect,
            validity=self.task.validity,
        )
        return [v for v in made if v.perturbation]

    def name(self, arm: int) -> str:
        return "as written" if arm == 0 else f"format#{self.numbers[arm] - 1}"

    def variant(self, arm: int, case: Case) -> Variant:
        """``case`` in one layout."""
        draft = Draft(case=case, prompt=self.task.prompt, params=self.task.params)
        reference = Variant(original=case, draft=draft)
        if arm == 0:
            return reference
        index = self.numbers[arm] - 1
        assert self.perturbation.apply is not None
        made = self.perturbation.apply(draft, random.Random(0), index)
        if not isinstance(made, Draft):
            return replace(reference, status="not_applicable", reason=made.reason)
        return replace(
            reference, draft=made, perturbation=self.perturbation.spec, index=index, level="prompt"
        )

    def text(self, arm: int) -> str:
        return prompt_text(render(self.variant(arm, self.task.cases[0]).draft))


class _Questions:
    """What was put to the model, and how often."""

    def __init__(self, task: Task, model: str, settings: Settings, layouts: Layouts, runner: Runner) -> None:
        self.task, self.model, self.settings = task, model, settings
        self.layouts, self.runner = layouts, runner
        self.calls = self.failed = 0
        self.why = ""

    def scores(self, arm: int, cases: Sequence[Case]) -> list[float | None]:
        """A score for each case, in their order; None without one."""
        wanted = {case.id for case in cases}

        def source(case: Case) -> Iterator[Variant]:
            if case.id in wanted:
                yield self.layouts.variant(arm, case)

        plain = replace(self.settings, limit=None)
        job = Job(self.task, self.model, [self.layouts.perturbation], (), plain, source=source)
        records = self.runner.result(job)
        self.runner.drop(job)
        held = {r.case_id: r for r in records}
        self.calls += len(records)
        found = [held[case.id] for case in cases]
        lost = [r for r in found if r.score is None]
        self.failed += len(lost)
        self.why = self.why or next((r.reason for r in lost if r.reason), "")
        return [r.score for r in found]


def _found(
    task: Task,
    model: str,
    layouts: Layouts,
    search: Any,
    ends: tuple[int, int],
    confirmed: dict[int, list[float | None]],
    confirming: Sequence[Case],
    asked: _Questions,
) -> FormatSearch:
    from robusttest.stats.across.bandit import gap, level

    clusters = [case.cluster for case in confirming]

    def made(arm: int) -> Format:
        known = search.held[arm]
        scores = confirmed.get(arm)
        return Format(
            name=layouts.name(arm),
            prompt=layouts.text(arm),
            searched=known.mean,
            n=known.n,
            accuracy=None if scores is None else level(scores, clusters),
        )

    tried = sorted((a for a in search.held if a.n), key=lambda a: (-(a.mean or 0.0), a.number))
    best, worst = ends
    return FormatSearch(
        task=task.name,
        model=model,
        spread=gap(confirmed[best], confirmed[worst], clusters),
        best=made(best),
        worst=made(worst),
        written=made(0),
        formats=tuple(made(a.number) for a in tried),
        calls=asked.calls,
        failed=asked.failed,
    )
