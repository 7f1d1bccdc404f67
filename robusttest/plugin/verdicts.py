"""From an item's verdicts to the outcome of a test: what is raised, and its text."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from robusttest.core.nouns import Record, Verdict
    from robusttest.engine.cell import Cell
    from robusttest.plugin.item import RobustItem

FIRST = 1000
"""Failed calls that are looked at for the one to tell."""

Kind = Literal["passed", "failed", "error", "xfailed", "skipped"]


class Judgement(NamedTuple):
    kind: Kind
    text: str = ""
    """Several lines; the first one is the summary's."""

    @property
    def line(self) -> str:
        return self.text.partition("\n")[0]


def judge(item: RobustItem, *, width: int = 80) -> Judgement:
    """What the verdicts make of the test. An error is never a pass, and told apart from a miss."""
    result = item.result
    assert result is not None
    if item.settings.shard is not None:
        return Judgement("passed")  # a part is not judged
    if item.skips and len(item.skips) == len(_planned(result)):
        return Judgement("skipped", f"the body skipped every variant: {item.skips[0]}")
    if (gap := _no_data(result)) is not None:
        return Judgement("error", _text(f"nothing to judge: {gap}", item, width))
    by_status = {status: [v for v in result.verdicts if v.status == status] for status in
                 ("error", "failed", "inconclusive")}  # fmt: skip
    policy = item.settings.inconclusive
    missed = by_status["failed"] + (by_status["inconclusive"] if policy == "fail" else [])
    if by_status["error"]:
        return Judgement("error", _text(_told(by_status["error"]), item, width))
    if missed:
        return Judgement("failed", _text(_told(missed), item, width))
    if item.failed and not item.marked.thresholds:
        # A body's assertion that nothing allows to fail is a failed assertion.
        ran = sum(r.status not in ("rejected", "not_applicable") for r in result.records)
        head = f"{item.failed} of {ran} variants failed; expect=[…] says how many may"
        return Judgement("failed", _text(head, item, width))
    # Where the estimate decides, what a judge's errors swallow is still no pass.
    if by_status["inconclusive"] and policy in ("xfail", "point"):
        reasons = "; ".join(v.reason for v in by_status["inconclusive"])
        return Judgement("xfailed", f"inconclusive: {reasons}")
    return Judgement("passed")


def refuse_value(item: pytest.Function, value: object) -> None:
    """The body of a declared test returns nothing, as pytest's tests do: a comparison that is returned is not asserted."""
    if value is None:
        return
    import pytest

    from robusttest.core.secrets import one_line

    said = (
        f"Expected None, but {item.originalname} returned {one_line(repr(value), 80)}: write assert, not return; scores are "
        "returned by a test of its own body, @robust(cases=…)"
    )
    fail_in_test(item, pytest.fail.Exception(said, pytrace=False))


def fail_in_test(item: pytest.Function, failure: BaseException, result: Cell | None = None) -> NoReturn:
    """Raise it from a frame in the user's file, at the test: that is where a debugger stops, with ``result`` at hand, and where
    ``--tb=line`` points. No line of the test has failed, so the frame is made.
    """
    function = inspect.unwrap(item.function)
    code = getattr(function, "__code__", None)
    if code is None:
        raise failure from None
    there = _raise.__code__.replace(
        co_filename=code.co_filename, co_name=code.co_name, co_firstlineno=code.co_firstlineno - 1
    )
    FunctionType(there, function.__globals__)(result, failure)
    raise failure from None


def _raise(result: Cell | None, failure: BaseException) -> NoReturn:
    raise failure from None  # in the line below the first of the function, see `fail_in_test`


def add_verdict(item: RobustItem, error: BaseException) -> None:
    """A body that failed says what the thresholds say, too."""
    judged = judge(item)
    if judged.kind != "passed":
        error.add_note(judged.text)


def _planned(result: Cell) -> list[Record]:
    return [r for r in result.records if r.status not in ("rejected", "not_applicable")]


def _no_data(result: Cell) -> str | None:
    """Why there is nothing to judge, where no threshold says so itself."""
    if not _planned(result):
        return "no variant was run: nothing was measured"
    if result.verdicts:
        return None
    coverage = result.coverage
    if coverage is not None and coverage < result.settings.min_coverage:
        return (
            f"{coverage:.1%} of the planned variants have a result, {result.settings.min_coverage:.0%} needed"
        )
    return None


def _told(verdicts: Sequence[Verdict]) -> str:
    """The worst of them in a line, its number first, and how many more there are."""
    from robusttest.report.text import miss

    rest = len(verdicts) - 1
    return miss(verdicts[0]) + (f", and {rest} more" if rest else "")


def _text(head: str, item: RobustItem, width: int) -> str:
    from robusttest.report.build import cell_report
    from robusttest.report.escape import visible
    from robusttest.report.terminal import failure_lines

    lines = [
        visible(head),
        f"robusttest: {visible(item.task)}" + (f" on {visible(item.model)}" if item.model else ""),
    ]
    cell = cell_report(item.cell)
    if cell is not None:
        shown = (
            getattr(sys.__stdout__, "encoding", None) or "utf-8"
        )  # pytest's own writer escapes what it can't show
        lines += failure_lines(cell, width=width, encoding=shown)
    if item.result is not None and (call := _failed_call(item.result)) is not None:
        lines.append(f"  {call}")
    return "\n".join(lines)


def _failed_call(result: Cell) -> str | None:
    """Where calls failed, or code raised: what one of them was told, in full, as counts cut it short."""
    from robusttest.report.build import status_of
    from robusttest.report.escape import cut, visible

    failed = [r for r in result.records if r.status == "error" and r.reason]
    if not failed:
        return None
    # Of many failures of one kind the first say most: a missing reply's nearest one is looked up a few times only.
    r = max(failed[:FIRST], key=lambda r: len(r.reason or ""))
    where = f"{r.case_id}::{r.variant}" if r.variant else r.case_id
    what = "the call of " if status_of(r) == "error" else ""
    return f"{what}{visible(where)}: {cut(visible(r.reason or ''), 600)}"
