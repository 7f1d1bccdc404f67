"""Frozen variants: the file, what is refused as stale, and that a run with it puts the very same questions."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Prompt, Variant
from robusttest.errors import StorageError, UsageError
from robusttest.perturbations import make_all, perturbation
from robusttest.settings import Settings
from robusttest.testing import NASTY_TEXTS
from robusttest.variants.expand import expand_case
from robusttest.variants.frozen import Freezer, Frozen, Scope, StaleError, begin, refuse, save
from robusttest.variants.frozen_file import read, write

CASES = (
    Case(id="t1", fields={"input": "where is my refund, please"}, target="billing", metadata={"row": 1}),
    Case(id="t2", fields={"input": "the parcel is late"}, target="delivery"),
    Case(id="t3", fields={"input": "12"}, target="billing"),
)
PROMPT = Prompt(template="Ticket: {input}\nOne of: {choices}\nAnswer:", system="You route tickets.")


def plan(specs=("keyboard", "casing", "format", "temperature:0.7", "repeat"), **changes):
    given = {
        "task": "routing",
        "cases": CASES,
        "selected": CASES,
        "perturbations": make_all(specs),
        "variants": 3,
        "seed": 0,
        "prompt": PROMPT,
    } | changes
    return Scope(**given)


def expanded(p: Scope) -> dict[str, list[Variant]]:
    return {
        c.id: list(
            expand_case(
                c, p.perturbations, prompt=p.prompt, variants=p.variants, seed=p.seed, protect=p.protect
            )
        )
        for c in p.selected
    }


def freezer(p: Scope) -> Freezer:
    made = Freezer(p)
    for variants in expanded(p).values():
        for v in variants:
            made.add(v)
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "variants.jsonl"


def frozen(path, p: Scope) -> Frozen:
    save(path, [freezer(p)])
    return Frozen(path, read(path))


def test_what_comes_out_of_a_file_is_what_went_in(path):
    p = plan()
    held = frozen(path, p)
    assert held.stale(p) == []
    source = held.source(p)
    for case in CASES:
        assert list(source(case)) == expanded(p)[case.id]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.sampled_from(NASTY_TEXTS))
def test_any_text_comes_back_character_by_character(tmp_path_factory, text):
    case = Case(id="x", fields={"input": text, "other": "some more words"}, target="a", choices=("a", "b"))
    p = plan(["zero_width", "confusables", "swap", "whitespace"], cases=(case,), selected=(case,))
    path = tmp_path_factory.mktemp("frozen") / "f.jsonl"
    assert list(frozen(path, p).source(p)(case)) == expanded(p)["x"]


def test_a_file_is_sorted_and_the_same_whatever_the_order(path, tmp_path):
    p = plan()
    save(path, [freezer(p)])
    other = tmp_path / "other.jsonl"
    shuffled = freezer(replace(p, selected=CASES[::-1]))
    save(other, [shuffled, freezer(p)], shuffled.rows[::-1] + freezer(p).rows)
    assert path.read_bytes() == other.read_bytes()
    rows = read(path)
    assert [r["perturbation"] for r in rows[:5]] == sorted(x.spec for x in p.perturbations)
    assert all("frozen" in r for r in rows[:5])
    assert not any("frozen" in r for r in rows[5:])


def test_a_reviewer_sees_what_can_not_be_seen(path):
    save(path, [freezer(plan(["zero_width"]))])
    text = path.read_text(encoding="utf-8")
    assert "\\u200b" in text or "\\u200c" in text or "\\u2060" in text or "\\ufeff" in text
    assert "\u200b" not in text


def test_a_changed_case_is_refused_by_name(path):
    held = frozen(path, plan(["casing"]))
    changed = (replace(CASES[0], fields={"input": "where is my money"}), *CASES[1:])
    stale = held.stale(plan(["casing"], cases=changed, selected=changed))
    assert stale[0] == "routing: t1::casing#0: the case has changed since"
    assert {s.split("::")[0] for s in stale} == {"routing: t1"}
    error = refuse(path, stale * 3)
    assert isinstance(error, StaleError)
    assert "t1::casing#0" in str(error)
    assert "more" in str(error)
    assert "--robust-update-freeze" in str(error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"specs": ["casing", "keyboard"]}, "routing: keyboard is not in it"),
        ({"seed": 1}, "routing: casing was frozen with seed 0, and this run has 1"),
        ({"variants": 4}, "routing: casing was frozen with 3 variants a case, and this run wants 4"),
        ({"cases": CASES[:2], "selected": CASES[:2]}, "routing: t3: there is no such case any more"),
        ({"task": "other"}, "other: casing is not in it"),
        ({"protect": ("refund",)}, "routing: t1::casing#0: the case has changed since"),
    ],
)
def test_what_a_run_wants_and_the_file_lacks_is_refused(path, changes, said):
    held = frozen(path, plan(["casing"]))
    assert held.stale(plan(**({"specs": ["casing"]} | changes)))[0] == said


def test_a_new_case_is_refused(path):
    new = (*CASES, Case(id="t4", fields={"input": "hello there"}, target="billing"))
    held = frozen(path, plan(["casing"]))
    assert held.stale(plan(["casing"], cases=new, selected=new)) == ["routing: t4::casing is not in it"]


def test_another_prompt_makes_only_variants_of_the_prompt_stale(path):
    held = frozen(path, plan(["casing", "format"]))
    stale = held.stale(plan(["casing", "format"], prompt=Prompt(template="{input} and {choices}")))
    assert stale
    assert all("format" in s and s.endswith("the prompt has changed since") for s in stale)


def test_fewer_variants_are_the_first_ones(path):
    held = frozen(path, plan(["keyboard"]))
    fewer = plan(["keyboard"], variants=1)
    assert held.stale(fewer) == []
    assert list(held.source(fewer)(CASES[0])) == expanded(fewer)["t1"]


def test_a_part_of_the_cases_is_no_staleness(path):
    held = frozen(path, plan(["casing"]))
    assert held.stale(plan(["casing"], selected=CASES[:1])) == []


def edit(path, change):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(r) + "\n" for r in change(rows)), encoding="utf-8")


def test_a_reviewer_may_reject_change_and_delete(path):
    p = plan(["keyboard"])
    save(path, [freezer(p)])

    def review(rows):
        first = [r for r in rows if r.get("case") == "t1"]
        first[0] |= {"status": "rejected", "reason": "no longer a refund"}
        first[1]["fields"]["input"] = "where is my refunt, please"
        rows.remove(first[2])
        return rows

    edit(path, review)
    held = Frozen(path, read(path))
    assert held.stale(p) == []
    _, rejected, changed = held.source(p)(CASES[0])
    assert (rejected.status, rejected.reason) == ("rejected", "no longer a refund")
    assert changed.input == "where is my refunt, please"
    ((start, end, new),) = changed.draft.edits["input"]
    assert CASES[0].input[:start] + new + CASES[0].input[end:] == changed.input


def test_a_variant_made_equal_to_its_original_is_refused(path):
    save(path, [freezer(plan(["casing"]))])

    def undo(rows):
        for r in rows:
            if r.get("case") == "t1" and r["index"] == 0:
                r["fields"]["input"] = CASES[0].input
        return rows

    edit(path, undo)
    held = Frozen(path, read(path))
    assert held.stale(plan(["casing"])) == ["routing: t1::casing#0: it is its original"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "line 1: not JSON"),
        ("[1]", "not an object"),
        ('{"task": "t"}', "needs a task and a perturbation"),
        ('{"task": "t", "perturbation": "ocr", "frozen": 9}', "has schema 9, written by a newer robusttest"),
        ('{"task": "t", "perturbation": "ocr", "case": "a", "of": "1", "index": -1}', "index=-1"),
        ('{"task": "t", "perturbation": "ocr", "case": "a", "of": "1", "index": 0, "status": "bad"}', "status='bad'"),
        ('{"task": "t", "perturbation": "ocr", "case": "a", "of": "1", "index": 0, "edits": 3}', "edits=3 is a int"),
        ('{"task": "t", "perturbation": "o", "case": "a", "of": "1", "index": 0, "prompt": {"x": 1}}', "prompt has no 'x'"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named(path, line, said):
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises((UsageError, StorageError), match=r"line 1") as e:
        read(path)
    assert said in str(e.value)


def test_a_line_twice_is_named(path):
    save(path, [freezer(plan(["casing"]))])
    edit(path, lambda rows: [*rows, rows[-1]])
    with pytest.raises(UsageError, match="is there twice"):
        read(path)


def test_refreshing_keeps_other_tasks_and_drops_what_is_gone(path):
    save(path, [freezer(plan(["casing"])), freezer(plan(["casing"], task="other"))])
    fewer = plan(["casing", "keyboard"], cases=CASES[:2], selected=CASES[:2])
    save(path, [freezer(fewer)])
    rows = read(path)
    assert {r["case"] for r in rows if r["task"] == "other" and "case" in r} == {"t1", "t2", "t3"}
    assert {r["case"] for r in rows if r["task"] == "routing" and "case" in r} == {"t1", "t2"}
    assert Frozen(path, rows).stale(fewer) == []


def test_two_tests_that_freeze_different_things_under_one_name_are_refused(path):
    other = (replace(CASES[0], fields={"input": "another text altogether"}), *CASES[1:])
    with pytest.raises(UsageError, match=r"'routing': two tests freeze different variants of t1::casing#0"):
        save(path, [freezer(plan(["casing"])), freezer(plan(["casing"], cases=other, selected=other))])
    assert not path.exists()


def test_two_tests_of_one_task_share_the_longer_list(path):
    short, long = plan(["keyboard"], variants=1), plan(["keyboard", "casing"], variants=3)
    save(path, [freezer(short), freezer(long)])
    held = Frozen(path, read(path))
    assert held.stale(short) == held.stale(long) == []
    assert [v.id for v in held.source(short)(CASES[0])] == ["", "keyboard#0"]


def test_what_was_not_made_is_missing(path):
    made = Freezer(plan(["casing"]))
    assert made.missing() == [f"routing: {c.id}::casing" for c in CASES]
    assert freezer(plan(["casing"])).missing() == []


def test_a_case_of_a_user_comes_back_whole(path):
    @perturbation("other_case", preserves="alters")
    def other_case(case: Case, rng) -> Case:
        return replace(case, fields={"question": "what now"}, target="x", metadata={"a": [1]}, cluster="c")

    p = plan([other_case])
    held = frozen(path, p)
    assert [list(held.source(p)(c)) for c in CASES] == list(expanded(p).values())


def test_what_json_can_not_hold_is_refused_by_name(path):
    @perturbation("not_json", preserves="alters")
    def not_json(case: Case, rng) -> Case:
        return replace(case, fields={"input": case.input, "seen": {1, 2}})

    with pytest.raises(UsageError, match="t1::not_json#0 can't be frozen"):
        freezer(plan([not_json]))


def test_a_folder_that_can_not_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"can't write .*x\.jsonl"):
        write(tmp_path / "file" / "x.jsonl", freezer(plan(["casing"])).rows, cases={})


@pytest.mark.parametrize(
    ("part", "said"),
    [({"case": ("t1",)}, "leave out --robust-case"), ({"adaptive": True}, "leave out --robust-adaptive")],
)
def test_a_part_of_a_run_can_not_be_frozen(path, part, said):
    with pytest.raises(UsageError, match=said):
        begin(path, Settings(**part))
    assert begin(path, Settings()) is None
    save(path, [freezer(plan(["casing"]))])
    assert begin(path, Settings(**part)) is not None
    assert begin(path, Settings(freeze=path, update_freeze=True)) is None


def change(path, edit) -> str:
    """One variant of the file edited by hand; its name as it then is."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    row = next(r for r in rows if r.get("fields"))
    edit(row)
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return f"{row['case']}::{row['perturbation']}#{row['index']}"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda row: row.update(feilds={"input": "x"}),
            "a field 'feilds', which says nothing here. Did you mean 'fields'",
        ),
        (lambda row: row.update(index=True), "index=True is not a whole number"),
    ],
)
def test_an_unknown_field_of_a_row_is_refused_by_its_line(path, edit, said):
    save(path, [freezer(plan(["casing"]))])
    change(path, edit)
    with pytest.raises(UsageError, match=re.escape(said)):
        read(path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda row: row.update(fields={"inputs": "Where is it?"}),
            "the case has no field 'inputs'. Did you mean 'input'",
        ),
        (lambda row: row.update(fields={"input": "  "}), "the text of 'input' is empty"),
        (lambda row: row.update(fields={"input": 7}), "'input' is a int, and was a str"),
        (lambda row: row.update(index=99), "it was added: "),
        (lambda row: row.update(perturbation="nosuch"), "it was added: no line says that nosuch was frozen"),
    ],
)
def test_what_a_hand_spoilt_is_refused_by_name(path, edit, said):
    save(path, [freezer(plan(["casing"]))])
    name = change(path, edit)
    found = Frozen(path, read(path)).stale(plan(["casing"]))
    assert any(said in line and name in line for line in found), found
