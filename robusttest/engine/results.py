"""Several results together, as ``evaluate`` returns them for several models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robusttest.core.views import shown, view
from robusttest.engine.cell import Cell
from robusttest.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd


class ResultList(list[Cell]):
    """A list of results that has a table and a report, and that a notebook shows with both.

    ::

        results = evaluate(task, model=["openai/gpt-4o-mini", "openai/gpt-4o"], perturbations="usual")
        results.frame                      # metrics × models, a DataFrame
        results.report("report.html")      # one report of all
    """

    @property
    def frame(self) -> pd.DataFrame:
        """The value of each metric (rows) for each model (columns); NaN where a metric is undefined.

        Of several tasks, or tests, a column is one of the levels ``task`` and ``model``. All metrics but the second
        kind's are there, in the order of the reference; ``result.metric(name)`` has interval and n.
        """
        from robusttest.stats.cell.tables import metrics_table

        columns = [(c.task, c.model) for c in self]
        return metrics_table(
            {name: [c.metric(name).value for c in self] for name in METRICS}, columns=columns
        )

    def report(self, path: str | None = None) -> Any:
        """All of them in one report; see `Cell.report`."""
        return view("reported")(self, path)

    def _repr_html_(self) -> str:
        return shown(self)
