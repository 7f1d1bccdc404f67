import random
from itertools import permutations

import pytest

from robusttest.core.nouns import Case, Draft, NotApplicable, Prompt
from robusttest.errors import UnknownNameError, UsageError
from robusttest.perturbations.prompt import prompt as p
from robusttest.perturbations.prompt.layout import format_, option_labels
from robusttest.perturbations.prompt.orders import movable, names_letters, other_order

CASE = Case(
    id="t1",
    fields={"input": "I was charged twice"},
    target="billing",
    choices=("billing", "delivery", "account"),
)
DEMOS = tuple(
    Case(id=f"d{i}", fields={"input": f"demo {i}"}, target="account", choices=CASE.choices) for i in range(4)
)
PROMPT = Prompt(
    system="You route tickets.",
    template="Which department handles this? One of: {choices}\n\nTicket: {input}\nDepartment:",
    demos=DEMOS,
)
DRAFT = Draft(case=CASE, prompt=PROMPT)
BODY = Draft(case=CASE)


def run(perturbation, index=0, draft=DRAFT, seed=None):
    return perturbation.apply(draft, random.Random(index if seed is None else seed), index)


def all_of(perturbation, draft=DRAFT, most=200):
    made = []
    for i in range(most):
        out = run(perturbation, i, draft)
        if isinstance(out, NotApplicable):
            return made, out.reason
        made.append(out)
    return made, None


# --- the user's alternatives


def test_templates_come_in_their_order_one_a_variant():
    made, reason = all_of(p.template(["Q: {input}", "{input} -> {choices}?"]))
    assert [d.prompt.template for d in made] == ["Q: {input}", "{input} -> {choices}?"]
    assert "2 alternative templates" in reason
    assert all(d.case == CASE and d.prompt.demos == DEMOS for d in made)


def test_a_template_with_a_field_that_the_case_lacks_says_so():
    out = run(p.template(["Q: {question}"]))
    assert isinstance(out, NotApplicable)
    assert "{question}" in out.reason


def test_a_template_stands_for_the_last_user_message():
    messages = (
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "?"},
        {"role": "user", "content": "{input}"},
    )
    out = run(p.template(["Q: {input}"]), draft=DRAFT.with_(prompt=Prompt(template=None, messages=messages)))
    assert out.prompt.messages == (*messages[:2], {"role": "user", "content": "Q: {input}"})


@pytest.mark.parametrize("given", [None, "Q: {input}", [], [""], ["no field"], ["{input}", "{input}"], [3]])
def test_templates_that_cannot_be_used_are_refused(given):
    with pytest.raises(UsageError, match="template"):
        p.template(given)


def test_named_sets_of_templates_have_specs_of_their_own():
    assert p.template(["Q: {input}"]).spec == "template"
    assert p.template(["Q: {input}"], name="short").spec == "template:short"
    with pytest.raises(UsageError, match="name"):
        p.template(["Q: {input}"], name="a,b")


def test_instructions_replace_the_system_prompt_first():
    out = run(p.instructions(["Send each ticket on."]))
    assert out.prompt.system == "Send each ticket on."
    assert out.prompt.template == PROMPT.template


def test_instructions_replace_what_stands_before_the_first_field_line():
    draft = DRAFT.with_(prompt=Prompt(template=PROMPT.template))
    out = run(p.instructions(["Name the department ({choices})."]), draft=draft)
    assert out.prompt.template == "Name the department ({choices}).\n\nTicket: {input}\nDepartment:"
    lost = run(p.instructions(["Name the department."]), draft=draft)
    assert isinstance(lost, NotApplicable)
    assert "{choices}" in lost.reason


def test_instructions_replace_the_part_that_is_named():
    out = run(p.instructions(["Who handles this?"], of="Which department handles this?"))
    assert out.prompt.template.startswith("Who handles this? One of: {choices}")
    out = run(p.instructions(["Who?"], of="Not in there"))
    assert "does not contain" in out.reason


def test_instructions_need_one_to_replace():
    out = run(p.instructions(["Who?"]), draft=DRAFT.with_(prompt=Prompt(template="{input}")))
    assert "of=" in out.reason


