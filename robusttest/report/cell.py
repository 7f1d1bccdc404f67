"""One test × task × model in full, as lines of a terminal."""

from __future__ import annotations

from robusttest.core.nouns import Estimate, Verdict
from robusttest.report import text
from robusttest.report.build import answer_text
from robusttest.report.escape import cut, cut_middle, visible, width_of
from robusttest.report.inline import diff_lines
from robusttest.report.model import CellReport, Failure, PerturbationRow, label, outcome_word
from robusttest.report.page import Page

WORST = 3
ROWS = 6
"""Perturbations shown where there are more: the ones with the lowest pass rate."""

_ORDER = ("error", "failed", "inconclusive", "passed")


def cell_lines(page: Page, cell: CellReport) -> list[str]:
    lines = _title(page, cell)
    if cell.outcome not in ("passed", "none") and cell.reason and not page.elsewhere:
        lines.append("  " + cut(visible(cell.reason), page.width - 2, page.glyphs.more))
    for said in cell.first:
        lines += page.wrapped(f"  {visible(said)}", indent=4)
    lines += _metrics(page, cell)
    if cell.verdicts:
        lines += ["", *threshold_lines(page, cell)]
    if cell.perturbations:
        lines += ["", *_perturbations(page, cell)]
    if cell.reactions:
        lines += ["", *_reactions(page, cell)]
    lines += tally_lines(page, cell)
    for extra in (cell.advice, cell.reaction, cell.adaptive):
        lines += page.told(extra, indent=2)
    for note in cell.notes:
        lines += page.wrapped(f"  note: {visible(note)}", indent=4)
    told = page.elsewhere and cell.outcome in ("failed", "error")
    if cell.failures and not told and (cell.outcome != "passed" or page.verbosity > 0):
        lines += ["", *failure_lines(page, cell, WORST)]
    return lines


def _title(page: Page, cell: CellReport) -> list[str]:
    """Names left; size and outcome right, the size on a line of its own where the names are long."""
    g = page.glyphs
    word = outcome_word(cell.outcome).upper() if cell.outcome != "none" else ""
    facts = f"{text.count(cell.n_cases, 'case')} {g.times} {text.count(cell.n_variants, 'variant')}"
    if cell.coverage is not None and cell.coverage < 1:
        facts += f", {text.percent(cell.coverage)} replied"
    name = f" {g.dot} ".join([visible(cell.name), *([visible(cell.model)] if cell.model else [])])
    together = f"{facts}  {word}".rstrip()
    if width_of(name) + 2 + len(together) <= page.width:
        right, below = facts + ("  " if word else ""), []
    else:
        right, below, together = "", [f"  {facts}"], word
        name = cut_middle(name, page.width - len(word) - 2, g.more)
    gap = " " * max(2, page.width - width_of(name) - len(together))
    return [page.style.bold(name) + gap + right + page.style.outcome(cell.outcome, word), *below]


def _metrics(page: Page, cell: CellReport) -> list[str]:
    """Headings, values with their n, intervals."""
    shown = cell.shown
    if not shown:
        return []
    heads = [page.style.dim(label(e.metric)) for e in shown]
    values = [
        page.style.bold(text.number(e.value)) + page.style.dim(f" n={e.n:,}" if e.value is not None else "")
        for e in shown
    ]
    limits = [text.interval(e) or _absent(page, e) for e in shown]
    lines = page.columns([heads, values, limits])
    if "robust accuracy consistency" in page.style.strip(lines[0]):  # it got tight: keep the heads apart
        lines[0] = lines[0].replace("robust accuracy", "robust acc.    ")
    if page.verbosity > 0:
        for e in shown:
            if e.reason and (e.value is None or e.low is None):
                lines += page.wrapped(f"  {label(e.metric)}: {visible(e.reason)}", indent=4)
    return lines


def _absent(page: Page, e: Estimate) -> str:
    """Why there is no value, or that there is no interval, in the room of an interval; ``-v`` has the reason."""
    if e.value is not None:
        return "no interval"
    reason = (e.reason or "").partition(":")[0]
    return cut(visible(reason), 15, page.glyphs.more)


def _perturbations(page: Page, cell: CellReport) -> list[str]:
    rows = list(cell.perturbations)
    left = 0
    if page.verbosity <= 0 and len(rows) > ROWS:
        ranked = sorted(rows, key=lambda r: 2.0 if r.pass_rate.value is None else r.pass_rate.value)
        keep = {id(r) for r in ranked[:ROWS]}
        left = len(rows) - ROWS
        rows = [r for r in rows if id(r) in keep]
    floor = any(r.net_drop is not None and r.net_drop.value is not None for r in rows)
    wide = page.width >= 100
    flips = "net flip rate" if floor else "flip rate"
    name = "does it stay right?" if cell.reactions else "perturbation"
    heads = [name, "pass rate", flips, *(["net drop" if floor else "drop"] if wide else []), "n"]
    table = [
        [page.style.dim(h) for h in heads],
        *(_perturbation(page, r, wide, floor, cell.n_cases) for r in rows),
    ]
    lines = page.columns(table, first=max(14, page.width - 58 - 24 * wide))
    if left:
        lines.append(
            page.style.dim(f"  {page.glyphs.more} {left} more, all passing at least as often (-v shows them)")
        )
    if floor:
        lines.append(
            page.style.dim("  net: over what the repeats of the very same prompt show, the noise floor")
        )
    return lines


