"""Numbers from records, with neither pytest nor litellm: numpy and scipy.special, pandas only in `tables`.

::

    from robusttest.stats.cell.frame import frames, from_dataframe     # records or a table → one Frame per task × model
    from robusttest.stats.cell.estimates import estimate, estimates   # a Frame → metrics with intervals
    from robusttest.stats.cell.gates import judge, cannot_pass        # thresholds → verdicts
    from robusttest.stats.versions.paired import change, settle           # two versions' scores → what changed, verdicts

    (cell,) = from_dataframe(pandas.read_csv("results.csv"), reference="original")
    estimate(cell, "flip_rate", "ocr").value

Below them, by what they hold: `answers` (codes and ties), `measures` (one number for each case), `consistency`
(chance-corrected), `agreement` (κ, α, W), `ratios`, `variants` (best, worst, spread), `intervals`;
of several tests at once: `multiplicity`; of how many cases it takes: `power`.

Over several cells (models × tasks)::

    from robusttest.stats.across.emergence import analyse               # robustness against accuracy, two claims tested
    from robusttest.stats.across.advice import advise, where_to_work    # where work pays on each cell

made of `nulls` (what accuracy alone gives), `points`, `curves`, `scatter` (correlations), `decomposition` (η², nested
R²), `residuals` (one cell against the others), `grid` and `claims`. `two_way` is for means over two crossed populations.
"""
