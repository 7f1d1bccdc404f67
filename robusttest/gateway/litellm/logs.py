"""What LiteLLM and the clients under it log, without secrets: at DEBUG they write headers and URLs."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

from robusttest.core.secrets import scrub

_FORMAT = logging.Formatter()


@contextlib.contextmanager
def scrubbed() -> Iterator[None]:
    """Hide secrets in every record that is logged from this thread. Records of other threads are left as they are."""
    before, here = logging.getLogRecordFactory(), threading.get_ident()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        if threading.get_ident() == here:
            with contextlib.suppress(Exception):  # arguments that do not fit: logging says so itself
                record.msg, record.args = scrub(record.getMessage()), None
                if record.exc_info:
                    record.exc_text, record.exc_info = scrub(_FORMAT.formatException(record.exc_info)), None
        return record

    logging.setLogRecordFactory(factory)
    try:
        yield
    finally:
        if logging.getLogRecordFactory() is factory:
            logging.setLogRecordFactory(before)
