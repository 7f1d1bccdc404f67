"""What a module defines is used by the package, its examples or benchmarks, or told by a page: not by tests alone."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "robusttest").rglob("*.py"))
READERS = [
    *(p for folder in ("examples", "benchmarks", "docs") for p in (ROOT / folder).rglob("*.py")),
    *(p for p in (ROOT / "robusttest").rglob("*") if p.suffix in (".html", ".j2", ".js")),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "README.md",
]
WORD = re.compile(r"[A-Za-z_]\w*")
DOCSTRING = re.compile(r'^ *r?""".*?"""$', re.DOTALL | re.MULTILINE)
DEFINED = re.compile(
    r"(?:^ *@(?P<decorator>[\w.]+).*\n)?^(?P<indent> *)(?:(?:async )?def|class) (?P<name>\w+)|^(?P<value>[A-Za-z_]\w*)(?:: .+)? = ",
    re.MULTILINE,
)
PLAIN = {
    None,
    "property",
    "cached_property",
    "staticmethod",
    "classmethod",
    "cache",
    "lru_cache",
    "dataclass",
    "contextmanager",
}
"""Decorators that hand what they decorate to nobody."""

KEPT = {
    "_repr_html_": "called by Jupyter",
    "pass_hat": "for users: pass^k",
    "pass_at": "for users: pass@k",
    "robust_accuracy_at": "for users: robust_accuracy@k",
}
NOT_YET: dict[str, str] = {}


def test_nothing_is_there_for_the_tests_alone():
    texts = {path: DOCSTRING.sub("", path.read_text(encoding="utf-8")) for path in SOURCES}
    words = Counter(word for text in texts.values() for word in WORD.findall(text))
    for path in READERS:
        words.update(WORD.findall(path.read_text(encoding="utf-8")))
    alone = {
        match["name"] or match["value"]: path.relative_to(ROOT).as_posix()
        for path, text in texts.items()
        for match in DEFINED.finditer(text)
        if words[match["name"] or match["value"]] == 1
        and match["decorator"] in PLAIN
        and not (match["indent"] and not match["name"].startswith("_"))  # a method that users may call
    }
    dead = {
        n: p for n, p in alone.items() if n not in {**KEPT, **NOT_YET} and not n.startswith(("__", "pytest_"))
    }
    assert dead == {}
    assert KEPT.keys() <= words.keys(), "an exception for what is gone"
