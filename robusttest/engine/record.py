"""From an outcome to a `Record`: pure functions, the same for declared tasks and for tests with a body of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heapreplace
from typing import Any

from robusttest.core.equality import number, same
from robusttest.core.names import split_spec
from robusttest.core.nouns import (
    REFERENCE,
    Completion,
    Json,
    Record,
    RecordStatus,
    Request,
    Score,
    Variant,
    canonical_json,
    digest,
    in_order,
)
from robusttest.core.secrets import hidden, hide, one_line
from robusttest.errors import UsageError
from robusttest.perturbations.base.fields import text_at
from robusttest.perturbations.base.protocol import Expect
from robusttest.tasks.render import prompt_text, tools_text

MAX_REPLY = 20_000
"""Characters of a reply that a record keeps; the reply store has the whole."""

MAX_TEXT = 100_000


def input_hash(messages: Sequence[Mapping[str, Json]], params: Mapping[str, Json]) -> str:
    """16 hex digits over what was put to a model, without the model."""
    return digest(canonical_json([list(messages), dict(in_order(params))]), size=8)


def case_hash(variant: Variant) -> str:
    """16 hex digits over what a variant makes of its case, without the prompt: comparisons pair on it."""
    draft = variant.draft
    parts = [dict(draft.case.fields), draft.case.choices, dict(in_order(draft.params))]
    if draft.fault:
        parts.append(dict(draft.fault))
    return digest(canonical_json([*parts, dict(draft.factors)] if draft.factors else parts), size=8)


def make_record(
    variant: Variant,
    *,
    task: str,
    model: str,
    test: str | None = None,
    prompt: str | None = None,
    status: RecordStatus | None = None,
    score: Score | None = None,
    reason: str | None = None,
    request: Request | None = None,
    completion: Completion | None = None,
) -> Record:
    """The row of one variant, without secrets. Its status is the score's, where there is one, else ``status``."""
    if score is not None:
        status = score.status
        reason = reason or score.explanation
    if status is None:
        raise ValueError("make_record: a row has a score or a status")
    draft = variant.draft
    edits = {k: [list(e) for e in v] for k, v in draft.edits.items() if v}
    facts: dict[str, Any] = {}
    if completion is not None:
        reply = hide(completion.text)
        if not reply and completion.tool_calls:
            reply = canonical_json(hidden(list(completion.tool_calls)))
        facts = {
            "reply": reply if len(reply) <= MAX_REPLY else reply[:MAX_REPLY] + "…",
            "cached": completion.cached,
            "created": completion.created,
            "cost": completion.cost,
            "latency": completion.latency,
            "input_tokens": completion.input_tokens,
            "output_tokens": completion.output_tokens,
            "served": completion.model,
            "fingerprint": _fingerprint(completion, request),
            "finish_reason": completion.finish_reason,
            "cut": completion.finish_reason in ("length", "max_tokens"),
        }
    return Record(
        task=task,
        model=model,
        case_id=variant.original.id,
        variant=variant.id,
        perturbation=variant.perturbation,
        level=variant.level,
        severity=variant.severity,
        index=variant.index,
        status=status,
        score=None if score is None or not score.labelled else float(score.value),
        answer=None if score is None else bounded(hidden(score.answer)),
        target=hidden(variant.target),
        cluster=variant.original.cluster,
        by=dict(variant.original.by) or None,
        check=None if score is None or score.check is None else hidden(dict(score.check)),
        grades=None if score is None or not score.grades else dict(score.grades),
        turns=None if score is None or score.turns is None else list(score.turns),
        reason=None if reason is None else one_line(reason),
        text=shown_text(_text(variant, request)),
        input_hash=None if request is None else input_hash(request.messages, request.params),
        case_hash=case_hash(variant),
        edits=edits or None,
        factors=dict(draft.factors) or None,
        preserves=variant.preserves,
        effect=variant.effect,
        prompt=prompt,
        test=test,
        request_key=None if request is None else request.key(),
        **facts,
    )


def bounded(answer: Json) -> Json:
    """An answer of reasonable length; of a longer one the beginning and a digest, so that different ones differ."""
    if isinstance(answer, str) and len(answer) > MAX_REPLY:
        return f"{answer[:MAX_REPLY]}… ({len(answer):,} characters, {digest(answer, size=8)})"
    return answer


