"""Which variants of two versions are the same question, and their scores side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from robusttest.compare.model import CaseChange
from robusttest.compare.rows import CellRows, Key, Row, SameRow, same_hash
from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, derive_seed
from robusttest.stats.cell.frame import OWN_NAME_ONLY, REPEAT
from robusttest.stats.versions.judged import Side, behind
from robusttest.stats.versions.paired import Change, change
from robusttest.stats.versions.pairs import PairsTable, pairs_table


@dataclass(slots=True, kw_only=True)
class Paired:
    """Two cells, variant by variant."""

    old: CellRows
    new: CellRows
    pairs: dict[Key, tuple[Row, Row]] = field(default_factory=dict, repr=False)
    excluded: Counter[str] = field(default_factory=Counter)
    """Variants that are no pair, by reason (a key of `robusttest.compare.model.REASONS`)."""
    same: Sequence[SameRow] = field(default=(), repr=False)
    """Further pairs, of which both sides say the same."""
    by_name: bool = False
    """Whether pairs go by their names alone: neither side says of any row what was put to the model, as in tables."""

    @property
    def n_pairs(self) -> int:
        return len(self.pairs) + len(self.same)

    @property
    def held(self) -> int:
        """Variants that the old version has a score of."""
        return sum(row.score is not None for row in self.old.rows.values()) + len(self.same)

    @property
    def n_cases(self) -> int:
        return len({key[0] for key in self.pairs} | {row.case_id for row in self.same})

    @property
    def other_prompt(self) -> bool:
        """Whether anything around the cases was put otherwise."""
        return any(a.asked and b.asked and not same_hash(a.asked, b.asked) for a, b in self.pairs.values())

    @property
    def _levels(self) -> dict[str, str]:
        return {**self.old.levels, **self.new.levels}

    def changes(self) -> list[Change]:
        """Over all variants, then the reference alone, the worst variant, and each perturbation's family.

        Decoding variants count under their own name alone, repeats nowhere: they are the noise. A measure over
        the very variants of ``all`` is left out.
        """
        levels = self._levels
        made = pairs_table(
            chain(
                ((key[0], key[1:], a.score, b.score) for key, (a, b) in self.pairs.items()),
                (
                    (case, (perturbation, variant, 0), score, score)
                    for case, perturbation, variant, score in self.same
                ),
            )
        )
        columns = made.columns
        main = [i for i, (p, _, _) in enumerate(columns) if levels.get(p) not in OWN_NAME_ONLY]
        groups: dict[str, list[int]] = {"all": main, "accuracy": [], "robust_accuracy": main}
        for i, (perturbation, _, _) in enumerate(columns):
            if perturbation == REFERENCE:
                groups["accuracy"].append(i)
            elif levels.get(perturbation) != REPEAT:
                groups.setdefault(split_spec(perturbation)[0], []).append(i)
        clusters = made.clusters(self.new.clusters)
        sides = self._sides(made)
        found = []
        for name, at in groups.items():
            worst = name == "robust_accuracy"
            if not at or (name != "all" and at == main and (not worst or len(main) < 2)):
                continue
            seed = derive_seed("comparison", self.new.task, self.new.model, name)
            c = change(name, made.old[:, at], made.new[:, at], clusters, worst=worst, seed=seed)
            if c is not None and sides is not None:
                c = behind(c, sides[0].of(at), sides[1].of(at), clusters, worst=worst, seed=seed)
            if c is not None:
                found.append(c)
        return found

    def _sides(self, made: PairsTable) -> tuple[Side, Side] | None:
        """Both versions as their judges graded them; None where nothing is known of a judge's errors. What is known of one version's
        judge alone is taken to hold for both.
        """
        old, new = self.old.judging or self.new.judging, self.new.judging or self.old.judging
        if old is None or new is None:
            return None
        read = pairs_table(
            (key[0], key[1:], float(a.status == "ok"), float(b.status == "ok"))
            for key, (a, b) in self.pairs.items()
        )
        return Side(made.old, read.old, old), Side(made.new, read.new, new)

    def flips(self, *, down: bool) -> list[CaseChange]:
        """Cases that broke (or, not ``down``, were fixed): whose sum of scores fell (rose) over the variants of ``all``,
        as `Change.worse` (``better``) counts them; each with the variants whose score did.
        """
        changed: dict[str, list[Key]] = {}
        compared: Counter[str] = Counter()
        sums: dict[str, float] = {}
        levels, sign = self._levels, -1 if down else 1
        compared.update(r.case_id for r in self.same if levels.get(r.perturbation) not in OWN_NAME_ONLY)
        for key, (a, b) in self.pairs.items():
            if levels.get(key[1]) in OWN_NAME_ONLY:
                continue
            assert a.score is not None
            assert b.score is not None
            case, gain = key[0], sign * (b.score - a.score)
            compared[case] += 1
            sums[case] = sums.get(case, 0.0) + gain
            if gain > 0:
                changed.setdefault(case, []).append(key)
        return [
            self._case(case, keys, compared[case]) for case, keys in changed.items() if sums[case] > 1e-12
        ]

    def _case(self, case: str, keys: list[Key], of: int) -> CaseChange:
        keys = sorted(keys)  # the reference, whose name is empty, first
        a, b = self.pairs[keys[0]]
        assert a.score is not None
        assert b.score is not None
        return CaseChange(
            case_id=case,
            variants=tuple(k[2] + (f"@{k[3]}" if k[3] else "") for k in keys),
            of=of,
            old_answer=a.answer,
            new_answer=b.answer,
            old_status=a.status,
            new_status=b.status,
            old_score=a.score,
            new_score=b.score,
            target=a.right if b.right is None else b.right,
            text=a.text if b.text is None else b.text,
        )


def pair(old: CellRows, new: CellRows) -> Paired:
    """Pair the variants of two cells and count those that have no partner."""
    old, new, same = old.beside(new)
    by_name = not same and not any(r.question or r.asked for side in (old, new) for r in side.rows.values())
    out = Paired(old=old, new=new, same=same, by_name=by_name)
    excluded = out.excluded
    for key, b in new.rows.items():
        a = old.rows.get(key)
        if a is None:
            excluded[_missing(key, old, "new")] += 1
        elif (reason := _differs(a, b, by_name)) is not None:
            excluded[reason] += 1
        else:
            out.pairs[key] = (a, b)
    for key in old.rows.keys() - new.rows.keys():
        excluded[_missing(key, new, "dropped")] += 1
    return out


def _missing(key: Key, other: CellRows, word: str) -> str:
    case, perturbation, _, _ = key
    if case not in other.clusters:
        return f"{word}_case"
    if perturbation not in other.levels:
        return f"{word}_perturbation"
    return f"{word}_variant"


def _differs(a: Row, b: Row, by_name: bool) -> str | None:
    """Why two rows of one name are no pair. What the variant made of the case decides; where a side is older than that,
    all that was put to the model.
    """
    for before, after in ((a.question, b.question), (a.asked, b.asked)):
        if before and after:
            if not same_hash(before, after):
                return "changed_input"
            break
    else:
        if not by_name:
            return "unknown_input"
    if a.target != b.target:
        return "changed_target"
    if a.score is None:
        return "no_reply_old"
    return "no_reply_new" if b.score is None else None
