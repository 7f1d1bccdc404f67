"""How often each perturbation broke its question, by the judgement of a drawn sample, read row by row.

``data/judgements.json`` holds ``spec → {"made": fingerprint, "rows": {row digest: verdict}}`` and no text.
``benchmarks/labels.py`` draws the rows and takes the judgements in. The digest covers original and variant, so that a
variant which comes out differently has no judgement any more; the fingerprint is of a few fixed texts, so that a
perturbation which changed is known for it where the data sets are not at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from robusttest.core.nouns import Json, canonical_json, digest
from robusttest.errors import UsageError
from robusttest.perturbations.base.lexicon import table

Verdict = Literal["kept", "broken", "unnatural"]
"""``kept``: the right answer is still right; ``broken``: it is not, or can't be told any more; ``unnatural``: it is right,
and nobody would write so."""

VERDICTS: tuple[str, ...] = get_args(Verdict)


ENOUGH = 60
"""Fewer rows of a perturbation are no measurement of it."""


class Judged(NamedTuple):
    """Of ``n`` variants that were read, ``broken`` no longer had the right answer; ``unnatural`` read oddly."""

    broken: int
    unnatural: int
    n: int


def row_digest(spec: str, original: Json, variant: Json) -> str:
    """The identity of one judged row: 16 hex digits of the perturbation and both texts."""
    return digest(canonical_json([spec, original, variant]), size=8)


class SpecJudgements(TypedDict):
    """What is kept of one spec."""

    made: str
    rows: dict[str, str]


def judgements() -> Mapping[str, SpecJudgements]:
    """Spec → what was read of it."""
    kept: Mapping[str, SpecJudgements] = table("judgements")
    return kept


def judged(spec: str, kept: Mapping[str, SpecJudgements] | None = None) -> Judged:
    """The count for one spec; ``n`` is 0 where nobody has read it."""
    read = (judgements() if kept is None else kept).get(spec)
    verdicts = list(read["rows"].values()) if read else []
    return Judged(verdicts.count("broken"), verdicts.count("unnatural"), len(verdicts))


def fingerprint(spec: str) -> str:
    """Of the perturbation as it was when it was read; empty where it was not."""
    read = judgements().get(spec)
    return read["made"] if read else ""


def merged(
    kept: Mapping[str, SpecJudgements], rows: list[dict[str, Any]], made: Callable[[str], str]
) -> dict[str, SpecJudgements]:
    """``kept`` with the verdicts of a sheet's rows; a row without one is left for later. ``made`` gives fingerprints.

    Raises `UsageError` for a verdict that is none, and where texts were changed after the draw.
    """
    out = {spec: SpecJudgements(made=read["made"], rows=dict(read["rows"])) for spec, read in kept.items()}
    for i, row in enumerate(rows, 1):
        verdict = row.get("verdict") or ""
        if not verdict:
            continue
        if verdict not in VERDICTS:
            raise UsageError(f"row {i}: verdict {verdict!r} is none of {', '.join(VERDICTS)}")
        spec = row["perturbation"]
        mark = row_digest(spec, row["original"], row["variant"])
        if mark != row["digest"]:
            raise UsageError(
                f"row {i}: its texts are not those of digest {row['digest']}: draw the sheet anew"
            )
        now = made(spec)
        if spec not in out or out[spec]["made"] != now:  # nothing is left of what another perturbation made
            out[spec] = SpecJudgements(made=now, rows={})
        out[spec]["rows"][mark] = verdict
    return {
        spec: SpecJudgements(made=out[spec]["made"], rows=dict(sorted(out[spec]["rows"].items())))
        for spec in sorted(out)
    }
