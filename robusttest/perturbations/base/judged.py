"""How often each perturbation broke its question, by people's judgement of a drawn sample.

``data/judgements.json`` holds ``spec → {row digest: verdict}`` and no text. ``benchmarks/labels.py`` draws the rows and
takes the judgements in. The digest covers original and variant, so that a variant which comes out differently has no
judgement any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from robusttest.core.nouns import Json, canonical_json, digest
from robusttest.errors import UsageError
from robusttest.perturbations.base.lexicon import table

Verdict = Literal["kept", "broken", "unnatural"]
"""``kept``: the right answer is still right; ``broken``: it is not, or can't be told any more; ``unnatural``: it is right,
and nobody would write so."""

VERDICTS: tuple[str, ...] = get_args(Verdict)


class Judged(NamedTuple):
    """Of ``n`` variants that were read, ``broken`` no longer had the right answer; ``unnatural`` read oddly."""

    broken: int
    unnatural: int
    n: int


def row_digest(spec: str, original: Json, variant: Json) -> str:
    """The identity of one judged row: 16 hex digits of the perturbation and both texts."""
    return digest(canonical_json([spec, original, variant]), size=8)


def judgements() -> Mapping[str, Mapping[str, str]]:
    """Spec → row digest → verdict."""
    kept: Mapping[str, Mapping[str, str]] = table("judgements")
    return kept


def judged(spec: str, kept: Mapping[str, Mapping[str, str]] | None = None) -> Judged:
    """The count for one spec; ``n`` is 0 where nobody has read it."""
    verdicts = list((judgements() if kept is None else kept).get(spec, {}).values())
    return Judged(verdicts.count("broken"), verdicts.count("unnatural"), len(verdicts))


def merged(kept: Mapping[str, Mapping[str, str]], rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """``kept`` with the verdicts of a sheet's rows; a row without one is left for later.

    Raises `UsageError` for a verdict that is none, and where texts were changed after the draw.
    """
    out = {spec: dict(verdicts) for spec, verdicts in kept.items()}
    for i, row in enumerate(rows, 1):
        verdict = row.get("verdict") or ""
        if not verdict:
            continue
        if verdict not in VERDICTS:
            raise UsageError(f"row {i}: verdict {verdict!r} is none of {', '.join(VERDICTS)}")
        mark = row_digest(row["perturbation"], row["original"], row["variant"])
        if mark != row["digest"]:
            raise UsageError(
                f"row {i}: its texts are not those of digest {row['digest']}: draw the sheet anew"
            )
        out.setdefault(row["perturbation"], {})[mark] = verdict
    return {spec: dict(sorted(out[spec].items())) for spec in sorted(out)}
