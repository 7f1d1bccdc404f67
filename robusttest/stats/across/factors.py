"""Which knob matters: a crossed design's factors (wording, demonstrations, noise, temperature …), by analysis of variance.

The score of case i in configuration c on the factors' levels, cases as blocks (arXiv 2602.03344, section 4.3, does so
for its four factors)::

    y_ic = a_i + Σ_f β_f[level of f in c] + e_ic

Of each factor: its sum of squares given all others (type II), partial η² = SS_f / (SS_f + SS_e), and F of its contrasts by
Hotelling's T² with the delete-one jackknife covariance over cases, or over clusters (CR3), as replies to one case are
not independent:

    F = T² (d - q + 1) / (d q) on q and d - q + 1 degrees of freedom, d = n - 1 for n cases

p-values are Holm's over the factors. What the levels do together, beyond the sum of what each does, is tested likewise
(``together``): where that is much, one knob alone says little. Repeats and variants of one configuration are averaged;
variants that change the right answer are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from robusttest.core.nouns import CellKey
from robusttest.stats.cell.frame import Floats, Frame
from robusttest.stats.cell.intervals import cluster_df, proportion
from robusttest.stats.versions.multiplicity import holm

NONE = "none"
"""The level that leaves a factor alone; all factors at it are the unperturbed prompt."""
FEW = 6
"""Where fewer cases (clusters) vary with a factor, F is not to be trusted."""
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One setting of a factor, over all settings of the others."""

    name: str
    accuracy: float
    """Mean over cases of the mean over its configurations."""
    low: float | None
    high: float | None
    n: int
    """Cases."""
    configurations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """What one knob does to the score."""

    name: str
    levels: tuple[Level, ...]
    """The best first."""
    ss: float
    """Sum of squares of its levels, given all others."""
    eta2: float | None
    """Partial η²: its share of the variance that is left within cases and by the other factors."""
    f: float | None = None
    df: tuple[float, float] | None = None
    p: float | None = None
    p_adjusted: float | None = None
    """Holm's, over the factors of the design."""
    varying: int = 0
    """Cases (clusters) whose score moves with it."""
    reason: str | None = None
    """Why there is no p."""

    @property
    def matters(self) -> bool:
        """Its p-value, adjusted for all factors, is at most .05."""
        return self.p_adjusted is not None and self.p_adjusted <= ALPHA

    @property
    def range(self) -> float:
        """From the worst level's accuracy to the best's."""
        return self.levels[0].accuracy - self.levels[-1].accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One crossed design in one cell, its factors by partial η², the largest first."""

    key: CellKey
    factors: tuple[Factor, ...]
    together: Factor | None
    """What the factors do beyond the sum of their own effects; None where the design has no room to see it."""
    n: int
    """Cases with a score in two configurations or more."""
    configurations: int
    clusters: int | None = None
    ss_error: float = 0.0

    @property
    def interacts(self) -> bool:
        """What the factors do beyond the sum of their own effects is significant, by itself."""
        return self.together is not None and self.together.p is not None and self.together.p <= ALPHA


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow:
    """One factor over all cells that have it: the paper's table."""

    name: str
    cells: int
    tested: int
    mattering: int
    """Cells in which it matters (Holm within the cell)."""
    eta2_median: float | None
    eta2_most: float | None
    range_median: float
    most_at: CellKey | None
    """The cell with the largest η²."""


def designs(cell: Frame) -> tuple[Design, ...]:
    """The crossed designs of one cell, one for each set of factors; none where nothing was crossed."""
    found: dict[tuple[str, ...], list[int]] = {}
    for i, column in enumerate(cell.columns):
        if column.factors:
            found.setdefault(tuple(name for name, _ in column.factors), []).append(i)
    made = (_design(cell, names, at) for names, at in found.items())
    return tuple(d for d in made if d is not None)


def table(found: Iterable[Design]) -> tuple[FactorRow, ...]:
    """Each factor over cells, in first-seen order of designs, those with the largest median η² first."""
    by_name: dict[str, list[tuple[Design, Factor]]] = {}
    for design in found:
        for factor in design.factors:
            by_name.setdefault(factor.name, []).append((design, factor))
    rows = []
    for name, pairs in by_name.items():
        known = [(f.eta2, d.key) for d, f in pairs if f.eta2 is not None]
        most = max(known, key=lambda x: x[0], default=None)
        rows.append(
            FactorRow(
                name=name,
                cells=len(pairs),
                tested=sum(f.p is not None for _, f in pairs),
                mattering=sum(f.matters for _, f in pairs),
                eta2_median=float(np.median([e for e, _ in known])) if known else None,
                eta2_most=None if most is None else most[0],
                range_median=float(np.median([f.range for _, f in pairs])),
                most_at=None if most is None else most[1],
            )
        )
    return tuple(sorted(rows, key=lambda r: -(r.eta2_median or 0.0)))


