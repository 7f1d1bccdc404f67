"""Keys planted wherever a key may be appear in nothing that a run writes or prints; what a model says harms nothing."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path
from urllib.parse import quote

import forks
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "gateway"))

from loopback import LoopbackServer

PLANTED = {
    # As the environment holds keys.
    "OPENAI_API_KEY": "planted-environment-11111",
    "WAREHOUSE_PASSWORD": 'planted"pass\\wörd-22222',
    # These names say nothing: the tests below pass them on as keys.
    "PLANT_PARAM": "planted-parameter-33333",
    "PLANT_HEADER": "planted-header-44444",
    "PLANT_USER": "planted-userinfo-55555",
    "PLANT_QUERY": "planted-query-66666",
    "PLANT_BODY": "planted-in-ask-77777",
}

SUITE = """
import os
import re
from robusttest.scorers import scorer

E = os.environ
ACCESS = {
    "api_base": E["URL"],
    "api_key": E["PLANT_PARAM"],
    "extra_headers": {"X-Auth-Token": E["PLANT_HEADER"], "X-Team": "blue"},
}
IN_QUERY = E["URL"] + "?token=" + E["PLANT_QUERY"]
IN_USER = E["URL"].replace("//", f"//me:{E['PLANT_USER']}@")
FEW = CASES[:3]

@scorer
def leaky_scorer(completion, variant):
    raise ValueError("no table with " + E["WAREHOUSE_PASSWORD"])

remote = Task("remote", cases=FEW, prompt="Ticket: {input}", params=ACCESS, scorer="exact")

@robust(remote, perturbations=["casing"], variants=1, models=["openai/gpt-4o-mini", "together_ai/m"],
        expect=[accuracy >= 0.9])
def test_a_missed(result):
    held = {"result": result, "task": remote}
    assert result.accuracy.value > 2

@robust(Task("scored", cases=FEW, params={**ACCESS, "api_base": IN_QUERY}, scorer=leaky_scorer), models=["openai/gpt-4o-mini"])
def test_b_scorer(result): ...

@robust(Task("callable", cases=FEW, scorer="exact"), models=["python:models:leaky"])
def test_c_callable(result): ...

@robust(cases=FEW, models=["openai/gpt-4o-mini"])
def test_d_body(variant, ask):
    reply = ask(variant.input, api_base=E["URL"], api_key=E["PLANT_BODY"])
    assert reply.text == "no such thing"

@robust(cases=FEW, models=["openai/gpt-4o-mini"])
def test_e_refused(variant, ask):
    # The server answers 401 and says the key.
    ask(variant.input, api_base=E["URL_401"], api_key=E["PLANT_BODY"])

@robust(Task("user", cases=FEW[:1], params={**ACCESS, "api_base": IN_USER}, scorer="exact"), models=["openai/gpt-4o-mini"])
def test_da_user(result): ...

@robust(Task("refused", cases=FEW, params={**ACCESS, "api_base": E["URL_401"]}, scorer="exact"), models=["openai/gpt-4o"])
def test_f_refused(result): ...
"""

LEAKY = """
import os
import re

def leaky(prompt):
    key = os.environ["OPENAI_API_KEY"]
    try:
        raise KeyError(f"refused {key}")
    except KeyError as e:
        raise ValueError(f"could not log in with {key} and {os.environ['WAREHOUSE_PASSWORD']}") from e
"""


def everything_in(folder: Path) -> dict[str, bytes]:
    """Every byte under a folder by file name, with what the stores hold unpacked."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    found = {str(p.relative_to(folder)): p.read_bytes() for p in paths}
    for path in paths:
        if path.name == "replies.sqlite":
            with sqlite3.connect(path) as db:
                for (blob,) in [
                    *db.execute("SELECT request FROM replies"),
                    *db.execute("SELECT value FROM variants"),
                ]:
                    found[f"{path.name}:{len(found)}"] = zlib.decompress(blob)
            db.close()
    return found


def spellings(secret: str) -> list[bytes]:
    return [
        s.encode()
        for s in {
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
            html.escape(secret),
            html.escape(secret, quote=False),
            quote(secret),
        }
    ]


def leaks(outputs: dict[str, bytes], planted: dict[str, str] = PLANTED) -> list[str]:
    return [
        f"{name}: …{data[max(0, at - 60) : at + 60]!r}…"
        for name, data in outputs.items()
        for secret in planted.values()
        if not name.endswith((".py", ".pyc"))
        for text in spellings(secret)
        if (at := data.find(text)) >= 0
    ]


