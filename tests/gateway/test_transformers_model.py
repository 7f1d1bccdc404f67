"""A local ``transformers`` model as a batched Python model: a tiny one, made here. Skipped where torch is not installed."""

from __future__ import annotations

import sys
import types

import pytest

from robusttest.gateway import Gateway, model
from robusttest.settings import Settings

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("default")  # theirs

WORDS = ["where", "is", "my", "parcel", "refund", "billing", "delivery", "now", "please"]


@pytest.fixture(scope="module")
def generator():
    """A causal model of ten words and one layer, with random weights, behind the usual pipeline."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {w: i for i, w in enumerate(["<pad>", "<unk>", "<eos>", *WORDS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>", padding_side="left"
    )
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=64,
        n_embd=16,
        n_layer=1,
        n_head=2,
        pad_token_id=0,
        eos_token_id=2,
    )
    net = transformers.GPT2LMHeadModel(config).eval()
    sizes = []

    @model(version="tiny-1", batch_size=8)
    def reply(prompts: list[str], max_tokens: int = 4) -> list[str]:
        sizes.append(len(prompts))
        batch = tokenizer(prompts, return_tensors="pt", padding=True)
        with torch.no_grad():
            out = net.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=max_tokens,
                do_sample=False,
            )
        return tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)

    reply.sizes = sizes
    return reply


def test_a_local_model_answers_in_batches(generator, tmp_path, monkeypatch):
    module = types.ModuleType("tiny_lm")
    module.reply = generator
    monkeypatch.setitem(sys.modules, "tiny_lm", module)
    prompts = [f"where is my {w} {v}" for w in WORDS for v in ("now", "please")]
    with Gateway(Settings(directory=tmp_path)) as gateway:
        requests = [
            gateway.request("python:tiny_lm:reply", [{"role": "user", "content": p}], {"max_tokens": 3})
            for p in prompts
        ]
        said = [f.result(60) for f in [gateway.submit(r) for r in requests]]
        again = [gateway.submit(r).result(60) for r in requests]
    assert [s.text for s in said] == [generator([p], 3)[0] for p in prompts], "a batch answers as one by one"
    assert all(a.cached for a in again)
    assert max(generator.sizes) > 1
    assert sum(generator.sizes) == 2 * len(prompts)