def _design(cell: Frame, names: tuple[str, ...], at: list[int]) -> Design | None:
    settings: dict[tuple[str, ...], list[int]] = {}
    for i in at:
        settings.setdefault(tuple(level for _, level in cell.columns[i].factors), []).append(i)
    alone = (NONE,) * len(names)
    if all(any(s[f] == NONE for s in settings) for f in range(len(names))):
        reference = [i for i, c in enumerate(cell.columns) if c.is_reference and not c.factors]
        if reference:
            settings.setdefault(alone, []).extend(reference)
    scores = np.where(cell.sensitive, np.nan, cell.scores)
    y = np.stack([_mean(scores[:, columns]) for columns in settings.values()], axis=1)
    rows = (~np.isnan(y)).sum(axis=1) >= 2
    y, clusters = y[rows], cell.cluster_index
    clusters = None if clusters is None else clusters[rows]
    levels = [list(dict.fromkeys(s[f] for s in settings)) for f in range(len(names))]
    varied = [f for f in range(len(names)) if len(levels[f]) > 1]
    if len(y) < 2 or not varied:
        return None
    table = list(settings)
    x, blocks = _columns(table, levels, varied)
    model = _Within(y, clusters)
    whole = model.explained(x)
    total = model.total
    found = []
    for f, block in zip(varied, blocks, strict=True):
        rest = [j for j in range(x.shape[1]) if j not in block]
        ss = max(whole - model.explained(x[:, rest]), 0.0)
        error = max(total - whole, 0.0)
        factor = Factor(
            name=names[f], ss=ss, eta2=ss / (ss + error) if ss + error > 1e-12 else None,
            levels=_levels(y, table, f, levels[f], clusters),
        )  # fmt: skip
        found.append(model.tested(factor, x, block))
    adjusted = iter(holm([1.0 if f.p is None else f.p for f in found]))
    found = [
        replace(f, p_adjusted=a if f.p is not None else None) for f, a in zip(found, adjusted, strict=True)
    ]
    error = max(total - whole, 0.0)
    return Design(
        key=cell.key,
        factors=tuple(sorted(found, key=lambda f: -(f.eta2 or 0.0))),
        together=_together(model, x, whole),
        n=len(y),
        configurations=y.shape[1],
        clusters=model.clusters,
        ss_error=error,
    )


def _together(model: _Within, x: Floats, whole: float) -> Factor | None:
    """Contrasts between configurations that the main effects leave."""
    c = len(x)
    left = np.eye(c) - _fitted(np.column_stack([np.ones(c), x]))
    values, vectors = np.linalg.eigh(left)
    more = vectors[:, values > 0.5]
    if not more.shape[1]:
        return None
    both = np.column_stack([x, more])
    explained = model.explained(both)
    ss, error = max(explained - whole, 0.0), max(model.total - explained, 0.0)
    factor = Factor(name="together", levels=(), ss=ss, eta2=ss / (ss + error) if ss + error > 1e-12 else None)
    return model.tested(factor, both, list(range(x.shape[1], both.shape[1])))


def _fitted(x: Floats) -> Floats:
    return np.asarray(x @ np.linalg.pinv(x))


def _columns(
    table: Sequence[tuple[str, ...]], levels: Sequence[Sequence[str]], varied: Sequence[int]
) -> tuple[Floats, list[list[int]]]:
    """One 0/1 column for each level but a factor's first, and which belong to which factor."""
    columns: list[list[float]] = []
    blocks: list[list[int]] = []
    for f in varied:
        blocks.append(list(range(len(columns), len(columns) + len(levels[f]) - 1)))
        columns += [[float(s[f] == level) for s in table] for level in levels[f][1:]]
    return np.array(columns, dtype=np.float64).T, blocks


def _levels(
    y: Floats,
    table: Sequence[tuple[str, ...]],
    f: int,
    names: Sequence[str],
    clusters: NDArray[np.int64] | None,
) -> tuple[Level, ...]:
    out = []
    for name in names:
        at = [j for j, s in enumerate(table) if s[f] == name]
        means = _mean(y[:, at])
        there = ~np.isnan(means)
        if not there.any():
            continue
        limits = proportion(means[there], None if clusters is None else clusters[there])
        out.append(
            Level(
                name=name, accuracy=float(means[there].mean()), low=limits.low, high=limits.high, n=int(there.sum()),
                configurations=len(at),
            )
        )  # fmt: skip
    return tuple(sorted(out, key=lambda level: -level.accuracy))


