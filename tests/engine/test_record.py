from __future__ import annotations

import json
import random
from itertools import chain, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core import codec
from robusttest.core.nouns import Case, CellKey, Completion, Prompt, Record, Score
from robusttest.engine.cell import Cell
from robusttest.engine.record import failing, fails, make_record
from robusttest.engine.shrink import broken
from robusttest.perturbations.words.pairs import counterpart
from robusttest.report.build import build, worst_failures
from robusttest.report.html.cases import explorer
from robusttest.store import new_run
from robusttest.store.failing import FILE, keep
from robusttest.variants.expand import expand_case


def row(case, perturbation="", index=0, score=1.0, *, size=0, repeat=0, status="ok"):
    return Record(
        task="t",
        model="m",
        case_id=case,
        perturbation=perturbation,
        variant=f"{perturbation}#{index}" if perturbation else "",
        index=index,
        repeat=repeat,
        level="input" if perturbation else "reference",
        status=status,
        score=score,
        answer=str(score),
        text=f"{case} {perturbation} {index}",
        edits={"input": [[0, size, "x" * size]]} if size else None,
    )


ROWS = [
    *(row(c) for c in "abcd"),
    row("w", score=0.0),
    row("w", "keyboard", score=0.0, size=1),
    row("a", "keyboard", score=0.0, size=9),
    row("b", "keyboard", score=0.0, size=1),
    row("c", "ocr:0.1", score=0.5),
    row("c", "ocr:0.2", score=0.0, size=2),
    row("d", "repeat", score=0.0),
    row("d", score=0.0, repeat=1),
    row("d", "ocr:0.1", score=None, status="error"),
]


def names(records):
    return [f"{r.case_id}::{r.variant}" if r.variant else r.case_id for r in records]


def test_one_order_of_the_worst_everywhere(tmp_path):
    wanted = [
        "b::keyboard#0",
        "c::ocr:0.2#0",
        "d::repeat#0",
        "a::keyboard#0",
        "c::ocr:0.1#0",
        "w",
        "w::keyboard#0",
    ]
    assert names(r for _, r in failing(ROWS)) == wanted
    result = Cell(CellKey(None, "t", "m"), ROWS)
    assert names(result.worst(None)) == wanted
    failures, n = worst_failures(ROWS)
    assert ([f.name for f in failures], n) == (wanted, 7)
    held = explorer(build(new_run(), [result]))
    assert [f"{r[1]}::{r[2]}" if r[2] else r[1] for r in held.rows[: held.failing]] == wanted
    keep(tmp_path, [ROWS])
    kept = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [f"{k['case']}::{k['variant']}" for k in kept] == [n for n in wanted if n != "w"]
    first, *others = (names(r for r, _ in some) for some in broken(ROWS))
    assert first == ["b::keyboard#0", "c::ocr:0.2#0", "d::repeat#0"]
    lost = names(r for loss, r in failing(ROWS) if loss > 0)
    assert sorted(chain(first, *others)) == sorted(lost)
    assert others, "the second worst of a family has its turn, too"


def slow(records):
    """The order by its definition: of the worst left, the family shown least, the case shown least, the smallest edit."""
    reference = {r.case_id: r.score for r in records if not r.perturbation and r.repeat == 0}
    left = [r for r in records if fails(r)]
    families, cases, out = {}, {}, []

    def place(r):
        loss = reference.get(r.case_id, r.score) - r.score
        family = r.perturbation.split(":")[0]
        size = 1_000_000 if r.edits is None else r.edits["input"][0][1]
        shown = (families.get(family, 0), cases.get(r.case_id, 0))
        return (-loss, r.score, *shown, size, r.case_id, r.perturbation, r.index)

    while left:
        r = min(left, key=place)
        left.remove(r)
        out.append(r)
        family = r.perturbation.split(":")[0]
        families[family] = families.get(family, 0) + 1
        cases[r.case_id] = cases.get(r.case_id, 0) + 1
    return out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_is_its_definition_and_does_not_depend_on_the_records_order(data):
    cases, kinds = "abc", ["ocr:0.1", "ocr:0.2", "keyboard", "casing"]
    scores = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    records = [row(c, score=data.draw(scores)) for c in cases]
    records += [
        row(c, p, i, data.draw(scores), size=data.draw(st.integers(0, 3)))
        for c, p, i in product(cases, kinds, range(2))
    ]
    wanted = slow(records)
    shuffled = list(records)
    random.Random(data.draw(st.integers())).shuffle(shuffled)
    assert [r for _, r in failing(shuffled)] == wanted
    assert [r for _, r in failing(records, 3)] == wanted[:3]


def test_many_failing_variants_are_ordered_in_time():
    records = [row(f"c{i}") for i in range(2000)]
    records += [row(f"c{i}", f"p{j}", score=0.0, size=1 + i % 7) for i in range(2000) for j in range(10)]
    assert len(failing(records)) == 20_000


@pytest.mark.parametrize(
    ("rule", "target", "effect"),
    [
        ("target", "yes", "same"),
        ("same", "yes", "same"),
        ("target", "no", "target"),
        ("changes", "yes", "changes"),
        ("increases", "yes", "increases"),
    ],
)
def test_a_record_says_what_its_variant_does_to_the_right_answer(rule, target, effect):
    case = Case(id="c", fields={"input": "is it so", "other": "is it not so", "right": target}, target="yes")
    p = counterpart("other", target="right") if rule == "target" else counterpart("other", expect=rule)
    reference, variant = expand_case(case, [p], prompt=Prompt(template="{input}"))
    score = Score(value=1.0, answer="yes")
    assert make_record(reference, task="t", model="m", score=score).effect == "same"
    assert make_record(variant, task="t", model="m", score=score).effect == effect


def test_a_number_in_another_notation_is_the_same_target():
    case = Case(id="c", fields={"input": "three and four", "other": "3 and 4", "right": "7.0"}, target=7)
    _, variant = expand_case(case, [counterpart("other", target="right")], prompt=Prompt(template="{input}"))
    assert variant.effect == "same"


def test_a_record_says_where_the_reply_was_cut():
    (reference,) = expand_case(Case(id="c", fields={"input": "x"}), (), prompt=Prompt(template="{input}"))
    for finish, cut in (("length", True), ("stop", False), (None, False)):
        completion = Completion(text="and so", finish_reason=finish)
        made = make_record(
            reference, task="t", model="m", score=Score(value=0.0, status="unparsed"), completion=completion
        )
        assert made.cut is cut
        assert codec.read(Record, codec.plain(made)) == made
