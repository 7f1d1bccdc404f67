"""The tokens of a request as the model itself counts them: its tokenizer and its chat template, where this machine has them.

Who serves an open model here has both: in Hugging Face's cache, or in the folder that the model is named by. They are read
from there and never fetched. The template is a program of somebody else's and runs in jinja2's sandbox, as transformers does it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from robusttest.core.nouns import Request

_TOKENIZER = "tokenizer.json"


def count(request: Request) -> int | None:
    """Tokens of the prompt that the model sees; None where its tokenizer or its template is not on this machine."""
    counted = _counter(request.model.partition("/")[2])
    try:
        return None if counted is None else counted(request)
    except Exception:  # a template that takes no such messages: the server will say so
        return None


def folder(name: str) -> Path | None:
    """Where the tokenizer of a model lies: its own folder, or the newest snapshot in Hugging Face's cache."""
    if (Path(name) / _TOKENIZER).is_file():
        return Path(name)
    if name.count("/") != 1 or ".." in name:
        return None
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    held = (hub / f"models--{name.replace('/', '--')}" / "snapshots").glob(f"*/{_TOKENIZER}")
    return max((path.parent for path in held), key=lambda path: path.stat().st_mtime, default=None)


@cache
def _counter(name: str) -> Callable[[Request], int] | None:
    try:
        if not name or (where := folder(name)) is None:
            return None
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        words = _json(where / "tokenizer_config.json")
        source = _source(where, words)
        if source is None:
            return None
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_refuse, strftime_now=lambda form: "26 Jul 2026")
        template = environment.from_string(source)
        tokenizer = Tokenizer.from_file(str(where / _TOKENIZER))
    except Exception:  # a damaged file, a template in another dialect, a tokenizer of a newer form
        return None
    special = {
        k: v["content"] if isinstance(v, dict) else v for k, v in words.items() if k.endswith("_token")
    }

    def counted(request: Request) -> int:
        tools = request.params.get("tools")
        messages = [dict(m) for m in request.messages]
        text = template.render(messages=messages, tools=tools, add_generation_prompt=True, **special)
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return counted


def _source(where: Path, words: dict[str, Any]) -> str | None:
    file = where / "chat_template.jinja"
    found = file.read_text(encoding="utf-8") if file.is_file() else words.get("chat_template")
    if isinstance(found, list):  # several, by name
        found = next((t.get("template") for t in found if t.get("name") == "default"), None)
    return found if isinstance(found, str) else None


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def _tojson(value: object, indent: int | None = None, **_: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)
