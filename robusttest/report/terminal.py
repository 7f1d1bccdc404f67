"""The section at the end of pytest's output: plain lines, readable at 80 columns and without colour.

One or two cells are told in full; more become a table, with the failing ones in full below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robusttest.data import Estimate, Verdict
from robusttest.report import text
from robusttest.report.build import answer_text
from robusttest.report.escape import cut, cut_middle, encodable, visible, width_of
from robusttest.report.inline import Glyphs, Style, diff_lines
from robusttest.report.model import HEADLINE, CellReport, Failure, PerturbationRow, Report, label

FULL = 2
"""Up to this many cells are told in full whatever their verdicts."""

DETAILED = 3
"""Of many cells, at most so many failing ones are told in full."""

WORST = 3
ROWS = 6
"""Perturbations shown where there are more: the ones with the lowest pass rate."""


def render(
    report: Report, *, width: int = 80, color: bool = False, verbosity: int = 0, encoding: str = "utf-8"
) -> list[str]:
    """Lines without line ends. ``verbosity`` < 0 is one line, > 0 shows every perturbation and reason, and
    every failing cell in full, > 1 every cell.

    ``encoding`` is the stream's: what it can't show is written in ASCII. No line is wider than ``width`` but the
    replay commands, which are to be copied whole. Nothing from a case or a model reaches the terminal unescaped.
    """
    page = _Page(max(40, width), Style(color), Glyphs.for_encoding(encoding), verbosity)
    lines = [page.one_line(report)] if verbosity < 0 else page.whole(report)
    return [encodable(line.rstrip(), encoding) for line in lines]


def failure_lines(
    cell: CellReport, *, width: int = 80, color: bool = False, limit: int = WORST, encoding: str = "utf-8"
) -> list[str]:
    """A failing test's text: the thresholds that were missed and the worst variants with their replay commands."""
    page = _Page(max(40, width), Style(color), Glyphs.for_encoding(encoding), 0)
    lines = [*page.thresholds(cell), *page.tally_lines(cell), *page.failures(cell, limit)]
    return [encodable(line.rstrip(), encoding) for line in lines]


