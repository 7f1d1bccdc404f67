"""MkDocs hook: the parts of the pages that are generated from the code, so that they can't go stale.

A page says ``<!-- generated: NAME -->`` where the table NAME is to stand; `GENERATED` has the makers. Up to ``<!-- end -->`` it
stands there already, so that the reference can be read in the repository: ``python docs/hooks.py`` writes it anew, and a
test compares. MkDocs imports this file; it is no page.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
WRITTEN = re.compile(r"^<!-- generated: (\w+) -->$.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    return MARKER.sub(lambda found: GENERATED[found[1]](), WRITTEN.sub(r"<!-- generated: \1 -->", markdown))


def renewed(markdown: str) -> str:
    """A page with the parts that stand in it made anew."""

    def made(found: re.Match[str]) -> str:
        lines = [line.rstrip() for line in GENERATED[found[1]]().strip().splitlines()]
        return "\n".join([f"<!-- generated: {found[1]} -->", "", *lines, "", "<!-- end -->"])

    return WRITTEN.sub(made, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Docstrings mark their code blocks as reStructuredText does, with ``::``."""
    return re.sub(r"<p>::</p>\n?", "", content).replace("::</p>", ":</p>")


# --- flags --------------------------------------------------------------------------------------------------


def options() -> str:
    """Every flag that this version has, its ini key, its default and its help."""
    from robusttest.plugin.options import EXPECT_HELP, flagged

    lines = ["| flag | ini key | default | |", "|---|---|---|---|"]
    for o in flagged():
        value = "" if o.is_switch else f" {o.metavar or o.name.upper()}"
        flag = f"`{o.flag}{value}`"
        ini = f"`{o.key}`" + (" (list)" if o.many else "") if o.ini else ""
        lines.append(f"| {flag} | {ini} | {_default(o.default)} | {_cell(o.help)} |")
    lines.append(f"| | `robust_expect` (list) | | {_cell(EXPECT_HELP)} |")
    return "\n".join(lines)


def _default(value: Any) -> str:
    return "" if value in (None, (), False) else f"`{value}`"


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("*", "\\*")


# --- metrics ------------------------------------------------------------------------------------------------


def metrics() -> str:
    """Every metric: which way is better, its range, its formula and source."""
    from robusttest.metrics import METRICS

    better = {"up": "higher", "down": "lower", "info": ""}
    lines = ["| metric | better | range | formula, source | adaptive |", "|---|---|---|---|---|"]
    for m in METRICS.values():
        low = "-∞" if m.low is None else f"{m.low:g}"
        high = "∞" if m.high is None else f"{m.high:g}"
        adaptive = "yes" if m.adaptive else ""
        lines.append(
            f"| `{m.name}` | {better[m.direction]} | {low} … {high} | {_cell(m.definition)} | {adaptive} |"
        )
    return "\n".join(lines)


# --- perturbations ------------------------------------------------------------------------------------------

TEXT = "My order hasn't arrived. Nobody answers the phone, can I have my money?"

TEXTS: dict[str, str] = {
    "line_ends": "Dear team,\nmy order hasn't arrived.\nCan I have my money?",
    "acronyms": "The PDF of my XL order can't be opened.",
    "slang": "Could you please tell me because it is late?",
    "dialect": "I think something isn't working this afternoon.",
    "homophones": "Is there a way to hear whether their van is here?",
    "persons": "Emily ordered a lamp. She wants to know where it is.",
    "places": "I moved to Boston last week; where is the lamp that I ordered?",
    "religions": "A Muslim customer asks where the lamp for the mosque is.",
    "gender": "Emily ordered a lamp. She wants to know where it is.",
    "dates": "I ordered it on 25 July 2025.",
    "times": "The courier came at 10:30 pm.",
    "amounts": "I was charged 1,250.50 for it.",
    "currency": "I paid €12.50 for the parcel.",
    "units": "The parcel weighs 2.5 kg.",
    "json_keys": 'My order is {"item": "lamp", "colour": "blue"}, and it is late.',
    "normal_form": "The café in Köln opens at eight.",
    "numbers": "I ordered three copies and got 2 of them.",
    "spelling_variant": "The colour in the catalogue is not what arrived.",
    "negation": "The parcel is late.",
    "sentence_order": "I ordered a lamp. My neighbour was at home. Can I have my money?",
    "statement": "Nobody came. Can you send it again?",
    "reserved": "The courier said that my order hasn't arrived.",
    "tfidf": "The courier said that my order hasn't arrived, and I want my money.",
}
"""Families that have nothing to do on `TEXT`."""

