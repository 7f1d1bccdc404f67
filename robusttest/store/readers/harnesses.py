"""What evaluation harnesses leave, as rows under our names: inspect_ai, lm-eval, HELM and OpenAI evals.

Each function takes what a file holds and yields `SourceRow`s; what the tool itself wrote stays in the row, so that
``--map score=scores.match.value`` reaches it by its own name.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from robusttest.errors import CaseError, UsageError
from robusttest.store.readers.file import FileFacts, cells_of
from robusttest.tasks.sources import SourceRow, unzstd

VARIANT = ("variant", "perturbation", "prompt", "template", "paraphrase")
"""Keys of a sample's metadata that name its wording, in the order they are asked."""


def is_inspect(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "task" in value["eval"]


def inspect_log(path: Path, log: Mapping[str, Any]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """An inspect_ai log: one row a sample and epoch, its first score; another one by ``--map score=scores.NAME.value``."""
    head = log["eval"]
    said = FileFacts(
        model=head.get("model"),
        task=head.get("task"),
        run=head.get("run_id") or head.get("eval_id"),
        settings={**(head.get("task_args") or {}), **_generation(log)},
    )
    samples = log.get("samples")
    if not samples:
        raise UsageError(f"{path}: an inspect_ai log without samples: log them (inspect's log_samples)")
    return said, (_sample(path, i, s) for i, s in enumerate(samples))


def inspect_archive(path: Path, raw: bytes) -> tuple[FileFacts, Iterator[SourceRow]]:
    """An ``.eval`` file: a zip of the header and one JSON a sample."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        names = archive.namelist()
        head = "header.json" if "header.json" in names else "_journal/start.json"
        log = json.loads(_member(path, raw, archive, head))
        log["samples"] = [
            json.loads(_member(path, raw, archive, n))
            for n in names
            if n.startswith("samples/") and n.endswith(".json")
        ]
    except (zipfile.BadZipFile, KeyError, ValueError) as e:
        raise CaseError(f"{path}: not a whole inspect_ai log: {e}") from None
    if not is_inspect(log):
        raise CaseError(f"{path}: a zip, and not an inspect_ai log")
    return inspect_log(path, log)


ZSTANDARD = 93
"""The zip format's number of Zstandard, which inspect_ai packs with and Python's zipfile reads from 3.14 on."""


def _member(path: Path, raw: bytes, archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != ZSTANDARD:
        return archive.read(info)
    start = info.header_offset  # of the local header: 30 bytes, the name, the extra field, then the data
    skip = (
        30
        + int.from_bytes(raw[start + 26 : start + 28], "little")
        + int.from_bytes(raw[start + 28 : start + 30], "little")
    )
    return unzstd(path, raw[start + skip : start + skip + info.compress_size])


def _generation(log: Mapping[str, Any]) -> dict[str, Any]:
    config = (log.get("plan") or {}).get("config") or log["eval"].get("model_generate_config") or {}
    return {k: config[k] for k in ("temperature", "top_p", "seed") if config.get(k) is not None}


def _sample(path: Path, i: int, sample: Mapping[str, Any]) -> SourceRow:
    scores = sample.get("scores") or {}
    first: Mapping[str, Any] = next(iter(scores.values()), {})
    value = first.get("value")
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    output = sample.get("output") or {}
    meta = sample.get("metadata") or {}
    target = sample.get("target")
    values = {
        **sample,
        "case_id": sample.get("id"),
        "repeat": int(sample.get("epoch") or 1) - 1,
        "variant": next((str(meta[k]) for k in VARIANT if meta.get(k)), ""),
        "score": value,
        "answer": first.get("answer"),
        "reply": output.get("completion") or None,
        "target": target[0] if isinstance(target, list) and len(target) == 1 else target,
        "input_hash": None,
        "reason": (sample.get("error") or {}).get("message"),
    }
    if value is None:
        values["status"] = "error"
    return SourceRow(f"{path}: sample {i + 1} (id {sample.get('id')!r})", values)


def is_lm_eval(row: Any) -> bool:
    return isinstance(row, dict) and "doc_id" in row and ("resps" in row or "filtered_resps" in row)


def lm_eval(path: Path, rows: Iterable[SourceRow]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """lm-eval's ``samples_TASK_TIME.jsonl``; the model from the results file beside it, or the folder's name.

    Of several filters the first is taken, of several metrics the first of ``metrics``.
    """
    task, time = path.name.partition(".jsonl")[0].removeprefix("samples_"), ""
    stem, _, stamp = task.rpartition("_")
    if stem and stamp[:2] == "20":
        task, time = stem, stamp
    said = FileFacts(model=_lm_eval_model(path, time), task=task, run=time or None, settings={})
    return said, _lm_eval_rows(rows)


def _lm_eval_rows(rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
    wanted: str | None = None
    for row in rows:
        values = cells_of(row)
        chosen = values.get("filter")
        wanted = wanted if wanted is not None else chosen
        if chosen != wanted:
            continue
        metrics = [m for m in values.get("metrics") or () if m in values]
        score = values[metrics[0]] if metrics else None
        doc: Mapping[str, Any] = found if isinstance(found := values.get("doc"), dict) else {}
        variant = next((str(doc[k]) for k in ("prompt_id", "option_order", "variant") if k in doc), "")
        yield SourceRow(
            row.place,
            {
                **values,
                "case_id": doc.get("question_id", values["doc_id"]) if variant else values["doc_id"],
                "variant": variant,
                "score": score,
                "answer": _lm_eval_answer(values.get("filtered_resps")),
                "target": values.get("target"),
            },
        )


def _lm_eval_answer(said: Any) -> Any:
    """The text, or for options scored by likelihood the number of the likeliest."""
    if not isinstance(said, list) or not said:
        return said or None
    if all(isinstance(x, list) and len(x) == 2 and _number(x[0]) is not None for x in said) and len(said) > 1:
        scores = [_number(x[0]) or 0.0 for x in said]
        return scores.index(max(scores))
    return said[0] if isinstance(said[0], str | int | float) else json.dumps(said[0])


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _lm_eval_model(path: Path, time: str) -> str | None:
    for file in sorted(
        path.parent.glob(f"results_{time}*.json") if time else path.parent.glob("results_*.json")
    ):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        name = found.get("model_name") or (found.get("config") or {}).get("model_args")
        if isinstance(name, str) and name:
            return name
    folder = path.parent.name
    return folder.replace("__", "/") if "__" in folder else None


def is_helm(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and {"instance_id", "stats"} <= value[0].keys()
    )


HELM_SCORES = (
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "f1_score",
)
"""HELM's metrics of one instance, in the order they are asked."""


def helm(path: Path, rows: list[dict[str, Any]]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """HELM's ``per_instance_stats.json``, its run in ``run_spec.json`` or the folder's name beside it.

    Answers come from ``display_predictions.json``, where it lies there too. Another metric: ``--map score=NAME``.
    """
    spec = _json(path.parent / "run_spec.json") or {}
    name = spec.get("name") or path.parent.name
    model = (spec.get("adapter_spec") or {}).get("model") or _part(name, "model")
    answers = {
        (p.get("instance_id"), _name(p.get("perturbation")), p.get("train_trial_index", 0)): p
        for p in _json(path.parent / "display_predictions.json") or []
        if isinstance(p, dict)
    }
    task = ",".join(part for part in str(name).split(",") if not part.startswith("model="))
    said = FileFacts(model=model, task=task if ":" in task or spec else None, run=None, settings={})

    def made() -> Iterator[SourceRow]:
        for i, row in enumerate(rows):
            stats = {
                s["name"]["name"]: s.get("mean")
                for s in row.get("stats", ())
                if isinstance(s.get("name"), dict) and _of_itself(s["name"].get("perturbation"))
            }
            variant = _name(row.get("perturbation"))
            trial = row.get("train_trial_index", 0)
            found = answers.get((row["instance_id"], variant, trial)) or {}
            yield SourceRow(
                f"{path}: item {i} ({row['instance_id']})",
                {
                    **stats,
                    "case_id": row["instance_id"],
                    "variant": variant,
                    "repeat": trial,
                    "score": next((stats[n] for n in HELM_SCORES if n in stats), None),
                    **(
                        {"answer": found.get("mapped_output") or found.get("predicted_text")} if found else {}
                    ),
                },
            )

    return said, made()


def _of_itself(perturbation: Any) -> bool:
    return not isinstance(perturbation, dict) or perturbation.get("computed_on", "perturbed") == "perturbed"


def _name(perturbation: Any) -> str:
    name = perturbation.get("name", "") if isinstance(perturbation, dict) else ""
    return "" if name == "identity" else str(name)


def _part(name: str, key: str) -> str | None:
    return next(
        (p.removeprefix(f"{key}=") for p in name.replace(":", ",").split(",") if p.startswith(f"{key}=")),
        None,
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def is_openai_evals(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("spec"), dict) and "completion_fns" in row["spec"]


def openai_evals(path: Path, rows: Iterable[SourceRow]) -> tuple[FileFacts, Iterator[SourceRow]]:
    """OpenAI evals' log: its ``match`` events (or ``metrics`` with ``accuracy``/``score``), one a sample; of a sample without
    any, its ``error`` is a call that failed.
    """
    held = list(rows)
    kinds = ("match", "metrics")
    scored = {e.get("sample_id") for e in map(cells_of, held[1:]) if e.get("type") in kinds}
    spec: Mapping[str, Any] = cells_of(held[0])["spec"]
    said = FileFacts(
        model="+".join(map(str, spec.get("completion_fns") or ())) or None,
        task=spec.get("base_eval") or spec.get("eval_name"),
        run=spec.get("run_id"),
        settings={"eval": spec.get("eval_name")},
    )

    def made() -> Iterator[SourceRow]:
        for one in held[1:]:
            event = cells_of(one)
            data, case = event.get("data"), event.get("sample_id")
            if isinstance(data, dict) and event.get("type") == "error" and case not in scored:
                scored.add(case)
                failed: dict[str, Any] = {
                    "case_id": case,
                    "variant": "",
                    "status": "error",
                    "reason": data.get("message"),
                }
                yield SourceRow(one.place, failed)
                continue
            if not isinstance(data, dict) or event.get("type") not in kinds:
                continue
            score = next((data[k] for k in ("correct", "score", "accuracy") if k in data), None)
            expected = data.get("expected")
            if isinstance(expected, list) and len(expected) == 1:
                expected = expected[0]
            yield SourceRow(
                one.place,
                {
                    **data,
                    "case_id": case,
                    "variant": "",
                    "score": score,
                    "answer": data.get("picked") or data.get("sampled"),
                    "target": expected,
                },
            )

    return said, made()
