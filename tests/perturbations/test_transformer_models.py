"""The transformers extra with real models: tiny ones, made here with random weights. Skipped where torch is not installed."""

from __future__ import annotations

import random

import pytest

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.errors import UsageError
from robusttest.perturbations.base.similarity import embedding
from robusttest.perturbations.base.validity import Validity
from robusttest.perturbations.written.transformer import contextual, machine_translation
from robusttest.variants.expand import expand_case

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("default")  # theirs

WORDS = [
    "please",
    "send",
    "the",
    "parcel",
    "to",
    "my",
    "house",
    "and",
    "return",
    "all",
    "money",
    "now",
    "today",
    "good",
    "bad",
    "large",
    "small",
    "red",
    "blue",
]
TEXT = "please send the parcel to my house"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A masked model of 17 words and two layers."""
    folder = tmp_path_factory.mktemp("bert")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    torch.manual_seed(0)
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder = tmp_path_factory.mktemp("translator")
    vocabulary = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    config = transformers.BartConfig(
        vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
        pad_token_id=0, eos_token_id=1, bos_token_id=1, decoder_start_token_id=1, forced_eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BartForConditionalGeneration(config)
    model.generation_config.min_new_tokens = 6
    model.generation_config.suppress_tokens = [0, 2]
    model.save_pretrained(folder)
    return str(folder)


def apply(p, text, seed=0):
    return p.apply(Draft(case=Case(id="c", fields={"input": text})), random.Random(seed), 0)


def test_a_word_is_replaced_by_one_that_the_model_knows(bert):
    p = contextual(0.2, model=bert, model_type="bert", top_k=5)
    before = torch.random.get_rng_state()
    out = apply(p, TEXT)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not isinstance(out, NotApplicable), out
    old, new = TEXT.split(), out.case.input.split()
    assert len(new) == len(old)
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert 1 <= len(changed) <= 2
    assert all(b in WORDS for _, b in changed)
    assert apply(p, TEXT) == out


def test_a_text_goes_through_two_models_and_back(translator, capfd):
    capfd.readouterr()
    out = apply(machine_translation(translator, translator, max_length=12), TEXT)
    # What random weights write need not stand for the text; that they wrote at all is what counts.
    if isinstance(out, NotApplicable):
        assert out.reason.startswith("the translation was refused")
    else:
        assert out.case.input != TEXT
    assert "Loading" not in capfd.readouterr().err  # no bars in the middle of a run


def test_similarity_is_the_cosine_of_two_texts(bert):
    similarity = embedding(bert)
    assert similarity(TEXT, TEXT) == pytest.approx(1, abs=1e-5)
    other = similarity(TEXT, "red and blue")
    assert -1 <= other < 0.999
    assert other == pytest.approx(similarity("red and blue", TEXT), abs=1e-6)
    assert similarity("now " * 3000, "now " * 3000) == pytest.approx(1, abs=1e-5)


def test_similarity_is_a_gate(bert):
    def other(text, rng):
        return "red and blue"

    case = Case(id="c", fields={"input": TEXT})
    gate = Validity(similarity=embedding(bert), min_similarity=0.999)
    (_, v) = expand_case(case, [other], variants=1, validity=gate)
    assert v.status == "rejected"
    assert v.reason.startswith("similarity 0.")


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="can't be loaded"):
        embedding(str(tmp_path / "none"))("a", "b")
