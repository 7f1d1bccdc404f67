from __future__ import annotations

import csv

import numpy as np
import pytest

from robusttest.errors import CaseError, UsageError
from robusttest.report.told import told
from robusttest.stats.cell.cell_tables import emergence_of, is_cell_table

ACCURACY = [[0.97, 0.85, 0.62], [0.96, 0.80, 0.58], [0.98, 0.90, 0.66]]
ROBUST = [[0.95, 0.80, 0.55], [0.93, 0.74, 0.50], [0.97, 0.86, 0.60]]
"""Models × tasks: the worked example of the two-way shares."""


def rows(**more):
    return [
        {
            "model": f"m{i}",
            "task": f"t{j}",
            "accuracy": ACCURACY[i][j],
            "robust_accuracy": ROBUST[i][j],
            **more,
        }
        for i in range(3)
        for j in range(3)
    ]


def write(tmp_path, rows) -> str:
    path = tmp_path / "cells.csv"
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def test_the_worked_example(tmp_path):
    e = emergence_of(write(tmp_path, rows()))
    r = e.relation("robust_accuracy")
    assert (r.pearson, r.spearman, r.slope, r.intercept, r.r_squared) == pytest.approx(
        (0.998975, 1.0, 1.139758, -0.160336, 0.997951), abs=5e-7
    )
    assert e.relation("robust_accuracy", "within_tasks").pearson == pytest.approx(0.995227, abs=5e-7)
    (s,) = e.shares
    assert (s.eta_model, s.eta_task, s.eta_rest) == pytest.approx((0.043669, 0.949612, 0.006718), abs=5e-7)
    assert s.noise == 0
    assert e.claims == ()
    assert "no claim is tested, and no sampling noise" in e.notes[0]
    assert any("robust accuracy on overall accuracy" in line for line in told(e))


def test_with_the_number_of_cases_noise_is_taken_out(tmp_path):
    e = emergence_of(write(tmp_path, rows(n=100, k=10)))
    values = np.array(ROBUST)
    (s,) = e.shares
    noise = (values * (1 - values) / 99).mean() * 8 / ((values - values.mean()) ** 2).sum()
    assert 0 < s.noise <= noise + 1e-12
    assert s.model + s.task + s.interaction + s.noise == pytest.approx(1)
    assert e.points[0].by_accuracy_alone == pytest.approx(0.97**10)
    assert [c.key for c in e.curves] == ["independent"]


def test_other_names_and_joined_columns(tmp_path):
    made = [
        {"llm": r["model"], "set": r["task"], "shots": s, "acc": r["accuracy"], "TAR": r["robust_accuracy"]}
        for s in (0, 5)
        for r in rows()
    ]
    path = write(tmp_path, made)
    mapping = {"model": "llm", "task": "set+shots", "accuracy": "acc", "tara": "TAR"}
    assert is_cell_table(path, mapping)
    e = emergence_of(path, mapping=mapping)
    assert e.tasks[:2] == ("t0 0", "t1 0")
    assert len(e.points) == 18
    assert e.relation("output_consistency").pearson == pytest.approx(0.998975, abs=5e-7)
    with pytest.raises(CaseError, match=r"row 10 .* repeats .*row 1 .*task=task\+shots"):
        emergence_of(path, mapping={**mapping, "task": "set"})


def test_gaps_and_too_few(tmp_path):
    e = emergence_of(write(tmp_path, rows()[:5]))
    assert e.relations == e.shares == ()
    assert "a statistic needs 3 of each" in e.reason
    assert told(e) == []
    gappy = [{**r, "robust_accuracy": "" if i == 4 else r["robust_accuracy"]} for i, r in enumerate(rows())]
    e = emergence_of(write(tmp_path, gappy))
    assert e.relation("robust_accuracy").n == 8
    assert e.shares == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accuracy": "nan"}, r"row 2 \(line 3\), column 'accuracy': 'nan' is not a number in \[0, 1\]"),
        ({"accuracy": "1.2"}, r"row 2 .*'1.2'"),
        ({"accuracy": ""}, r"row 2 .*column 'accuracy': missing"),
        ({"robust_accuracy": "-1"}, r"row 2 .*column 'robust_accuracy'"),
        ({"model": ""}, r"row 2 .*column 'model': empty"),
    ],
)
def test_bad_values_are_named_by_row_and_column(tmp_path, change, said):
    made = rows()
    made[1] |= change
    with pytest.raises(CaseError, match=said):
        emergence_of(write(tmp_path, made))


def test_a_table_of_replies_is_none(tmp_path):
    assert not is_cell_table(write(tmp_path, [{"model": "m", "task": "t", "case_id": 1, "accuracy": 1}]), {})
    assert not is_cell_table(write(tmp_path, [{"model": "m", "task": "t", "score": 1}]), {})
    with pytest.raises(UsageError, match="'score' is not one of the columns of a table of cells"):
        emergence_of(write(tmp_path, rows()), mapping={"score": "x"})
