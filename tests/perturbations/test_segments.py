from __future__ import annotations

import pytest

from robusttest.core.nouns import Case
from robusttest.perturbations import directional
from robusttest.perturbations.base import segments
from robusttest.perturbations.base.spans import protected_spans, words
from robusttest.variants.expand import expand_case

TEXTS = {
    "ja": ("荷物はまだ京都に着きましたか。電話に出てください。", "京都に"),
    "zh": ("包裹什么时候可以到，我想知道退款的时间。", "包裹"),
    "th": ("พัสดุจะมาถึงเมื่อไรและใครรับโทรศัพท์", "พัสดุ"),
}


@pytest.mark.parametrize("language", TEXTS)
def test_words_of_scripts_without_spaces(language: str) -> None:
    pytest.importorskip("budoux")
    text, word = TEXTS[language]
    found = [text[s:e] for s, e in words(text, ())]
    assert word in found
    assert len(found) >= 6
    assert "".join(found) == "".join(c for c in text if c not in "。，")


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("name", ["word_delete", "word_swap", "word_crop"])
def test_words_are_left_out_and_exchanged(language: str, name: str) -> None:
    pytest.importorskip("budoux")
    text, _ = TEXTS[language]
    own = [text[s:e] for s, e in words(text, protected_spans(text))]
    case = Case(id="c", fields={"input": text}, language=language)
    made = [
        v
        for v in expand_case(case, [directional(f"{name}:0.3", expect="changes")], variants=3)
        if v.perturbation and v.status == "ok"
    ]
    assert made
    for v in made:
        if name == "word_swap":
            assert sorted(v.input) == sorted(text)
        else:
            assert 0 < len(text) - len(v.input) <= sum(map(len, own))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "available", lambda: False)
    words.cache_clear()
    case = Case(id="c", fields={"input": "包裹什么时候可以到"}, language="zh")
    [_, variant] = expand_case(case, [directional("word_delete", expect="changes")], variants=1)
    words.cache_clear()
    assert "pip install 'robusttest[segmentation]'" in str(variant.reason)


def test_kanji_beside_kana_are_japanese() -> None:
    assert segments.parser_for("京都", frozenset({"Han", "Hiragana"})) == "japanese"
    assert segments.parser_for("包裹", frozenset({"Han"})) == "simplified_chinese"
    assert segments.parser_for("還沒到", frozenset({"Han"})) == "traditional_chinese"
    assert segments.parser_for("ລາວ", frozenset({"Lao"})) is None
