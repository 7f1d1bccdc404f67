"""Numbers from records, with neither pytest nor litellm: numpy and scipy.special, pandas only in `tables`.

::

    from robusttest.stats.frame import cells, from_dataframe     # records or a table → one Cell per task × model
    from robusttest.stats.estimates import estimate, estimates   # a Cell → metrics with intervals
    from robusttest.stats.gates import judge, cannot_pass        # thresholds → verdicts

    (cell,) = from_dataframe(pandas.read_csv("results.csv"), reference="original")
    estimate(cell, "flip_rate", "ocr").value

Below them, by what they hold: `answers` (codes and ties), `measures` (one number for each case), `consistency`
(chance-corrected), `agreement` (κ, α, W), `ratios`, `variants` (best, worst, spread), `intervals`.
"""