@dataclass(frozen=True)
class _Page:
    width: int
    style: Style
    glyphs: Glyphs
    verbosity: int

    # the whole

    def one_line(self, report: Report) -> str:
        g = self.glyphs
        parts = [self.outcomes(report)]
        parts += [
            f"{label(e.metric)} {text.number(e.value)}"
            for e in (report.cells[0].headline[:2] if len(report.cells) == 1 else ())
        ]
        return f" {g.dot} ".join([*parts, *self.run_parts(report)])

    def whole(self, report: Report) -> list[str]:
        cells = report.cells
        lines: list[str] = []
        if len(cells) > FULL:
            lines += self.table(cells)
            failing = [c for c in cells if c.outcome in ("failed", "error")]
            shown = (
                list(cells) if self.verbosity > 1 else failing if self.verbosity > 0 else failing[:DETAILED]
            )
            for cell in shown:
                lines += ["", *self.cell(cell)]
            if self.verbosity <= 0 and len(failing) > len(shown):
                lines += ["", f"{len(failing) - len(shown)} more failing: see above, or -v for all in full"]
        else:
            for i, cell in enumerate(cells):
                lines += [*([""] if i else []), *self.cell(cell)]
        if not cells:
            lines.append("no results")
        for note in report.notes:
            lines += self.wrapped(f"note: {visible(note)}", indent=2)
        if report.emergence is not None:
            lines += ["", *self.emergence(report.emergence)]
        if report.comparison is not None:
            lines += ["", *self.comparison(report.comparison)]
        return [*lines, "", *self.footer(report)]

    def emergence(self, emergence: object) -> list[str]:
        return list(getattr(emergence, "lines", ()))

    def comparison(self, comparison: object) -> list[str]:
        return list(getattr(comparison, "lines", ()))

    def footer(self, report: Report) -> list[str]:
        lines: list[str] = []
        for part in [self.outcomes(report), *self.run_parts(report)]:
            joined = f"{lines[-1]} {self.glyphs.dot} {part}" if lines else part
            if lines and self.size(joined) <= self.width:
                lines[-1] = joined
            else:
                lines.append(part)
        return lines

    def outcomes(self, report: Report) -> str:
        said = [
            self.style.outcome(outcome, f"{n} {outcome}")
            for outcome in ("failed", "error", "inconclusive", "passed")
            if (n := report.count(outcome))
        ]
        if n := report.count("none"):
            said.append(f"{n} without thresholds")
        return ", ".join(said) or "nothing judged"

    def run_parts(self, report: Report) -> list[str]:
        run = report.run
        calls = text.count(run.calls, "call")
        aside = [f"{run.cached:,} replayed"] if run.cached else []
        if aside and report.reply_age is not None:
            aside[0] += f", up to {text.duration(report.reply_age)} old"
        aside += [f"{run.errors:,} failed"] if run.errors else []
        parts = [calls + (f" ({', '.join(aside)})" if aside else ""), text.money(run.cost)]
        if run.duration is not None:
            parts.append(text.duration(run.duration))
        if not run.complete:
            parts.append(self.style.outcome("inconclusive", "incomplete run"))
        return parts

    # one cell

    def cell(self, cell: CellReport) -> list[str]:
        lines = [self.title(cell), *self.metrics(cell)]
        if cell.verdicts:
            lines += ["", *self.thresholds(cell)]
        if cell.perturbations:
            lines += ["", *self.perturbations(cell)]
        lines += self.tally_lines(cell)
        for note in cell.notes:
            lines += self.wrapped(f"  note: {visible(note)}", indent=4)
        if cell.failures and (cell.outcome != "passed" or self.verbosity > 0):
            lines += ["", *self.failures(cell, WORST)]
        return lines

    def title(self, cell: CellReport) -> str:
        g = self.glyphs
        word = cell.outcome.upper() if cell.outcome != "none" else ""
        facts = f"{text.count(cell.n_cases, 'case')} {g.times} {text.count(cell.n_variants, 'variant')}"
        if cell.coverage is not None and cell.coverage < 1:
            facts += f", {text.percent(cell.coverage)} replied"
        right = f"{facts}  {word}".rstrip()
        names = [visible(cell.task), *([visible(cell.model)] if cell.model else [])]
        room = self.width - len(right) - 2
        name = f" {g.dot} ".join(names)
        if width_of(name) > room and len(names) == 2:
            name = f" {g.dot} ".join([cut_middle(names[0], max(8, room // 2 - 2)), ""])
            name += cut_middle(names[1], max(8, room - width_of(name)))
        name = cut_middle(name, max(12, room), g.more)
        gap = " " * max(2, self.width - width_of(name) - len(right))
        right = facts + ("  " + self.style.outcome(cell.outcome, word) if word else "")
        return self.style.bold(name) + gap + right

    def metrics(self, cell: CellReport) -> list[str]:
        """Headings, values with their n, intervals."""
        shown = cell.headline
        if not shown:
            return []
        heads = [self.style.dim(label(e.metric)) for e in shown]
        values = [
            self.style.bold(text.number(e.value))
            + self.style.dim(f" n={e.n:,}" if e.value is not None else "")
            for e in shown
        ]
        limits = [text.interval(e) or self._absent(e) for e in shown]
        lines = self.columns([heads, values, limits])
        if "robust accuracy consistency" in self.style.strip(lines[0]):  # it got tight: keep the heads apart
            lines[0] = lines[0].replace("robust accuracy", "robust acc.    ")
        return lines

    def _absent(self, e: Estimate) -> str:
        """Why there is no value or no interval, in the room of an interval."""
        reason = (e.reason or "").partition(":")[0]
        return cut(visible(reason), 15, self.glyphs.more)

    def perturbations(self, cell: CellReport) -> list[str]:
        rows = list(cell.perturbations)
        left = 0
        if self.verbosity <= 0 and len(rows) > ROWS:
            ranked = sorted(rows, key=lambda r: 2.0 if r.pass_rate.value is None else r.pass_rate.value)
            keep = {id(r) for r in ranked[:ROWS]}
            left = len(rows) - ROWS
            rows = [r for r in rows if id(r) in keep]
        floor = any(r.net_drop is not None and r.net_drop.value is not None for r in rows)
        wide = self.width >= 100
        heads = ["perturbation", "pass rate", "flip rate", *(["drop"] if wide else [])]
        if wide and floor:
            heads.append("net drop")
        heads += ["n"]
        table = [[self.style.dim(h) for h in heads], *(self._perturbation(r, wide, floor) for r in rows)]
        lines = self.columns(table, first=max(14, self.width - 58 - 24 * wide))
        if left:
            lines.append(
                self.style.dim(
                    f"  {self.glyphs.more} {left} more, all passing at least as often (-v shows them)"
                )
            )
        return lines

    def _perturbation(self, row: PerturbationRow, wide: bool, floor: bool) -> list[str]:
        name = ("  " if row.within else "") + visible(row.perturbation)
        cells = [name, text.value_interval(row.pass_rate), text.value_interval(row.flip_rate)]
        if wide:
            cells.append(text.value_interval(row.drop))
            if floor:
                cells.append(text.value_interval(row.net_drop) if row.net_drop is not None else "")
        return [*cells, f"{row.pass_rate.n:,}" if row.pass_rate.value is not None else self._nothing(row)]

    def _nothing(self, row: PerturbationRow) -> str:
        return "n/a" if row.not_applicable else "0"

    # thresholds

    def thresholds(self, cell: CellReport) -> list[str]:
        rows = sorted(cell.verdicts, key=lambda v: _ORDER.index(v.status))
        wide = max((len(visible(str(v.threshold))) for v in rows), default=0)
        wide = min(wide, max(20, self.width - 48))
        lines: list[str] = []
        for v in rows:
            lines += self._verdict(v, wide)
        return lines

    def _verdict(self, v: Verdict, wide: int) -> list[str]:
        status = v.status
        word = self.style.outcome(status, f"{status:<12}")
        name = visible(str(v.threshold))
        note = text.verdict_note(v)
        lead = f"  {word} "
        e = v.estimate
        if e is None or e.value is None:
            return [lead + name, *self.wrapped(" " * 15 + visible(note or v.reason), indent=15)]
        line = f"{name:<{wide}}  {text.value_interval(e)} n={e.n:,}"
        used = 15 + width_of(line)
        if note and used + 3 + len(note) <= self.width:
            return [f"{lead}{line}, {note}"]
        return [lead + line, *(self.wrapped(" " * 15 + visible(note), indent=15) if note else [])]

    def tally_lines(self, cell: CellReport) -> list[str]:
        """One line for each status that is no plain answer: how many, and the most frequent reasons."""
        lines: list[str] = []
        for status, tallies in text.by_status(cell.tallies).items():
            total = sum(t.count for t in tallies)
            most = tallies if self.verbosity > 0 else tallies[:1]
            reasons = "; ".join(
                f"{visible(t.reason)}" + (f" ({t.count:,})" if len(tallies) > 1 else "") for t in most
            )
            rest = len(tallies) - len(most)
            more = f" and {text.count(rest, 'other reason')}" if rest else ""
            head = f"  {total:,} {text.status_word(status, total)}: "
            if self.verbosity > 0:
                lines += self.wrapped(head + reasons, indent=4)
            else:
                lines.append(head + cut(reasons, self.width - len(head) - len(more), self.glyphs.more) + more)
        return lines

    # failing variants

    def failures(self, cell: CellReport, limit: int) -> list[str]:
        shown = cell.failures[:limit]
        if not shown:
            return []
        head = f"{text.count(cell.n_failures, 'failing variant')}" + (
            f", the worst {len(shown)}:" if cell.n_failures > len(shown) else ":"
        )
        lines = [f"  {head}"]
        for failure in shown:
            lines += self.failure(failure)
        return lines

    def failure(self, f: Failure) -> list[str]:
        g = self.glyphs
        name = visible(f.name)
        answers = self._answers(f)
        head = f"  {name}"
        room = self.width - width_of(head) - 2
        if width_of(answers) <= room:
            lines = [self.style.bold(head) + "  " + answers]
        else:
            lines = [
                self.style.bold(cut_middle(head, self.width, g.more)),
                "    " + cut(answers, self.width - 4, g.more),
            ]
        diff = f.shrunk or f.diff
        lines += diff_lines(diff, f.text, width=self.width - 4, style=self.style, glyphs=g, indent="    ")
        if f.replay is not None:
            lines.append(self.style.dim(f"    {visible(f.replay)}"))
        return lines

    def _answers(self, f: Failure) -> str:
        g = self.glyphs

        def said(value: object, status: str = "ok") -> str:
            if status in ("unparsed", "refused"):
                return f"<{status}>"
            return "<none>" if value is None else cut(visible(answer_text(value)), 28, g.more)

        answer = said(f.answer, f.status)
        if f.variant:
            answer = f"{said(f.reference_answer)} {g.arrow} {answer}"
        right = f.reference_answer if f.broken and f.variant else None
        if f.target is not None and f.target != right:
            answer += f"  (target {said(f.target)})"
        return answer

    # many cells

    def table(self, cells: Sequence[CellReport]) -> list[str]:
        order = ("error", "failed", "inconclusive", "none", "passed")
        rows = sorted(cells, key=lambda c: order.index(c.outcome))
        one_model = len({c.model for c in cells}) == 1
        heads = [label(m) for m in HEADLINE]
        numbers = [[text.short(e) for e in c.headline] or ["-"] * len(HEADLINE) for c in rows]
        widths = [max(map(len, column)) for column in zip(heads, *numbers, strict=True)]
        names = [self._name(c, one_model) for c in rows]
        word = max(len(c.outcome) for c in rows)
        taken = sum(widths) + 2 * len(widths) + word + 2 + 6
        lines: list[str] = []
        if one_model and rows[0].model:
            lines.append(f"model {visible(rows[0].model)}")
        room = min(self.width - taken, max(map(width_of, names)))
        if room >= min(48, max(map(width_of, names))):
            lines.append(self.style.dim(self._row("", word, "task", "n", heads, widths, room)))
            for c, name, values in zip(rows, names, numbers, strict=True):
                lines.append(self._row(c.outcome, word, name, f"{c.n_cases:,}", values, widths, room))
            return lines
        gap = "  " if sum(widths) + 2 * len(widths) + 2 <= self.width else " "
        if gap == " ":
            heads = [h.replace("robust accuracy", "robust acc.") for h in heads]
            widths = [max(map(len, column)) for column in zip(heads, *numbers, strict=True)]
        indent = "    " if sum(widths) + len(gap) * 4 + 4 <= self.width else "  "
        lines.append(
            self.style.dim(indent + gap.join(f"{h:<{w}}" for h, w in zip(heads, widths, strict=True)))
        )
        for c, name, values in zip(rows, names, numbers, strict=True):
            right = f"n={c.n_cases:,}  {self._missed(c)}".rstrip()
            room = self.width - len(right) - 2
            left = cut_middle(name, room, self.glyphs.more)
            pad = " " * (self.width - width_of(left) - len(right))
            lines.append(self.style.bold(left) + pad + self.style.outcome(c.outcome, right))
            lines.append(indent + gap.join(f"{v:<{w}}" for v, w in zip(values, widths, strict=True)))
        return lines

    def _row(
        self,
        outcome: str,
        word: int,
        name: str,
        n: str,
        values: Sequence[str],
        widths: Sequence[int],
        room: int,
    ) -> str:
        shown = cut_middle(name, room, self.glyphs.more)
        said = self.style.outcome(outcome, f"{'' if outcome == 'none' else outcome:<{word}}")
        pad = " " * (room - width_of(shown))
        return f"{said}  {shown}{pad}{n:>6}  " + "  ".join(
            f"{v:<{w}}" for v, w in zip(values, widths, strict=True)
        )

    def _name(self, cell: CellReport, one_model: bool) -> str:
        if one_model or not cell.model:
            return visible(cell.task)
        return f"{visible(cell.task)} {self.glyphs.dot} {visible(cell.model)}"

    def _missed(self, cell: CellReport) -> str:
        return "" if cell.outcome == "none" else cell.outcome

    # layout

    def columns(self, rows: Sequence[Sequence[str]], *, first: int = 0) -> list[str]:
        """Left-aligned columns two apart (one where it gets tight), indented by two."""
        widths = [max(self.size(row[i]) for row in rows) for i in range(len(rows[0]))]
        gap = "  " if sum(widths) + 2 * (len(widths) - 1) + 2 <= self.width else " "
        over = sum(widths) + len(gap) * (len(widths) - 1) + 2 - self.width
        if over > 0 and first:
            widths[0] = max(first, widths[0] - over)
        lines: list[str] = []
        for row in rows:
            head = (
                row[0] if self.size(row[0]) <= widths[0] else cut_middle(row[0], widths[0], self.glyphs.more)
            )
            cells = [head, *row[1:]]
            lines.append(
                "  " + gap.join(c + " " * (w - self.size(c)) for c, w in zip(cells, widths, strict=True))
            )
        return lines

    def size(self, line: str) -> int:
        """Columns that a line of ours takes, without its colours."""
        return width_of(self.style.strip(line))

    def wrapped(self, line: str, *, indent: int = 0) -> list[str]:
        """Broken at spaces to the page's width; following lines are indented."""
        lead = len(line) - len(line.lstrip(" "))
        lines: list[str] = []
        current = " " * lead
        empty = True
        for word in line.split():
            if not empty and self.size(current) + 1 + self.size(word) > self.width:
                lines.append(current)
                current, empty = " " * indent, True
            current += word if empty else f" {word}"
            empty = False
        return [*lines, current]


_ORDER = ("error", "failed", "inconclusive", "passed")