def test_system_prompts_are_replaced_and_removed():
    made, _ = all_of(p.system(["Be brief.", None]))
    assert [d.prompt.system for d in made] == ["Be brief.", None]
    assert p.system("none").spec == "system:none"
    assert run(p.system("none")).prompt.system is None
    assert isinstance(run(p.system("none"), draft=DRAFT.with_(prompt=Prompt())), NotApplicable)
    with pytest.raises(UsageError, match="system"):
        p.system("Be brief.")


def test_a_system_message_is_replaced_in_a_conversation():
    messages = ({"role": "system", "content": "old"}, {"role": "user", "content": "{input}"})
    draft = DRAFT.with_(prompt=Prompt(template=None, messages=messages))
    assert run(p.system(["new"]), draft=draft).prompt.messages[0] == {"role": "system", "content": "new"}
    assert run(p.system([None]), draft=draft).prompt.messages == messages[1:]


# --- few-shot


def test_demos_draw_that_many_of_the_prompts_own():
    drawn = [run(p.demos("2"), i).prompt.demos for i in range(30)]
    assert all(len(d) == 2 and set(x.id for x in d) <= {x.id for x in DEMOS} for d in drawn)
    assert len({tuple(x.id for x in d) for d in drawn}) > 6
    assert drawn == [run(p.demos(2), i).prompt.demos for i in range(30)]
    assert p.demos(2).spec == "demos:2"


def test_no_demos_is_one_variant():
    assert run(p.demos(0)).prompt.demos == ()
    assert p.demos(0).limit == 1
    assert isinstance(run(p.demos(0), draft=DRAFT.with_(prompt=Prompt())), NotApplicable)


def test_a_case_is_never_among_its_own_examples():
    pool = [CASE, Case(id="copy", fields=dict(CASE.fields), target="billing"), *DEMOS[:2]]
    for i in range(20):
        assert {d.id for d in run(p.demos(pool, k=2), i).prompt.demos} == {"d0", "d1"}
    out = run(p.demos(pool, k=3))
    assert "2 examples to draw 3 from" in out.reason


@pytest.mark.parametrize(
    "args", [(), ("x",), ("-1",), (2, 2), (["text"], 1), (DEMOS, 9), (DEMOS, -1), (DEMOS,)]
)
def test_demos_that_cannot_be_drawn_are_refused(args):
    with pytest.raises(UsageError, match="demos"):
        p.demos(*args)


def test_demo_orders_are_distinct_and_the_same_for_every_case():
    made, reason = all_of(p.demo_order())
    orders = [tuple(d.id for d in m.prompt.demos) for m in made]
    assert len(orders) == 23
    assert set(orders) == set(permutations([d.id for d in DEMOS])) - {tuple(d.id for d in DEMOS)}
    assert "no further order" in reason
    other = DRAFT.with_(case=Case(id="t2", fields={"input": "x"}))
    assert [tuple(d.id for d in m.prompt.demos) for m in all_of(p.demo_order(), other)[0]] == orders


# --- options


def test_option_orders_are_distinct_and_the_gold_answer_moves_with_its_text():
    made, _ = all_of(p.option_order())
    orders = [d.case.choices for d in made]
    assert set(orders) == set(permutations(CASE.choices)) - {CASE.choices}
    assert len(orders) == 5
    assert all(d.case.target == "billing" for d in made)
    assert {d.case.choices.index(d.case.target) for d in made} == {0, 1, 2}
    assert all(x.choices == d.case.choices for d in made for x in d.prompt.demos)


def test_an_order_does_not_depend_on_how_many_are_asked_for():
    assert run(p.option_order(), 3) == all_of(p.option_order())[0][3]


