"""The referee's figure: the claim's plot, the paper's plot with what arithmetic gives, bars by data set, spread within cases."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from robusttest.stats.across.emergence import Emergence
from robusttest.stats.across.spreads import CaseSpread

W, H, LEFT, TOP, GAP = 330, 240, 60, 40, 70
MOST = 20
"""Data sets in the bars and in the spreads."""
GREY, BLUE, ORANGE, RED = "#777", "#4269d0", "#efb118", "#c33"


def drawn(e: Emergence, spreads: Sequence[CaseSpread]) -> str:
    tasks = sorted(
        {p.task for p in e.points}, key=lambda t: -_mean([p.accuracy.value for p in e.points if p.task == t])
    )[:MOST]
    rows = max(len(tasks), min(len(spreads), MOST), 1)
    height = TOP + H + 90 + 30 + rows * 18 + 60
    answers = any(p.output_consistency.value is not None for p in e.points)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + 2 * W + GAP + 20} {height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *_scatter(
            e,
            "consistency_icc",
            LEFT,
            "Left over without arithmetic (ICC)",
            "flat: robustness does not follow accuracy",
        ),
        *_scatter(
            e,
            "output_consistency" if answers else "robust_accuracy",
            LEFT + W + GAP,
            "Same answer every time" if answers else "Right every time",
            "dashed: accuracy alone gives as much",
        ),
        *_bars(e, tasks, LEFT, TOP + H + 90),
        *_spread(spreads[:MOST], LEFT + W + GAP, TOP + H + 90),
    ]
    return "\n".join([*out, "</svg>", ""])


def _scatter(e: Emergence, metric: str, left: float, title: str, caption: str) -> list[str]:
    low = -0.2 if metric == "consistency_icc" else 0.0

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * W, TOP + (1 - (max(y, low) - low) / (1 - low)) * H

    out = [
        f'<text x="{left}" y="{TOP - 20}" font-weight="bold">{escape(title)}</text>',
        f'<text x="{left}" y="{TOP - 6}" fill="{GREY}">{escape(caption)}</text>',
    ]
    for v in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = at(0, v)[1], at(v, low)[0]
        out.append(
            f'<line x1="{left}" x2="{left + W}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/><text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{v:g}</text>'
        )
        out.append(f'<text x="{x:.1f}" y="{TOP + H + 14}" text-anchor="middle">{v:g}</text>')
    out.append(
        f'<text x="{left + W / 2}" y="{TOP + H + 30}" text-anchor="middle">accuracy over all ways to ask</text>'
    )
    for curve in e.curves:
        if metric in curve.metrics and curve.key in ("independent", "constant_icc_most"):
            path = " ".join(
                f"{a:.1f},{b:.1f}" for a, b in (at(x, y) for x, y in zip(curve.x, curve.y, strict=True))
            )
            dashes = ' stroke-dasharray="5 4"' if curve.key == "independent" else ""
            out.append(f'<polyline points="{path}" fill="none" stroke="{GREY}"{dashes}/>')
    for p in e.points:
        value = getattr(p, metric).value
        if value is not None and p.accuracy.value is not None:
            x, y = at(p.accuracy.value, value)
            said = escape(f"{p.task}, {p.model}: accuracy {p.accuracy.value:.3f}, {value:.3f}")
            out.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{BLUE}" opacity=".7"><title>{said}</title></circle>'
            )
    return out


def _bars(e: Emergence, tasks: Sequence[str], left: float, top: float) -> list[str]:
    out = [
        f'<text x="{left}" y="{top - 22}" font-weight="bold">All answers right, by data set</text>',
        f'<text x="{left}" y="{top - 8}" fill="{GREY}">bar: seen; line: accuracy^K, if every example were equally hard</text>',
    ]
    for i, task in enumerate(tasks):
        points = [p for p in e.points if p.task == task]
        seen, alone = (
            _mean([p.robust_accuracy.value for p in points]),
            _mean([p.by_accuracy_alone for p in points]),
        )
        y = top + i * 18
        out.append(
            f'<text x="{left - 4}" y="{y + 11}" text-anchor="end" font-size="9">{escape(_short(task))}</text>'
        )
        out.append(
            f'<rect x="{left}" y="{y + 2}" width="{(seen or 0) * W:.1f}" height="11" fill="{BLUE}"><title>{escape(task)}: {seen or 0:.3f}</title></rect>'
        )
        if alone is not None:
            out.append(
                f'<line x1="{left + alone * W:.1f}" x2="{left + alone * W:.1f}" y1="{y}" y2="{y + 15}" stroke="{RED}" stroke-width="2"/>'
            )
    return out


def _spread(spreads: Sequence[CaseSpread], left: float, top: float) -> list[str]:
    out = [
        f'<text x="{left}" y="{top - 22}" font-weight="bold">How examples stand, by data set</text>',
        f'<text x="{left}" y="{top - 8}" fill="{GREY}">blue: always right; red: always wrong; yellow: sometimes, darker with more spread</text>',
    ]
    for i, s in enumerate(spreads):
        y, x = top + i * 18, left
        out.append(
            f'<text x="{left - 4}" y="{y + 11}" text-anchor="end" font-size="9">{escape(_short(s.task))}</text>'
        )
        parts = [
            (s.always_right, BLUE, 1.0),
            *((b, ORANGE, 0.35 + 0.065 * j) for j, b in enumerate(s.bins)),
            (s.always_wrong, RED, 1.0),
        ]
        for share, colour, opacity in parts:
            if share > 0:
                out.append(
                    f'<rect x="{x:.1f}" y="{y + 2}" width="{share * W:.1f}" height="11" fill="{colour}" opacity="{opacity:.2f}"/>'
                )
                x += share * W
    return out


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _short(text: str) -> str:
    return text if len(text) <= 11 else text[:10] + "…"
