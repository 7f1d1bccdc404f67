"""The language of a text, and that scripts and languages are enforced in one place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case
from robusttest.perturbations.base import patterns
from robusttest.perturbations.base.languages import detect, normalised
from robusttest.perturbations.base.patterns import negations
from robusttest.variants.expand import expand_case

TEXTS = {
    "en": "I have not received the confirmation of my order yet.",
    "de": "Ich möchte meine Bestellung stornieren, weil das Paket zu spät kommt.",
    "fr": "Je voudrais annuler ma commande parce que le colis est en retard.",
    "es": "Todavía espero el paquete que pedí la semana pasada, señor.",
    "it": "Vorrei annullare il mio ordine perché il pacco è in ritardo.",
    "nl": "Ik wil mijn bestelling annuleren omdat het pakket te laat komt.",
    "pl": "Chcę anulować zamówienie, ponieważ paczka jest spóźniona.",
    "tr": "Siparişimi iptal etmek istiyorum çünkü kargo gecikti.",
    "ru": "Я хочу отменить заказ, потому что посылка опоздала.",
    "uk": "Я хочу скасувати замовлення, тому що посилка запізнилася.",
    "el": "Θέλω να ακυρώσω την παραγγελία μου.",
    "he": "אני רוצה לבטל את ההזמנה שלי.",
    "ar": "أريد إلغاء طلبي الآن من فضلك.",
    "hi": "मैं अपना ऑर्डर रद्द करना चाहता हूँ।",
    "zh": "我想取消我的订单。",
    "ja": "注文をキャンセルしたいです。",
    "ko": "주문을 취소하고 싶습니다.",
    "th": "ฉันต้องการยกเลิกคำสั่งซื้อ",
}


@pytest.mark.parametrize(("code", "text"), TEXTS.items())
def test_the_language_is_told(code: str, text: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Ok", "en"),
        ("Glucose travels", "en"),
        ("12 + 30", None),
        ("", None),
        ("lol thx m8 c u l8r", "en"),
        ("GELATO", "en"),
    ],
)
def test_where_unsure_it_is_english(text: str, code: str | None) -> None:
    assert detect(text) == code


def test_plain_english_loads_no_detector() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from robusttest.perturbations.base.languages import detect;"
        "assert detect('Where is the parcel that I ordered for my mother?') == 'en';"
        "assert 'py3langid' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_codes() -> None:
    assert [normalised(c, "x") for c in ("de-AT", "pt_BR", " EN ", "nb")] == ["de", "pt", "en", "no"]


ENGLISH = (
    "distractor",
    "politeness",
    "statement",
    "contractions",
    "spelling",
    "spelling_variant",
    "negation",
    "numbers",
)


@pytest.mark.parametrize("spec", [*ENGLISH, "keyboard+spelling"])
def test_what_speaks_english_says_so_elsewhere(spec: str) -> None:
    made = [v for v in expand_case(Case(id="1", fields={"input": TEXTS["de"]}), [spec]) if v.perturbation]
    assert [v.status for v in made] == ["not_applicable"]
    assert str(made[0].reason).endswith(("needs English: the text is German", "needs text in Latin script"))


def test_the_task_knows_better() -> None:
    case = Case(id="1", fields={"input": TEXTS["en"]}, language="sv")
    (v,) = (v for v in expand_case(case, ["politeness"]) if v.perturbation)
    assert v.reason == "needs English: the text is Swedish"


NEGATED = {
    "en": "It is not here", "de": "Es ist nicht da", "fr": "Ce n'est pas ici", "es": "No está aquí", "pt": "Não está aqui",
    "it": "Non è qui", "nl": "Het is niet hier", "pl": "To nie jest tutaj", "cs": "To není tady", "ru": "Это не здесь",
    "uk": "Це не тут", "tr": "Burada değil", "el": "Δεν είναι εδώ", "sv": "Det är inte här", "da": "Det er ikke her",
    "fi": "Se ei ole täällä", "hu": "Ez nem itt van", "ro": "Nu este aici", "vi": "Nó không ở đây", "id": "Itu tidak di sini",
    "ar": "ليس هنا", "he": "זה לא כאן", "hi": "यह यहाँ नहीं है", "zh": "它不在这里", "ja": "ここにありません", "ko": "여기에 없습니다",
    "th": "มันไม่อยู่ที่นี่",
}  # fmt: skip


@pytest.mark.parametrize(("code", "text"), NEGATED.items())
def test_negations_are_known(code: str, text: str) -> None:
    assert negations(text), code


@pytest.mark.parametrize("text", ["Siparişim gelmedi.", "Anlamıyorum.", "Bugün gitmez.", "Ödenmeyecek."])
def test_turkish_verbs_deny_by_their_endings(text: str) -> None:
    assert negations(text)


@given(st.text(alphabet="notmeyizdwhalfus 'N`-_7", max_size=30))
@settings(max_examples=100)
def test_quick_looks_for_negations_and_numbers_find_what_the_patterns_find(text):
    for words in (text, f"no {text} gelmiyor", f"twice {text} NOT"):
        assert patterns.negations(words) == [m[0] for m in patterns._negation().finditer(words)]
        found = [m[0].lower() for m in patterns._number_word().finditer(words)]
        assert patterns.number_words(words) == found
