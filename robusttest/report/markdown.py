"""``--robust-report=md:PATH`` and the GitHub step summary: the same numbers as the terminal, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from robusttest.core.nouns import Estimate
from robusttest.report import text
from robusttest.report.build import answer_text
from robusttest.report.escape import code, cut, markdown, table_code
from robusttest.report.inline import Glyphs, Style, diff_lines
from robusttest.report.model import HEADLINE, OUTCOMES, CellReport, Failure, Report, label, outcome_word

if TYPE_CHECKING:
    from robusttest.compare import Comparison
    from robusttest.stats.across.emergence import Emergence

MARKS = {
    "passed": "✅", "failed": "❌", "error": "❌", "inconclusive": "⚠️", "not_run": "⚠️", "xpassed": "⚠️",
    "xfailed": "", "skipped": "", "none": "",
}  # fmt: skip
WORST = 5


def render(report: Report, *, max_bytes: int | None = None) -> str:
    """GitHub-flavoured Markdown. With ``max_bytes`` whole sections are left out from the end, and it says so."""
    sections = [_head(report), _table(report.cells), _comparison(report.comparison)]
    cells = sorted(report.cells, key=lambda c: OUTCOMES.index(c.outcome))
    sections.append(_emergence(report.emergence))
    sections += [_cell(c) for c in cells]
    if max_bytes is not None:
        sections = _fitting(sections, max_bytes)
    return "\n\n".join(s for s in sections if s) + "\n"


def _fitting(sections: list[str], room: int) -> list[str]:
    room -= 200
    kept: list[str] = []
    for section in sections:
        size = len(section.encode("utf-8", "backslashreplace")) + 2
        if size > room:
            break
        room -= size
        kept.append(section)
    left = len(sections) - len(kept)
    if left:
        kept.append(f"_{text.count(left, 'section')} left out: the limit of this page is reached._")
    return kept


def _head(report: Report) -> str:
    run = report.run
    outcomes = ", ".join(
        f"{n} {outcome_word(word)}" for word in OUTCOMES if word != "none" and (n := report.count(word))
    )
    parts = [f"{run.calls:,} calls", *([f"{run.cached:,} replayed"] if run.cached else [])]
    if report.reply_age is not None and run.cached:
        parts.append(f"replies up to {text.duration(report.reply_age)} old")
    parts += [f"{run.errors:,} failed"] if run.errors else []
    parts.append(text.money(run.cost))
    if run.duration is not None:
        parts.append(text.duration(run.duration))
    if run.label:
        parts.append(f"label {code(run.label)}")
    if run.commit:
        parts.append(f"commit {code(run.commit[:10])}{' with changes' if run.dirty else ''}")
    parts.append(f"run {code(run.id)}")
    if not run.complete:
        parts.append("**incomplete run**")
    notes = [f"> {markdown(note)}" for note in report.notes]
    return "\n\n".join([f"# robusttest: {outcomes or 'nothing judged'}", ", ".join(parts), *notes])


def _table(cells: Iterable[CellReport]) -> str:
    rows = [
        [
            f"{MARKS[c.outcome]} {outcome_word(c.outcome)}".strip() if c.outcome != "none" else "",
            markdown(c.name),
            markdown(c.model),
            f"{c.n_cases:,}",
            f"{c.n_variants:,}",
            *(_value(c, m) for m in HEADLINE),
            getattr(c.advice, "kind", ""),
        ]
        for c in cells
    ]
    return (
        _rows(
            ["", "task", "model", "cases", "variants", *(label(m) for m in HEADLINE), "where to work"], rows
        )
        if rows
        else ""
    )


def _comparison(found: Comparison | None) -> str:
    """What regressed, and the cases behind it."""
    if found is None:
        return ""
    from robusttest.compare import text as said

    parts = [f"## Against {markdown(found.old)}: {said.summary(found)}"]
    rows = []
    for cell in found.cells:
        for i, c in enumerate(cell.changes):
            if i == 0 or c.verdict in ("regressed", "improved"):
                verdict = cell.verdict if i == 0 else c.verdict
                mark = {"regressed": "❌ ", "undecided": "⚠️ "}.get(verdict, "") if i == 0 else ""
                rows.append(
                    [mark + said.WORDS[verdict], markdown(cell.name), *map(markdown, said.columns(c))]
                )
        if not cell.changes:
            rows.append([f"⚠️ {said.WORDS[cell.verdict]}", markdown(cell.name), *[""] * len(said.COLUMNS)])
    if rows:
        parts.append(_rows(["", "", *said.COLUMNS], rows))
    for cell in found.cells:
        told = said.details(cell, found.margin)
        if told:
            parts.append(f"**{markdown(cell.name)}**\n\n" + "\n".join(_bullet(line) for line in told))
    parts += [f"> {markdown(line)}" for line in said.outside(found)]
    return "\n\n".join(parts)


def _bullet(line: str) -> str:
    return f"{'  ' * line.startswith('  ')}- {markdown(line.strip())}"


def _value(c: CellReport, metric: str) -> str:
    e = c.overall.get(metric)
    if e is None:
        return "-"
    n = f" n={e.n:,}" if e.value is not None and e.n != c.n_cases else ""
    return text.value_interval(e) + n


def _emergence(e: Emergence | None) -> str:
    """Robustness against accuracy; empty with fewer than three models or tasks."""
    if e is None or not e.relations:
        return ""
    parts = ["## Robustness against accuracy"]
    parts += [f"- **{markdown(c.claim)}** {markdown(c.sentence)}" for c in e.claims]
    parts.append(
        _rows(
            [
                "metric",
                "slope on accuracy",
                "R²",
                "Pearson",
                "Spearman",
                "within tasks",
                "within models",
                "cells",
                "",
            ],
            [
                [
                    label(metric),
                    _line(r.slope, r.slope_low, r.slope_high),
                    text.number(r.r_squared),
                    _line(r.pearson, r.pearson_low, r.pearson_high),
                    _line(r.spearman, r.spearman_low, r.spearman_high),
                    *(
                        text.number(getattr(e.relation(metric, view), "pearson", None))
                        for view in ("within_tasks", "within_models")
                    ),
                    f"{r.n}",
                    "arithmetic included" if r.arithmetic else markdown(r.reason or ""),
                ]
                for metric in dict.fromkeys(r.metric for r in e.relations)
                if (r := e.relation(metric)) is not None
            ],
        )
    )
    parts.append(
        _rows(
            ["variance of", "task", "model", "both together", "sampling noise", ""],
            [
                [
                    label(s.metric),
                    *(text.percent(share) for share in (s.task, s.model, s.interaction, s.noise)),
                    markdown(s.reason or ""),
                ]
                for s in e.shares
            ],
        )
    )
    parts.append(
        _rows(
            [
                "task",
                "model",
                "accuracy",
                "consistency",
                "robust accuracy",
                "p^K",
                "predicted",
                "ICC",
                "robustness",
            ],
            [
                [
                    markdown(p.task),
                    markdown(p.model),
                    text.value_interval(p.accuracy),
                    text.value_interval(p.output_consistency),
                    text.value_interval(p.robust_accuracy),
                    text.number(p.by_accuracy_alone),
                    text.number(p.robust_accuracy_predicted),
                    text.value_interval(p.consistency_icc),
                    p.residual.standing or markdown(p.residual.reason or ""),
                ]
                for p in e.points
            ],
        )
    )
    parts.append(
        "p^K: robust accuracy by accuracy alone, if all cases were equally hard; predicted: robust accuracy with the "
        "chance-corrected consistency (ICC) of the other cells."
    )
    return "\n\n".join([*parts, *(f"> {markdown(note)}" for note in e.notes)])


def _line(value: float | None, low: float | None, high: float | None) -> str:
    limits = "" if low is None or high is None else f" [{text.number(low)}, {text.number(high)}]"
    return text.number(value) + limits


def _cell(c: CellReport) -> str:
    name = f"{markdown(c.name)} · {markdown(c.model)}" if c.model else markdown(c.name)
    parts = [f"## {f'{MARKS[c.outcome]} ' if MARKS[c.outcome] else ''}{name}"]
    facts = [
        text.count(c.n_cases, "case"),
        text.count(c.n_variants, "variant"),
        text.count(c.n_calls, "call"),
    ]
    if c.coverage is not None:
        facts.append(f"{text.percent(c.coverage)} replied")
    parts.append(", ".join(facts))
    if c.outcome not in ("passed", "none") and c.reason:
        parts.append(f"{outcome_word(c.outcome)}: {markdown(cut(c.reason, 300))}")
    parts += [f"**{markdown(said)}**" for said in c.first]
    if c.verdicts:
        parts.append(
            _rows(
                ["threshold", "verdict", "value", "n", ""],
                [
                    [
                        table_code(str(v.threshold)),
                        f"{MARKS[v.status]} {v.status}",
                        text.value_interval(v.estimate) if v.estimate is not None else "-",
                        f"{v.estimate.n:,}" if v.estimate is not None else "",
                        markdown(text.verdict_note(v)),
                    ]
                    for v in c.verdicts
                ],
            )
        )
    if c.perturbations:
        net = any(r.net_drop is not None and r.net_drop.value is not None for r in c.perturbations)
        parts.append(
            _rows(
                [
                    "perturbation",
                    "pass rate",
                    "flip rate",
                    "drop",
                    *(["net flip rate", "net drop"] if net else []),
                    "n",
                ],
                [
                    [
                        table_code(r.perturbation),
                        text.value_interval(r.pass_rate),
                        text.value_interval(r.flip_rate),
                        text.value_interval(r.drop),
                        *(
                            ["" if e is None else _net(e) for e in (r.net_flip_rate, r.net_drop)]
                            if net
                            else []
                        ),
                        text.share_of(r.pass_rate.n, c.n_cases),
                    ]
                    for r in c.perturbations
                ],
            )
        )
    if c.reactions:
        parts.append(
            _rows(
                ["does it react?", "sensitivity", "unmoved", "n"],
                [
                    [
                        table_code(r.perturbation),
                        text.value_interval(r.sensitivity),
                        text.value_interval(r.unmoved),
                        text.share_of(r.sensitivity.n, c.n_cases),
                    ]
                    for r in c.reactions
                ],
            )
        )
    if c.tallies:
        parts.append(
            _rows(
                ["", "reason", "variants"],
                [
                    [text.status_word(t.status, t.count), markdown(cut(t.reason, 300)), f"{t.count:,}"]
                    for t in c.tallies
                ],
            )
        )
    parts += [markdown(line) for said in (c.advice, c.reaction) for line in getattr(said, "lines", ())]
    if c.spread is not None and c.spread.spread is not None:
        parts.append(
            f"Spread between variants {text.number(c.spread.spread)}, by noise alone up to "
            f"{text.number(c.spread.null_high)} (permutation p {markdown(text.p_value(c.spread.p))})"
        )
    parts += [f"> {markdown(note)}" for note in c.notes]
    if c.failures:
        shown = c.failures[:WORST]
        parts.append(
            f"**{text.count(c.n_failures, 'failing variant')}**"
            + (f", the worst {len(shown)}:" if c.n_failures > len(shown) else ":")
        )
        parts.append("\n".join(_failure(f) for f in shown))
    return "\n\n".join(parts)


def _net(e: Estimate) -> str:
    """Over the noise floor; empty for the repeats, which are the floor."""
    return text.value_interval(e) if e.value is not None else ""


def _failure(f: Failure) -> str:
    def said(value: object) -> str:
        return "_none_" if value is None else code(cut(answer_text(value), 200))

    answer = said(f.answer)
    if f.status != "ok":
        answer = f"_{f.status}_" + (f" {said(f.reply)}" if f.reply else "")
    if f.variant:
        answer = f"{said(f.reference_answer)} → {answer}"
    if f.target is not None:
        answer += f" (target {said(f.target)})"
    lines = [f"- {code(f.name)}: {answer}"]
    diff = diff_lines(f.shrunk or f.diff, f.text, width=400, style=Style(), glyphs=Glyphs(), indent="")
    lines += [f"  <br>{code(line)}" for line in diff]
    if f.enough is not None:
        lines.append(f"  <br>{markdown(f.enough)}")
    if f.replay is not None:
        lines.append(f"  <br>{code(f.replay)}")
    return "\n".join(lines)


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
