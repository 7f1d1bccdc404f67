"""Numbers of one cell (task × model): measures, metrics, intervals, gates."""

from robusttest.core import interrupts

with interrupts.held():  # the first verdicts are given while calls are under way, when people press Ctrl-C
    import numpy as numpy
    import scipy.special  # noqa: F401
