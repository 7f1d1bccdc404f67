import random
from contextlib import nullcontext
from typing import ClassVar

import pytest
from _corpus_check import HOPELESS, NASTY, check

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import MissingExtraError, UsageError
from robusttest.perturbations.written import local_models, transformer


class FakeMasked:
    """nlpaug's masked model at its border: what `ContextualWordEmbsAug.model` answers."""

    made: ClassVar[list] = []

    def __init__(self, **options):
        self.options = options
        self.asked = []
        self.model = self
        FakeMasked.made.append(self)

    def get_mask_token(self):
        return "[MASK]"

    def predict(self, texts, target_words=None, n=1):
        self.asked += texts
        return [["##ing", " " + target_words[0], "!", " apple", "pear", "3"]]


class FakeTranslation:
    made: ClassVar[list] = []

    def __init__(self, **options):
        self.options = options
        FakeTranslation.made.append(self)

    def substitute(self, lines):
        return [" ".join(reversed(line.split())) for line in lines]


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    import nlpaug.augmenter.word as naw

    monkeypatch.setattr(local_models, "find_spec", lambda name: object())
    monkeypatch.setattr(transformer, "running", nullcontext)
    monkeypatch.setattr(naw, "ContextualWordEmbsAug", FakeMasked)
    monkeypatch.setattr(naw, "BackTranslationAug", FakeTranslation)
    FakeMasked.made, FakeTranslation.made = [], []
    transformer._masker.cache_clear()
    transformer._translator.cache_clear()
    yield
    transformer._masker.cache_clear()
    transformer._translator.cache_clear()


def run(p, text, seed=0):
    out = p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), 0)
    return out if isinstance(out, NotApplicable) else out.case.input


@pytest.mark.parametrize("text", [*NASTY, *HOPELESS])
def test_the_promises_hold_on_nasty_texts(text):
    for i in range(3):
        check(transformer.contextual(0.2), text, seed=i)


@pytest.mark.parametrize("text", [*NASTY, *HOPELESS])
def test_translations_keep_what_is_protected_or_are_refused(text):
    check(transformer.machine_translation(), text, moves=True)


def test_the_model_sees_the_place_in_its_text_and_words_come_back():
    made = {run(transformer.contextual(0.5), "Bring me flowers", s) for s in range(40)}
    assert made == {
        f"{a} me {b}"
        for a in ("Bring", "Apple", "Pear")
        for b in ("flowers", "apple", "pear")
        if (a == "Bring") != (b == "flowers")
    }
    (fake,) = FakeMasked.made
    assert set(fake.asked) == {"[MASK] me flowers", "Bring me [MASK]"}
    assert fake.options["model_path"] == "bert-base-uncased"
    assert fake.options["use_custom_api"] is False


def test_the_window_of_context_is_bounded():
    run(transformer.contextual(0.001), "word " * 20_000)
    assert max(map(len, FakeMasked.made[0].asked)) < 820


def test_specs_and_writers_name_the_model():
    p = transformer.contextual(0.2, model="me/mine")
    assert (p.spec, p.writer, p.severity) == ("contextual:me/mine@0.2", "me/mine", 0.2)
    assert transformer.contextual("0.2").spec == "contextual:0.2"
    assert transformer.contextual().spec == "contextual"
    q = transformer.machine_translation("a/en-fr", "a/fr-en")
    assert (q.spec, q.writer, q.limit) == ("machine_translation:a/en-fr", "a/en-fr+a/fr-en", 1)


def test_lines_and_blanks_survive_a_translation():
    assert (
        run(transformer.machine_translation(), "  tell me more\n\n- of that \n")
        == "  more me tell\n\nthat of - \n"
    )
    assert FakeTranslation.made[0].options["from_model_name"] == "Helsinki-NLP/opus-mt-en-de"


def test_a_translation_that_loses_a_number_is_refused(monkeypatch):
    monkeypatch.setattr(FakeTranslation, "substitute", lambda self, lines: ["pay now"])
    assert "lacks '42'" in run(transformer.machine_translation(), "pay 42 now please").reason


@pytest.mark.parametrize("make", [transformer.contextual, transformer.machine_translation])
def test_a_missing_package_says_the_pip_install(make, monkeypatch):
    monkeypatch.setattr(local_models, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'robusttest\[transformers\]'"):
        make()


@pytest.mark.parametrize("options", [{"model": ""}, {"model": "a:b"}, {"top_k": 0}, {"severity": 2}])
def test_wrong_arguments_are_refused(options):
    with pytest.raises(UsageError):
        transformer.contextual(**options)


def test_a_text_that_the_models_fail_on_is_not_applicable(monkeypatch):
    def fail(self, lines):
        raise RuntimeError("tensor of 0 elements")

    monkeypatch.setattr(FakeTranslation, "substitute", fail)
    assert "0 elements" in run(transformer.machine_translation(), "pay now").reason
