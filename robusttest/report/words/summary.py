"""The sentence on top of each test: what a reader has to know in ten seconds, in words that need no introduction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from robusttest.core.nouns import Estimate, Verdict
from robusttest.report.blocks import Code, Number, OutcomeWord, Piece, Sentence, Term, Text
from robusttest.report.model import CellOutcome, CellReport
from robusttest.report.text import part, points

if TYPE_CHECKING:
    from robusttest.compare import CellComparison, Comparison

UNREADABLE = 0.05
"""From this share on, replies that nobody can read are told before any number."""


def summary(c: CellReport, found: Comparison | None = None, *, capital: bool = False) -> Text:
    """One sentence on a cell: how often it is right, as written and in all ways; what is weakest; what the gates say."""
    parts = [
        p for p in (*_missing(c), _right(c), _each_run(c), _weakest(c), _reacts(c), _gate(c, found)) if p
    ]
    out: list[Piece] = []
    for i, said in enumerate(parts):
        out += [*(("; ",) if i else ()), *said]
    if capital and out and isinstance(out[0], str):
        out[0] = out[0][:1].upper() + out[0][1:]
    return (*out, ".") if out else ()


def summary_sentence(c: CellReport, found: Comparison | None = None, *, indent: int = 2) -> Sentence | None:
    said = summary(c, found, capital=True)
    return Sentence(text=said, tone="lead", indent=indent) if said else None


def _share(e: Estimate) -> Number:
    assert e.value is not None
    return Number(e.value, part(e.value))


def _missing(c: CellReport) -> Iterator[Text]:
    """What stands between the numbers and their reader."""
    if not c.n_calls:
        how = {"skipped": "skipped", "xfailed": "xfailed, as was expected", "not_run": "not run"}
        said = how.get(c.outcome, "no replies, so nothing was measured")
        yield (said, *([f": {c.reason}"] if c.reason and c.outcome in how else []))
        return
    if c.coverage is not None and c.coverage < 1:
        yield (Number(c.coverage, part(c.coverage)), f" of the planned {c.got}, and only these count")
    unread = c.overall.get("unreadable")
    if unread is not None and unread.value is not None and unread.value >= UNREADABLE:
        accuracy = c.overall.get("accuracy")
        wrong = () if accuracy is not None and accuracy.reason == "no_labels" else (" and count as wrong",)
        yield (_share(unread), " of replies are ", Term("unreadable", "unreadable"), *wrong)


def _right(c: CellReport) -> Text:
    """How often it is right; without labels, how often it stays with its answer."""
    accuracy, robust = c.overall.get("accuracy"), c.overall.get("robust_accuracy")
    if accuracy is None or robust is None:
        return ()
    ways = c.ways[1] if c.ways is not None else 0
    if accuracy.reason == "no_labels":
        same = c.overall["output_consistency"]
        if same.value is None or ways < 2:
            return ("no right answers are known", *_only(c))
        return (
            "no right answers are known; the answer ", Term("stays the same", "consistency"), " ", *_in_all(c, robust),
            " on ", _share(same), " of ", Number(same.n, f"{same.n:,}"), " case" if same.n == 1 else " cases",
        )  # fmt: skip
    if accuracy.value is None:
        if robust.value is None or ways < 2:
            return ()
        return (
            _said_right(c), " ", *_in_all(c, robust), " on ", _share(robust), " of ", Number(robust.n, f"{robust.n:,}"),
            " cases (none was put as written)",
        )  # fmt: skip
    cases = Number(accuracy.n, f"{accuracy.n:,}")
    if c.graded:
        said: Text = (
            "scores ", Number(accuracy.value, f"{accuracy.value:.2f}"), " of 1 on average over ", cases, " case " if accuracy.n == 1 else " cases ",
            Term("as written", "as written"),
        )  # fmt: skip
        if robust.value is None or ways < 2:
            return (*said, *_only(c))
        return (
            *said, ", ", Number(robust.value, f"{robust.value:.2f}"), " at ", Term("the worst", "robust accuracy"), " of ",
            *_ways(c),
        )  # fmt: skip
    noun = " case " if accuracy.n == 1 else " cases "
    said = (_said_right(c), " on ", _share(accuracy), " of ", cases, noun, Term("as written", "as written"))
    if robust.value is None or ways < 2:
        return (*said, *_only(c))
    of: Text = (" of ", Number(robust.n, f"{robust.n:,}")) if robust.n != accuracy.n else ()
    return (*said, ", on ", _share(robust), *of, " ", *_in_all(c, robust))


def _said_right(c: CellReport) -> str:
    """Of a judge whose errors are known the shares are what it says."""
    return "judged right" if c.judge is not None and c.judge.se is not None else "right"


def _only(c: CellReport) -> Text:
    return () if c.reactions else (", and put in no other way",)


def _in_all(c: CellReport, robust: Estimate) -> Text:
    assert c.ways is not None
    least, most = c.ways
    if least == most:
        word = "both" if most == 2 else f"all {most:,}"
        return ("in ", Term(f"{word} ways", "robust accuracy"))
    return ("in ", Term(f"all their {least:,} to {most:,} ways", "robust accuracy"))


def _ways(c: CellReport) -> Text:
    assert c.ways is not None
    least, most = c.ways
    return (f"{most:,} ways" if least == most else f"{least:,} to {most:,} ways",)


def _each_run(c: CellReport) -> Text:
    """Of prompts that were run several times, how often every run is right."""
    e = c.repeated
    if e is None or e.value is None:
        return ()
    k = e.metric.partition("^")[2]
    runs = "both runs" if k == "2" else f"all {k} runs"
    return (_said_right(c), " in ", Term(runs, "pass^k"), " of a prompt on ", _share(e))


def _weakest(c: CellReport) -> Text:
    """The perturbation that costs most, where it surely costs something; else that none does."""
    w = c.weakest
    if w is None or w.effect.value is None:
        return ()
    if w.effect.metric in ("flip_rate", "net_flip_rate"):
        if w.effect.value <= 0:
            return ()
        most = "the answer changes most under " if w.of > 1 else "the answer changes under "
        return (most, Code(w.perturbation), " (", Number(w.effect.value, part(w.effect.value)), ")")
    cost = points(-w.effect.value)
    if w.sure:
        head: Text = (Term("weakest", "weakest"), ": ") if w.of > 1 else ()
        return (*head, Code(w.perturbation), " ", *_cost(w.effect))
    if w.effect.value > 0:
        if w.of == 1:
            return (
                Code(w.perturbation),
                " (",
                Number(w.effect.value, cost),
                " ",
                Term("points", "points"),
                ", not for sure)",
            )
        none = "no perturbation surely costs points"
        return (none, " (most: ", Code(w.perturbation), ", ", Number(w.effect.value, cost), ")")
    said: Text = ("no perturbation costs points",) if w.of > 1 else (Code(w.perturbation), " costs no points")
    return (*said, *_on_balance(c))


def _on_balance(c: CellReport) -> Text:
    """What is lost at one wording and won at another, which no perturbation's points show."""
    accuracy, robust = c.overall["accuracy"].value, c.overall["robust_accuracy"].value
    if accuracy is None or robust is None or robust >= accuracy:
        return ()
    flips = [r for r in c.perturbations if r.within is None and r.level != "repeat" and r.flip_rate.value]
    if not flips:
        return (" on balance",)
    most = max(flips, key=lambda r: r.flip_rate.value or 0.0)
    return (
        " on balance, and the answer changes most under ",
        Code(most.perturbation),
        " (",
        _share(most.flip_rate),
        ")",
    )


