"""The notebooks of the documentation run, and hold what they print: in a kernel where nbclient is installed, else cell by cell."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from docs_blocks import _within

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))
TABLES = ("text/plain",)


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return made


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def printed(cell: dict[str, Any]) -> str | None:
    """The value of a cell's last line as text; None where it shows none, or one that is shown as a table alone."""
    for output in cell["outputs"]:
        if output["output_type"] == "execute_result":
            return "".join(output["data"]["text/plain"])
    return None


def codes(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_its_outputs_are_there_and_no_machine_in_them(notebook):
    shown = [o for c in codes(notebook) for o in c["outputs"]]
    assert all(o["output_type"] != "error" for o in shown)
    assert sum("text/html" in o.get("data", {}) for o in shown) >= 2
    assert any(
        "calls" in "".join(o["data"]["text/plain"]) for o in shown if o["output_type"] == "display_data"
    )
    text = json.dumps(notebook)
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert "<script" not in text


def test_its_cells_give_what_it_shows(notebook, tmp_path):
    """Estimates, lists and tables of numbers; of a result and a comparison that they have HTML, as their runs differ."""
    names: dict[str, Any] = {}
    compared = 0
    with _within(tmp_path, {}):
        for cell in codes(notebook):
            tree = ast.parse(source(cell))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "cell", "exec"), names)
            if last is None:
                continue
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            told = printed(cell)
            if told is None or (hasattr(value, "_repr_html_") and not hasattr(value, "columns")):
                assert told is None or "<svg" in value._repr_html_()
                continue
            assert " ".join(flat(value).split()) == " ".join(told.split())
            compared += 1
    assert compared >= 3


def flat(value: Any) -> str:
    """As IPython prints it, but for line breaks."""
    return repr(value)


@pytest.mark.skipif(importlib.util.find_spec("nbclient") is None, reason="needs nbclient and ipykernel")
def test_it_runs_in_a_kernel(notebook, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    made = nbformat.reads(json.dumps(notebook), as_version=4)
    NotebookClient(made, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for old, new in zip(codes(notebook), codes(made), strict=True):
        kinds = [[sorted(o.get("data", {})) for o in c["outputs"]] for c in (old, new)]
        assert kinds[0] == kinds[1]
