"""A variant's changes one by one, and the variant with some of them: edits of its texts, and what was done to its tools."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from robusttest.core.nouns import Draft, Edit, NotApplicable, Variant
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.fields import text_at, with_texts
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.tools.offered import Tool, changed, function_of, name_of, tools_of

TOOLS = "[tools]"
"""The field of a `Place` that is a change of the tools."""

_WORD = re.compile(r"\s*\S+|\s+")


class Place(NamedTuple):
    """One change of a variant: which field, and which of its changes."""

    field: str
    number: int


class _Change(NamedTuple):
    """One change of the tools that a draft offers."""

    kind: str
    """``added``, ``words`` (of a description), ``name``, ``rest`` (the schema …) or ``order``."""
    tool: str = ""
    """The tool's own name."""
    edit: Edit = Edit(0, 0, "")


def places(variant: Variant) -> tuple[Place, ...]:
    """Every change, field by field, from left to right, then those of the tools."""
    texts = [Place(name, i) for name, edits in variant.draft.edits.items() for i in range(len(edits))]
    return (*texts, *(Place(TOOLS, i) for i in range(len(_changes(variant.draft)))))


def part(variant: Variant, kept: Collection[Place]) -> Variant:
    """The variant with these of its changes alone; with none of them its texts and tools are the original's."""
    made: dict[str, tuple[Edit, ...]] = {}
    texts: dict[str, str] = {}
    for name, edits in variant.draft.edits.items():
        before = text_at(variant.original.fields, name)
        if before is None:
            continue
        some = tuple(e for i, e in enumerate(edits) if Place(name, i) in kept)
        texts[name] = apply_edits(before, some)
        if some:
            made[name] = some
    draft = variant.draft
    fields = with_texts(draft.case.fields, texts)
    draft = draft.with_(case=replace(draft.case, fields=fields), edits=made)
    if found := _changes(draft):
        draft = _with_some(draft, {c for i, c in enumerate(found) if Place(TOOLS, i) in kept})
    return replace(variant, draft=draft)


def can_part(variant: Variant, perturbation: Perturbation) -> bool:
    """Whether some of the variant's changes may be left out: there are several, they alone made it, none needs another."""
    found = places(variant)
    if len(found) < 2 or not perturbation.separable or perturbation.rewrite is not None:
        return False
    whole = part(variant, found).draft
    return whole.case.fields == variant.draft.case.fields and _offered(whole) == _offered(variant.draft)


def unchanged(draft: Draft) -> Draft:
    """The draft as it was before anything was done to its tools."""
    return _with_some(draft, set()) if _changes(draft) else draft


def _offered(draft: Draft) -> Any:
    return draft.params.get("tools", draft.given.get("tools"))


def _changes(draft: Draft) -> list[_Change]:
    """What was done to the tools; empty where nothing was, and where it can't be told apart."""
    if "tools" not in draft.params or "tools" not in draft.given or "tool_choice" in draft.params:
        return []
    now, before = tools_of(draft), tools_of(draft.with_(params={}))
    if isinstance(now, NotApplicable) or isinstance(before, NotApplicable):
        return []
    return list(_told(draft, now, {name_of(t): t for t in before}))


def _told(draft: Draft, now: list[Tool], before: Mapping[str, Tool]) -> Iterator[_Change]:
    own = [draft.tool_names.get(name_of(t), name_of(t)) for t in now]
    for name, tool in zip(own, now, strict=True):
        old = before.get(name)
        if old is None:
            yield _Change("added", name)
            continue
        if name_of(tool) != name:
            yield _Change("name", name)
        yield from (_Change("words", name, e) for e in word_edits(_description(old), _description(tool)))
        if _rest(old) != _rest(tool) or str(_rest(old)) != str(_rest(tool)):  # the order of keys is one, too
            yield _Change("rest", name)
    stayed = [name for name in own if name in before]
    if stayed != [name for name in before if name in own]:
        yield _Change("order")


def _with_some(draft: Draft, kept: set[_Change]) -> Draft:
    """The draft with these changes of its tools alone; without any it offers them as they are given."""
    params = {k: v for k, v in draft.params.items() if k != "tools"}
    if not kept:
        return draft.with_(params=params, tool_names={})
    now, given = tools_of(draft), tools_of(draft.with_(params={}))
    assert isinstance(now, list)
    assert isinstance(given, list)
    before = {name_of(t): t for t in given}
    out: list[tuple[str, Tool]] = []
    names: dict[str, str] = {}
    for tool in now:
        own = draft.tool_names.get(name_of(tool), name_of(tool))
        old = before.get(own)
        if old is None:
            if _Change("added", own) in kept:
                out.append((own, tool))
            continue
        made = tool if _Change("rest", own) in kept else old
        facts: dict[str, Any] = {"name": name_of(tool) if _Change("name", own) in kept else own}
        if (said := _description(old)) != _description(tool):
            edits = [e for e in word_edits(said, _description(tool)) if _Change("words", own, e) in kept]
            if edits or made is tool:
                facts["description"] = apply_edits(said, edits)
        out.append((own, changed(made, **facts)))
        if name_of(tool) in draft.tool_names:
            names[facts["name"]] = own
    if _Change("order") not in kept:
        first = iter([name for name in before if name in {own for own, _ in out}])
        by_name = dict(out)
        out = [
            (name, by_name[name]) for own, _ in out for name in ([next(first)] if own in before else [own])
        ]
    return draft.with_(params={**params, "tools": [tool for _, tool in out]}, tool_names=names)


def _description(tool: Tool) -> str:
    return str(function_of(tool).get("description") or "")


def _rest(tool: Tool) -> Any:
    return {k: v for k, v in function_of(tool).items() if k not in ("name", "description")}


def word_edits(old: str, new: str) -> list[Edit]:
    """Word by word, what makes ``new`` of ``old``."""
    if old == new:
        return []
    a, b = _WORD.findall(old), _WORD.findall(new)
    starts = [0]
    for word in a:
        starts.append(starts[-1] + len(word))
    out = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        pairs = max(
            min(j - i, m - k), 1
        )  # words in each other's place, one by one; what is more goes to the first
        first = (starts[i], starts[j - pairs + 1] if j > i else starts[i], "".join(b[k : m - pairs + 1]))
        out.append(Edit(*first))
        out += [Edit(starts[j - n], starts[j - n + 1], b[m - n]) for n in range(pairs - 1, 0, -1)]
    return out