def _cost(e: Estimate) -> Text:
    assert e.value is not None
    net = " over the noise floor" if e.metric == "net_drop" else ""
    return ("(", Number(e.value, points(-e.value)), " ", Term("points", "points"), f"{net})")


def _reacts(c: CellReport) -> Text:
    """Where the right answer changes: does the model move?"""
    e = c.overall.get("sensitivity")
    if not c.reactions or e is None or e.value is None:
        return ()
    said: Text = (
        Term("moves as it should", "sensitivity"),
        " on ",
        _share(e),
        " of changes to the right answer",
    )
    known = [r for r in c.reactions if r.sensitivity.value is not None]
    if len(known) < 2:
        return said
    least = min(known, key=lambda r: r.sensitivity.value or 0.0)
    return (*said, ", least on ", Code(least.perturbation), " (", _share(least.sensitivity), ")")


def _gate(c: CellReport, found: Comparison | None) -> Text:
    compared = _compared(c, found)
    regressed = any(isinstance(p, OutcomeWord) and p.like == "failed" for p in compared)
    parts = [p for p in (_thresholds(c), () if regressed else _expected(c), compared) if p]
    out: list[Piece] = []
    for i, said in enumerate(parts):
        out += [*(("; ",) if i else ()), *said]
    return tuple(out)


