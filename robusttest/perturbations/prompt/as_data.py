"""The fields of a prompt as data: JSON, YAML or Markdown instead of ``Descriptor: {field}`` lines."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from robusttest.core.nouns import Case, Draft, Json, NotApplicable, Prompt
from robusttest.errors import UnknownNameError
from robusttest.perturbations.base.protocol import Perturbation
from robusttest.perturbations.prompt.contract import contract_of
from robusttest.perturbations.prompt.templates import block, field_lines, with_texts


def rendering(style: str | None = None) -> Perturbation:
    """The fields of the prompt as JSON, YAML or Markdown, one after the other; ``rendering:json`` is that one."""
    if style is not None and style not in STYLES:
        raise UnknownNameError("rendering", style, STYLES)
    styles = tuple(STYLES) if style is None else (style,)

    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        if draft.prompt is None:
            return NotApplicable(reason="the test has a body of its own: there is no prompt to render")
        if index >= len(styles):
            return NotApplicable(reason=f"there are {len(styles)} renderings only")
        contract = contract_of(draft.prompt)
        if contract.data is not None and contract.data != styles[index]:
            return NotApplicable(reason=f"the prompt says that its fields are {contract.data.upper()}")
        if not contract.descriptors:
            return NotApplicable(reason="the prompt speaks of a field by its name")
        return _rendered(draft, draft.prompt, styles[index])

    return Perturbation(
        name="rendering",
        spec="rendering" if style is None else f"rendering:{style}",
        level="prompt",
        apply=apply,
        limit=len(styles),
        description="the fields as JSON, YAML or Markdown",
    )


_BARE = re.compile(r"^\{([^\W\d]\w*)\}[ \t]*$", re.MULTILINE)


def _rendered(draft: Draft, prompt: Prompt, style: str) -> Draft | NotApplicable:
    """The data stand in a field of their own that replaces the block of field lines, so that values need no escaping."""
    blocks: dict[str, list[tuple[str, str]]] = {}
    before: dict[str, str] = {}

    def rewrite(text: str) -> str:
        first, count = block(text)
        if count:
            lines = field_lines(text)[first : first + count]
            start, end = lines[0].start, lines[-1].end
            titles = [line.descriptor for line in lines]
            names = [line.value[1:-1] for line in lines]
            items = list(zip(titles if len(set(titles)) == count else names, names, strict=True))
        elif bare := _BARE.search(text):
            start, end, items = bare.start(), bare.end(), [(bare[1], bare[1])]
        else:
            return text
        name = f"fields_as_{style}" + (f"_{len(blocks) + 1}" if blocks else "")
        while name in draft.case.fields:
            name += "_"
        blocks[name], before[name] = items, text[start:end]
        return text[:start] + "{" + name + "}" + text[end:]

    changed = with_texts(prompt, rewrite)
    if not blocks:
        return NotApplicable(reason="the prompt has no line that is one {field} to render as data")

    def with_blocks(case: Case) -> Case:
        # `input` is named, so that Case.input stays what it was beside the new field.
        fields = {**case.fields, "input": case.input}
        for name, items in blocks.items():
            if all(_has(case, field) for _, field in items):
                fields[name] = STYLES[style]([(title, _value(case, field)) for title, field in items])
        return replace(case, fields=fields)

    case = with_blocks(draft.case)
    if all(case.fields.get(n) == _filled(before[n], draft.case, items) for n, items in blocks.items()):
        return NotApplicable(reason=f"the prompt shows its fields as {style} already")
    demos = tuple(with_blocks(demo) for demo in prompt.demos)
    return draft.with_(case=case, prompt=replace(changed, demos=demos))


def _filled(text: str, case: Case, items: list[tuple[str, str]]) -> str:
    for _, field in items:
        if _has(case, field):
            text = text.replace("{" + field + "}", str(_value(case, field)))
    return text


def _has(case: Case, field: str) -> bool:
    return field in case.fields or (field in ("choices", "options") and case.choices is not None)


def _value(case: Case, field: str) -> Json:
    return case.fields[field] if field in case.fields else list(case.choices or ())


def _as_json(items: list[tuple[str, Json]]) -> str:
    return json.dumps(dict(items), indent=2, ensure_ascii=False, default=str)


def _as_yaml(items: list[tuple[str, Json]]) -> str:
    import yaml

    # As one line or as lines: a text is not folded.
    plain = json.loads(json.dumps(dict(items), default=str))
    text: str = yaml.dump(plain, Dumper=_dumper(), allow_unicode=True, sort_keys=False, width=float("inf"))
    return text.rstrip("\n")


_BREAKS = re.compile("[\r\x85\u2028\u2029]")


@lru_cache(maxsize=1)
def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types here
        """Texts of several lines as a block."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        # PyYAML does not read back the other line breaks of Unicode, unless they are escaped.
        style = '"' if _BREAKS.search(value) else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def _as_markdown(items: list[tuple[str, Json]]) -> str:
    return "\n".join(_markdown_item(name, value) for name, value in items)


def _markdown_item(name: str, value: Json) -> str:
    if isinstance(value, list | tuple):
        return f"## {name}\n" + "\n".join(f"- {v}" for v in value)
    return f"## {name}\n{value}"


STYLES: Mapping[str, Callable[[list[tuple[str, Json]]], str]] = {
    "json": _as_json,
    "yaml": _as_yaml,
    "markdown": _as_markdown,
}
