"""A judge in a test: what its errors swallow does not pass, whatever the policy on intervals."""

from __future__ import annotations

import pytest

GRADERS = '''
def desk(prompt):
    return "yes" if int(prompt.split()[-1]) % 8 else "no"

def lenient(prompt):
    """Lets two of five wrong answers pass."""
    question = int(prompt.split("<question>\\n")[1].split("\\n")[0].split()[-1])
    answer = prompt.split("<answer>\\n")[1].split("\\n")[0]
    return f"GRADE: {int(answer == 'yes' or question % 5 < 2)}"
'''
SUITE = """
from robusttest.scorers import judge

def graded(n):
    return [{{"question": f"Is it {{i}}", "target": "yes", "answer": "yes" if i % 2 else "no", "right": bool(i % 2)}} for i in range(n)]

asked = Task("asked", cases=[(f"Is it {{i}}", "yes") for i in range(1, 301)], scorer=judge(
    model="python:graders:lenient", labels=graded({labels})))

@robust(asked, models=["python:graders:desk"], perturbations=["casing"], variants=1, expect=["accuracy >= {limit}"])
def test_asked(): ...
"""


@pytest.mark.parametrize(
    ("labels", "limit", "outcome"),
    [(20, 0.86, "xfailed"), (400, 0.8, "passed"), (400, 0.94, "failed")],
)
def test_the_judges_errors_are_in_the_verdict(project, labels: int, limit: float, outcome: str) -> None:
    """87.5 % are right; the judge calls 92.5 % right, which alone is surely above .86 and not surely below .94."""
    (project.path / "graders.py").write_text(GRADERS, encoding="utf-8")
    project.test(SUITE.format(labels=labels, limit=limit))
    ran = project.run()
    ran.assert_outcomes(**{outcome: 1})
    ran.stdout.fnmatch_lines(
        ["*Judged right on 9[0-9] % of 300*", "*the judge python:graders:lenient*", "*behind its errors*"]
    )
    if outcome == "xfailed":
        ran.stdout.fnmatch_lines(["*the judge's errors swallow the difference to 0.86*"])


def test_a_dry_run_counts_the_judges_calls(project) -> None:
    (project.path / "graders.py").write_text(GRADERS, encoding="utf-8")
    project.test(
        SUITE.format(labels=20, limit=0.8).replace("labels=graded(20)", "labels=graded(20), repeats=3")
    )
    ran = project.run("--robust-dry-run")
    ran.stdout.fnmatch_lines(["*1,220*judge*"])  # 600 replies, 2 more of each of 300, 20 labelled answers


def test_a_gate_counts_the_judges_errors(project) -> None:
    """The model falls from 87.5 % to 75 %, by 7.7 points as judged: no 8. A judge known by 400 labelled answers shows 12.8;
    one that is known by 10 leaves it open. The baseline keeps what was known then.
    """
    (project.path / "graders.py").write_text(GRADERS, encoding="utf-8")
    worse = GRADERS.replace("% 8", "% 4")
    for labels, said in ((10, "*undecided: asked*"), (400, "*REGRESSED: asked*")):
        (project.path / "graders.py").write_text(GRADERS, encoding="utf-8")
        project.test(
            SUITE.format(labels=labels, limit=0.5).replace('perturbations=["casing"], variants=1, ', "")
        )
        project.run("--robust-update-baseline")
        kept = (project.path / "robust-baseline.json").read_text(encoding="utf-8")
        assert '"judging": {"model": "python:graders:lenient", "right_right": ' in kept
        (project.path / "graders.py").write_text(worse, encoding="utf-8")
        ran = project.run("--robust-baseline=robust-baseline.json", "--robust-fail-on=regression:0.08")
        ran.stdout.fnmatch_lines([said])
        ran.stdout.fnmatch_lines(["*the judge's errors*"])


BODIES = """
@pytest.fixture
def anyio_backend():
    return "asyncio"

cases = [(f"Is it {{i}}", "yes") for i in range(1, 301)]
same = dict(cases=cases, models=["python:graders:desk"], name="asked", expect=["accuracy >= {limit}"], scorer=asked.scorer)

@robust(**same)
def test_body(variant, ask):
    return ask(variant.input)

@pytest.mark.anyio
@robust(**same)
async def test_async(variant, ask):
    return (await ask.acall(variant.input)).text

@robust(asked, models=["python:graders:desk"], expect=["accuracy >= {limit}"])
def test_declared(): ...
"""


def test_a_body_has_its_reply_judged_as_a_task_has(project) -> None:
    (project.path / "graders.py").write_text(GRADERS, encoding="utf-8")
    suite = SUITE.partition("@robust")[0] + BODIES
    project.test(suite.format(labels=20, limit=0.86).replace("range(1, 301)", "range(1, 121)"))
    ran = project.run("-p", "anyio.pytest_plugin")
    ran.assert_outcomes(xfailed=3)
    said = ran.stdout.str()
    assert said.count("judge's errors swallow the difference to 0.86") == 3
    assert said.count("inconclusive  accuracy >= 0.86  0.875 [") == 3
    assert said.count("judged right on") == 3


MISUSED = {
    "test_misused_own.py": """
from robusttest.scorers import judge

@robust(cases=[("a", "a")])
def test_own(variant):
    return judge(model="python:graders:desk")("yes", variant)
""",
    "test_misused_two.py": """
@robust(cases=[("a", "a")], scorer="exact")
def test_two(variant):
    return 0.5
""",
    "test_misused_declared.py": """
@robust(task, scorer="exact", models=["python:models:route"])
def test_declared(): ...
""",
    "test_misused_bare.py": """
@robust(cases=["a"], scorer="exact")
def test_bare(variant): ...
""",
}


def test_scorers_out_of_place_are_refused_with_the_way(project) -> None:
    for name, source in MISUSED.items():
        project.test(source, name)
    ran = project.run("--continue-on-collection-errors")
    ran.assert_outcomes(failed=2, errors=2)
    said = ran.stdout.str()
    for way in (
        "give the scorer to the test, @robust(cases=…, scorer=judge(…)), and return the reply",
        "returned '0.5' (float), and its scorer= has nothing to score: return the reply",
        "robust(scorer=…): put it into the Task; scorer= is for cases=…",
        "has no target, and the scorer exact compares with one; name its column in load_cases(…, target=…)",
    ):
        assert way in said
    assert "labels='none'" not in said
