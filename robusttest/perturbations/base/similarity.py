"""A semantic gate that needs no API: cosine similarity of sentence embeddings, by a local model through transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from robusttest.errors import UsageError
from robusttest.perturbations.written.local_models import require, running

_LONGEST = 512  # tokens; what follows is cut off


def embedding(
    model: str = "sentence-transformers/all-MiniLM-L6-v2", *, device: str = "cpu"
) -> Callable[[str, str], float]:
    """A similarity for `Validity`: the cosine of the two texts' mean-pooled embeddings, in [-1, 1].

    ::

        Task(…, validity=Validity(similarity=embedding(), min_similarity=0.8))

    ``model`` is a folder or a name on the Hugging Face hub, loaded when the first variant is checked. Mean pooling over the
    attention mask, as in Sentence-BERT (Reimers and Gurevych 2019). It tells another topic well and a negation badly:
    the cheap gates look after negations and numbers.
    """
    require("similarity by embedding()")
    if not isinstance(model, str) or not model.strip():
        raise UsageError(f"embedding(model={model!r}): give the name or the folder of a model")

    @lru_cache(maxsize=1)
    def loaded() -> tuple[Any, Any]:
        from transformers import AutoModel, AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).to(device).eval()
        except (OSError, ValueError, RuntimeError) as e:
            said = str(e).strip().partition("\n")[0]
            raise UsageError(f"embedding(model={model!r}) can't be loaded: {said}") from e

    @lru_cache(maxsize=4096)
    def vector(text: str) -> Any:
        import torch

        with running():
            tokenizer, encoder = loaded()
            given = tokenizer(text, truncation=True, max_length=_LONGEST, return_tensors="pt").to(device)
            states = encoder(**given).last_hidden_state[0]
            mask = given["attention_mask"][0].unsqueeze(-1)
            mean = (states * mask).sum(0) / mask.sum().clamp(min=1)
            return torch.nn.functional.normalize(mean, dim=0)

    def similarity(before: str, after: str) -> float:
        return float(vector(before) @ vector(after))

    return similarity
