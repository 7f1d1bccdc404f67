"""Scorers: from a reply to a score in [0, 1] and the answer that was read.

``exact`` ``includes`` ``pattern`` ``numeric`` ``choice`` ``f1`` ``json_schema`` ``tool_call`` ``similarity`` ``judge``, by
name in ``Task(scorer="exact")`` or called for their options; ``@scorer`` makes a function one. A reply that no answer
can be read from is ``unparsed``: its score is 0 and its answer agrees with nothing.
"""

from __future__ import annotations

from robusttest.scorers.choices import choice
from robusttest.scorers.judging import judge
from robusttest.scorers.numbers import numeric
from robusttest.scorers.protocol import SCORERS, Scorer, make_scorer, scorer
from robusttest.scorers.structure import json_schema, tool_call, trajectory
from robusttest.scorers.text import exact, f1, includes, pattern, similarity

__all__ = [
    "SCORERS",
    "Scorer",
    "choice",
    "exact",
    "f1",
    "includes",
    "json_schema",
    "judge",
    "make_scorer",
    "numeric",
    "pattern",
    "scorer",
    "similarity",
    "tool_call",
    "trajectory",
]
