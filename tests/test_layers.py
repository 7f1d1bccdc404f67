"""Imports point down, as the table in ARCHITECTURE.md says, and heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "robusttest"

OWNERS = {
    "pytest": ("plugin/",),
    "_pytest": ("plugin/",),
    "litellm": ("gateway/",),
    "nlpaug": tuple(
        f"perturbations/{m}" for m in ("words/words", "words/wordnet.py", "written/transformer.py")
    ),
    "hypothesis": ("strategies",),
    "py3langid": ("perturbations/base/languages.py",),
    "budoux": ("perturbations/base/segments.py",),
    "spellchecker": ("perturbations/base/dictionary.py",),
    "numpy": ("stats/",),
    "pandas": ("stats/",),
    "scipy": ("stats/",),
    "jinja2": ("report/html", "gateway/litellm/templates.py"),
    "tokenizers": ("gateway/litellm/templates.py",),
    "jsonschema": ("scorers/schemas.py",),
    "referencing": ("scorers/schemas.py",),
    "ray": ("workers/actors.py",),
    "pyarrow": ("store/parquet.py", "tasks/sources.py"),
    "duckdb": ("store/stored_rows.py",),
    "fsspec": ("core/locations.py",),
    "psycopg": ("gateway/store/postgres.py",),
    "yaml": ("perturbations/prompt/as_data.py",),
}
"""Library → the rooms that may import it, also within a function."""

NEVER_AT_TOP = (
    "litellm",
    "nlpaug",
    "pandas",
    "hypothesis",
    "jinja2",
    "transformers",
    "torch",
    "nltk",
    "pyarrow",
    "aiohttp",
    "jsonschema",
    "referencing",
    "yaml",
    "ray",
    "fsspec",
    "duckdb",
    "psycopg",
)
"""Imported in the function that needs them, or in a module of theirs alone."""

OWN_MODULES = ("strategies", "report/html", "gateway/")


@cache
def rows() -> tuple[tuple[str, ...], ...]:
    """The rooms of each row, from the top row down."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (\d+\w?) \| ([^|]+) \|", text, re.MULTILINE)
    return tuple(tuple(re.findall(r"`(\w+)`", rooms)) for _, rooms in table)


def row_of(room: str) -> int | None:
    return next((i for i, row in enumerate(rows()) if room in row), None)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[tuple[str, int, bool, bool], ...]:
    """``(module, line, at the top, for types alone)`` of each import."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, int, bool, bool]]:
    left: list[tuple[ast.AST, bool, bool]] = [(parsed(path), True, False)]
    while left:
        node, top, typing = left.pop()
        for field, value in ast.iter_fields(node):
            below = [n for n in value if isinstance(n, ast.AST)] if isinstance(value, list) else []
            # An import is a statement, and statements stand in lists of statements and in what has those.
            left += [
                (
                    n,
                    top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef),
                    typing
                    or (
                        isinstance(node, ast.If)
                        and field == "body"
                        and "TYPE_CHECKING" in ast.unparse(node.test)
                    ),
                )
                for n in below
                if isinstance(n, ast.stmt | ast.excepthandler | ast.match_case)
            ]
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: line {node.lineno}: a relative import"
            names = [node.module or ""]
            if node.module == "robusttest":
                names = [f"robusttest.{alias.name}" for alias in node.names]
        for name in names:
            yield name, node.lineno, top, typing


def test_every_room_has_a_row():
    rooms = {room_of(p) for p in modules()} - {"__init__", "__main__"}
    assert len(rows()) > 5
    missing = sorted(r for r in rooms if row_of(r) is None)
    assert not missing, f"not in the table of ARCHITECTURE.md: {', '.join(missing)}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down(path):
    room = room_of(path)
    if room == "__init__":
        return
    wrong = []
    for name, line, _, typing in imports(path):
        if not name.startswith("robusttest.") or typing:
            continue
        other = name.split(".")[1]
        if other == room or name == "robusttest.__version__":
            continue
        above, below = row_of(room), row_of(other)
        if below is None:
            wrong.append(f"line {line}: {name} has no row")
        elif above is not None and below <= above:
            wrong.append(f"line {line}: {room} (row {above}) imports {other} (row {below})")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_libraries_stay_in_their_rooms(path):
    name = name_of(path)
    wrong = []
    for module, line, top, typing in imports(path):
        library = module.split(".")[0]
        if typing:
            continue
        if library in OWNERS and not name.startswith(OWNERS[library]):
            wrong.append(f"line {line}: only {' '.join(OWNERS[library])} imports {library}")
        if library in NEVER_AT_TOP and top and not name.startswith(OWN_MODULES):
            wrong.append(f"line {line}: {library} at the top of the module")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_unpickles_or_prints(path):
    tree = parsed(path)
    for name, line, _, _ in imports(path):
        assert name.split(".")[0] not in ("pickle", "dill", "shelve", "marshal"), f"line {line}: {name}"
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & {"eval", "exec", "hash"} - _ALLOWED.get(name_of(path), set())


_ALLOWED = {"metrics.py": {"hash"}}
"""A `__hash__` made of names is no seed."""


def test_no_two_classes_share_a_name():
    """Who reads ``Row`` need not ask which one."""
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(f"{name_of(path)}:{node.lineno}")
    twice = [f"{name}: {', '.join(where)}" for name, where in sorted(homes.items()) if len(where) > 1]
    assert not twice, "\n".join(twice)


def test_no_two_test_files_share_a_name():
    """pytest imports them by their names alone: it could collect one of two."""
    homes: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name != "conftest.py":
            homes.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    twice = [", ".join(sorted(where)) for _, where in sorted(homes.items()) if len(where) > 1]
    assert not twice, "\n".join(twice)
