"""The numbered picture of a report in docs/howto/advice.md: ``python docs/picture.py`` draws it anew, a test compares.

What is drawn is the terminal report of a run that ships with robusttest (the third version of ``robusttest demo``, one
variant of each kind), as text, with a number where each part begins. It follows the reader's light or dark.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import replace
from html import escape
from pathlib import Path

PICTURE = Path(__file__).parent / "images" / "read.svg"
WIDTH = 80
"""Columns of the report."""
COLUMN, LINE = 7.2, 18.0
"""Pixels of a character at 12 px, and of a line."""
EDGE = 44
"""Pixels left of the text: the numbers stand there."""

PARTS = (
    ("the sentence", r"^  Right on "),
    ("thresholds", r"^  failed "),
    ("the numbers behind them", r"^  accuracy +robust"),
    ("perturbations", r"^  perturbation +pass rate"),
    ("where there was nothing to act on", r"not applicable: "),
    ("the advice", r"^  [a-z-]+: .*% of errors"),
    ("the worst variants", r"^  [\d,]+ failing variants"),
)
"""What is numbered, by how its first line begins; docs/howto/advice.md tells of each under its number."""

STYLE = """
.page { fill: #ffffff; stroke: #d5d4cf } text { fill: #1c1e21; font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
.failed { fill: #b3261e } .passed { fill: #1b7a45 } .mark { fill: #1f5fa6 } .number { fill: #ffffff; font: bold 11px system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  .page { fill: #1b1e22; stroke: #3a4048 } text { fill: #e7e5e0 }
  .failed { fill: #f28b82 } .passed { fill: #67c98f } .mark { fill: #86b7f5 } .number { fill: #131518 }
}
""".strip()


def lines() -> list[str]:
    """The report, from real answers: 67 tickets, each as written and in 6 other ways; every third of the demo, which is quick."""
    from robusttest.demo.desk import PERTURBATIONS, cassette, task
    from robusttest.evaluation import evaluate
    from robusttest.report import terminal
    from robusttest.report.build import build
    from robusttest.store import new_run

    with tempfile.TemporaryDirectory() as folder:
        cell = evaluate(
            task(cassette()["cases"][1::3]),
            model="python:robusttest.demo.desk:v3",
            perturbations=PERTURBATIONS,
            variants=1,
            expect=["accuracy >= 0.75", "robust_accuracy >= 0.7", "flip_rate[casing] <= 0.05"],
            directory=Path(folder),
        )
    run = replace(new_run(models=[cell.model]), complete=True, calls=len(cell), cost=0.0)
    found = [
        line.replace("robusttest.demo.desk", "desk")
        for line in terminal.render(build(run, [cell]), width=WIDTH)
    ]
    return found


def drawn(report: list[str]) -> str:
    """The report as SVG. Raises ValueError where a part is missing or there twice."""
    marks = [(number, _line(report, name, pattern)) for number, (name, pattern) in enumerate(PARTS, 1)]
    width, height = EDGE + COLUMN * WIDTH + 14, LINE * (len(report) + 1.4)
    said = "A report in the terminal, numbered: " + ", ".join(
        f"{i} {name}" for i, (name, _) in enumerate(PARTS, 1)
    )
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{said}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="6"/>',
    ]
    out += [_text(line, LINE * (i + 1.5)) for i, line in enumerate(report) if line]
    for number, i in marks:
        y = LINE * (i + 1.5) - 4
        out.append(f'<circle class="mark" cx="22" cy="{y:g}" r="8.5"/>')
        out.append(f'<text class="number" x="22" y="{y + 4.3:g}" text-anchor="middle">{number}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _line(report: list[str], name: str, pattern: str) -> int:
    found = [i for i, line in enumerate(report) if re.search(pattern, line)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines of the report begin {name!r}, not one: {found}")
    return found[0]


def _text(line: str, y: float) -> str:
    """A line; words apart by two blanks or more stand where their column is, whatever the font."""
    parts = []
    for word in re.finditer(r"\S+(?: \S+)*", line):
        verdict = word[0].lower() if word[0].lower() in ("passed", "failed") else ""
        kind = f' class="{verdict}"' if verdict else ""
        length = COLUMN * len(word[0])
        parts.append(
            f'<tspan{kind} x="{EDGE + COLUMN * word.start():g}" textLength="{length:g}" lengthAdjust="spacingAndGlyphs">{escape(word[0], quote=False)}</tspan>'
        )
    return f'<text y="{y:g}">{"".join(parts)}</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawn(lines()), encoding="utf-8")
    sys.stdout.write(f"wrote docs/images/{PICTURE.name}: {PICTURE.stat().st_size:,} bytes\n")
