from __future__ import annotations

import pytest
from synthetic_results import records, run_info

from robusttest.report import history
from robusttest.report.escape import width_of
from robusttest.stats.cell.frame import frames
from robusttest.store.summaries import summary_of


def arrays(**kwargs):
    return [summary_of(f) for f in frames(records(**kwargs))]


VERSIONS = [
    (run_info(id="a" * 8, label="v1", created="2026-11-20T08:00:00Z"), arrays(accuracy=0.7, seed=1)),
    (run_info(id="b" * 8, created="2026-11-21T08:00:00Z", dirty=True), arrays(accuracy=0.8, seed=2)),
    (run_info(id="c" * 8, label="v3", created="2026-11-21T09:30:00Z"), arrays(accuracy=0.95, seed=3)),
    (run_info(id="d" * 8, label="v3", created="2026-11-22T09:30:00Z"), arrays(task="other", cases=5)),
]


def test_each_task_and_model_has_its_versions_in_order():
    first, second = history.build(VERSIONS)
    assert (first.task, second.task) == ("support-intents", "other")
    assert [v.name for v in first.versions] == ["v1", "353a334d", "v3"]
    for version, (_, rows) in zip(first.versions, VERSIONS, strict=False):
        (cell,) = rows
        assert version.estimates == cell.estimates
        assert [e.metric for e in cell.estimates] == ["accuracy", "robust_accuracy", "consistency_icc"]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_table_fits_and_names_every_version(width: int):
    lines = history.render(history.build(VERSIONS), width=width)
    assert all(width_of(line) <= width for line in lines)
    assert lines[0] == "support-intents · openai/gpt-4o-mini"
    assert [line.split("  ")[1].strip() for line in lines[2:5]] == (
        ["2026-11-20", "11-21 08:00", "11-21 09:30"]
        if width < 100
        else ["2026-11-20 08:00", "2026-11-21 08:00", "2026-11-21 09:30"]
    )
    assert "353a334d*" in lines[3], "a commit with changes is marked"
    for e in history.build(VERSIONS)[0].versions[0].estimates:
        assert (
            f"{e.value:.3f} [{e.low:.3f}" if width >= 100 else f"{e.value:.2f}".removeprefix("0")
        ) in lines[2]
    assert sum(c in lines[5] for c in "▁█") == 2
    assert lines[6] == ""
    assert lines[7].startswith("other")


def test_without_the_characters_there_is_no_sparkline():
    lines = history.render(history.build(VERSIONS), encoding="cp1252")
    "\n".join(lines).encode("cp1252")
    assert lines[5] == ""


def test_a_version_is_what_somebody_called_it():
    model = "python:desk:route"
    declared = {"model_versions": {model: "7"}, "dirty": True}
    runs = [
        (
            run_info(id="a" * 8, label="v1", created="2026-11-20T08:00:00Z", **declared),
            arrays(model=model, cases=9),
        ),
        (run_info(id="b" * 8, created="2026-11-21T08:00:00Z", **declared), arrays(model=model, cases=9)),
        (run_info(id="c" * 8, created="2026-11-22T08:00:00Z", dirty=True), arrays(model=model, cases=9)),
    ]
    lines = history.build(runs)
    assert [v.name for v in lines[0].versions] == ["v1", "7", "353a334d"]
    text = "\n".join(history.render(lines, width=120))
    assert "353a334d*" in text, "a commit with changes is marked; a declared version says itself what it is"
    assert "7*" not in text
    assert "v1*" not in text


def test_a_comparison_and_a_page_name_the_declared_version():
    from synthetic_results import result

    from robusttest.compare import Version, compare
    from robusttest.report import html, markdown
    from robusttest.report.build import build

    made = result(cases=12, variants=1, model="python:desk:route")
    infos = [run_info(id=x * 8, model_versions={"python:desk:route": v}) for x, v in (("a", "6"), ("b", "7"))]
    old, new = (Version.of(i, made.records) for i in infos)
    found = compare(old, new)
    assert found.old == "aaaaaaaa (version 6, 2026-11-24, 353a334d)"
    assert found.new.startswith("bbbbbbbb (version 7, ")
    report = build(infos[1], [made])
    assert "python:desk:route version `7`" in markdown.render(report)
    assert "python:desk:route version <code>7</code>" in html.render(report)


def test_models_named_by_their_version_are_one_line():
    def run(model, at, **changes):
        return run_info(id=model[-2:] * 4, created=f"2026-11-2{at}T08:00:00Z", **changes), arrays(
            model=model, cases=12, seed=at
        )

    runs = [
        run("python:desk:v10", 1),
        run("python:desk:v2", 2, label="released"),
        run("python:desk:v1", 3),
        run("python:desk:v2", 4),
        run("openai/gpt-4", 5),
        run("openai/gpt-5", 6),
    ]
    first, *others = history.over_models(history.build(runs))
    assert first.model == "python:desk:v1 … v10"
    assert [v.name for v in first.versions] == ["v1", "v2 (released)", "v2", "v10"]
    assert [v.model for v in first.versions] == [f"python:desk:v{n}" for n in (1, 2, 2, 10)]
    assert [line.model for line in others] == ["openai/gpt-4", "openai/gpt-5"], "no versions of one model"
    lines = history.render([first], width=80)
    assert lines[0] == "support-intents · python:desk:v1 … v10"
    assert [line.split()[1] for line in lines[2:6]] == ["v1", "v2", "v2", "v10"]
    assert sum(c in "▁▂▃▄▅▆▇█" for c in lines[6]) == 12


def test_versions_of_other_tests_and_tasks_stay_apart():
    runs = [
        (run_info(), arrays(model=f"python:desk:v{i}", cases=6, task=task, test=test))
        for i, (task, test) in enumerate([("a", "t.py::x"), ("a", "t.py::y"), ("b", "t.py::x")])
    ]
    assert len(history.over_models(history.build(runs))) == 3