NEEDS_ARGUMENTS: dict[str, str] = {
    "template": "template(['Message: {input}\\nTeam (one of {choices}):'])",
    "instructions": "instructions(['Say who should read this.'], of='Which team should handle this?')",
    "demos": "demos(2)",
    "reserved": "reserved([['courier', 'postman', 'driver']])",
    "tfidf": "directional(tfidf(['my order and your money', 'the order and my parcel', 'my money and the parcel', "
    "'your parcel is the one']), expect='same')",
    "style": "style('formal')",
    "translation": "translation('German')",
    "tool_description": "tool_description({'order_status': ['Look an order up.']})",
    "counterpart": "counterpart('by_hand')",
    **{
        name: f"directional('{name}', expect='changes')"
        for name in ("word_swap", "word_delete", "word_crop", "negation")
    },
}
"""Families that need something of the user's own: what the example gives them."""

TOOLS = [
    {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": {"properties": {"order": {"type": "string"}, "language": {"type": "string"}}},
    },
    {
        "name": "cancel_order",
        "description": "Cancel an order.",
        "parameters": {"properties": {"order": {"type": "string"}, "reason": {"type": "string"}}},
    },
]
"""What a task offers, where a perturbation acts on tools."""

_WORDNET = "Needs WordNet: `apt install wordnet-base`, or `pip install nltk` and `python -m nltk.downloader wordnet`."

NO_EXAMPLE: dict[str, str] = {
    "document_order": "Acts on an input field that holds a list; the right answer stays right.",
    "synonym": _WORDNET + " *attorney* becomes *lawyer*, say. Severity 0.1 unless given.",
    "antonym": _WORDNET
    + " *late* becomes *early*, say: the right answer may change. Severity 0.1 unless given.",
    "tool_fault": "Acts on the tools that a body runs through `ask.tool(name, function)`; the right answer stays.",
    "contextual": "Needs a transformer model: `pip install torch transformers`.",
    "machine_translation": "Needs two translation models: `pip install torch transformers`.",
}
"""Families that this page can't run, and why."""


def perturbations() -> str:
    """Every built-in family with what it does and an example of it."""
    from robusttest.perturbations import PERTURBATIONS

    parts = []
    for name in _documented():
        doc = (PERTURBATIONS.get(name).__doc__ or "").strip()
        first, _, rest = doc.partition("\n\n")
        body = "\n\n".join([_prose(first), *([_prose(rest)] if rest else [])])
        parts.append(f"### {name}\n\n{body}\n\n{_facts(name)}\n\n{example(name)}\n")
    return "\n".join(parts)


def _documented() -> Iterator[str]:
    from robusttest.perturbations.base.families import BUILT_IN

    yield from BUILT_IN


