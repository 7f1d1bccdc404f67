"""Draw robustness against accuracy of a stored run: `python figure.py RUN.jsonl figure.svg`, and print the analysis.

Left the paper's measure, with what arithmetic alone gives drawn beside it; right what is left without the arithmetic.
"""

from __future__ import annotations

import html
import sys
from pathlib import Path
from statistics import fmean

from learners import KINDS, SIZES

from robusttest.report.told import told
from robusttest.stats.across.emergence import Emergence, analyse
from robusttest.stats.cell.frame import frames
from robusttest.store import read_run

COLOURS = dict(zip(KINDS, ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e", "#a463f2"), strict=True))
WIDTH, HEIGHT, LEFT, TOP, GAP = 400, 330, 44, 34, 56


def main(run: str, target: str) -> None:
    found = analyse(frames(read_run(Path(run)).records))
    print("\n".join(told(found)))
    print("\n".join(_means(found)))
    Path(target).write_text(drawn(found), encoding="utf-8")


def _means(found: Emergence) -> list[str]:
    """Means over cells by kind of model and by training size; of ICC and latent r over those that have one."""
    names = ("accuracy", "output_consistency", "robust_accuracy", "consistency_icc", "latent_r")
    groups: dict[str, list[list[float | None]]] = {}
    for p in found.points:
        kind, _, size = p.model.rpartition(":")[2].partition("_")
        for key in (kind, size):
            groups.setdefault(key, []).append([getattr(p, name).value for name in names])
    out = [f"{'means over cells':<18}{'accuracy':>9}{'OC':>7}{'robust':>8}{'ICC':>7}{'latent r':>10}"]
    for key in [*KINDS, *map(str, SIZES)]:
        columns = zip(*groups[key], strict=True) if key in groups else ()
        means = [fmean(v for v in column if v is not None) for column in columns]
        if means:
            out.append(
                f"{key:<18}{means[0]:>9.3f}{means[1]:>7.3f}{means[2]:>8.3f}{means[3]:>7.3f}{means[4]:>10.3f}"
            )
    return out


def drawn(found: Emergence) -> str:
    panels = (("output_consistency", "output consistency (arithmetic included)"), ("consistency_icc", "ICC"))
    whole = 2 * WIDTH + GAP + LEFT + 12
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {HEIGHT + TOP + 94}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for i, (metric, title) in enumerate(panels):
        out += _panel(found, metric, title, LEFT + i * (WIDTH + GAP))
    x = LEFT
    for kind, colour in COLOURS.items():
        y = TOP + HEIGHT + 60
        out.append(
            f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{colour}"/><text x="{x + 9}" y="{y}">{kind}</text>'
        )
        x += 30 + 7 * len(kind)
    grey = f"grey, what arithmetic gives: accuracy^{found.k} (dashed), and one ICC of {found.icc:.2f} in every cell (band, line)"
    out.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 82}" fill="#555">{grey}</text>')
    return "\n".join([*out, "</svg>", ""])


def _panel(found: Emergence, metric: str, title: str, left: float) -> list[str]:
    low = -0.2 if metric == "consistency_icc" else 0.0

    def at(x: float, y: float) -> str:
        return f"{left + x * WIDTH:.1f},{TOP + (1 - (y - low) / (1 - low)) * HEIGHT:.1f}"

    out = [f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{html.escape(title)}</text>']
    for v in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x0, y0), (x1, _) = at(0, v).split(","), at(1, v).split(",")
        out.append(f'<line x1="{x0}" x2="{x1}" y1="{y0}" y2="{y0}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{float(y0) + 4}" text-anchor="end">{v:g}</text>')
        x, y = at(v, low).split(",")
        out.append(f'<text x="{x}" y="{float(y) + 16}" text-anchor="middle">{v:g}</text>')
    out.append(
        f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">accuracy over all variants</text>'
    )
    curves = {c.key: c for c in found.curves if metric in c.metrics}
    if "constant_icc_most" in curves:
        least, most = curves["constant_icc_least"], curves["constant_icc_most"]
        around = [*zip(most.x, most.y, strict=True), *reversed(list(zip(least.x, least.y, strict=True)))]
        out.append(f'<polygon points="{" ".join(at(x, y) for x, y in around)}" fill="#888" opacity=".25"/>')
    for key, dashes in (("independent", "5 4"), ("constant_icc", "")):
        if key in curves:
            path = " ".join(at(x, y) for x, y in zip(curves[key].x, curves[key].y, strict=True))
            out.append(f'<polyline points="{path}" fill="none" stroke="#555" stroke-dasharray="{dashes}"/>')
    for p in found.points:
        value = getattr(p, metric).value
        if value is None:
            continue
        x, y = at(p.accuracy.value, value).split(",")
        model = p.model.rpartition(":")[2]
        said = html.escape(f"{p.task}, {model}: accuracy {p.accuracy.value:.3f}, {title} {value:.3f}")
        colour = COLOURS[model.partition("_")[0]]
        out.append(
            f'<circle cx="{x}" cy="{y}" r="3.2" fill="{colour}" opacity=".75"><title>{said}</title></circle>'
        )
    return out


if __name__ == "__main__":
    main(*sys.argv[1:])
