"""``--robust-dry-run``: what a run would ask, without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robusttest.bodies import body_variants
from robusttest.data import Variant

if TYPE_CHECKING:
    from robusttest.plugin.item import RobustItem
    from robusttest.plugin.session import RobustSession

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; good enough to choose a budget by."""


def lines(session: RobustSession, states: Sequence[RobustItem]) -> list[str]:
    """One line for each item: cases, variants, calls, tokens."""
    out = ["robusttest: a dry run makes no call; model-written variants count as planned"]
    calls = tokens = 0
    for state in states:
        variants, asked, size = _size(state)
        calls, tokens = calls + asked, tokens + size
        where = f"{state.test}" + (f" on {state.model}" if state.model else "")
        said = (
            f"{asked:,} calls, about {size:,} input tokens"
            if state.declared
            else "calls as its body makes them"
        )
        out.append(f"  {where}: {state.selected:,} cases, {variants:,} variants, {said}")
    out.append(f"  in all {calls:,} calls, about {tokens:,} input tokens; stored replies cost nothing")
    return out


def _size(state: RobustItem) -> tuple[int, int, int]:
    """(variants with the unperturbed, calls, input tokens)."""
    if state.job is None:
        plain = [p for p in state.wanted if p.rewrite is None]
        made = body_variants(state.cases, plain, state.settings, protect=state.marked.protect)
        return sum(v.status == "ok" for v in made), 0, 0
    from robusttest.render import prompt_text, render

    variants = characters = 0
    for selected in state.job.selected():
        for v in state.job.variants(selected):
            if not isinstance(v, Variant):
                variants += min(state.settings.variants, v.limit or state.settings.variants)
            elif v.status == "ok":
                variants += 1
                characters += len(prompt_text(render(v.draft)))
    return variants, variants, characters // CHARACTERS_PER_TOKEN
