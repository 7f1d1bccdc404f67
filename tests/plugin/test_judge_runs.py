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
