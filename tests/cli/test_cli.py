from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robusttest import cli
from robusttest.store import read_run
from robusttest.tasks.cases import load_cases
from robusttest.variants.expand import expand_case

GOLDEN = Path(__file__).parents[1] / "store" / "golden_runs" / "schema-1.jsonl"
TEXT = "I was charged twice for order 4821, please refund one of them"


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(list(argv))
    said = capsys.readouterr()
    return code, said.out, said.err


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def applied(row: dict[str, Any]) -> str:
    out, position = "", 0
    for start, end, new in row["edits"]:
        out += row["original"][position:start] + new
        position = end
    return out + row["original"][position:]


# perturb


def test_jsonl_is_one_object_a_variant(capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "perturb", "keyboard:0.2", TEXT, "--variants", "3", "--seed", "7", "--jsonl")
    rows = objects(out)
    assert (code, err) == (0, "")
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert len({row["text"] for row in rows}) == 3
    for row in rows:
        assert list(row) == ["original", "text", "perturbation", "severity", "index", "edits"]
        assert (row["original"], row["perturbation"], row["severity"]) == (TEXT, "keyboard:0.2", 0.2)
        assert applied(row) == row["text"] != TEXT


def test_the_variants_are_those_of_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    rows = [
        {"id": "a", "input": TEXT, "target": "billing"},
        {"input": "Where is my parcel today?", "target": "delivery"},
    ]
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    _, out, _ = run(
        capsys, "perturb", "ocr", "--file", str(file), "--variants", "2", "--seed", "3", "--jsonl"
    )
    expected = [
        v.input
        for case in load_cases(file)
        for v in expand_case(case, ["ocr"], variants=2, seed=3)
        if v.perturbation and v.status == "ok"
    ]
    assert [row["text"] for row in objects(out)] == expected
    assert len(expected) == 4


def test_equal_rows_are_no_error_here(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "cases.jsonl"
    file.write_text("\ufeff" + f'{{"input": "{TEXT}"}}\n\n' * 2, encoding="utf-8")
    code, out, _ = run(capsys, "perturb", "casing", "--file", str(file), "--variants", "1", "--jsonl")
    assert (code, len(objects(out))) == (0, 2)


def test_lone_surrogates_survive_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "cases.jsonl"
    file.write_text('{"input": "broken \\ud800 but otherwise ordinary words"}\n')
    code, out, err = run(capsys, "perturb", "politeness", "--file", str(file), "--variants", "1", "--jsonl")
    assert code == 0
    assert all("\ud800" in row["text"] for row in objects(out)) or "not applicable" in err


def test_what_gives_no_variant_is_said_on_stderr(capsys: pytest.CaptureFixture[str]):
    code, out, err = run(capsys, "perturb", "keyboard", "12 34", "--jsonl")
    assert (code, out) == (0, "")
    assert "keyboard: not applicable: " in err


def test_the_preview_marks_the_edits(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "perturb", "keyboard", TEXT, "--variants", "2")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].endswith(TEXT)
    assert [line.split()[0] for line in lines[1:]] == ["keyboard#0", "keyboard#1"]
    assert all("[" in line and "→" in line and "]" in line for line in lines[1:])


def test_the_preview_shows_control_characters(capsys: pytest.CaptureFixture[str]):
    _, out, _ = run(capsys, "perturb", "zero_width", "some \x1b[31m words are here", "--variants", "1")
    assert "\x1b" not in out
    assert "\\x1b" in out
    assert "\\u200" in out or "\\u2060" in out or "\\ufeff" in out


def test_decoding_perturbations_show_their_parameters(capsys: pytest.CaptureFixture[str]):
    _, out, _ = run(capsys, "perturb", "temperature:0.7", TEXT, "--variants", "1")
    assert "temperature=0.7" in out


