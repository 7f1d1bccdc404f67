from __future__ import annotations

import json

from robusttest.core.nouns import Case
from robusttest.variants.expand import expand_case


def made(fields: dict[str, object], spec: str, variants: int = 6) -> list[dict[str, object]]:
    case = Case(id="c", fields=fields, target="blue")
    return [
        dict(v.fields)
        for v in expand_case(case, [spec], variants=variants)
        if v.perturbation and v.status == "ok"
    ]


def test_json_keys_come_in_other_orders_and_hold_the_same() -> None:
    data = {"name": "Ann", "age": 30, "tags": ["a", {"x": 1, "y": None}], "ok": True}
    for style in ({}, {"indent": 2}, {"separators": (",", ":")}):
        written = json.dumps(data, **style)
        found = made({"input": f"Read {written} please, blue"}, "json_keys")
        assert len(found) == 6
        for fields in found:
            text = str(fields["input"])
            new = text[len("Read ") : -len(" please, blue")]
            assert json.loads(new) == data
            assert new != written
            assert sorted(new) == sorted(written)  # the same blanks


def test_json_that_holds_a_key_twice_or_has_a_style_of_its_own_stands() -> None:
    assert made({"input": 'Read {"a": 1, "a": 2} now'}, "json_keys") == []
    assert made({"input": 'Read { "a" :1,  "b": 2} now'}, "json_keys") == []
    assert made({"input": "no {json} here [1]"}, "json_keys") == []


def test_documents_come_in_another_order() -> None:
    documents = ["The sky is blue.", "Grass is green.", "Snow is white."]
    found = made({"input": "Which colour has the sky?", "documents": documents}, "document_order")
    orders = [tuple(f["documents"]) for f in found]
    assert len(set(orders)) == 5  # 3! without the one that stands
    assert all(sorted(o) == sorted(documents) and list(o) != documents for o in orders)
    assert made({"input": "x", "documents": ["one text"]}, "document_order") == []
    assert (
        made(
            {"input": [{"role": "user", "content": "a b"}, {"role": "user", "content": "c d"}]},
            "document_order",
        )
        == []
    )