def test_many_options_are_shuffled_by_the_generator():
    case = Case(id="m", fields={"input": "x"}, target="o3", choices=tuple(f"o{i}" for i in range(20)))
    draft = Draft(case=case, prompt=PROMPT)
    made = [run(p.option_order(), i, draft).case.choices for i in range(5)]
    assert len(set(made)) == 5
    assert all(sorted(m) == sorted(case.choices) and m != case.choices for m in made)


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(case=Case(id="a", fields={"input": "x"}), prompt=PROMPT), "fewer than two"),
        (Draft(case=Case(id="a", fields={"input": "x"}, choices=("a",)), prompt=PROMPT), "fewer than two"),
        (Draft(case=CASE, prompt=Prompt(template="{input}")), "neither"),
        (Draft(case=Case(id="a", fields={"input": "x"}, choices=("a", "a")), prompt=PROMPT), "equal"),
    ],
)
def test_option_order_says_why_it_does_not_apply(draft, reason):
    assert reason in run(p.option_order(), draft=draft).reason


@pytest.mark.parametrize(
    "last", ["none of the above", "All of these.", "Both of these options", "all the above", "None of them"]
)
def test_an_option_that_speaks_of_the_others_keeps_its_place(last):
    case = Case(id="a", fields={"input": "x"}, target="one", choices=("one", "two", "three", last))
    made, _ = all_of(p.option_order(), Draft(case=case, prompt=PROMPT))
    assert len(made) == 5
    assert {d.case.choices[3] for d in made} == {last}


@pytest.mark.parametrize(
    "last",
    ["Both A & C", "A and B", "(A) or (C)", "neither A nor B", "A, B and C", "Both b and c", "A and B only"],
)
def test_options_that_are_named_by_letter_keep_letters_and_places(last):
    case = Case(id="a", fields={"input": "x"}, target="one", choices=("one", "two", "three", last))
    draft = Draft(case=case, prompt=PROMPT)
    assert "by their letter" in run(p.option_order(), draft=draft).reason
    marked, _ = all_of(option_labels(), draft.with_(prompt=Prompt(template="{input}\n{options}")))
    assert marked
    assert all("{letter}" in d.prompt.option_marker for d in marked)
    laid_out, _ = all_of(
        format_(), draft.with_(prompt=Prompt(template="Question: {input}\n{options}\nAnswer:"))
    )
    assert len(laid_out) > 50
    assert all("{letter}" in d.prompt.option_marker for d in laid_out)


def test_plain_options_may_move():
    assert movable(
        ["A dog", "It is above zero degrees", "all of the cats", "B", "two of the three", "I and II"]
    ) == [*range(6)]
    assert not names_letters(["A dog and a cat", "A", "I and II", "a and b", "Vitamin A and C"])


def test_options_shown_in_the_system_prompt_count_as_shown():
    draft = Draft(case=CASE, prompt=Prompt(system="One of {choices}.", template="{input}"))
    assert run(p.option_order(), draft=draft).case.choices != CASE.choices


def test_a_body_of_ones_own_gets_the_options_in_another_order():
    assert run(p.option_order(), draft=BODY).case.choices != CASE.choices


@pytest.mark.parametrize(
    "perturbation",
    [p.template(["{input}"]), p.instructions(["x"]), p.system(["x"]), p.demos(1), p.demo_order()],
)
def test_without_a_prompt_there_is_nothing_to_change(perturbation):
    assert "body of its own" in run(perturbation, draft=BODY).reason
    assert perturbation.level == "prompt"


@pytest.mark.parametrize("n", range(7))
def test_all_orders_of_a_few_things_come_once(n):
    rng = random.Random(0)
    seen = []
    while (order := other_order(n, len(seen), rng, "x")) is not None:
        seen.append(order)
    assert set(seen) == set(permutations(range(n))) - {tuple(range(n))}
    assert len(seen) == len(set(seen))


def test_unknown_label_kinds_are_refused_by_name():
    from robusttest.perturbations.prompt.layout import option_labels

    with pytest.raises(UnknownNameError, match="letter"):
        option_labels("leter")


def test_a_perturbed_case_is_not_among_its_own_examples_either():
    typo = DRAFT.with_(case=Case(id="t1", fields={"input": "I was chraged twice"}, target="billing"))
    for i in range(10):
        assert run(p.demos([CASE, DEMOS[0]], k=1), i, typo).prompt.demos == (DEMOS[0],)