class _Within:
    """Least squares within cases: a case's own mean is taken out, from what it has of the configurations."""

    def __init__(self, y: Floats, clusters: NDArray[np.int64] | None) -> None:
        self.there = ~np.isnan(y)
        self.k = self.there.sum(axis=1).astype(float)
        filled = np.where(self.there, y, 0.0)
        centre = filled.sum(axis=1) / self.k
        self.y = np.where(self.there, y - centre[:, None], 0.0)
        self.total = float((self.y**2).sum())
        names, index = np.unique(np.arange(len(y)) if clusters is None else clusters, return_inverse=True)
        self.groups, self.g = index, len(names)
        self.clusters = self.g if self.g < len(y) else None
        self.df = self.g - 1.0
        if self.clusters is not None:
            self.df = min(self.df, cluster_df(np.bincount(index).astype(float)))

    def _sums(self, x: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
        """X'X within cases of each kind of unit, (kinds, q, q); the kind of each of the G units; X'y of each, (G, q)."""
        q = x.shape[1]
        patterns, kind = np.unique(self.there, axis=0, return_inverse=True)
        s = patterns @ x
        squares = np.einsum("iv,va,vb->iab", patterns.astype(float), x, x, optimize=True)
        squares -= s[:, :, None] * s[:, None, :] / patterns.sum(axis=1)[:, None, None]
        cross = self.y @ x
        if self.clusters is None:
            return squares, kind.reshape(-1), cross
        a, b = np.zeros((self.g, q, q)), np.zeros((self.g, q))
        np.add.at(a, self.groups, squares[kind.reshape(-1)])
        np.add.at(b, self.groups, cross)
        return a, np.arange(self.g), b

    def explained(self, x: Floats) -> float:
        if not x.shape[1]:
            return 0.0
        a, kind, b = self._sums(x)
        whole, sums = np.tensordot(np.bincount(kind, minlength=len(a)), a, 1), b.sum(axis=0)
        return float(sums @ _inverse(whole) @ sums)

    def tested(self, factor: Factor, x: Floats, block: Sequence[int]) -> Factor:
        """F of the contrasts in ``block``, given the other columns."""
        q = len(block)
        a, kind, b = self._sums(x)
        whole, sums = np.tensordot(np.bincount(kind, minlength=len(a)), a, 1), b.sum(axis=0)
        rank = int(np.linalg.matrix_rank(whole, hermitian=True))
        rest = [j for j in range(x.shape[1]) if j not in block]
        lower = int(np.linalg.matrix_rank(whole[np.ix_(rest, rest)], hermitian=True)) if rest else 0
        if rank - lower < q:
            return replace(factor, reason="its levels always come with those of other factors")
        beta = (_inverse(whole) @ sums)[list(block)]
        without = _inverse(whole - a)[:, list(block)]
        each = np.einsum("gbq,gq->gb", without[kind], sums - b)
        apart = each - each.mean(axis=0)
        varying = int((np.abs(b[:, list(block)]).max(axis=1) > 1e-9).sum())
        factor = replace(factor, varying=varying)
        if factor.ss <= 1e-12:
            return replace(factor, f=0.0, df=(q, max(self.df - q + 1, 1.0)), p=1.0)
        units = "cases" if self.clusters is None else "clusters"
        if varying < max(FEW, q + 2):
            return replace(factor, reason=f"only {varying} {units} vary with it: too few for a test")
        if self.df - q + 1 < 1:
            return replace(factor, reason=f"{self.g} {units} are too few for {q + 1} levels")
        covariance = (self.g - 1) / self.g * (apart.T @ apart)
        if np.linalg.matrix_rank(covariance, hermitian=True) < q:
            return replace(factor, reason=f"too few {units} vary with it to tell its levels apart")
        t2 = float(beta @ np.linalg.solve(covariance, beta))
        d2 = self.df - q + 1
        f = t2 * d2 / (self.df * q)
        return replace(factor, f=f, df=(q, d2), p=float(fdtrc(q, d2, f)))


def _inverse(a: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(a, rcond=1e-10, hermitian=True))


def _mean(y: Floats) -> Floats:
    there = ~np.isnan(y)
    count = there.sum(axis=1)
    with np.errstate(all="ignore"):
        return np.where(count > 0, np.where(there, y, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
