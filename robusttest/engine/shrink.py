"""Which of a variant's edits it takes to fail: delta debugging over the edit list. Pure: asks nobody, draws nothing.

`smallest` is the algorithm, `robusttest.engine.parts.part` a variant with some of its edits. `Shrinking` puts the two together for one failing
variant of a run, whoever asks it: the reply store, the limits and the budget of the run hold for it, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from robusttest.core.names import split_spec
from robusttest.core.nouns import Json, NotApplicable, Record, Score, Variant
from robusttest.core.secrets import hide
from robusttest.engine.asker import Asker, Steps
from robusttest.engine.job import Job
from robusttest.engine.parts import Place, can_part, part, places, unchanged
from robusttest.engine.record import by_expectation, failing, references, score_of
from robusttest.perturbations.base.fields import text_at
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.base.validity import DEFAULT, Validity, check
from robusttest.perturbations.tools.offered import tools_of
from robusttest.tasks.render import prompt_text, render, tools_text
from robusttest.variants.expand import identity
from robusttest.variants.remembered import Store
from robusttest.variants.select import Selected

T = TypeVar("T")

CONFIRM = (2, 3)
"""A variant fails if it does in so many of so many samples."""
AGAIN = 1_000_000
"""Between the sample numbers of one question that is asked again: far from those of repeats."""


def smallest(items: Sequence[T]) -> Generator[tuple[T, ...], bool, tuple[T, ...]]:
    """The smallest part of ``items`` that still fails: yields a part, is sent whether it fails, returns the last that did.

    ``items`` as a whole are known to fail. Delta debugging (ddmin; Zeller and Hildebrandt 2002, "Simplifying and
    isolating failure-inducing input"): what it returns is 1-minimal, so without any one of its items it does not fail.
    No part is asked for twice.
    """
    known: dict[tuple[int, ...], bool] = {}
    current = tuple(range(len(items)))
    pieces = 2
    while len(current) >= 2:
        pieces = min(pieces, len(current))
        bounds = [len(current) * i // pieces for i in range(pieces + 1)]
        chunks = [current[a:b] for a, b in pairwise(bounds)]
        rests = (
            [tuple(i for i in current if i not in chunk) for chunk in map(set, chunks)] if pieces > 2 else []
        )
        for candidate in (*chunks, *rests):
            if candidate not in known:
                known[candidate] = yield tuple(items[i] for i in candidate)
            if known[candidate]:
                pieces = 2 if candidate in chunks else max(pieces - 1, 2)
                current = candidate
                break
        else:
            if pieces == len(current):
                break
            pieces *= 2
    return tuple(items[i] for i in current)


class Budget:
    """Calls that may be spent on shrinking in one process, by ``tests`` tests. Replayed replies count, too: a
    replayed run looks as far as the one that was recorded.

    The worst variants of a test may take what is left; the others take its share of that, so that the first test with many
    failures leaves something to the next.
    """

    def __init__(self, calls: int, tests: int = 1) -> None:
        self.left = calls
        self.tests = max(1, tests)
        """Tests that have yet to shrink."""
        self._kept = 0

    def take(self) -> bool:
        """Take a call before it is made: searches run side by side."""
        if self.left <= self._kept:
            return False
        self.left -= 1
        return True

    def share(self) -> None:
        """From here on this test leaves the others theirs."""
        self._kept = self.left - self.left // self.tests

    def done(self) -> None:
        """A test has shrunk all it could."""
        self._kept, self.tests = 0, max(1, self.tests - 1)

    @property
    def spent(self) -> bool:
        """Whether this test may take no more."""
        return self.left <= self._kept


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest part of a failing variant's edits that was seen to fail, for `Record.shrunk`.

    All of them where each is needed, or where the variant did not fail again (``failed`` says so).
    """

    variant: Variant
    kept: int
    """Edits in it."""
    edits: int
    """Edits of the failing variant."""
    failed: int
    asked: int
    """It failed so many times of so many that it was asked."""
    complete: bool
    """False where the budget ended, or a call failed, before every smaller part was tried."""

    def to_json(self, text: str) -> dict[str, Json]:
        return {
            "text": text,
            "edits": {k: [list(e) for e in made] for k, made in self.variant.draft.edits.items()},
            "kept": self.kept,
            "of": self.edits,
            "failed": self.failed,
            "asked": self.asked,
            "complete": self.complete,
        }


@dataclass(frozen=True, slots=True)
class Effort:
    """What shrinking did for one cell."""

    tried: int
    """Failing variants with a search of their own."""
    of: int
    """Failing variants of which an edit could be left out."""
    calls: int
    """Calls it took, replayed ones, too."""

    def note(self) -> str:
        """In a line, and what goes on with it where something is left."""
        calls = "1 call" if self.calls == 1 else f"{self.calls:,} calls"
        more = "" if self.tried == self.of else "; a larger --robust-shrink=N tries more"
        return f"shrinking tried {self.tried:,} of {self.of:,} failing variants with several edits, in {calls}{more}"


Asked = Steps["bool | None"]


class Shrinking:
    """The search for one failing variant. ``found`` is the best so far, also where the search is cut short."""

    def __init__(
        self,
        asker: Asker,
        variant: Variant,
        record: Record,
        reference: Score,
        perturbation: Perturbation,
        budget: Budget,
        validity: Validity = DEFAULT,
    ) -> None:
        self.asker, self.variant, self.record, self.reference = asker, variant, record, reference
        self.perturbation, self.budget, self.validity = perturbation, budget, validity
        self.found: Shrunk | None = None
        self.spent = 0
        """Calls it took."""
        self.steady = True
        """Whether the failing variant failed each time: then each part of it is asked once."""

    def _scored(self, variant: Variant, number: int) -> Steps[float | None]:
        """The score of a variant that is asked for the number-th time, within the budget. None: no telling."""
        if not self.budget.take():
            return None
        # Another sample: the same question again is not to be answered from the store.
        draft = variant.draft.with_(sample=variant.draft.sample + number * AGAIN)
        reply = yield from self.asker.ask(replace(variant, draft=draft))
        self.budget.left += 1 - reply.spent
        self.spent += reply.spent
        if reply.score is None:
            return None
        judged = by_expectation(reply.score, self.perturbation.expect, self.reference)
        return None if isinstance(judged, str) else judged.value

    def record_found(self) -> Record:
        """The record with what was found, told as the record tells its own text: one field, or the whole prompt."""
        if self.found is None:
            return self.record
        v = self.found.variant
        changed = [k for k, edits in self.variant.draft.edits.items() if edits]
        text = text_at(v.fields, changed[0]) if len(changed) == 1 and v.level == "input" else None
        if text is None:
            offered = {**v.draft.given, **v.draft.params}.get("tools")
            text = (
                prompt_text(render(v.draft)) + tools_text(offered)
                if v.draft.prompt is not None
                else str(v.input)
            )
        return replace(self.record, shrunk=self.found.to_json(hide(text)))

    def steps(self) -> Steps[None]:
        """Ends early, with what was found, where the budget is spent."""
        every = places(self.variant)
        fails = yield from self._fails(self.variant, CONFIRM[1], first=1)
        if fails is None:
            return
        whole = Shrunk(self.variant, len(every), len(every), *self._count, complete=True)
        if not fails:
            self.found = whole
            return
        search = smallest(every)
        candidate = next(search, None)
        while candidate is not None:
            fails = yield from self._candidate(candidate)
            if fails is None:
                return
            try:
                candidate = search.send(fails)
            except StopIteration:
                candidate = None
        if self.found is None:
            self.found = whole  # every edit is needed
            return
        if self.found.asked == 1:
            # Asked once: asked again, before anybody reads of it as the smallest.
            fails = yield from self._fails(self.found.variant, CONFIRM[1], first=1)
            if fails is None:
                return
            failed, asked = self._count
            self.found = replace(self.found, failed=failed, asked=asked) if fails else None
        if self.found is not None:
            self.found = replace(self.found, complete=True)

    def _candidate(self, kept: tuple[Place, ...]) -> Asked:
        smaller = part(self.variant, kept)
        if not self._may_be_asked(smaller):
            return False
        fails = yield from self._fails(smaller, 1 if self.steady else CONFIRM[1])
        if fails:
            self.found = Shrunk(smaller, len(kept), len(places(self.variant)), *self._count, complete=False)
        return fails

    def _may_be_asked(self, v: Variant) -> bool:
        if isinstance(tools_of(v.draft), NotApplicable) and not isinstance(
            tools_of(self.variant.draft), NotApplicable
        ):
            return False  # two of one name
        original = v.draft.with_(case=replace(v.draft.case, fields=dict(v.original.fields)), edits={})
        original = unchanged(original)
        if identity(v.draft, original, {}) == identity(original, original, {}):
            return False
        return check(v.original, v.draft, self.perturbation, self.validity) is None

    _count = (0, 0)

    def _fails(self, v: Variant, samples: int, *, first: int = 0) -> Asked:
        """Whether it fails: in `CONFIRM` samples, or in the only one. None: no telling.

        ``first``: it failed once already, in the run.
        """
        needed = CONFIRM[0] if samples > 1 else 1
        failed, asked = first, first
        while asked < samples:
            score = yield from self._scored(v, asked)
            if score is None:
                return None
            assert self.record.score is not None
            failed += score <= self.record.score
            asked += 1
            self._count = (failed, asked)
            if v is not self.variant and (failed >= needed or asked - failed > samples - needed):
                break
        if v is self.variant:
            self.steady = failed == asked
        return failed >= needed


def broken(records: Sequence[Record]) -> list[list[tuple[Record, Record]]]:
    """Every variant that a perturbation broke, with its reference: the worst of each family, the second of each, and so on.

    Within such a round the worst comes first. Only what the perturbation broke: where the unperturbed prompt is as
    wrong, the smallest failing edit is none.
    """
    before = references(records)
    seen: Counter[str] = Counter()
    rounds: list[list[tuple[Record, Record]]] = []
    for loss, record in failing(records):
        if loss <= 0:
            continue
        family = split_spec(record.perturbation)[0]
        if seen[family] == len(rounds):
            rounds.append([])
        rounds[seen[family]].append((record, before[record.case_id]))
        seen[family] += 1
    return rounds


def searches(
    job: Job, asker: Asker, records: Sequence[Record], budget: Budget, store: Store | None = None
) -> list[list[Shrinking]]:
    """A search for each variant of `broken` of which an edit can be left out, in its rounds."""
    cases = {case.id: case for case in job.task.cases}
    perturbations = {p.spec: p for p in job.wanted}

    def search(record: Record, reference: Record) -> Shrinking | None:
        p, score = perturbations[record.perturbation], score_of(reference)
        if not p.separable:
            return None
        alone = Selected(cases[record.case_id], frozenset([record.variant]))
        made = (v for v in job.variants(alone, store) if isinstance(v, Variant) and v.id == record.variant)
        variant = next(made, None)
        if variant is None or score is None or not can_part(variant, p):
            return None
        return Shrinking(asker, variant, record, score, p, budget, job.task.validity)

    rounds = ([search(*found) for found in some] for some in broken(records))
    return [begun for some in rounds if (begun := [s for s in some if s is not None])]
