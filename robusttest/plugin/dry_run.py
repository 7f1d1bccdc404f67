"""``--robust-dry-run``: what a run would ask and cost, without asking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robusttest.core.nouns import Request, Variant
from robusttest.gateway.litellm import prices, tokens
from robusttest.report.text import count, money
from robusttest.tasks.render import render

if TYPE_CHECKING:
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession


@dataclass(slots=True)
class DryRunPlan:
    """What one item, or all of them, would ask."""

    told: tuple[str, ...] = ()
    """The user's word on prices."""
    variants: int = 0
    calls: int = 0
    stored: int = 0
    """Of ``calls``: replies that are in the store already."""
    input: float = 0.0
    """Tokens of the calls that would be made, at least, where only a range is known."""
    most: float = 0.0
    """Those at most."""
    output: int = 0
    """Tokens that their replies have at most, where their number is limited and the model has not answered yet."""
    likely: float = 0.0
    """Tokens that the replies of models have which have answered before."""
    unlimited: int = 0
    """Calls whose requests limit no output, to models that have not answered yet."""
    cost: float = 0.0
    """US dollars: the input (at least), and the output as far as it is limited."""
    dearest: float = 0.0
    """US dollars with the input at most."""
    guessed: Counter[str] = field(default_factory=Counter)
    """Model → calls of whose tokens only a range is known."""
    unpriced: Counter[str] = field(default_factory=Counter)
    """Model → calls for which there is no price."""
    others: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(model, what it does) → calls whose text is not known before the run."""

    def add(self, request: Request, *, stored: bool, learnt: tokens.Learnt | None = None) -> None:
        """``learnt``: what replies of this model have used before."""
        self.calls += 1
        if stored:
            self.stored += 1
            return
        asked, most = self._asked(request, learnt)
        self.input, self.most = self.input + asked, self.most + most
        if request.model.startswith("python:"):
            return
        limit = prices.output_limit(request)
        said = float(limit or 0)
        if learnt is not None:
            said = learnt.output if limit is None else min(learnt.output, limit)
            self.likely += said
        else:
            self.output += limit or 0
            self.unlimited += limit is None
            self.guessed[request.model] += most > asked
        price = prices.known(request.model, self.told, prices.table())
        if price is None:
            self.unpriced[request.model] += 1
        else:
            self.cost += asked * price.input + said * price.output
            self.dearest += most * price.input + said * price.output

    def _asked(self, request: Request, learnt: tokens.Learnt | None) -> tuple[float, float]:
        if learnt is not None:
            return (tokens.count(request) * learnt.share,) * 2
        if request.model.startswith("python:"):
            return (tokens.count(request),) * 2
        return tokens.counted(request)

    def join(self, other: DryRunPlan) -> None:
        for name in (
            "variants",
            "calls",
            "stored",
            "input",
            "most",
            "output",
            "likely",
            "unlimited",
            "cost",
            "dearest",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unpriced += other.unpriced
        self.guessed += other.guessed
        self.others += other.others

    def said(self) -> str:
        parts = [f"{self.calls:,} calls"]
        if self.stored:
            parts[0] += f", {self.stored:,} of them stored replies"
        parts.append(f"about {_between(f'{self.input:,.0f}', f'{self.most:,.0f}')} input tokens")
        if self.likely:
            parts.append(f"about {self.likely:,.0f} output tokens by earlier replies")
        if self.output:
            parts.append(f"at most {self.output:,} output tokens")
        if self.cost:
            cost = _between(money(self.cost), money(self.dearest))
            parts.append(f"about {cost}" + (" without the output" if self.unlimited else ""))
        return ", ".join(parts)

    def notes(self) -> Iterator[str]:
        if self.unlimited:
            yield f"{count(self.unlimited, 'call')} without max_tokens: what the output costs is not known"
        for model in sorted(self.guessed):
            yield (
                f"{model}: no reply is stored yet, and its tokenizer is not on this machine: GPT-4's has counted, and the larger number "
                "allows for another one and for a system prompt that the model's own template may add to each call"
            )
        for model, n in sorted(self.unpriced.items()):
            yield f"{model}: no price is known, so {count(n, 'call')} of it count nothing"
        for (model, what), n in sorted(self.others.items()):
            yield f"{model}: {count(n, 'call')} more at least, as {what}; their texts are not known yet"


def _between(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def lines(session: RobustSession, states: Sequence[RobustItem]) -> list[str]:
    """One line for each item, one for all of them, and what is not in the sums."""
    out = ["robusttest: a dry run makes no call"]
    everything = DryRunPlan()
    for state in states:
        plan = _plan(session, state)
        everything.join(plan)
        where = f"{state.test}" + (f" on {state.model}" if state.model else "")
        said = plan.said() if state.declared else "calls as its body makes them"
        out.append(f"  {where}: {state.selected:,} cases, {plan.variants:,} variants, {said}")
    if session.settings.freeze is not None:
        from robusttest.plugin import freeze

        out += freeze.put_planned(session, states)
    out.append(f"  in all {everything.said()}")
    return [*out, *(f"  {note}" for note in everything.notes())]


def _plan(session: RobustSession, state: RobustItem) -> DryRunPlan:
    plan, job = DryRunPlan(state.settings.price), state.job
    scorer = job.task.scorer
    judge = None if scorer is None else scorer.model
    if judge and scorer is not None:
        plan.others[judge, "the judge"] += len(scorer.labelled)
    for selected in job.selected():
        for v in job.variants(selected):
            n = 1
            if not isinstance(v, Variant):
                n = min(state.settings.variants, v.limit or state.settings.variants)
                plan.others[v.writer or state.model, "the writer"] += n
                if state.model:
                    plan.others[state.model, "the model under test"] += n
            elif state.freezer is not None:
                state.freezer.add(v)
            if isinstance(v, Variant) and v.status != "ok":
                continue
            plan.variants += n
            if isinstance(v, Variant) and state.declared:
                request = session.gateway.request(
                    state.model, render(v.draft), {**job.task.params, **v.draft.params}, v.draft.sample
                )
                plan.add(
                    request,
                    stored=session.gateway.stored(request),
                    learnt=session.gateway.learnt(request.model),
                )
            if judge and scorer is not None:
                reference = isinstance(v, Variant) and not v.perturbation
                plan.others[judge, "the judge"] += n + (scorer.again if reference else 0)
    return plan
