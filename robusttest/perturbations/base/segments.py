"""Words of Chinese, Japanese and Thai, which are written without spaces: by BudouX, where it is installed.

Japanese words come with their particles (bunsetsu): what a line may be broken between.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

HOW_TO_INSTALL = "pip install 'robusttest[segmentation]'"
_KANA = frozenset({"Hiragana", "Katakana"})
_TRADITIONAL = frozenset("們這個為說時會對於還沒樣國學車門長問電話來過經開關與從後請訂單貨錢買賣")
"""Some characters that no simplified text has."""


@cache
def available() -> bool:
    """Whether there is something that knows the words."""
    return find_spec("budoux") is not None


def parser_for(run: str, scripts: frozenset[str]) -> str | None:
    """Which of BudouX's models reads the run; None where none does."""
    if "Thai" in scripts:
        return "thai"
    if scripts & _KANA:
        return "japanese"
    if "Han" in scripts:
        return "traditional_chinese" if _TRADITIONAL & set(run) else "simplified_chinese"
    return None


def segments(run: str, scripts: frozenset[str]) -> list[str] | None:
    """The words of a run of letters, in order, which joined are the run; None where nobody knows them.

    ``scripts`` are those of the text that the run stands in: kanji alone are Japanese beside kana.
    """
    name = parser_for(run, scripts)
    if name is None or not available():
        return None
    found: list[str] = _parser(name).parse(run)
    return found


@cache
def _parser(name: str) -> Any:
    import budoux

    return getattr(budoux, f"load_default_{name}_parser")()
