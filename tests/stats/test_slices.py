"""Slices of a cell, and which answers are taken for which, in small worlds of known truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from robusttest.core.nouns import Record
from robusttest.report.words.lines import of_confusion, of_slices
from robusttest.stats.across.slices import slices
from robusttest.stats.cell.confusion import confusion
from robusttest.stats.cell.estimates import estimate
from robusttest.stats.cell.frame import Frame, frames


def sliced(
    scores: np.ndarray,
    values: Sequence[str | None],
    *,
    clusters: Sequence[str] | None = None,
    labelled: bool = True,
) -> Frame:
    rows = [
        Record(
            task="t", model="m", case_id=f"c{i}", variant=f"v{v}" if v else "", perturbation="p" if v else "",
            level="input" if v else "reference", answer=f"{y:g}", score=float(y) if labelled else None, target="1",
            by=None if values[i] is None else {"topic": values[i]}, cluster=clusters[i] if clusters else None,
        )
        for i, line in enumerate(scores)
        for v, y in enumerate(line)
    ]  # fmt: skip
    (cell,) = frames(rows)
    return cell


def test_a_slice_has_the_numbers_of_its_cases_alone_and_its_distance_from_the_rest() -> None:
    scores = np.array([[1, 1], [1, 0], [0, 0], [1, 1], [1, 1], [1, 1]])
    cell = sliced(scores, ["a", "a", "a", "b", "b", None])
    found = slices(cell)
    assert found is not None
    assert [(s.value, s.n) for s in found.slices] == [("a", 3), ("b", 2), ("(none)", 1)]
    a = found.slices[0]
    (alone,) = frames(
        Record(
            task="t", model="m", case_id=f"c{i}", variant=f"v{v}" if v else "", perturbation="p" if v else "",
            level="input" if v else "reference", answer=f"{y:g}", score=float(y),
        )
        for i, line in enumerate(scores[:3]) for v, y in enumerate(line)
    )  # fmt: skip
    for name in ("accuracy", "robust_accuracy", "flip_rate"):
        assert a.metric(name) == estimate(alone, name)
    assert a.difference == pytest.approx(0.5 - 1)
    # of the 20 ways to draw three of six cases, 4 have the .5, the 0 and a 1; as far on the other side are the other 4's rests
    assert a.p == pytest.approx(8 / 20, abs=0.015)


def test_a_weak_slice_is_found_and_even_ones_rarely_differ() -> None:
    rng = np.random.default_rng(1)
    topics = [f"topic {i % 8}" for i in range(400)]
    p = np.where([t == "topic 3" for t in topics], 0.6, 0.9)
    found = slices(sliced((rng.random((400, 3)) < p[:, None]).astype(int), topics))
    assert found is not None
    assert [s.value for s in found.slices if s.differs] == ["topic 3"]
    assert of_slices(found)[0] == "by topic: 1 of 8 differ from the rest (Holm over 8 slices)"
    assert of_slices(found)[1].startswith("  topic 3: accuracy 0.")
    said = 0
    for _ in range(12):
        own = rng.beta(4.5, 0.5, 80)
        cell = sliced((rng.random((80, 2)) < own[:, None]).astype(int), topics[:80])
        even = slices(cell, metrics=())
        assert even is not None
        said += any(s.differs for s in even.slices)
    assert said <= 3


def test_five_cases_that_are_all_right_differ_from_nothing() -> None:
    """A t-test would say p .001, as their variance is 0."""
    rng = np.random.default_rng(2)
    scores = (rng.random((100, 2)) < 0.9).astype(int)
    scores[:5] = 1
    found = slices(sliced(scores, ["few"] * 5 + ["rest"] * 95))
    assert found is not None
    assert not any(s.differs for s in found.slices)


def test_clusters_within_slices_are_drawn_whole_and_those_across_are_told() -> None:
    scores = np.repeat(np.array([[1, 1], [1, 1], [1, 1], [0, 0], [0, 0], [0, 0]]), 10, axis=0)
    values = ["a"] * 30 + ["b"] * 30
    alone = slices(sliced(scores, values))
    whole = slices(sliced(scores, values, clusters=[f"g{i // 10}" for i in range(60)]))
    across = slices(sliced(scores, values, clusters=[f"g{i % 6}" for i in range(60)]))
    assert alone is not None
    assert whole is not None
    assert across is not None
    assert alone.slices[0].differs
    assert whole.slices[0].p == pytest.approx(0.1, abs=0.02)
    assert across.notes == (
        "clusters lie across the values of topic: its p-values take cases as independent",
    )


def test_a_column_of_one_value_or_of_identifiers_is_told_and_without_labels_flips_are_compared() -> None:
    scores = np.array([[1, 0]] * 210)
    alike = slices(sliced(scores[:3], ["a"] * 3))
    assert alike is not None
    assert of_slices(alike) == ["note: every case has the same topic: a"]
    many = slices(sliced(scores, [f"id{i}" for i in range(210)]))
    assert many is not None
    assert many.notes == ("topic has 210 values: more than 200 are no slices",)
    bare = slices(sliced(np.array([[1, 0]] * 8 + [[1, 1]] * 8), ["x"] * 8 + ["y"] * 8, labelled=False))
    assert bare is not None
    assert bare.compared == "flip_rate"
    assert [s.differs for s in bare.slices] == [True, True]
    assert slices(sliced(scores[:3], [None] * 3)) is None


def answer(case: str, target: object, said: object, perturbation: str = "p", **more: object) -> Record:
    return Record(
        task="t", model="m", case_id=case, variant=f"{perturbation}#{said}" if perturbation else "",
        perturbation=perturbation, target=target, answer=said, score=float(target == said), **more,
    )  # fmt: skip


def test_pairs_of_right_and_given_answers_are_counted_over_invariant_readable_replies() -> None:
    rows = [
        answer("c0", "billing", "billing", ""), answer("c0", "billing", "delivery"), answer("c1", "billing", "delivery", ""),
        answer("c1", "billing", "delivery"), answer("c2", "delivery", "account"), answer("c2", "delivery", "delivery", ""),
        answer("c2", "delivery", "billing", effect="changes"), answer("c2", "delivery", "billing", "repeat", level="repeat"),
        answer("c2", "delivery", None, status="unparsed"),
    ]  # fmt: skip
    found = confusion(rows)
    assert found is not None
    first, second = found.pairs
    assert (first.target, first.answer, first.count, first.of, first.cases) == (
        "billing",
        "delivery",
        3,
        4,
        2,
    )
    assert (first.unperturbed, first.of_unperturbed, first.share) == (1, 2, 0.75)
    assert (second.target, second.answer, second.count, second.of) == ("delivery", "account", 1, 2)
    assert (found.wrong, found.replies) == (4, 6)
    assert of_confusion(found) == [
        "mistaken: billing taken for delivery 3 of 4 (2 cases); delivery taken for account 1 of 2 (1 case)"
    ]


def test_free_answers_and_missing_targets_have_no_pairs() -> None:
    assert confusion([answer(f"c{i}", f"right {i}", f"wrong {i}") for i in range(9)]) is None
    assert confusion([answer("c", None, "x", status="ok")]) is None
    numbers = confusion([answer(f"c{i}", 7, "8" if i else 8.0) for i in range(3)])
    assert numbers is not None
    assert [p.count for p in numbers.pairs] == [3]
