"""The scores of a cell added up by variant, a row a variant: what the metrics of single variants read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Products(NamedTuple):
    """Sums over the cases that are scored at both of two variants v and w, (V, V) each."""

    both: Floats
    total: Floats
    """Σ_i y_iv (row v) over the cases scored at v and w."""
    product: Floats
    """Σ_i y_iv y_iw."""


class VariantSums(NamedTuple):
    """Columns of a variant table, a (V,) array each; y_iv is the mean over the runs of a variant."""

    variants: tuple[str, ...]
    """``PERTURBATION#i``, empty for the unperturbed prompt."""
    cases: int
    """Cases with a score at some variant."""
    scored: Floats
    """Cases scored at v."""
    total: Floats
    """Σ_i y_iv."""
    paired_count: Floats
    """Cases scored at v (v >= 1) and at the unperturbed prompt."""
    paired_total: Floats
    """Σ_i y_iv over those cases."""
    paired_reference: Floats
    """Σ_i y_i0 over the same cases."""
    products: Products | None = None
    """What the limits of many cases take."""

    @property
    def means(self) -> Floats:
        """ȳ_v; NaN where no case is scored."""
        with np.errstate(all="ignore"):
            return np.asarray(self.total / self.scored)

    def row(self) -> dict[str, Any]:
        """One row of a table of tables: lists, the products row by row."""
        held = {name: value for name, value in self._asdict().items() if name != "products"}
        if self.products is None:
            raise ValueError("a variant table without products")
        products = self.products._asdict().items()
        return {**held, **{f"pairs_{name}": values.ravel() for name, values in products}}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> VariantSums:
        """What `row` gave."""
        size = len(row["variants"])

        def numbers(name: str) -> Floats:
            return np.asarray(row[name], dtype=np.float64)

        products = Products(*(numbers(f"pairs_{name}").reshape(size, size) for name in Products._fields))
        sums: dict[str, Any] = {name: numbers(name) for name in cls._fields[2:-1]}
        return cls(variants=tuple(row["variants"]), cases=int(row["cases"]), **sums, products=products)

    def covariance(self) -> Floats:
        """(V, V) Σ_i r_iv r_iw, r_iv = (y_iv - ȳ_v)/n_v a case's share in the deviation of ȳ_v."""
        if self.products is None:
            raise ValueError("a variant table without products")
        n, t, p = self.products
        a, b = self.means[:, None], self.means[None, :]
        return np.asarray((p - a * t.T - b * t + a * b * n) / (self.scored[:, None] * self.scored[None, :]))


def variant_sums(
    y: Floats,
    names: tuple[str, ...],
    reference: Floats,
    is_reference: NDArray[np.bool_],
    *,
    products: bool = False,
) -> VariantSums:
    """Of (n, V) scores; ``reference`` (n,) is the unperturbed one. Variants without any score are left out."""
    there = ~np.isnan(y)
    kept = there.any(axis=0)
    y, there, names = y[:, kept], there[:, kept], tuple(np.array(names, dtype=object)[kept])
    filled = np.where(there, y, 0.0)
    known = ~np.isnan(reference)[:, None] & there & ~is_reference[kept]
    base = np.where(np.isnan(reference), 0.0, reference)[:, None]
    each = there.astype(float)
    found = Products(each.T @ each, filled.T @ each, filled.T @ filled) if products else None
    return VariantSums(
        names, int(there.any(axis=1).sum()), each.sum(axis=0), filled.sum(axis=0),
        known.sum(axis=0).astype(float), np.where(known, y, 0.0).sum(axis=0), np.where(known, base, 0.0).sum(axis=0), found,
    )  # fmt: skip
