"""``--robust-report=html:PATH``: one file that opens offline, makes no request and runs nothing but its own script.

Texts reach the page in two ways only: through templates with autoescape, and as JSON in a data block that the script
shows with ``textContent``. Either way what a reader would not see (control, bidi, zero-width characters) is written as
its escape. The Content-Security-Policy allows the one style sheet and the one script by their hashes, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from robusttest.core import codec
from robusttest.core.nouns import Json
from robusttest.report import text
from robusttest.report.escape import visible
from robusttest.report.html import page, plots
from robusttest.report.html.blocks import term
from robusttest.report.html.cases import FIELDS, Explorer, explorer
from robusttest.report.html.sections import words
from robusttest.report.model import Report, label, outcome_word
from robusttest.report.words.terms import TERMS, anchor


def render(report: Report) -> str:
    """The whole page. What a report has no data for has no section; what is left out for size is said."""
    held = explorer(report)
    style, script = _asset("style.css"), _asset("script.js")
    return linked_once(
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            page=page.build(report),
            words=words(report, _environment()),
            glossary=TERMS,
            anchor=anchor,
            explorer=held,
            data=Markup(embedded(_data(report, held))),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )


_TERM = re.compile(r'<a class="term" href="#([^"]+)" title="([^"]*)">(.*?)</a>')


def linked_once(page: str) -> str:
    """A term is a link where it stands first, so that the Tab key meets it once; elsewhere it is explained on hover alone."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        if found[1] in seen:
            return f'<abbr class="term" title="{found[2]}">{found[3]}</abbr>'
        seen.add(found[1])
        return found[0]

    return _TERM.sub(kept, page)


def embedded(value: Json) -> str:
    """JSON that no text in it can end or turn into markup: ASCII, and without ``<``, ``>`` and ``&``."""
    dumped = codec.dumps(value)
    for char in "<>&":
        dumped = dumped.replace(char, f"\\u{ord(char):04x}")
    return dumped


def _data(report: Report, held: Explorer) -> dict[str, Json]:
    return {
        "fields": FIELDS,
        "cells": [
            {
                "task": visible(c.name),
                "model": visible(c.model),
                "command": None if c.command is None else visible(c.command),
            }
            for c in report.cells
        ],
        "rows": held.rows,
    }


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("robusttest.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    from robusttest import __version__

    environment.globals.update(
        version=__version__,
        text=text,
        label=label,
        outcome_word=outcome_word,
        plots=plots,
        term=term,
    )
    environment.filters["px"] = pixels
    return environment


def _shown(value: Any) -> Any:
    """Of every ``{{ … }}`` that is no markup of ours."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else visible(str(value))


def pixels(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
