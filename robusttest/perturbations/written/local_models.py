"""What perturbations and gates with a model of their own share: the extra they need, and how such a model is run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from robusttest.errors import MissingExtraError

EXTRA = "robusttest[transformers]"
_lock = threading.Lock()


def require(feature: str) -> None:
    """`MissingExtraError` with the pip install, where torch or transformers is not installed."""
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise MissingExtraError(feature, EXTRA)


@contextmanager
def running() -> Iterator[None]:
    """One thread at a time, as a model on one device answers; torch's global generator is as it was before.

    Loading a model draws from it, and prints a bar, which is not wanted in the middle of a test run.
    """
    import torch
    from transformers.utils import logging

    with _lock, torch.random.fork_rng(devices=[]), torch.inference_mode():
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                logging.enable_progress_bar()
