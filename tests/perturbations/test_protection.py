"""What no perturbation of text changes: a table of texts that a careless edit would break, against all of them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import pytest

from robusttest.core.nouns import Case
from robusttest.errors import UsageError
from robusttest.perturbations import PERTURBATIONS, Perturbation, directional, make
from robusttest.perturbations.base import dictionary
from robusttest.perturbations.base.edits import with_decoys
from robusttest.perturbations.base.spans import protected_spans
from robusttest.variants.expand import expand_case

# Language, text, the parts that must stand.
HOSTILE: list[tuple[str, str, list[str]]] = [
    ("en", "The tank holds 5 kg of CO2 at 20 °C and 3 bar", ["5 kg", "CO2", "20 °C", "3 bar"]),
    ("en", "The force is 12 N over 3 m² for ten seconds", ["12 N", "3 m²", "ten"]),
    ("en", "Let A, B and C be points with A between B and C", ["A", "B", "C"]),
    ("en", "Add NaCl and H2SO4 to the beaker, then some NaOH", ["NaCl", "H2SO4", "NaOH"]),
    ("en", "The reaction 2H2 + O2 -> 2H2O releases heat quickly", ["2H2 + O2 -> 2H2O"]),
    ("en", "Fe reacts with Cl to give a salt of iron", ["Fe", "Cl"]),
    ("en", "Solve x^2 + y^2 = z^2 for every positive integer", ["x^2 + y^2 = z^2"]),
    ("en", "If f(x) = sin(x) then what is the value there", ["f(x) = sin(x)"]),
    ("en", "Show that a < b implies that a + c < b + c holds", ["a < b", "a + c < b + c"]),
    ("en", "What is $\\frac{1}{2} + \\alpha$ when the angle grows", ["$\\frac{1}{2} + \\alpha$"]),
    ("en", "Evaluate \\[ \\int_0^1 x dx \\] with great care please", ["\\[ \\int_0^1 x dx \\]"]),
    ("en", "Evaluate \\( n \\log n \\) with great care please", ["\\( n \\log n \\)"]),
    ("en", "The value $n$ grows while the value $k$ shrinks", ["$n$", "$k$"]),
    ("en", "Open /etc/nginx/nginx.conf and change the setting", ["/etc/nginx/nginx.conf"]),
    ("en", "Open C:\\Users\\Anna\\notes.txt and change the setting", ["C:\\Users\\Anna\\notes.txt"]),
    ("en", "Open src/main.py and change the broken setting", ["src/main.py"]),
    ("en", "Look in ~/Documents for the file that went missing", ["~/Documents"]),
    ("en", "for item in things:\n    print(item)\nWhat does this program print", ["for item in things:", "print(item)"]),
    ("en", "x = compute(total)\nreturn x\nWhat does this program print", ["x = compute(total)", "return x"]),
    ("en", "const value = await fetch(address);\nWhat does this program print", ["const value = await fetch(address);"]),
    ("en", "#include <stdio.h>\nint main() {\n  return 0;\n}\nWhat does this program print", ["#include <stdio.h>", "int main() {", "return 0;"]),
    ("en", "Run docker run -d -p 80:80 nginx and tell me what happens", ["docker run -d -p 80:80 nginx"]),
    ("en", "SELECT name FROM users WHERE age > 3 ORDER BY name\nWhat does the query return", ["SELECT name FROM users WHERE age > 3 ORDER BY name"]),
    ("en", "select name from users where age > 3\nWhat does the query return", ["select name from users where age > 3"]),
    ("en", "SELECT name,\n       address\nFROM customers\nWHERE active\nWhat does the query return", ["SELECT name,", "address\nFROM customers\nWHERE active"]),
    ("en", "name: widget\nversion: latest\nauthor: somebody\n\nWhich version is configured here", ["name: widget", "version: latest", "author: somebody"]),
    ("en", "items:\n  - apple\n  - banana\nkind: fruit\n\nWhich fruit is listed here", ["- apple", "- banana"]),
    ("en", "name,colour,shape\napple,green,round\nbanana,yellow,long\n\nWhich fruit is long here", ["name,colour,shape", "apple,green,round", "banana,yellow,long"]),
    ("en", "| name | colour |\n|---|---|\n| apple | green |\n\nWhich fruit is green here", ["| name | colour |", "| apple | green |"]),
    ("en", "name | colour | shape\napple | green | round\n\nWhich fruit is green here", ["apple | green | round"]),
    ("en", "get_weather(city: str, days: int = 3) -> Forecast\nWhich tool should be called here", ["get_weather(city: str, days: int = 3)", "Forecast"]),
    ("en", "Call the tool search(query, limit) when the user asks", ["search(query, limit)"]),
    ("en", "Dear [customer name], thanks for writing to the company", ["[customer name]"]),
    ("en", "Dear {{ first_name }}, thanks for writing to the company", ["{{ first_name }}"]),
    ("en", "Dear <NAME>, thanks for writing to the company", ["<NAME>"]),
    ("en", "Dear %NAME%, thanks for writing to the company", ["%NAME%"]),
    ("en", "<|im_start|>user\nhello there my friend<|im_end|>", ["<|im_start|>user", "<|im_end|>"]),
    ("en", "[INST] hello there my friend [/INST]", ["[INST]", "[/INST]"]),
    ("en", "User: hello there my friend\nAssistant: how can this help", ["User:", "Assistant:"]),
    ("en", "Human: hello there my friend\n\nAssistant:", ["Human:", "Assistant:"]),
    ("en", "Look at ![a chart](images/chart.png) and describe the trend", ["images/chart.png"]),
    ("en", "Look at data:image/png;base64,iVBORw0KGgoAAAANSUhEUg== and describe", ["data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="]),
    ("en", "Look at https://example.com/pics/cat.jpg and describe the animal", ["https://example.com/pics/cat.jpg"]),
    ("en", "There were twenty-five people and half of them left", ["twenty-five", "half"]),
    ("en", "The third house was sold twice within a dozen years", ["third", "twice", "dozen"]),
    ("en", "The meeting is on 12/7/2025 at 10:30 am in Berlin", ["12/7/2025", "10:30 am"]),
    ("en", "It costs 1.250,50 EUR or $1,250.50 in the shop", ["1.250,50 EUR", "$1,250.50"]),
    ("en", "Type Ctrl+C or press F5 to restart the machine", ["Ctrl+C", "F5"]),
    ("en", "The gene BRCA1 and the protein p53 are connected", ["BRCA1", "p53"]),
    ("en", "Vitamin C and hepatitis B are rather different things", ["C", "B"]),
    ("en", "In C minor the piece sounds darker than elsewhere", ["C"]),
    ("en", "World War II ended long before Elizabeth II died", ["II"]),
    ("en", 'Return JSON like {"label": "spam", "score": 3} only please', ['{"label": "spam", "score": 3}']),
    ("en", "Match ^[a-z]+\\d{3}$ against the whole line please", ["^[a-z]+\\d{3}$"]),
    ("en", "git commit -m 'first try' fails with a strange message", ["git commit -m"]),
    ("en", "$ pip install numpy\nWhy does this command fail today", ["$ pip install numpy"]),
    ("en", "The function compute_total and the class OrderItem are broken", ["compute_total", "OrderItem"]),
    ("en", "The ISBN 978-3-16-148410-0 is printed on the back", ["978-3-16-148410-0"]),
    ("en", "Call me at +49 30 1234567 tomorrow in the evening", ["+49 30 1234567"]),
    ("en", "My address is anna@example.com and nothing else works", ["anna@example.com", "nothing"]),
    ("en", "p → q and ¬q therefore ¬p by modus tollens", ["p → q", "¬q", "¬p"]),
    ("en", "The sequence ATGCCGTA codes for a protein somewhere", ["ATGCCGTA"]),
    ("en", "The pH is below 7 whenever the acid is strong", ["pH"]),
    ("en", "e4 e5 Nf3 Nc6 Bb5 is the opening of the game", ["e4 e5 Nf3 Nc6 Bb5"]),
    ("en", "Fill in the ____ with the word that is missing", ["____"]),
    ("en", "The file is 5 GB and the link has 100 Mbit/s", ["5 GB", "100 Mbit/s"]),
    ("en", "He did not answer and nobody ever came back", ["not", "nobody"]),
    ("en", "She couldn't find it, and neither could anyone else", ["couldn't", "neither"]),
    ("de", "Das Paket ist nicht angekommen und niemand antwortet", ["nicht", "niemand"]),
    ("fr", "Le colis n'est pas arrivé et personne ne répond", ["pas", "personne", "ne"]),
    ("es", "El paquete no ha llegado y nadie contesta nunca", ["no", "nadie", "nunca"]),
    ("it", "Il pacco non è arrivato e nessuno risponde mai", ["non", "nessuno"]),
    ("pt", "O pacote não chegou e ninguém responde nunca", ["não", "ninguém"]),
    ("nl", "Het pakket is niet aangekomen en niemand antwoordt", ["niet", "niemand"]),
    ("pl", "Paczka nie dotarła i nikt nigdy nie odpowiada", ["nie", "nikt"]),
    ("cs", "Balíček nedorazil a nikdo neodpovídá, není tu", ["není", "nikdo"]),
    ("ru", "Посылка не пришла, и никто никогда не отвечает", ["не", "никто"]),
    ("uk", "Посилка не прийшла, і ніхто не відповідає", ["не", "ніхто"]),
    ("sv", "Paketet har inte kommit och ingen svarar aldrig", ["inte", "ingen"]),
    ("tr", "Paketi gelmedi ve kimse cevap vermiyor değil", ["değil"]),
    ("el", "Το δέμα δεν έφτασε και κανείς δεν απαντά", ["δεν"]),
    ("he", "החבילה לא הגיעה ואף אחד לא עונה", ["לא"]),
    ("ar", "الطرد لم يصل ولا أحد يجيب على الهاتف", ["لم", "لا"]),
    ("hi", "पार्सल नहीं आया और कोई जवाब नहीं देता", ["नहीं"]),
    ("zh", "包裹没有到,也不能联系任何人", ["没有", "不"]),
    ("ja", "荷物は届いていないし誰も答えない", ["ない"]),
    ("ko", "소포가 오지 않았고 아무도 대답하지 않아요", ["않"]),
    ("th", "พัสดุไม่มาถึงและไม่มีใครตอบเลย", ["ไม่"]),
    ("vi", "Bưu kiện không đến và không ai trả lời", ["không"]),
    ("id", "Paket tidak datang dan bukan salah kami", ["tidak", "bukan"]),
]  # fmt: skip

ON_PURPOSE = {
    "contractions": ("not", "couldn't"),
    "dialect": ("couldn't", "nothing"),
    "numbers": ("ten", "twenty-five", "dozen"),
    "currency": ("1.250,50 EUR", "$1,250.50"),
    "amounts": ("1.250,50 EUR", "$1,250.50"),
    "times": ("10:30 am",),
    "units": ("5 kg", "12 N", "5 GB"),
    "acronyms": ("ISBN", "II"),
    "json_keys": ('{"label": "spam", "score": 3}',),
    "speech": ("ten", "twenty-five"),
}
"""What a perturbation is about, it may change."""

NOT_TEXT = "counterpart template instructions system demos demo_order option_order option_labels option_position format rendering repeat"
NOT_TEXT += " temperature top_p sampling_seed contextual machine_translation paraphrase style back_translation reserved tfidf antonym"
NOT_TEXT += " instruction document_order filler_turns turn_split correction language_switch prompt_edges"
NAMES = [name for name in PERTURBATIONS if name not in NOT_TEXT.split()]


@cache
def at_its_most(name: str) -> Perturbation:
    """The perturbation at a severity of 0.9, where it has one; with a rule, where it alters."""
    try:
        p = make(name)
    except UsageError as e:
        pytest.skip(str(e))
    p = make(f"{name}:0.9") if p.severity is not None else p
    return directional(p, expect="changes") if p.preserves == "alters" else p


def as_read(text: str, name: str) -> str:
    """Quotes of one kind, no zero widths, plain spaces, one normal form; small letters for what changes them."""
    text = re.sub(
        "[’`´]",
        "'",
        text.replace("\u200b", "").replace("\u2060", "").replace("\u200d", "").replace("\u00a0", " "),
    )
    text = unicodedata.normalize("NFC", text)
    if name == "whitespace":
        text = re.sub(r"\s+", " ", text)
    return text.lower().replace("i\u0307", "i") if name in ("casing", "speech") else text


def sharpened(part: str, name: str) -> bool:
    """Whether casing may write it large: a number or a negation in words is the same in capitals; a unit is not."""
    return name in ("casing", "speech") and part.isalpha() and len(part) > 2 and part.islower()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_protected_changes_and_no_gate_refuses_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The lists of twelve languages take seconds to read, and say nothing of what is protected.
    known = dictionary.frequencies
    monkeypatch.setattr(dictionary, "frequencies", lambda language: known("en") if language == "en" else {})
    p = at_its_most(name)
    broken, refused = [], []
    for language, text, parts in HOSTILE:
        case = Case(id="h", fields={"input": text}, language=language)
        for v in expand_case(case, [p], variants=2, seed=1):
            if not v.perturbation or v.status == "not_applicable":
                continue
            if v.status == "rejected":
                refused.append((text, v.reason, v.input))
                continue
            for part in parts:
                if part in ON_PURPOSE.get(name, ()):
                    continue
                fold = (
                    name
                    if name == "whitespace"
                    or sharpened(part, name)
                    or not part.isascii()
                    or not part.isupper()
                    else ""
                )
                pattern = (
                    rf"(?<!\w){re.escape(as_read(part, fold))}(?!\w)"
                    if part[0].isalnum() and part.isascii() and part[-1].isalnum()
                    else re.escape(as_read(part, fold))
                )
                if len(re.findall(pattern, as_read(v.input, fold))) < len(
                    re.findall(pattern, as_read(text, fold))
                ):
                    broken.append((part, text, v.input))
    assert broken == []
    assert refused == []


def test_the_table_is_long_enough_and_all_of_it_is_seen_by_a_careless_edit() -> None:
    assert len(HOSTILE) >= 60
    assert len({language for language, *_ in HOSTILE}) >= 16
    for _, text, parts in HOSTILE:
        assert all(part in text for part in parts), text


@pytest.mark.parametrize("spec", ["keyboard:1", "swap:0.9", "delete:1", "ocr:1"])
@pytest.mark.parametrize("choices", [None, ("lamp", "chair", "table")])
def test_what_is_left_untouched_does_not_give_the_target_away(
    spec: str, choices: tuple[str, ...] | None
) -> None:
    text = "The old lamp stood beside the green window while somebody painted every single wooden board again"
    case = Case(id="c", fields={"input": text}, target="lamp", choices=choices)
    for v in expand_case(case, [spec], variants=8):
        if v.perturbation and v.status == "ok":
            left = [w for w in text.split() if len(w) >= 4 and w in v.input.split()]
            assert "lamp" in left
            assert len(left) >= 3, v.input


def test_decoys_are_words_like_the_label() -> None:
    import random

    text = "Yesterday Anna met Greg and Paul while Maria slept"
    case = Case(id="c", fields={}, target="Anna")
    spans = with_decoys(text, protected_spans(text, case=case), random.Random(1))
    words = [text[s.start : s.end] for s in spans]
    assert "Anna" in words
    assert len(words) == 3
    assert all(w[0].isupper() for w in words)