def test_a_field_a_target_and_a_language(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    _, out, _ = run(
        capsys,
        "perturb",
        "casing:upper",
        "the late parcel",
        "--field",
        "question",
        "--target",
        "late",
        "--variants",
        "1",
    )
    assert "THE" in out
    code, out, _ = run(
        capsys,
        "perturb",
        "keyboard:1",
        "the late parcel came",
        "--target",
        "parcel",
        "--variants",
        "3",
        "--jsonl",
    )
    assert all("parcel" in json.loads(line)["text"] for line in out.splitlines())
    code, out, _ = run(
        capsys, "perturb", "dates:long", "am 12.7.2025 da", "--language", "de", "--variants", "1"
    )
    assert "Juli" in out
    file = tmp_path / "pairs.jsonl"
    file.write_text(
        json.dumps({"premise": "the lamp is red", "hypothesis": "it is red"}) + "\n", encoding="utf-8"
    )
    code, out, _ = run(
        capsys, "perturb", "casing:upper", "--file", str(file), "--field", "hypothesis", "--variants", "1"
    )
    assert code == 0
    assert "THE LAMP" not in out
    assert "IS RED" in out


def test_a_task_is_shown_with_its_prompt_and_cases(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "some_tickets_task.py"
    file.write_text(
        "from robusttest import Task\nfrom robusttest.scorers import choice\n"
        "tickets = Task('tickets', cases=[{'input': f'the parcel {i} is late', 'target': 'a'} for i in range(5)],"
        " prompt='Which?\\n{options}\\nTicket: {input}\\nTeam:', scorer=choice(['a', 'b']))\n",
        encoding="utf-8",
    )
    code, out, _ = run(
        capsys, "perturb", "option_labels", "--task", f"{file}:tickets", "--variants", "1", "--cases", "2"
    )
    assert code == 0
    assert out.count("option_labels#0") == 2
    assert "[+(]A" in out
    code, out, _ = run(
        capsys, "perturb", "prompt_edges:line_after", "--task", f"{file}:tickets", "--cases", "1", "--jsonl"
    )
    assert json.loads(out.splitlines()[0])["text"].endswith("Team:\n")
    code, _, err = run(capsys, "perturb", "casing", "--task", f"{file}:ticket")
    assert code == 2
    assert "Did you mean 'tickets'" in err


def test_the_tools_of_a_task_are_shown_as_they_are_offered(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "some_tools_task.py"
    file.write_text(
        "from robusttest import Task\nfrom robusttest.scorers import tool_call\n"
        "offer = [{'name': n, 'inputSchema': {}} for n in ('order_status', 'refund')]\n"
        "calls = Task('calls', cases=[{'input': 'Where is it?', 'target': 'order_status', 'offer': offer}],"
        " tools='{offer}', scorer=tool_call())\n",
        encoding="utf-8",
    )
    code, out, _ = run(
        capsys, "perturb", "tool_rename", "--task", f"{file}:calls", "--variants", "1", "--jsonl"
    )
    assert code == 0
    assert "[tools]\norderStatus: " in json.loads(out)["text"]
    code, out, _ = run(capsys, "perturb", "tool_duplicate", "--task", f"{file}:calls", "--variants", "1")
    assert re.search(r"\[\+.*(backup|staging|mirror)__", out), "the tool that was put in"


def test_list_names_every_perturbation(capsys: pytest.CaptureFixture[str]):
    from robusttest.perturbations import PERTURBATIONS

    code, out, _ = run(capsys, "perturb", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == list(PERTURBATIONS)


def test_standard_input_is_a_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT + "\n"))
    _, out, _ = run(capsys, "perturb", "casing", "-", "--variants", "1", "--jsonl")
    assert objects(out)[0]["original"] == TEXT


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["perturb"], "name a perturbation"),
        (["perturb", "keyboard"], "either a TEXT, --file"),
        (["perturb", "keyboard", "a", "--file", "b"], "either a TEXT, --file"),
        (["perturb", "keyboard", "--file", "b", "--target", "x"], "--target is the answer to a TEXT"),
        (["perturb", "keyboard", "a b", "--field", "a", "--field", "b"], "one field, not 2"),
        (["perturb", "keyboard", "--task", "nosuch"], "give the file and the name"),
        (["perturb", "keyboard", "a", "--language", "german language"], "--language"),
        (["perturb", "keybord", "a"], "Did you mean 'keyboard'"),
        (["perturb", "keyboard:7", "a"], "keyboard"),
        (["perturb", "paraphrase", "a text"], "written by a model"),
        (["perturb", "keyboard", "--file", "absent.jsonl"], "can't read 'absent.jsonl'"),
        (["show", "--directory", "absent"], "no runs are stored"),
        (["history", "--directory", "absent"], "no runs are stored"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_2(
    capsys: pytest.CaptureFixture[str],
    argv: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nothing"],
        ["perturb", "keyboard", "a", "--variants", "0"],
        ["show", "--report", "pdf:x"],
        ["show", "--report", "json"],
    ],
)
def test_what_argparse_refuses_exits_with_2(capsys: pytest.CaptureFixture[str], argv: list[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "a row is an object"),
        ('{"text": "a"}', "(fields: 'text')"),
        ('{"input": 3}', "no text"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, row: str, said: str
):
    file = tmp_path / "cases.jsonl"
    file.write_text(f'{{"input": "{TEXT}"}}\n{row}\n')
    code, _, err = run(capsys, "perturb", "casing", "--file", str(file), "--jsonl")
    assert code == 2
    assert f"{file}, line 2: " in err
    assert said in err


# show, history


@pytest.fixture
def stored(tmp_path: Path) -> str:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20261124T120000Z-353a334d-0123abcd.jsonl").write_bytes(GOLDEN.read_bytes())
    return str(tmp_path)


def test_show_prints_a_stored_run(capsys: pytest.CaptureFixture[str], stored: str):
    for ref in ([], ["golden"], ["0123"], [str(GOLDEN)]):
        code, out, _ = run(capsys, "show", *ref, "--directory", stored)
        assert code == 0
        assert out.startswith("run 2026-11-24T12:00:00Z golden 353a334d9d 0123abcd\n")
        assert "accuracy >= 0.9  1.000 [0.206, 1.000]  n=1" in out
        assert "[refund→refubd] please" in out
        assert "pytest 'tests/test_a.py::test_a[openai/gpt-4o-mini]' --robust-case='c1::keyboard#0'" in out


def test_quiet_show_is_one_line(capsys: pytest.CaptureFixture[str], stored: str):
    _, out, _ = run(capsys, "show", "-q", "--directory", stored)
    assert len(out.splitlines()) == 1


def test_show_writes_reports(capsys: pytest.CaptureFixture[str], stored: str, tmp_path: Path):
    target = tmp_path / "deep" / "out.json"
    code, out, _ = run(
        capsys,
        "show",
        "--directory",
        stored,
        "--report",
        f"json:{target}",
        "--report",
        f"md:{tmp_path / 'out.md'}",
    )
    assert code == 0
    assert str(target) in out
    data = json.loads(target.read_text())
    assert data["cells"][0]["n_cases"] == 2
    assert read_run(GOLDEN).info.id == data["run"]["id"]
    assert (tmp_path / "out.md").read_text(encoding="utf-8").startswith("# robusttest: 1 error")


def test_show_writes_html_with_the_versions_before_it(
    capsys: pytest.CaptureFixture[str], stored: str, tmp_path: Path
):
    target = tmp_path / "out.html"
    code, out, _ = run(capsys, "show", "golden", "--directory", stored, "--report", f"html:{target}")
    assert (code, out) == (0, f"wrote {target}\n")
    page = target.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="history"' not in page
    later = (
        GOLDEN.read_text()
        .replace("0123abcd", "4567abcd")
        .replace('"golden"', '"v2"')
        .replace("2026-11-24", "2026-11-25")
    )
    (Path(stored) / "runs" / "20261125T120000Z-x-4567abcd.jsonl").write_text(later)
    (Path(stored) / "runs" / "20261125T130000Z-x-y.jsonl").write_text("garbage\n")
    assert run(capsys, "show", "v2", "--directory", stored, "--report", f"html:{target}")[0] == 0
    section = target.read_text(encoding="utf-8").partition('id="history"')[2].partition("</section>")[0]
    assert re.findall(r'<th scope="row">(\w+)</th>', section) == ["v2", "golden"]
    assert run(capsys, "show", "golden", "--directory", stored, "--report", f"html:{target}")[0] == 0
    assert 'id="history"' not in target.read_text(encoding="utf-8")  # a later run is no history of this one


def test_show_refuses_an_unwritable_report_before_it_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    code, out, err = run(capsys, "show", "absent", "--report", f"json:{tmp_path}")
    assert (code, out) == (1, "")
    assert "it is a folder" in err


def test_show_of_a_cut_run_says_incomplete(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    file = tmp_path / "cut.jsonl"
    file.write_bytes(GOLDEN.read_bytes()[:1500])
    code, out, _ = run(capsys, "show", str(file))
    assert code == 0
    assert "incomplete run" in out
    assert "cut in line" in out


def test_history_is_a_table_with_intervals(capsys: pytest.CaptureFixture[str], stored: str):
    second = (
        GOLDEN.read_text()
        .replace('"golden"', '"better"')
        .replace("2026-11-24", "2026-11-25")
        .replace('"score":0.0,"answer":"delivery"', '"score":1.0,"answer":"billing"')
    )
    (Path(stored) / "runs" / "20261125T120000Z-x-y.jsonl").write_text(second)
    (Path(stored) / "runs" / "20261126T120000Z-x-z.jsonl").write_text("garbage\n")
    code, out, err = run(capsys, "history", "--directory", stored)
    lines = out.splitlines()
    assert code == 0
    assert "left out" in err
    assert lines[0] == "intents · openai/gpt-4o-mini"
    assert [line.split()[1] for line in lines[2:4]] == ["golden", "better"]
    assert "0.000 [0.000, 0.793]" in lines[2]
    assert "▁█" in lines[4]
    code, _, err = run(capsys, "history", "--directory", stored, "--task", "other")
    assert code == 2
    assert "task 'other'" in err


# the process


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from robusttest import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'litellm', 'nlpaug', 'hypothesis', 'jinja2', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in cli.COMMANDS:
        assert name in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "robusttest.cli", "perturb", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 0, said
        assert said == b""


def test_an_ascii_stream_gets_ascii():
    done = subprocess.run(
        [sys.executable, "-m", "robusttest.cli", "perturb", "keyboard", "Größe und Straße bitte", "--variants", "1"],
        env={"PYTHONIOENCODING": "ascii:strict", "PATH": "", "COLUMNS": "80"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"->" in done.stdout
    assert b"Gr\\xf6" in done.stdout


# cache


class Store:
    """Stands in for the gateway's store of replies."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def export(self, directory: Path, file: Path, *, keys: set[str] | None = None) -> int:
        self.asked.append(("export", directory, file, keys))
        return 1234

    def import_(self, directory: Path, file: Path) -> int:
        self.asked.append(("import", directory, file))
        return 1


def test_cache_moves_replies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stored: str, tmp_path: Path
):
    import robusttest.gateway.store

    store = Store()
    monkeypatch.setitem(sys.modules, "robusttest.gateway.store.cassette", store)
    monkeypatch.setattr(robusttest.gateway.store, "cassette", store, raising=False)
    run_file = next((Path(stored) / "runs").iterdir())
    run_file.write_text(
        run_file.read_text().replace('"input_hash":"00aa"', '"input_hash":"00aa","request_key":"k1"')
    )
    file = str(tmp_path / "replies.jsonl")
    assert run(capsys, "cache", "export", file, "--directory", stored) == (
        0,
        f"wrote 1,234 replies to {file}\n",
        "",
    )
    assert run(capsys, "cache", "export", file, "--directory", stored, "--run", "golden")[0] == 0
    assert run(capsys, "cache", "import", file, "--directory", stored) == (
        0,
        f"read 1 reply from {file}\n",
        "",
    )
    assert store.asked == [
        ("export", Path(stored), Path(file), None),
        ("export", Path(stored), Path(file), {"k1"}),
        ("import", Path(stored), Path(file)),
    ]
