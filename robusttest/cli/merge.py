"""Join the run files of all shards of a run (pytest --robust-shard=K/N), then judge, compare and report as the whole run
would have done. Bodies of declared tests are not run: their thresholds are what is judged.

Exit code 1 where a threshold is missed or the gate fails, 2 where the parts are not one whole run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from robusttest.cli.console import color, directory, encoding, option, say, width
from robusttest.errors import UsageError

HELP = "join the shards of a run, then judge and report"


def arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "parts", nargs="+", metavar="PART", help="run files of the shards, or folders or URLs that hold them"
    )
    option(p, "report", help="write html, md, json or csv of the whole")
    option(p, "label", help="as --robust-label")
    option(p, "baseline", help="as --robust-baseline")
    option(p, "update_baseline", help="as --robust-update-baseline")
    option(p, "fail_on", help="as --robust-fail-on")
    option(p, "records", help="as --robust-records: where the whole run's records go")
    p.add_argument("-v", "--verbose", action="count", default=0, help="every perturbation, reason and cell")
    p.add_argument("-q", "--quiet", action="count", default=0, help="one line")
    directory(p)


def run(a: argparse.Namespace) -> int:
    from robusttest.report import files, terminal
    from robusttest.run.ledger import Ledger, check_records
    from robusttest.run.merge import merged, parts_in, read_parts
    from robusttest.settings import Settings

    parts = read_parts(parts_in(a.parts))
    of_parts = {k: v for k, v in parts[0].info.settings.items() if k in ("seed", "variants", "limit", "by")}
    given = {
        k: v
        for k in ("label", "baseline", "update_baseline", "fail_on", "records")
        if (v := getattr(a, k)) is not None
    }
    if a.fail_on is not None and a.baseline is None:
        raise UsageError("--fail-on needs --baseline: what the whole is compared with")
    models = tuple(dict.fromkeys(m for p in parts for m in p.info.models))
    settings = Settings(
        directory=Path(a.directory), report=tuple(a.report), models=models, **{**of_parts, **given}
    )
    for target in settings.report:
        files.check_writable(target.path)
    check_records(settings.records)
    ledger = Ledger(settings)
    first = parts[0].info
    ledger.new_run = replace(
        ledger.new_run,
        commit=first.commit,
        dirty=first.dirty,
        sources=first.sources,
        repo=first.repo,
        ci=first.ci,
        planned=first.planned,
    )
    ledger.load_baseline()
    for cell in merged(parts, settings):
        ledger.add(cell, ledger.lines(cell))
    for part in parts:
        i = part.info
        ledger.tallies[i.id] = {
            "calls": i.calls, "cached": i.cached, "errors": i.errors, "cost": i.cost, "problems": [], "versions": dict(i.versions),
        }  # fmt: skip
    if not ledger.cells:
        raise UsageError("the parts hold no test's records: there is nothing to judge")
    ledger.close(complete=True)
    assert ledger.report is not None
    lines = terminal.render(
        ledger.report, width=width(), color=color(), verbosity=a.verbose - a.quiet, encoding=encoding()
    )
    for line in lines:
        say(line)
    for path in ledger.written:
        say(f"wrote {path}")
    for problem in ledger.problems:
        say(f"note: {problem}")
    missed = any(c.outcome in ("failed", "error") for c in ledger.cells.values())
    return int(missed or bool(ledger.regressed) or bool(ledger.gate_broken))
