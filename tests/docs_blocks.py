"""The code blocks of a Markdown page, and how a test runs them one after another in a folder of their own.

What a block is, its fence says:

- ``python title="name.py"`` (any language with a title): the file of that name is written;
- ``python``: executed, in one namespace a page;
- ``bash``: run by bash; lines that make an environment or install something are left out;
- ``text`` after one of those two: its output. Each line has to come, in this order; ``…`` stands for anything;
- ``toml``, ``yaml``, ``json``: has to parse.

``<!-- test: exits 1 -->`` before a bash block says its exit code, ``<!-- test: only parsed: REASON -->`` before any that
it is not run (`tests/test_docs.py` lists those allowed), and ``<!-- test: setup`` … ``-->`` holds bash that readers
do not see.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<lang>\w*)(?P<rest>[^`\n]*)$")
TITLE = re.compile(r'title="([^"]+)"')
DIRECTIVE = re.compile(r"<!-- test: (.*?)\s*-->", re.DOTALL)
GENERATED = re.compile(r"^<!-- generated: \w+ -->$.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
"""What the page's generator wrote: examples of outputs that nothing on the page makes."""
INSTALLS = re.compile(
    r"^\s*(pip install|python3? -m pip install|python3 -m venv|apt |apt-get |git clone|brew )"
)
HOST = re.compile(r"http://localhost:\d+")
KNOWN = ("python", "bash", "text", "csv", "toml", "yaml", "json", "html")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    lang: str
    text: str
    title: str | None = None
    exits: int = 0
    only_parsed: str | None = None
    setup: bool = False

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path, name: str) -> list[Block]:
    found: list[Block] = []
    lines = GENERATED.sub(lambda m: "\n" * m[0].count("\n"), path.read_text(encoding="utf-8")).splitlines()
    directive: str | None = None
    i = 0
    while i < len(lines):
        if lines[i].lstrip().startswith("<!-- test:"):
            start, text = i, lines[i]
            while "-->" not in lines[i]:
                i += 1
                text += "\n" + lines[i]
            match = DIRECTIVE.search(text)
            assert match, f"{name}:{start + 1}: an unreadable directive"
            directive = match[1]
            if directive.startswith("setup"):
                code = directive.removeprefix("setup").strip()
                found.append(Block(name, start + 1, "bash", code, setup=True))
                directive = None
        elif fence := FENCE.match(lines[i]):
            start, body = i, []
            i += 1
            while lines[i].strip() != fence["ticks"]:
                body.append(lines[i].removeprefix(fence["indent"]))
                i += 1
            title = TITLE.search(fence["rest"])
            exits, parsed = 0, None
            if directive and (code := re.fullmatch(r"exits (\d+)", directive)):
                exits = int(code[1])
            elif directive and directive.startswith("only parsed: "):
                parsed = directive.removeprefix("only parsed: ")
            elif directive:
                raise AssertionError(f"{name}:{start}: an unknown directive {directive!r}")
            found.append(
                Block(
                    name, start + 1, fence["lang"], "\n".join(body) + "\n", title and title[1], exits, parsed
                )
            )
            directive = None
        i += 1
    assert directive is None, f"{name}: a directive {directive!r} before no block"
    return found


class Session:
    """Runs the blocks of one page in ``folder``. ``host`` stands for every ``http://localhost:PORT``."""

    def __init__(self, folder: Path, host: str, environment: Mapping[str, str]) -> None:
        self.folder, self.host = folder, host
        self.environment = dict(environment)
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.output: str | None = None
        """What the last block printed; None where nothing was run."""

    def run(self, block: Block) -> None:
        assert block.lang in KNOWN, f"{block}: a fence of no known language {block.lang!r}"
        text = HOST.sub(self.host, block.text)
        if block.lang == "text":
            if self.output is not None:
                missing = first_missing(block.text, self.output)
                assert missing is None, f"{block}: {missing!r} is not in the output:\n{self.output}"
            return
        self.output = None
        parse(block, text)
        if block.only_parsed is not None:
            return
        if block.title is not None:
            target = self.folder / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif block.lang == "python":
            self.output = self._python(block, text)
        elif block.lang == "bash":
            self.output = self._bash(block, text)

    def _python(self, block: Block, text: str) -> str:
        printed = io.StringIO()
        with _within(self.folder, self.environment), contextlib.redirect_stdout(printed):
            exec(compile(text, str(block), "exec", dont_inherit=True), self.namespace)
        return printed.getvalue()

    def _bash(self, block: Block, text: str) -> str:
        kept = [line for line in text.splitlines() if not INSTALLS.match(line)]
        if not any(line.strip() and not line.startswith("#") for line in kept):
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(kept)],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == block.exits, f"{block}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout


def parse(block: Block, text: str) -> None:
    if block.lang == "python":
        ast.parse(text, str(block))
    elif block.lang == "bash":
        subprocess.run(["bash", "-n", "-c", text], check=True)
    elif block.lang == "toml":
        tomllib.loads(text)
    elif block.lang == "json":
        json.loads(text)
    elif block.lang == "yaml":
        import yaml

        assert yaml.safe_load(text), f"{block}: an empty document"


def first_missing(expected: str, output: str) -> str | None:
    """The first expected line that the output lacks, in order; blanks count as one."""
    given: Iterator[str] = iter([" ".join(line.split()) for line in output.splitlines()])
    for line in expected.splitlines():
        wanted = " ".join(line.split())
        if wanted in ("", "…"):
            continue
        form = re.compile(".*".join(re.escape(part) for part in wanted.split("…")))
        if not any(form.fullmatch(other) for other in given):
            return line
    return None


@contextlib.contextmanager
def _within(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """This process in that folder, its modules importable, and as before afterwards."""
    before, modules, path = dict(os.environ), set(sys.modules), list(sys.path)
    os.environ.update(environment)
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file and str(folder) in file:
                del sys.modules[name]