def _perturbation(page: Page, row: PerturbationRow, wide: bool, floor: bool, n_cases: int) -> list[str]:
    """Over the noise floor, where there is one; the repeats, which are the floor, as they are."""
    flips, drop = row.flip_rate, row.drop
    if floor and row.level != "repeat":
        flips, drop = row.net_flip_rate or flips, row.net_drop or drop
    cells = [("  " if row.within else "") + visible(row.perturbation), text.value_interval(row.pass_rate)]
    cells += [text.value_interval(e) for e in ((flips, drop) if wide else (flips,))]
    e = row.pass_rate if row.pass_rate.value is not None else row.flip_rate
    return [*cells, text.share_of(e.n, n_cases) if e.value is not None else _nothing(page, row)]


def _reactions(page: Page, cell: CellReport) -> list[str]:
    heads = ["does it react?", "sensitivity", "unmoved", "n"]
    rows = [
        [
            visible(r.perturbation),
            text.value_interval(r.sensitivity),
            text.value_interval(r.unmoved),
            text.share_of(r.sensitivity.n, cell.n_cases),
        ]
        for r in cell.reactions
    ]
    return page.columns([[page.style.dim(h) for h in heads], *rows], first=max(14, page.width - 58))


def _nothing(page: Page, row: PerturbationRow) -> str:
    return "n/a" if row.not_applicable else "0"


def threshold_lines(page: Page, cell: CellReport) -> list[str]:
    rows = sorted(cell.verdicts, key=lambda v: _ORDER.index(v.status))
    wide = max((len(visible(str(v.threshold))) for v in rows), default=0)
    wide = min(wide, max(20, page.width - 48))
    lines: list[str] = []
    for v in rows:
        lines += _verdict(page, v, wide)
    return lines


def _verdict(page: Page, v: Verdict, wide: int) -> list[str]:
    status = v.status
    word = page.style.outcome(status, f"{status:<12}")
    name = visible(str(v.threshold))
    note = text.verdict_note(v)
    lead = f"  {word} "
    e = v.estimate
    if e is None or e.value is None:
        return [lead + name, *page.wrapped(" " * 15 + visible(note or v.reason), indent=15)]
    line = f"{name:<{wide}}  {text.value_interval(e)} n={e.n:,}"
    used = 15 + width_of(line)
    if note and used + 3 + len(note) <= page.width:
        return [f"{lead}{line}, {note}"]
    return [lead + line, *(page.wrapped(" " * 15 + visible(note), indent=15) if note else [])]


def tally_lines(page: Page, cell: CellReport) -> list[str]:
    """One line for each status that is no plain answer: how many, and the most frequent reasons."""
    lines: list[str] = []
    for status, tallies in text.by_status(cell.tallies).items():
        total = sum(t.count for t in tallies)
        most = tallies if page.verbosity > 0 else tallies[:1]
        reasons = "; ".join(
            f"{visible(t.reason)}" + (f" ({t.count:,})" if len(tallies) > 1 else "") for t in most
        )
        rest = len(tallies) - len(most)
        more = f" and {text.count(rest, 'other reason')}" if rest else ""
        head = f"  {total:,} {text.status_word(status, total)}: "
        if page.verbosity > 0:
            lines += page.wrapped(head + reasons, indent=4)
        else:
            lines.append(head + cut(reasons, page.width - len(head) - len(more), page.glyphs.more) + more)
    return lines


def failure_lines(page: Page, cell: CellReport, limit: int) -> list[str]:
    shown = cell.failures[:limit]
    if not shown:
        return []
    head = f"{text.count(cell.n_failures, 'failing variant')}" + (
        f", the worst {len(shown)}:" if cell.n_failures > len(shown) else ":"
    )
    lines = [f"  {head}"]
    for failure in shown:
        lines += _failure(page, failure)
    return lines


def _failure(page: Page, f: Failure) -> list[str]:
    g = page.glyphs
    name = visible(f.name)
    answers = _answers(page, f)
    head = f"  {name}"
    room = page.width - width_of(head) - 2
    if width_of(answers) <= room:
        lines = [page.style.bold(head) + "  " + answers]
    else:
        lines = [
            page.style.bold(cut_middle(head, page.width, g.more)),
            "    " + cut(answers, page.width - 4, g.more),
        ]
    diff = f.shrunk or f.diff
    lines += diff_lines(diff, f.text, width=page.width - 4, style=page.style, glyphs=g, indent="    ")
    if f.enough is not None:
        lines.append(page.style.dim(f"    {visible(f.enough)}"))
    if f.replay is not None:
        lines.append(page.style.dim(f"    {visible(f.replay)}"))
    return lines


def _answers(page: Page, f: Failure) -> str:
    g = page.glyphs

    def said(value: object) -> str:
        return "<none>" if value is None else cut(visible(answer_text(value)), 28, g.more)

    unread = f": {said(f.reply)}" if f.reply else ""
    answer = said(f.answer) if f.status == "ok" else f"<{f.status}{unread}>"
    if f.variant:
        answer = f"{said(f.reference_answer)} {g.arrow} {answer}"
    right = f.reference_answer if f.broken and f.variant else None
    if f.target is not None and f.target != right:
        answer += f"  (target {said(f.target)})"
    return answer
