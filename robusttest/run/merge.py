"""Join the parts of a sharded run into the run that one machine would have made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robusttest.core.files import URL
from robusttest.core.locations import Location
from robusttest.core.nouns import CellKey, Json, Record
from robusttest.core.shards import Shard
from robusttest.engine.cell import Cell
from robusttest.errors import UsageError
from robusttest.run.plan import key_text
from robusttest.settings import Settings
from robusttest.store.reader import Run, read_info, read_run
from robusttest.store.shared import shared_runs


def parts_in(places: Iterable[str]) -> list[Path | Location]:
    """The run files of shards: those named, and all in a folder named (or in its ``runs``), or at a URL."""
    found: list[Path | Location] = []
    for name in places:
        if URL.fullmatch(name):
            found += shared_runs(name)
            continue
        place = Path(name)
        if not place.exists():
            raise UsageError(
                f"there is no {str(place)!r}: give run files of shards, or a folder that holds them"
            )
        if place.is_dir():
            held = sorted(place.rglob("*.jsonl"))
            held = [p for p in held if ".parts" not in p.parts and _is_part(p)]
            if not held:
                raise UsageError(
                    f"{str(place)!r} holds no run file of a shard (pytest --robust-shard=K/N makes one)"
                )
            found += held
        else:
            found.append(place)
    return list({str(p): p for p in (p.resolve() if isinstance(p, Path) else p for p in found)}.values())


def _is_part(path: Path) -> bool:
    """Whether a file is a run's, and the run a shard. A run file that can't be read is said to be that, not left out."""
    with path.open("rb") as f:
        begins = f.read(200)
    return b'"kind":"run"' in begins.replace(b" ", b"") and "shard" in read_info(path).settings


def read_parts(paths: Sequence[Path | Location]) -> list[Run]:
    """The parts, in the order of their shards. Raises `UsageError` unless they are of one plan, complete and disjoint."""
    runs = [read_run(p) for p in paths]
    shards: dict[Shard, Run] = {}
    for run in runs:
        told = run.info.settings.get("shard")
        if told is None:
            raise UsageError(f"{run.path}: no part of a sharded run (pytest --robust-shard=K/N makes one)")
        shard = Shard.parse(told)
        if (before := shards.get(shard)) is not None:
            raise UsageError(
                f"shard {shard} is there twice: {before.path} and {run.path}; name the one that counts"
            )
        shards[shard] = run
    several = sorted({s.of for s in shards})
    if len(several) > 1:
        raise UsageError(f"parts of {' and of '.join(map(str, several))} shards: they are of different runs")
    missing = [str(s) for i in range(1, several[0] + 1) if (s := Shard(i, several[0])) not in shards]
    if missing:
        raise UsageError(
            f"{len(missing)} of {several[0]} shards {'is' if len(missing) == 1 else 'are'} missing: {', '.join(missing[:8])}"
            f"{' …' if len(missing) > 8 else ''}"
        )
    ordered = [shards[s] for s in sorted(shards)]
    _one_plan(ordered)
    for run in ordered:
        if not run.info.complete:
            raise UsageError(
                f"{run.path}: shard {run.info.settings['shard']} did not run to its end; run it again (--robust-resume goes on with it)"
            )
    return ordered


def _one_plan(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for name in ("robusttest", "nlpaug"):
            ours, theirs = first.info.versions.get(name), run.info.versions.get(name)
            if ours and theirs and ours != theirs:
                raise UsageError(f"two plans: {name} {ours} in {first.path}, {theirs} in {run.path}")
        for key in sorted(first.info.plan.keys() | run.info.plan.keys()):
            ours, theirs = first.info.plan.get(key), run.info.plan.get(key)
            if ours is None or theirs is None:
                has, lacks = (run, first) if ours is None else (first, run)
                raise UsageError(f"two plans: {has.path} has the test {key}, {lacks.path} has not")
            if ours["plan"] != theirs["plan"]:
                raise UsageError(
                    f"two plans: the cases, the prompt, the perturbations or the settings of {key} differ between {first.path} and "
                    f"{run.path}"
                )


def merged(runs: Sequence[Run], settings: Settings) -> list[Cell]:
    """The whole run's cells: records in the whole's order, judged as the tests say. Raises `UsageError` for a case that
    stands in two parts, or in the wrong one.
    """
    plan: Mapping[str, Mapping[str, Json]] = runs[0].info.plan
    held: dict[CellKey, list[Cell]] = {}
    for run in runs:
        shard = Shard.parse(run.info.settings["shard"])
        for cell in run.cells:
            for case_id in {r.case_id for r in cell.records}:
                if not shard.has(case_id):
                    raise UsageError(f"{run.path}: case {case_id!r} is not of shard {shard}")
            held.setdefault(cell.key, []).append(cell)
    return [_whole(key, parts, plan.get(key_text(key), {}), settings) for key, parts in held.items()]


def _whole(key: CellKey, parts: Sequence[Cell], planned: Mapping[str, Any], settings: Settings) -> Cell:
    places: Mapping[str, int] = planned.get("places", {})
    records: list[Record] = sorted(
        (r for part in parts for r in part.records), key=lambda r: places.get(r.case_id, len(places))
    )
    thresholds = next((p.thresholds for p in parts if p.thresholds), ())
    own = replace(
        settings,
        inconclusive=planned.get("inconclusive", settings.inconclusive),
        min_coverage=planned.get("min_coverage", settings.min_coverage),
    )
    cell = Cell(
        key,
        records,
        nodeid=next((p.nodeid for p in parts if p.nodeid), None),
        thresholds=thresholds,
        settings=own,
        notes=tuple(dict.fromkeys(n for p in parts for n in p.notes)),
        wanted=tuple(planned.get("wanted", ())),
        judging=next((p.judging for p in parts if p.judging is not None), None),
    )
    told = Counter(p.outcome for p in parts)
    broken = [p for p in parts if p.outcome in ("failed", "error")]
    if broken:
        cell.outcome, cell.reason = broken[0].outcome, broken[0].reason
    elif told.keys() <= {"skipped", None, "not_run"} and told:
        cell.outcome, cell.reason = parts[0].outcome, parts[0].reason
    elif key.test is not None:
        cell.outcome, cell.reason = _outcome(cell)
    return cell


def _outcome(cell: Cell) -> tuple[Any, str | None]:
    """What the test would have come to by its thresholds."""
    from robusttest.report.text import miss

    missed = {"failed", *({"inconclusive"} if cell.settings.inconclusive == "fail" else ())}
    for outcome, statuses in (("error", {"error"}), ("failed", missed)):
        wrong = [v for v in cell.verdicts if v.status in statuses]
        if wrong:
            return outcome, miss(wrong[0]) + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else "")
    if cell.settings.inconclusive in ("xfail", "point") and any(
        v.status == "inconclusive" for v in cell.verdicts
    ):
        return "xfailed", None
    return "passed", None