def _prose(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    joined = re.sub(r"``([^`]+)``", r"`\1`", " ".join(lines))
    return _outside_code(joined)


def _outside_code(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else html.escape(p, quote=False).replace("*", "\\*") for p in parts)


def _made(name: str) -> Any:
    from robusttest.perturbations import PERTURBATIONS, make

    if name in NEEDS_ARGUMENTS:
        PERTURBATIONS.get(name)
        from robusttest.perturbations import directional

        names = {"directional": directional, **{n: PERTURBATIONS.get(n) for n in NEEDS_ARGUMENTS}}
        return eval(NEEDS_ARGUMENTS[name], {"__builtins__": {}}, names)
    return make(name)


def _facts(name: str) -> str:
    if name in NO_EXAMPLE:
        return f"{NO_EXAMPLE[name]} {_judged(name)}"
    made = _made(name)
    acts = {
        "input": "the text of the case",
        "prompt": "the prompt around it",
        "decoding": "the decoding",
        "repeat": "nothing: it asks again",
    }[made.level]
    keeps = {
        "preserves": "the right answer stays right",
        "probably": "the right answer nearly always stays right",
        "alters": "the right answer may change",
    }[made.preserves]
    said = [f"Acts on {acts}; {keeps}."]
    if made.level in ("input", "prompt"):
        said.append(_judged(name))
    if made.severity is not None:
        said.append(f"Severity {made.severity:g} unless given.")
    if made.limit is not None and name not in NEEDS_ARGUMENTS:
        said.append(f"At most {made.limit} variants of a case.")
    if made.scripts != ("any",):
        said.append(f"For text in {', '.join(made.scripts)} script.")
    return " ".join(said)


ALTERS = ("word_swap", "word_delete", "word_crop", "antonym", "negation")
"""Families that change the right answer: whether it is still right is no question to them."""


def _judged(name: str) -> str:
    if name.startswith("tool_"):
        return "It leaves the question alone: there is nothing to read."
    if name in ALTERS:
        return "Not measured: what becomes of the right answer is for a rule to say."
    from robusttest.report.judged import broken_of, read_of

    said = [f"`{spec}` {broken_of(spec)}" for spec in read_of(name)] or [broken_of(name)]
    return f"By reading: {'; '.join(said)}."


def judgements() -> str:
    """Every built-in family: what it promises, and how many of the variants that were read were broken."""
    from robusttest.perturbations.base.judged import ENOUGH, judged
    from robusttest.report.judged import broken_of, changed, limit, read_of

    lines = ["| perturbation | right answer | broken | at most | unnatural |", "|---|---|---|---|---|"]
    for name in _documented():
        made = None if name in NO_EXAMPLE else _made(name)
        if (
            name.startswith("tool_")
            or name in ALTERS
            or (made is not None and made.level not in ("input", "prompt"))
        ):
            continue
        for spec in read_of(name) or [name]:
            found = judged(spec)
            promise = made.preserves if made is not None else "probably"
            if found.n < ENOUGH or changed(spec):
                lines.append(f"| `{spec}` | {promise} | {broken_of(spec)} | | |")
            else:
                cells = f"{found.broken} of {found.n} | {limit(found):.1%} | {found.unnatural}"
                lines.append(f"| `{spec}` | {promise} | {cells} |")
    return "\n".join(lines)


def example(name: str) -> str:
    """A fenced block: the call, and what becomes of `TEXT` (or of its prompt)."""
    if name in NO_EXAMPLE:
        return ""
    from robusttest.core.nouns import Case, Prompt
    from robusttest.report.escape import visible
    from robusttest.tasks.render import prompt_text, render, tools_text
    from robusttest.variants.expand import expand_case

    demos = tuple(
        Case(id=f"d{i}", fields={"input": text}, target=target, choices=("billing", "delivery"))
        for i, (text, target) in enumerate(
            [
                ("I was charged twice.", "billing"),
                ("Where is my parcel?", "delivery"),
                ("It came broken.", "delivery"),
            ]
        )
    )
    made = _made(name)
    tools = TOOLS if name.startswith("tool_") else None
    prompt = Prompt(
        system="You route support tickets.",
        template="Which team should handle this? One of: {choices}\n\nTicket: {input}\nTeam:",
        demos=demos if name == "demo_order" or name == "demos" else (),
    )
    if name in ("option_order", "option_labels", "option_position"):
        prompt = Prompt(template="Which team?\n{options}\n\nTicket: {input}\nTeam:")
    text = TEXTS.get(name, TEXT)
    case = Case(
        id="ticket",
        fields={"input": text},
        target="delivery",
        choices=("billing", "delivery", "account"),
        metadata={
            "by_hand": "I am still waiting for what I ordered, and your phone is dead. My money, please."
        },
    )
    call = NEEDS_ARGUMENTS.get(name, f'"{name}"')
    if made.rewrite is not None:
        return _asked(made, case, prompt, call)
    number = 1 if made.level == "prompt" else 2
    params = {} if tools is None else {"tools": tools}
    made_of = expand_case(case, [made], prompt=prompt, params=params, variants=number)
    shown = [v for v in made_of if v.perturbation]
    lines = [call] + ([f"  of: {text}"] if name in TEXTS else [])
    for v in shown:
        if v.status != "ok":
            if v is shown[0]:
                lines.append(f"  {v.status.replace('_', ' ')}: {v.reason}")
        elif v.level == "input":
            said = str(v.input)
            plain = name in ("normal_form", "line_ends", "amounts", "currency", "units")
            lines.append("  " + (ascii(said)[1:-1] if plain else visible(said)))
        elif tools is not None:
            lines += ["  " + line for line in tools_text(v.params["tools"]).splitlines()[3:]]
        elif v.level in ("decoding", "repeat"):
            lines.append(
                "  " + (", ".join(f"{k}={x}" for k, x in v.params.items()) or f"sample {v.draft.sample}")
            )
        else:
            lines += ["  " + line for line in prompt_text(render(v.draft)).splitlines()] + [""]
    return "```text\n" + "\n".join(lines).rstrip() + "\n```"


def _asked(made: Any, case: Any, prompt: Any, call: str) -> str:
    """A model writes it: what the model is asked."""
    import random

    from robusttest.core.nouns import Draft
    from robusttest.tasks.render import prompt_text

    steps = made.rewrite(Draft(case=case, prompt=prompt), random.Random(0), 0)
    request = next(steps)
    steps.close()
    text = prompt_text(request.messages)
    lines = ["  " + line for line in text.splitlines()]
    return f"The writer is asked:\n\n```text\n{call}\n" + "\n".join(lines) + "\n```"


# --- the curves of the explanation ----------------------------------------------------------------------------


def curves() -> str:
    """All-correct over K = 24 against accuracy, where every cell has the same ICC: an inline SVG, drawn from the formula."""
    width, height, left, bottom = 560, 320, 48, 40
    colours = ("#d1495b", "#8d6a9f", "#00798c", "#30638e")

    def x(p: float) -> float:
        return left + (p - 0.4) / 0.6 * (width - left - 16)

    def y(v: float) -> float:
        return height - bottom - v * (height - bottom - 12)

    out = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Share of cases right under all 24 variants, '
        'against accuracy, at intraclass correlations 0, 0.5, 0.7 and 0.85" style="max-width:40rem;width:100%" '
        'font-family="sans-serif" font-size="12" fill="currentColor">'
    ]
    for v in (0, 0.25, 0.5, 0.75, 1):
        out.append(
            f'<line x1="{left}" x2="{x(1):.1f}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="currentColor" opacity=".15"/>'
            f'<text x="{left - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v:g}</text>'
        )
    for p in (0.4, 0.6, 0.8, 1):
        out.append(f'<text x="{x(p):.1f}" y="{height - bottom + 18}" text-anchor="middle">{p:g}</text>')
    out.append(f'<text x="{x(0.7):.1f}" y="{height - 4}" text-anchor="middle">accuracy</text>')
    for icc, colour in zip((0.0, 0.5, 0.7, 0.85), colours, strict=True):
        points = [(0.4 + 0.6 * i / 120) for i in range(121)]
        path = " ".join(f"{x(p):.1f},{y(all_correct(p, icc, 24)):.1f}" for p in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        label = 0.6 if icc else 0.86
        out.append(
            f'<text x="{x(label) - 6:.1f}" y="{y(all_correct(label, icc, 24)) - 6:.1f}" text-anchor="end" '
            f'fill="{colour}">ICC {icc:g}</text>'
        )
    return "\n".join([*out, "</svg>"])


def all_correct(p: float, icc: float, k: int) -> float:
    """P(right under all k variants) where cases' success probabilities are beta with mean p and this ICC."""
    if p >= 1:
        return 1.0
    if icc == 0:
        return float(p**k)
    a, b = p * (1 / icc - 1), (1 - p) * (1 / icc - 1)
    share = 1.0
    for j in range(k):
        share *= (a + j) / (a + b + j)
    return share


# --- scorers, commands ------------------------------------------------------------------------------------------


def scorers() -> str:
    """Every scorer's factory: its signature and what it reads."""
    import inspect

    from robusttest.scorers import SCORERS

    parts = []
    for name in SCORERS:
        factory = SCORERS.get(name)
        doc = inspect.getdoc(factory) or ""
        first, _, rest = doc.partition("\n\n")
        signature = re.sub(r"'(\w[\w\[\], |.]*)'", r"\1", str(inspect.signature(factory)))
        parts.append(f"### {name}\n\n```text\n{name}{signature}\n```\n\n{_prose(first)}\n\n{_prose(rest)}\n")
    return "\n".join(parts)


def commands() -> str:
    """The help of ``robusttest`` and of each command."""
    import argparse
    from importlib import import_module

    from robusttest.cli import COMMANDS

    def formatter(prog: str) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(prog, width=100)

    parts = []
    for name, module in COMMANDS.items():
        command = import_module(module)
        parser = argparse.ArgumentParser(
            prog=f"robusttest {name}", formatter_class=formatter, description=command.HELP
        )
        command.arguments(parser)
        text = re.sub(r"\n +-h, --help.*", "", parser.format_help())
        parts.append(f"## robusttest {name}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


GENERATED: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (options, metrics, judgements, perturbations, curves, scorers, commands)
}

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Write what is generated into the pages of the repository."""
    for path in sorted(ROOT.rglob("*.md")):
        before = path.read_text(encoding="utf-8")
        if (after := renewed(before)) != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT.parent)}\n")


if __name__ == "__main__":
    main()
