"""Sums by case are enough: every metric but Kendall's W equals the one from single replies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Estimate, Record
from robusttest.errors import CaseError
from robusttest.metrics import METRICS, get_metric
from robusttest.stats.cell import case_table as tables
from robusttest.stats.cell import estimates
from robusttest.stats.cell.case_table import (
    KEYS,
    NOT_FROM_SUMS,
    CaseSums,
    case_table,
    table_of,
    tables_of,
)
from robusttest.stats.cell.frame import REPEAT, Frame, frames
from robusttest.stats.cell.measures import NEEDS_ROWS, measures

LIMITS = ("low", "high", "lower", "upper")


def same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def check(found: Estimate, wanted: Estimate) -> None:
    assert same(found.value, wanted.value), (found, wanted)
    assert (found.n, found.k, found.perturbation) == (wanted.n, wanted.k, wanted.perturbation), (
        found,
        wanted,
    )
    assert same(found.base, wanted.base)
    if (found.reason is not None and "single replies" in found.reason) or "one by one" in (
        found.reason or ""
    ):
        assert all(getattr(found, x) is None for x in LIMITS)
        return
    assert all(same(getattr(found, x), getattr(wanted, x)) for x in LIMITS), (found, wanted)
    assert found.method == wanted.method


def compare(cell: Frame, perturbation: str | None, *, sensitive: bool = False) -> int:
    table = case_table(cell, perturbation, sensitive=sensitive)
    noise = (
        case_table(cell, REPEAT) if cell.has_repeats and perturbation != REPEAT and not sensitive else None
    )
    count = 0
    for spec in [
        *METRICS.values(),
        get_metric("pass^2"),
        get_metric("pass@2"),
        get_metric("robust_accuracy@2"),
    ]:
        wanted_kind = {"sensitive": True, "same": False}.get(spec.over)
        if spec.name in NOT_FROM_SUMS or spec.own is not None:
            continue
        if spec.family == "replies" and sensitive:
            continue
        if spec.family != "replies" and wanted_kind not in (None, sensitive):
            continue
        if spec.over == "repeats" and perturbation != REPEAT:
            continue
        if spec.name in ("tara", "tarr") and estimates._only_reruns(cell):
            continue  # of such a cell these two are told of its reruns
        wanted = estimates.estimate(cell, spec.name, perturbation)
        check(tables.estimate(table, spec.name, noise=noise), wanted)
        count += 1
    return count


@st.composite
def cells(draw: st.DrawFn) -> list[Record]:
    n = draw(st.integers(1, 14))
    k = draw(st.integers(0, 4))
    graded = draw(st.booleans())
    clustered = draw(st.booleans())
    score = st.sampled_from([0.0, 0.25, 0.7, 1.0]) if graded else st.sampled_from([0.0, 1.0, 1.0])
    rows = []
    for i in range(n):
        cluster = draw(st.sampled_from(["x", "y", None])) if clustered else None
        for v in range(k + 3):
            if v > k:  # two reruns of the unperturbed prompt, where there are any
                if not draw(st.booleans()):
                    continue
                where = {"variant": f"repeat#{v}", "perturbation": REPEAT, "level": REPEAT, "index": v}
            elif v:
                name = "p" if v < 3 else "q"
                where = {"variant": f"{name}#{v}", "perturbation": name, "level": "input", "index": v}
            else:
                where = {"variant": "", "perturbation": "", "level": "reference", "index": 0}
            status = draw(st.sampled_from(["ok"] * 8 + ["unparsed", "error", "gone"]))
            if status == "gone":
                continue
            answer = draw(st.sampled_from("ABC"))
            rows.append(
                Record(
                    task="t", model="m", case_id=f"c{i}", status=status, cluster=cluster,
                    score={"ok": draw(score), "unparsed": 0.0}.get(status),
                    answer=answer if status == "ok" else None,
                    reply=f"it is {answer}" if status != "error" else None,
                    effect="changes" if v == 2 and draw(st.integers(0, 3)) == 0 else "same", **where,
                )
            )  # fmt: skip
    return rows


@given(cells(), st.sampled_from(["same", "changes", "p", "q", REPEAT]))
@settings(max_examples=40, deadline=None)
def test_sums_of_random_tables_give_what_their_records_give(rows: list[Record], which: str) -> None:
    for cell in frames(rows):
        if which in ("same", "changes"):
            compare(cell, None, sensitive=which == "changes")
        elif which == REPEAT:
            if cell.has_repeats:
                compare(cell, REPEAT)
        elif which in cell.perturbations and cell.has(which, sensitive=False):
            compare(cell, which)


def big_cell(n: int = 2400, k: int = 5) -> Frame:
    rng = np.random.default_rng(3)
    own = rng.beta(3, 1, n)
    right = rng.random((n, k)) < own[:, None]
    gone = rng.random((n, k)) < 0.01
    return next(iter(frames(
        Record(
            task="t", model="m", case_id=f"c{i}", variant=f"p#{v}" if v else "", perturbation="p" if v else "",
            level="input" if v else "reference", index=v, status="ok", score=float(right[i, v]),
            answer="A" if right[i, v] else "BCD"[int(rng.integers(3))], reply=None,
        )
        for i in range(n) for v in range(k) if not gone[i, v]
    )))  # fmt: skip


def test_sums_of_many_cases_give_the_limits_too() -> None:
    cell = big_cell()
    assert compare(cell, None) > 40
    table = case_table(cell)
    without = {
        name for name in METRICS
        if METRICS[name].over == "same" and name not in NOT_FROM_SUMS and METRICS[name].own is None
        and tables.estimate(table, name).reason == NEEDS_ROWS
    }  # fmt: skip
    assert without == {"apdr"}


def test_sums_of_some_cases_have_the_normal_limits_of_single_variants() -> None:
    """Of 200 cases and more, which records would resample."""
    cell = big_cell(400, 5)
    table = case_table(cell)
    for name in ("worst_variant_accuracy", "spread", "maxp", "saturation", "cps"):
        found, wanted = tables.estimate(table, name), estimates.estimate(cell, name)
        assert found.value == wanted.value
        for limit in LIMITS:
            assert getattr(found, limit) == pytest.approx(getattr(wanted, limit), abs=0.01), (name, limit)
        assert tables.estimate(case_table(big_cell(150, 5)), name).reason == NEEDS_ROWS


def test_a_table_goes_through_plain_columns(example_a: Frame) -> None:
    table = case_table(example_a)
    columns = {name: np.asarray(values).tolist() for name, values in table.columns().items()}
    columns = json.loads(json.dumps(columns))
    assert set(columns) == {*KEYS, *CaseSums._fields}
    assert [columns[name][1] for name in ("case_id", "k", "total", "square")] == ["c1", 4, 3.0, 3.0]
    again = table_of(columns, table.variants)
    for name in ("accuracy", "robust_accuracy", "consistency_icc", "answer_kappa", "flip_rate", "spread"):
        assert tables.estimate(again, name) == tables.estimate(table, name)
    assert tables.estimate(again, "consistency_icc").value == pytest.approx(0.393939, abs=1e-6)


def test_a_table_refuses_what_it_cannot_say(example_a: Frame) -> None:
    table = case_table(example_a)
    with pytest.raises(CaseError, match="kendall_w takes the scores of single replies"):
        tables.estimate(table, "kendall_w")
    with pytest.raises(CaseError, match="sensitivity is not of variants that keep the right answer"):
        tables.estimate(table, "sensitivity")
    with pytest.raises(CaseError, match="pass\\^2 is of runs of one prompt: the table of 'repeat'"):
        tables.estimate(table, "pass^2")
    columns = table.columns()
    with pytest.raises(CaseError, match="rows of different cells"):
        table_of({**columns, "model": ["other", *columns["model"][1:]]}, table.variants)
    with pytest.raises(CaseError, match="without rows"):
        table_of({name: [] for name in columns}, table.variants)


def test_a_cell_has_a_table_for_each_choice_of_variants() -> None:
    def rows(*names: str) -> list[Record]:
        return [
            Record(
                task="t", model="m", case_id=f"c{i}", variant=f"{name}#1" if name else "", perturbation=name,
                level="repeat" if name == REPEAT else "input" if name else "reference", score=1.0, answer="a",
                effect="changes" if name == "negation" else "same",
            )
            for i in range(2) for name in names
        ]  # fmt: skip

    def choices(*names: str) -> list[tuple[str | None, bool]]:
        return [(t.perturbation, t.sensitive) for t in tables_of(frames(rows("", *names))[0])]

    assert choices() == [(None, False)]
    assert choices("ocr:0.1", "ocr:0.2", "negation", REPEAT) == [
        (None, False), (None, True), ("ocr", False), ("ocr:0.1", False), ("ocr:0.2", False), ("negation", False), ("negation", True), (REPEAT, False),
    ]  # fmt: skip


def test_sums_by_variant_hold_for_gaps(cell_of: Callable[..., Frame]) -> None:
    m = measures(cell_of(["AB", "A.", "B A", ".AAB", " B"], "AAAAA").select())
    y = m.by_variant
    sums = m.variant_sums(products=True)
    there = ~np.isnan(y)
    shares = np.where(there, y - sums.means, 0.0) / there.sum(axis=0)
    assert sums.covariance() == pytest.approx(shares.T @ shares, abs=1e-15)
    # Only the first and the third case have the unperturbed prompt and a variant, one each.
    assert sums.paired_count.tolist() == [0, 1, 1, 0]
    assert (sums.paired_total.tolist(), sums.paired_reference.tolist()) == ([0, 0, 1, 0], [0, 1, 0, 0])
