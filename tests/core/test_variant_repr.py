"""A `Variant` for a reader: what Hypothesis and pytest print."""

from __future__ import annotations

from robusttest.core.nouns import Case, Draft, Prompt, Variant


def test_a_variant_prints_in_a_few_lines_what_differs() -> None:
    case = Case(
        id="t1",
        fields={"input": "word " * 5000, "other": "stands"},
        target="blue",
        metadata={"x": "y" * 5000},
    )
    new = Case(
        id="t1", fields={"input": "wrod " * 5000, "other": "stands"}, target="blue", metadata=case.metadata
    )
    prompt = Prompt(template="x" * 5000, demos=(case,) * 50)
    variant = Variant(
        original=case, draft=Draft(case=new, prompt=prompt), perturbation="swap", index=3, level="input"
    )
    said = repr(variant)
    assert said.startswith("Variant(swap#3 of case 't1',\n        input='wrod wrod")
    assert "stands" not in said
    assert len(said) < 600
    assert said.count("\n") <= 4
    reference = repr(Variant(original=case, draft=Draft(case=case)))
    assert reference.startswith("Variant(the reference of case 't1',\n        input='word")
    rejected = Variant(
        original=case,
        draft=Draft(case=case),
        perturbation="swap",
        status="rejected",
        reason="a label was added",
    )
    assert "rejected: a label was added" in repr(rejected)
