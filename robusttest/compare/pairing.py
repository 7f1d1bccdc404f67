"""Which variants of two versions are the same question, and their scores side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from robusttest.compare.model import CaseChange
from robusttest.compare.rows import CellRows, Key, Row, same_question
from robusttest.core.names import split_spec
from robusttest.core.nouns import REFERENCE, derive_seed
from robusttest.stats.cell.frame import OWN_NAME_ONLY, REPEAT
from robusttest.stats.versions.paired import Change, change
from robusttest.stats.versions.pairs import pairs_table


@dataclass(slots=True, kw_only=True)
class Paired:
    """Two cells, variant by variant."""

    old: CellRows
    new: CellRows
    pairs: dict[Key, tuple[Row, Row]] = field(default_factory=dict, repr=False)
    excluded: Counter[str] = field(default_factory=Counter)
    """Variants that are no pair, by reason (a key of `robusttest.compare.model.REASONS`)."""

    @property
    def n_pairs(self) -> int:
        return len(self.pairs)

    @property
    def n_cases(self) -> int:
        return len({key[0] for key in self.pairs})

    def changes(self) -> list[Change]:
        """Over all variants, then the reference alone, the worst variant, and each perturbation's family.

        Decoding variants count under their own name alone, repeats nowhere: they are the noise. A measure over
        the very variants of ``all`` is left out.
        """
        levels = {**self.old.levels, **self.new.levels}
        made = pairs_table((key[0], key[1:], a.score, b.score) for key, (a, b) in self.pairs.items())
        columns = made.columns
        main = [i for i, (p, _, _) in enumerate(columns) if levels.get(p) not in OWN_NAME_ONLY]
        groups: dict[str, list[int]] = {"all": main, "accuracy": [], "robust_accuracy": main}
        for i, (perturbation, _, _) in enumerate(columns):
            if perturbation == REFERENCE:
                groups["accuracy"].append(i)
            elif levels.get(perturbation) != REPEAT:
                groups.setdefault(split_spec(perturbation)[0], []).append(i)
        clusters = made.clusters(self.new.clusters)
        found = []
        for name, at in groups.items():
            worst = name == "robust_accuracy"
            if not at or (name != "all" and at == main and (not worst or len(main) < 2)):
                continue
            seed = derive_seed("comparison", self.new.task, self.new.model, name)
            if (
                c := change(name, made.old[:, at], made.new[:, at], clusters, worst=worst, seed=seed)
            ) is not None:
                found.append(c)
        return found

    def flips(self, *, down: bool) -> list[CaseChange]:
        """Cases with variants that were right and are not (or, not ``down``, that were not and are)."""
        changed: dict[str, list[Key]] = {}
        compared: Counter[str] = Counter()
        for key, (a, b) in self.pairs.items():
            compared[key[0]] += 1
            before, after = (a, b) if down else (b, a)
            assert before.score is not None
            assert after.score is not None
            if before.score >= 1 > after.score:
                changed.setdefault(key[0], []).append(key)
        return [self._case(case, keys, compared[case]) for case, keys in changed.items()]

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
    out = Paired(old=old, new=new)
    excluded = out.excluded
    for key, b in new.rows.items():
        a = old.rows.get(key)
        if a is None:
            excluded[_missing(key, old, "new")] += 1
        elif (reason := _differs(a, b)) is not None:
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


def _differs(a: Row, b: Row) -> str | None:
    if not same_question(a.question, b.question):
        return "changed_input" if a.question and b.question else "unknown_input"
    if a.target != b.target:
        return "changed_target"
    if a.score is None:
        return "no_reply_old"
    return "no_reply_new" if b.score is None else None