def _thresholds(c: CellReport) -> Text:
    n = len(c.verdicts)
    if not n:
        return ()
    threshold = Term("threshold" if n == 1 else "thresholds", "threshold")
    missed: tuple[tuple[CellOutcome, str], ...] = (
        ("error", "error on"), ("failed", "missed"), ("inconclusive", "inconclusive"),
    )  # fmt: skip
    told: list[Piece] = []
    for status, word in missed:
        hit = [v for v in c.verdicts if v.status == status]
        if not hit:
            continue
        named: Text = (": ", Code(str(hit[0].threshold))) if len(hit) == 1 and n > 1 else ()
        of: Text = (f"{len(hit)} of {n} ", threshold) if n > 1 else ("its ", threshold)
        aside = _aside(hit) if status == "failed" else ""
        if status == "error":
            told += [OutcomeWord(word, "error"), " ", *of, *named]
        elif told:
            told += [f", {len(hit)} ", OutcomeWord(word, status), *named, aside]
        else:
            told += [*of, " ", OutcomeWord(word, status), *named, aside]
    if told:
        return tuple(told)
    aside = _aside(c.verdicts)
    if n == 1:
        return ("its ", threshold, " ", OutcomeWord("holds", "passed"), aside)
    return (("both " if n == 2 else f"all {n} "), threshold, " ", OutcomeWord("hold", "passed"), aside)


def _aside(verdicts: Sequence[Verdict]) -> str:
    """How many of them are not sure, and by which clusters they are told: cases that belong together count for less."""
    unsure = sum(not v.settled for v in verdicts)
    sure = "" if not unsure else "not for sure" if unsure == len(verdicts) else f"{unsure} not for sure"
    clusters = next(
        (f"by {e.clusters}" for v in verdicts if (e := v.estimate) is not None and e.clusters), ""
    )
    said = ", ".join(x for x in (sure, clusters.partition(" (")[0]) if x)
    return f" ({said})" if said else ""


def _expected(c: CellReport) -> Text:
    if not c.n_calls:
        return ()
    said = {
        "xfailed": "xfailed, as was expected",
        "xpassed": "xpassed: it passed, though a failure was expected",
        "skipped": "skipped",
        "not_run": "not run to its end",
    }.get(c.outcome)
    if said is None:
        if c.outcome in ("failed", "error") and all(v.status == "passed" for v in c.verdicts):
            return (
                OutcomeWord(
                    "the test failed" if c.outcome == "failed" else "the test ended in an error",
                    c.outcome,
                ),
            )
        return ()
    return (OutcomeWord(said, c.outcome),)


def _compared(c: CellReport, found: Comparison | None) -> Text:
    cell = None if found is None else next((x for x in found.cells if x.key == c.key), None)
    return () if cell is None or found is None else gate(cell, found)


def gate(cell: CellComparison, found: Comparison) -> Text:
    """What the comparison says of one cell: ``against v1: 1 regression (-4 points)``."""
    main = cell.main
    by: Text = ()
    worst = min(cell.changes, key=lambda x: x.difference, default=None)
    if main is not None and cell.verdict == "regressed" and worst is not None:
        change = (
            main
            if main.verdict == "regressed"
            else next((x for x in cell.changes if x.verdict == "regressed"), worst)
        )
        by = (" (", Number(change.difference, points(change.difference)), " ", Term("points", "points"), ")")
    elif main is not None and cell.verdict == "improved":
        by = (" (", Number(main.difference, points(main.difference)), " ", Term("points", "points"), ")")
    elif main is not None and main.behind is not None and (main.swallowed or main.lower is None):
        by = (" (the judge's errors swallow the difference)",)
    words: dict[str, tuple[Piece, ...]] = {
        "regressed": (OutcomeWord("1 regression", "failed"),),
        "undecided": (OutcomeWord("undecided", "inconclusive"),),
        "no_worse": (OutcomeWord("no regression", "passed"),),
        "improved": (OutcomeWord("improved", "passed"),),
    }
    said = words[cell.verdict]
    return (Term("gate", "gate"), ": ", *said, *by)