def test_planted_keys_are_in_nothing_that_a_run_leaves(project):
    (project.path / "models.py").write_text(LEAKY, encoding="utf-8")
    project.test(SUITE)
    reports = [f"--robust-report={kind}:out/r.{kind}" for kind in ("json", "md", "csv", "html")]
    with LoopbackServer() as server, LoopbackServer(always="401") as refusing:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "LITELLM"))}
        env |= {**PLANTED, "URL": server.url, "URL_401": refusing.url}
        env["GITHUB_STEP_SUMMARY"] = str(project.path / "summary.md")
        done = subprocess.run(
            [
                *(forks.python(), "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider"),
                *("--showlocals", "--tb=long", "-rA", "-vv", "--junitxml=j.xml", "-o", "junit_family=xunit1"),
                *("--log-level=DEBUG", "--log-file=log.txt", *reports),
            ],
            cwd=project.path, env=env, capture_output=True, check=False, timeout=100,
        )  # fmt: skip
        exported = subprocess.run(
            [forks.python(), "-m", "robusttest.cli", "cache", "export", "cassette.jsonl"],
            cwd=project.path, env=env, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    out = done.stdout.decode()
    outputs = {"stdout": done.stdout, "stderr": done.stderr, "cli": exported.stdout + exported.stderr}
    outputs |= everything_in(project.path)
    assert leaks(outputs) == []
    # It was a run that would show them: keys were sent, and every kind of output was written.
    sent = {name: value for r in (*server.requests, *refusing.requests) for name, value in r.headers.items()}
    assert sent["x-auth-token"] == PLANTED["PLANT_HEADER"]
    everywhere = repr([*server.requests, *refusing.requests])
    for name in ("PLANT_PARAM", "PLANT_BODY", "PLANT_QUERY"):
        assert PLANTED[name] in everywhere, name
    assert "INTERNALERROR" not in out + done.stderr.decode()
    assert done.returncode == 1, out[-3000:] + done.stderr.decode()[-2000:]
    assert "could not log in with [hidden]" in out
    assert "no table with" in out
    assert "401" in out
    assert exported.returncode == 0, exported.stderr
    assert "together_ai/m" in out  # whose calls go through LiteLLM, as the others do not
    assert outputs["log.txt"]
    for name in (
        "out/r.json",
        "out/r.md",
        "out/r.csv",
        "out/r.html",
        "j.xml",
        "summary.md",
        "cassette.jsonl",
    ):
        assert len(outputs[name]) > 100, name


SAID_SUITE = """
import os
from robusttest import Answer
from robusttest.scorers import scorer
from robusttest.core.nouns import Score

E = os.environ
KEY = E["SERVICE_KEY"]
FEW = CASES[:3]
TOLD = [{"id": f"k{i}", "input": f"log in {i} with {E['DB_PASSWORD']} please", "target": f"in as {KEY}"} for i in range(3)]
DEEP = {
    "api_base": E["URL"], "api_key": E["PLANT_PARAM"],
    "extra_body": {"provider": {"auth": {"session_token": E["PLANT_DEEP"]}, "order": ["a"]}, "note": "with " + KEY,
                   "mcp": [{"url": "http://x", "headers": {"Authorization": "Bearer " + E["PLANT_LISTED"]}}]},
    "extra_headers": {"X-Anything": KEY, "X-Team": "blue"},
}

@scorer
def telling(completion, variant):
    return Score(value=0.0, answer={"said": [KEY, completion.text]}, explanation="not " + E["DB_PASSWORD"])

@robust(Task("told", cases=TOLD, prompt="{input}", system="The key is " + KEY, scorer="exact"), perturbations=["casing", "whitespace"],
        models=["python:models:parrot"], expect=[accuracy >= 0.9])
def test_told(result):
    print("printed", KEY)
    assert result.records[0].reply == E["DB_PASSWORD"], E["DB_PASSWORD"]

@robust(Task("scored", cases=FEW, prompt="{input}", params=DEEP, scorer=telling), models=["openai/gpt-4o-mini"],
        perturbations=["casing"], expect=[accuracy >= 0.9])
def test_scored(result): ...

@robust(cases=TOLD, models=["python:models:parrot"], perturbations=["casing"])
def test_assert(variant, ask):
    print("printed", KEY)
    reply = str(ask(variant.input))
    assert reply == KEY + "!", {"a": [KEY] * 9, "b": E["DB_PASSWORD"]}

@robust(cases=TOLD, models=["python:models:parrot"])
def test_raise(variant, ask):
    raise LookupError("no " + KEY) from OSError(E["DB_PASSWORD"])

@robust(cases=TOLD)
def test_answer(variant):
    return Answer({"deep": [{KEY: variant.input}]}, score=0.5)

@robust(cases=TOLD)
async def test_async(variant):
    raise LookupError("no " + KEY)
"""

PARROT = """
import os
from robusttest import model

@model(version=1)
def parrot(messages):
    return messages[-1]["content"] + " or " + os.environ["SERVICE_KEY"] + "; sk-proj-abcdefgh12345678"
"""

SAID_PLANTED = {
    "SERVICE_KEY": "planted<key>&'1234567890",
    "DB_PASSWORD": "plänted password 2345",
    "PLANT_PARAM": "planted-parameter-33333",
    "PLANT_DEEP": "planted-deep-44444",
    "PLANT_LISTED": "planted-listed-55555",
    "BY_FORM": "sk-proj-abcdefgh12345678",
}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_keys_in_what_is_asked_said_scored_and_raised_are_in_no_output(project, workers):
    (project.path / "models.py").write_text(PARROT, encoding="utf-8")
    project.test(SAID_SUITE)
    reports = [f"--robust-report={kind}:out/r.{kind}" for kind in ("json", "md", "csv", "html")]
    if workers != "0":  # the network is the same, and LiteLLM takes long to import
        reports.append("--deselect=test_it.py::test_scored")
    with LoopbackServer() as server:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "LITELLM"))}
        env |= {**SAID_PLANTED, "URL": server.url, "GITHUB_ACTIONS": "true"}
        env["GITHUB_STEP_SUMMARY"] = str(project.path / "summary.md")
        done = subprocess.run(
            [
                *(forks.python(), "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider"),
                *("--showlocals", "--tb=long", "-rA", "-vv", "--junitxml=j.xml", "-o", "junit_logging=all"),
                *("-n", workers, "--robust-update-baseline=force", "--robust-shrink=20", "--robust-variants=2", *reports),
            ],
            cwd=project.path, env=env, capture_output=True, check=False, timeout=100,
        )  # fmt: skip
        exported = subprocess.run(
            [forks.python(), "-m", "robusttest.cli", "cache", "export", "cassette.jsonl"],
            cwd=project.path, env=env, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    outputs = {"stdout": done.stdout, "stderr": done.stderr, "cli": exported.stdout + exported.stderr}
    outputs |= everything_in(project.path)
    out = done.stdout.decode()
    assert leaks(outputs, SAID_PLANTED) == []
    assert "INTERNALERROR" not in out + done.stderr.decode()
    assert done.returncode == 1, out[-3000:] + done.stderr.decode()[-2000:]
    # It was a run that would show them: the keys were sent, and every kind of output holds what was said.
    for name in ("PLANT_PARAM", "PLANT_DEEP", "PLANT_LISTED", "SERVICE_KEY"):
        assert workers != "0" or SAID_PLANTED[name] in "".join(map(str, server.requests)), name
    for name in (
        "out/r.json",
        "out/r.md",
        "out/r.csv",
        "out/r.html",
        "j.xml",
        "summary.md",
        "cassette.jsonl",
        "robust-baseline.json",
    ):
        assert b"[hidden]" in outputs.get(name, b""), name
    assert b"[hidden]" in b"".join(v for k, v in outputs.items() if k.startswith(".robusttest/runs"))
    assert "[hidden]" in (project.path / ".robusttest" / "failures.jsonl").read_text(encoding="utf-8")
    assert "assert" in out
    assert "LookupError: no [hidden]" in out


HOSTILE = """
SAYS = {
    "t0": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "t1": "\\x1b[31mred\\x1b]0;title\\x07\\x9b2J bell\\x07",
    "t2": "right \\u202e to left \\u2066 and \\u200b nothing \\ud800",
    "t3": "=cmd|' /C calc'!A0",
    "t4": "x" * 1_000_000,
    "t5": "| a | b |\\n# heading\\n```\\n[link](javascript:alert(1)) @everyone <b>",
    "t6": "::error::forged\\n::set-output name=x::y",
    "t7": '{"kind": "end"}\\n{"kind":"record"}\\r\\n\\x00',
}

def say(prompt):
    return SAYS.get("t" + prompt.split()[-1], "ok")
"""


def test_what_a_model_says_harms_no_output(project, monkeypatch):
    (project.path / "models.py").write_text(HOSTILE, encoding="utf-8")
    project.test("""
@robust(Task("hostile", cases=CASES[:8], prompt="{input}", scorer="exact"), models=["python:models:say"], expect=[accuracy >= 0.9])
def test_hostile(result): ...

@robust(cases=CASES[:8], models=["python:models:say"])
def test_body(variant, ask):
    return ask(variant.input).text == variant.target
""")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    reports = [f"--robust-report={kind}:r.{kind}" for kind in ("json", "md", "csv", "html")]
    result = project.run("-vv", "--color=no", "--junitxml=j.xml", *reports)
    result.assert_outcomes(failed=1, passed=1)
    out = result.stdout.str()
    ours = out[out.index("= robustness =") :]
    assert not {c for c in ours if c in "\x1b\x07\x9b\u202e\u2066\u200b\ud800\x00\r"}
    assert all(len(line) < 400 for line in ours.splitlines())
    assert not [line for line in out.splitlines() if line.startswith(("::error::forged", "::set-output"))]
    for name in ("r.md", "summary.md"):
        text = (project.path / name).read_bytes().decode("utf-8")
        assert not re.search(r"(?<![`(])<script", text)
        assert not {c for c in text if c in "\x1b\x07\x9b\u202e\u2066\u200b\x00"}
        assert not [line for line in text.splitlines() if line.startswith("# heading")]
        assert len(text) < 200_000
    page = (project.path / "r.html").read_bytes().decode("utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    with (project.path / "r.csv").open(encoding="utf-8", newline="") as f:
        cells = [cell for row in csv.reader(f) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@"))]
    data = json.loads((project.path / "r.json").read_bytes())
    assert len(data["cells"]) == 2
    records = project.records()
    assert len(records) == 16
    assert max(len(str(r.get("reply"))) for r in records) < 30_000
    ET.parse(project.path / "j.xml")
    again = project.run("--robust-replies=auto")
    again.assert_outcomes(failed=1, passed=1)
