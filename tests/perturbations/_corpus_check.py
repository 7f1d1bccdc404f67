"""Texts that text perturbations must survive, and the check that every one of them must pass."""

import itertools
import random

from robusttest.core.nouns import Case, Draft, NotApplicable
from robusttest.perturbations.base.edits import apply_edits
from robusttest.perturbations.base.spans import KINDS, protected_spans

NASTY = [
    "I don't think it's late. I've been charged 3 times for order 17, and I can't organise a refund of $42.50!",
    "How can I pay? Is it open? See https://example.com/a?b=1 or mail a.b@c.org, {name} and {{x}}.",
    'Read {"name": "Ann", "age": 30} and `code_x()`; then reply.\n\n- bullet a\n- bullet b\n',
    "```python\ndef f(x):\n    return x * 2\n```\nWhat does f return? It is not obvious; do not guess.",
    "हिन्दी में नमस्ते दुनिया। यह एक वाक्य है।",
    "สวัสดีชาวโลก นี่คือข้อความ",
    "مرحبا بالعالم. هذا نص عربي.",
    "今天天气很好。我们去公园吧！你觉得怎么样？",
    "👍🏽 great 👩🏽‍🚀 job 🇫🇷 done",
    "| a | b |\n|---|---|\n| 1 | two |\n",
    "   Leading and trailing spaces, my favourite colour.   ",
    "ALL CAPS TEXT IS SHOUTED AT YOU. IT IS NOT NICE.",
    "Mr. Smith isn't here; she's gone, e.g. to Pearl Harbor. Where's he? Why don't you ask? It's been ages.",
    "one",
    "two words",
    "word " * 400,
    "İstanbul ß ǅ naïve café",
    "They're 1,205 people and twenty-one dogs; nineteen ninety was a year, this one is fine.",
]
HOPELESS = ["", "   \n\t", "\ud800 broken", "12345", "!!!"]
PROTECT = ("refund", "re:bullet [ab]")


def check(perturbation, text, *, index=0, seed=0, moves=False):
    """Apply it once and verify what every perturbation promises; returns the new text or NotApplicable."""
    case = Case(id="c", fields={"input": text, "n": 3}, target="great", choices=("great", "awful"))
    draft = Draft(case=case, protect=PROTECT)
    state = random.getstate()
    out = perturbation.apply(draft, random.Random(seed), index)
    assert random.getstate() == state, "global random state was touched"
    assert perturbation.apply(draft, random.Random(seed), index) == out, "not deterministic"
    if isinstance(out, NotApplicable):
        assert out.reason
        return out
    new, edits = out.case.input, out.edits["input"]
    assert new != text, "a no-op"
    assert apply_edits(text, edits) == new
    assert all(a.end <= b.start for a, b in itertools.pairwise(edits))
    assert all(0 <= e.start <= e.end <= len(text) for e in edits)
    assert (out.case.target, out.case.choices, out.case.fields["n"]) == (case.target, case.choices, 3)
    assert draft.case.input == text
    allow = tuple(c for c in perturbation.changes if c in KINDS)
    for span in protected_spans(text, case=case, extra=PROTECT, allow=allow):
        part = text[span.start : span.end]
        assert new.count(part) >= 1, f"{part!r} is lost"
        if not moves:
            assert not any(e.start < span.end and e.end > span.start for e in edits), f"{part!r} was edited"
    return new
