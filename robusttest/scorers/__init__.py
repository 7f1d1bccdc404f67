"""Scorers: from a reply to a score in [0, 1] and the answer that was read.

``exact`` ``includes`` ``pattern`` ``numeric`` ``choice`` ``f1`` ``json_schema`` ``tool_call`` ``similarity`` ``judge``, by
name in ``Task(scorer="exact")`` or called for their options; ``@scorer`` makes a function one. A reply that no answer
can be read from is ``unparsed``: its score is 0 and its answer agrees with nothing.
"""

from __future__ import annotations

from robusttest.scorers.choices import choice
from robusttest.scorers.protocol import SCORERS, Scorer, make_scorer, scorer
from robusttest.scorers.text import exact, f1, includes, pattern, similarity

__all__ = [
    "SCORERS",
    "Scorer",
    "choice",
    "exact",
    "f1",
    "includes",
    "make_scorer",
    "pattern",
    "scorer",
    "similarity",
]
