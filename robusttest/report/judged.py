"""How often a perturbation broke its question, in words."""

from __future__ import annotations

from robusttest.perturbations.base import judged as counts


def broken_of(spec: str) -> str:
    """``broken 1 of 60 (at most 7.7%)``: the limit is the one-sided upper 95 % limit of Clopper and Pearson."""
    found = counts.judged(spec)
    if not found.n:
        return "not judged"
    from robusttest.stats.cell.intervals import cp_upper

    return f"broken {found.broken} of {found.n} (at most {cp_upper(found.broken, found.n, 0.05):.1%})"