def shown_text(text: str | None) -> str | None:
    """A prompt as a record keeps it: without secrets, of reasonable length."""
    if text is None:
        return None
    text = hide(text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def _text(variant: Variant, request: Request | None) -> str | None:
    """The one field that was edited, where nothing but its text was; else the prompt as it was put."""
    changed = [k for k, edits in variant.draft.edits.items() if edits]
    value = text_at(variant.fields, changed[0]) if len(changed) == 1 else None
    if value is not None and variant.level == "input":
        return value
    if request is not None:
        return prompt_text(request.messages) + tools_text(request.params.get("tools"))
    text = variant.input
    return text if isinstance(text, str) else canonical_json(text)


ANSWERED: tuple[RecordStatus, ...] = ("ok", "unparsed", "refused")


def references(records: Iterable[Record]) -> dict[str, Record]:
    """The unperturbed record of each case."""
    out: dict[str, Record] = {}
    for r in records:
        if r.perturbation == REFERENCE and (r.case_id not in out or r.repeat == 0):
            out[r.case_id] = r
    return out


def fails(r: Record) -> bool:
    """Whether a row is a failing variant: it scored below 1. Runs of the same prompt again are left out."""
    return r.score is not None and r.score < 1 and r.status in ANSWERED and r.repeat == 0


def failing(records: Sequence[Record], limit: int | None = None) -> list[tuple[float, Record]]:
    """``(loss, record)`` of each failing variant, the worst first: the one order of all that shows or asks them.

    The largest loss against the reference comes first, so what the perturbation broke comes before what was wrong
    anyway (loss 0); then the lowest score. Of equally bad ones another family, then another case, comes before more of
    the same; then the smallest edit. The order of the records changes nothing.
    """
    before = references(records)
    found: dict[tuple[float, float], list[Record]] = {}
    for r in filter(fails, records):
        reference = before.get(r.case_id)
        loss = reference.score - r.score if reference is not None and reference.score is not None else 0.0  # type: ignore[operator]  # what fails has a score
        found.setdefault((-loss, r.score), []).append(r)  # type: ignore[arg-type]  # what fails has a score
    families: Counter[str] = Counter()
    cases: Counter[str] = Counter()
    out: list[tuple[float, Record]] = []
    for (loss, _), alike in sorted(found.items(), key=lambda item: item[0]):
        for r in _in_turn(alike, families, cases):
            if limit is not None and len(out) >= limit:
                return out
            out.append((-loss, r))
    return out


def _in_turn(alike: list[Record], families: Counter[str], cases: Counter[str]) -> Iterator[Record]:
    """Always the next one of the family that was shown least, of the case that was shown least, with the smallest edit.

    A heap for each family, by how often the case was shown when the row was put there; shown more often since, it is
    put back.
    """
    alike.sort(key=lambda r: (_size(r), r.case_id, r.perturbation, r.index))
    heaps: dict[str, list[tuple[int, int]]] = {}
    for i, r in enumerate(alike):
        heaps.setdefault(split_spec(r.perturbation)[0], []).append((cases[r.case_id], i))
    for heap in heaps.values():
        heapify(heap)
    while heaps:
        least = min(families[name] for name in heaps)
        tops = {name: _top(heap, alike, cases) for name, heap in heaps.items() if families[name] == least}
        family = min(tops, key=lambda name: tops[name])
        r = alike[heappop(heaps[family])[1]]
        if not heaps[family]:
            del heaps[family]
        families[family] += 1
        cases[r.case_id] += 1
        yield r


def _top(heap: list[tuple[int, int]], alike: list[Record], cases: Counter[str]) -> tuple[int, int]:
    while heap[0][0] != (now := cases[alike[heap[0][1]].case_id]):
        heapreplace(heap, (now, heap[0][1]))
    return heap[0]


def _size(r: Record) -> int:
    """Characters that the edits touch; a perturbation without an edit list counts as a large one."""
    if not r.edits:
        return 1_000_000
    return sum(max(end - start, len(new)) for edits in r.edits.values() for start, end, new in edits)


def score_of(record: Record) -> Score | None:
    """A record's score as the reference of `by_expectation`; None where it has none."""
    if record.score is None or record.status not in ("ok", "unparsed", "refused"):
        return None
    return Score(value=record.score, answer=record.answer, status=record.status)


def by_expectation(score: Score, expect: Expect, reference: Score | None) -> Score | str:
    """The score where the right answer is not the target but a relation to the reference's answer.

    ``same``: the same answer as unperturbed; ``changes``: any other; ``increases`` and ``decreases``: a larger or
    smaller number. A
    string says why nothing can be said: the unperturbed prompt has no answer to compare with. What can't be read is wrong by
    any rule, without labels, too.
    """
    if expect == "target":
        return score
    if score.status != "ok":
        return replace(score, value=0.0, labelled=True)
    if reference is None or reference.status != "ok":
        return "no answer to the unperturbed prompt to compare with"
    if expect in ("same", "changes"):
        equal = same(score.answer, reference.answer)
        right = equal if expect == "same" else not equal
        return Score(value=float(right), answer=score.answer, explanation=f"expected: {expect}")
    if expect not in ("increases", "decreases"):
        raise UsageError(f"expect={expect!r}: 'target', 'same', 'changes', 'increases' or 'decreases'")
    before, now = number(reference.answer), number(score.answer)
    if before is None:
        return f"the answer {one_line(reference.answer, 40)!r} to the unperturbed prompt is no number"
    if now is None:
        return Score(value=0.0, status="unparsed", explanation=f"{one_line(score.answer, 40)!r} is no number")
    right = now > before if expect == "increases" else now < before
    return Score(value=float(right), answer=score.answer, explanation=f"expected: {expect} from {before:g}")


def _fingerprint(completion: Completion, request: Request | None) -> str | None:
    said = completion.meta.get("system_fingerprint")
    if isinstance(said, str):
        return said
    return request.version if request is not None else None
