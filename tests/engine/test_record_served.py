"""Each record says who answered."""

from __future__ import annotations

import pytest

from robusttest.core import codec
from robusttest.core.nouns import Case, Completion, Draft, Request, Score, Variant
from robusttest.engine.record import make_record

CASE = Case(id="1", fields={"input": "Hi"}, target="Hi")


@pytest.mark.parametrize(
    ("meta", "version", "fingerprint"),
    [({"system_fingerprint": "fp_1"}, None, "fp_1"), ({}, "weights-3", "weights-3"), ({}, None, None)],
)
def test_served_id_fingerprint_and_finish_reason_are_kept(meta, version, fingerprint):
    completion = Completion(text="Hi", model="gpt-4o-2026-01-01", finish_reason="stop", meta=meta)
    request = Request(model="openai/gpt-4o", messages=({"role": "user", "content": "Hi"},), version=version)
    record = make_record(
        Variant(original=CASE, draft=Draft(case=CASE)),
        task="t",
        model="openai/gpt-4o",
        score=Score(value=1.0),
        completion=completion,
        request=request,
    )
    assert (record.served, record.fingerprint, record.finish_reason) == (
        "gpt-4o-2026-01-01",
        fingerprint,
        "stop",
    )
    row = codec.plain(record)
    assert (row["served"], row["finish_reason"]) == ("gpt-4o-2026-01-01", "stop")
