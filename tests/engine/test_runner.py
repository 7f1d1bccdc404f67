"""The runner, on a gateway whose replies come when and as the test says."""

from __future__ import annotations

import json
import random
import re
from concurrent.futures import Future
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robusttest.core.nouns import Case, Completion, Draft, NotApplicable, Request, Score, Variant
from robusttest.engine.driver import Job, Runner
from robusttest.engine.record import make_record
from robusttest.errors import (
    BudgetExhaustedError,
    CallError,
    ConfigurationError,
    UnknownNameError,
    UsageError,
)
from robusttest.metrics import accuracy, flip_rate
from robusttest.perturbations import PERTURBATIONS, Perturbation, perturbation
from robusttest.perturbations.base.validity import Validity
from robusttest.perturbations.written.rewrite import paraphrase
from robusttest.scorers import choice, judge
from robusttest.settings import Settings
from robusttest.tasks.task import Task
from robusttest.variants.select import unknown_case


@pytest.fixture(autouse=True, scope="module")
def quick():
    """A fake that holds replies back releases them at the next tick: no need to wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robusttest.engine.driver.TICK", 0.001)
        yield


class Fake:
    """Answers by a function of the request, in an order of its own: ``shuffle`` holds replies and releases them."""

    def __init__(self, answer, *, shuffle: int | None = None, hold: int = 10) -> None:
        self.answer, self.hold = answer, hold
        self.rng = random.Random(shuffle) if shuffle is not None else None
        self.waiting: list[tuple[Future[Completion], Request]] = []
        self.asked: list[Request] = []
        self.most = 0

    def request(self, model, messages, params, sample=0):
        return Request(model=model, messages=tuple(messages), params=dict(params), sample=sample)

    def submit(self, request):
        future: Future[Completion] = Future()
        self.asked.append(request)
        self.waiting.append((future, request))
        self.most = max(self.most, len(self.waiting))
        if self.rng is None:
            self.release()
        elif len(self.waiting) >= self.hold:
            self.release(len(self.waiting) // 2)
        return future

    def release(self, n: int | None = None) -> None:
        for _ in range(len(self.waiting) if n is None else n):
            i = self.rng.randrange(len(self.waiting)) if self.rng else 0
            future, request = self.waiting.pop(i)
            try:
                said = self.answer(request)
            except Exception as e:
                future.set_exception(e)
            else:
                future.set_result(said if isinstance(said, Completion) else Completion(text=str(said)))


def text(request: Request) -> str:
    return str(request.messages[-1]["content"])


def route(request: Request) -> str:
    return "billing" if "money" in text(request) else "delivery"


CASES = [
    {"id": "a", "input": "I want my money back please", "target": "billing"},
    {"id": "b", "input": "where does the parcel stay", "target": "delivery"},
    {"id": "c", "input": "123", "target": "delivery"},
]


def task(**changes):
    given = {"cases": CASES, "prompt": "{input}", "scorer": choice(["billing", "delivery"]), **changes}
    return Task("t", **given)


def run(job: Job, fake: Fake | None = None, **options):
    fake = fake or Fake(route)
    options.setdefault("tick", fake.release)
    return Runner(fake, job.settings, **options).result(job)


def test_records_of_a_task():
    records = run(Job(task(), "m", ["casing"], settings=Settings(variants=2), test="test_x"))
    assert [(r.case_id, r.variant) for r in records] == [
        ("a", ""), ("a", "casing#0"), ("a", "casing#1"),
        ("b", ""), ("b", "casing#0"), ("b", "casing#1"),
        ("c", ""), ("c", "casing#0"),
    ]  # fmt: skip
    first, upper = records[0], records[2]
    assert (first.task, first.model, first.test, first.status) == ("t", "m", "test_x", "ok")
    assert (first.score, first.answer, first.target, first.reply) == (1.0, "billing", "billing", "billing")
    assert upper.text == upper.text.upper()
    assert (upper.score, upper.answer) == (0.0, "delivery")
    assert upper.edits["input"]
    assert len(first.input_hash) == 16
    assert len(first.request_key) == 64
    assert records[-1].status == "not_applicable"
    assert records[-1].reason
    assert records[-1].score is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 40))
def test_the_order_of_replies_changes_nothing(seed, window, hold):
    def job():
        return Job(task(), "m", ["casing", "repeat", SAME], settings=Settings(variants=3))

    expected = run(job())
    fake = Fake(route, shuffle=seed, hold=hold)
    assert run(job(), fake, window=window) == expected


def _expecting(expect: str) -> Perturbation:
    def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
        fields = {"input": f"{draft.case.fields['input']} and {index}"}
        return draft.with_(case=replace(draft.case, fields=fields))

    return Perturbation(
        name=f"own_{expect}",
        spec=f"own_{expect}",
        level="input",
        apply=apply,
        expect=expect,
        limit=2,
        changes=("share", "number"),
    )


SAME = _expecting("same")


@pytest.mark.parametrize(
    ("expect", "answers", "scores"),
    [
        ("same", ["5", "5", "6"], [1.0, 0.0]),
        ("changes", ["5", "5", "6"], [0.0, 1.0]),
        ("increases", ["5", "4", "6"], [0.0, 1.0]),
        ("decreases", ["5", "4", "6"], [1.0, 0.0]),
    ],
)
@pytest.mark.parametrize("shuffle", [None, 0, 1, 2, 3])
def test_a_perturbation_may_expect_a_relation_to_the_reference(expect, answers, scores, shuffle):
    def answer(request):
        found = re.search(r"and (\d)", text(request))
        return answers[int(found[1]) + 1] if found else answers[0]

    made = task(cases=[("x", "7")], scorer="numeric")
    records = run(Job(made, "m", [_expecting(expect)]), Fake(answer, shuffle=shuffle))
    assert [r.score for r in records] == [0.0, *scores]


def test_without_the_reference_an_expectation_has_no_score():
    def answer(request):
        if "and" not in text(request):
            raise CallError("down")
        return "5"

    records = run(Job(task(cases=[("x", "7")], scorer="numeric"), "m", [SAME]), Fake(answer))
    assert [(r.status, r.score) for r in records] == [("error", None)] * 3
    assert "no answer to the unperturbed prompt" in records[1].reason


def test_a_source_without_a_reference_does_not_hang():
    def source(case: Case):
        yield Variant(
            original=case, draft=Draft(case=case, prompt=made.prompt), perturbation="own_same", level="input"
        )

    made = task()
    records = run(Job(made, "m", [SAME], source=source))
    assert [r.status for r in records] == ["error"] * 3


def test_a_tasks_similarity_rejects_variants_before_they_are_asked():
    made = task(
        validity=Validity(similarity=lambda before, after: float(before[0] == after[0]), min_similarity=1)
    )
    fake = Fake(route)
    records = run(Job(made, "m", ["casing"], settings=Settings(variants=3)), fake)
    refused = [r for r in records if r.status == "rejected"]
    assert {r.reason for r in refused} == {"similarity 0 is below 1"}
    assert len(fake.asked) == len([r for r in records if r.score is not None])
    assert 0 < len(refused) < len(records) - 3


def test_a_judge_of_validity_is_asked_about_what_a_model_wrote():
    made = task(cases=CASES[:2], validity=Validity(judge="j"))
    job = Job(made, "m", [paraphrase(model="w"), "casing"], settings=Settings(variants=2))
    assert job.models() == ("m", "w", "j")

    def answer(request):
        if request.model == "j":
            return "DIFFERENT" if "money" in text(request) else "SAME"
        if request.model == "w":
            return (
                f"please {request.sample % 7}".replace(str(request.sample % 7), "now ")
                + text(request).split("<text>")[1].split("</text>")[0].strip()
                + "!" * (1 + request.sample % 5)
            )
        return route(request)

    fake = Fake(answer)
    records = [r for r in run(job, fake) if r.perturbation == "paraphrase"]
    assert {r.status for r in records if r.case_id == "a"} == {"rejected"}
    assert {r.reason for r in records if r.case_id == "a"} == {"j says it no longer asks the same"}
    assert all(r.status != "rejected" for r in records if r.case_id == "b")
    assert sum(r.model == "j" for r in fake.asked) == len(records)  # "casing" is nobody's writing


def test_no_judge_is_named_where_no_model_writes():
    assert Job(task(validity=Validity(judge="j")), "m", ["casing"]).models() == ("m",)


def test_what_a_gate_of_the_users_lets_through_is_not_remembered():
    class Remembering(Fake):
        store = None

    class Kept(dict):
        def get_variants(self, key):
            return self.get(key)

        def put_variants(self, key, value):
            self[key] = value

    for validity, count in ((Validity(), 3), (Validity(similarity=lambda a, b: 1.0), 0)):
        fake = Remembering(route)
        fake.store = Kept()
        run(Job(task(validity=validity), "m", ["casing"]), fake)
        assert len(fake.store) == count


def test_every_variant_is_told_to_who_keeps_them():
    kept = []
    job = Job(task(), "m", ["casing", paraphrase(model="w")], settings=Settings(variants=2), keep=kept.append)

    def answer(request):
        return (
            f"please, {text(request).split('<text>')[1].split('</text>')[0].strip()}"
            if request.model == "w"
            else "x"
        )

    records = run(job, Fake(answer))
    assert sorted((v.original.id, v.id, v.status) for v in kept) == sorted(
        (r.case_id, r.variant, "ok" if r.status == "unparsed" else r.status) for r in records
    )
    assert any(v.perturbation == "paraphrase" for v in kept)


def test_frozen_variants_ask_no_writer():
    job = Job(task(), "m", [paraphrase(model="w")], source=lambda case: iter(()))
    assert job.models() == ("m",)


def test_what_failed_the_last_time_is_asked_first_and_changes_nothing():
    def asked(first):
        fake = Fake(route)
        job = Job(task(), "m", ["casing"], settings=Settings(variants=2), first=frozenset(first))
        return run(job, fake), [text(r) for r in fake.asked]

    plain, order = asked(())
    again, other = asked(["c", "b"])
    assert again == plain
    assert other == [*order[3:], *order[:3]]


def test_failed_calls_are_no_answers():
    def answer(request):
        if "money" in text(request):
            raise CallError("the server said 500\nkey sk-abcdefghijklmnop")
        if "parcel" in text(request):
            raise BudgetExhaustedError("max_calls=3 is spent")
        return "delivery"

    records = run(Job(task(), "m"), Fake(answer))
    assert [(r.status, r.score) for r in records] == [("error", None), ("skipped", None), ("ok", 1.0)]
    assert records[0].reason == "the server said 500 key [hidden]"


def test_unreadable_and_refused_replies_count_as_wrong():
    said = {"I": "either", "w": Completion(text="", refusal="I can't help"), "1": "delivery"}
    records = run(Job(task(), "m"), Fake(lambda r: said[text(r)[0]]))
    assert [(r.status, r.score) for r in records] == [("unparsed", 0.0), ("refused", 0.0), ("ok", 1.0)]
    assert records[1].reason == "I can't help"


def test_a_scorer_that_raises_is_an_error_of_the_variant():
    def picky(reply, target):
        if reply == "billing":
            raise KeyError("oh")
        return reply == target

    records = run(Job(task(scorer=picky), "m"))
    assert [r.status for r in records] == ["error", "ok", "ok"]
    assert records[0].reason == "scorer picky raised KeyError: 'oh'"
    assert records[0].reply == "billing"


def test_a_scorer_that_breaks_its_contract_stops_the_job():
    runner = Runner(Fake(route))
    job = Job(task(scorer=lambda reply, target: 7), "m")
    with pytest.raises(UsageError, match="must be in"):
        runner.result(job)
    assert {r.status for r in runner.records(job)} == {"error"}


def test_an_abort_ends_its_job_and_no_other():
    def answer(request):
        if request.model == "dead":
            raise ConfigurationError("no key for dead")
        return route(request)

    runner = Runner(Fake(answer))
    dead, alive = Job(task(), "dead"), Job(task(), "alive")
    runner.add(dead)
    runner.add(alive)
    with pytest.raises(ConfigurationError, match="no key"):
        runner.result(dead)
    assert {r.status for r in runner.records(dead)} == {"error"}
    assert [r.status for r in runner.result(alive)] == ["ok"] * 3


def test_waiting_for_one_job_runs_the_calls_of_all():
    fake = Fake(route)
    runner = Runner(fake)
    jobs = [Job(task(), "m", test=f"t{i}") for i in range(5)]
    for job in jobs:
        runner.add(job)
    held = fake.answer
    fake.answer = lambda request: held(request)
    runner.result(jobs[4])
    assert len(fake.asked) >= 3
    before = len(fake.asked)
    for job in jobs:
        assert len(runner.result(job)) == 3
    assert len(fake.asked) == 15 >= before


def test_later_jobs_fill_free_slots():
    fake = Fake(route, shuffle=0, hold=10**9)  # nothing comes back until the runner waits
    runner = Runner(fake, tick=fake.release)
    jobs = [Job(task(), "m", test=f"t{i}") for i in range(20)]
    for job in jobs:
        runner.add(job)
    runner.result(jobs[0])
    assert fake.most == 60


def test_the_window_bounds_what_is_in_flight():
    fake = Fake(route, shuffle=0, hold=10**9)
    many = task(cases=[(f"case {i}", "delivery") for i in range(200)])
    runner = Runner(fake, tick=fake.release, window=20)
    runner.result(Job(many, "m"))
    assert 20 <= fake.most <= 36  # a batch may be planned over it


def test_an_interrupt_leaves_what_came_in():
    calls = []

    def answer(request):
        calls.append(request)
        return route(request)

    fake = Fake(answer, shuffle=0, hold=10**9)

    def tick():
        if calls:
            raise KeyboardInterrupt
        fake.release(2)

    runner = Runner(fake, tick=tick)
    job = Job(task(), "m", ["casing"])
    with pytest.raises(KeyboardInterrupt):
        runner.result(job)
    partial = runner.records(job)
    assert len([r for r in partial if r.scored]) == 2
    assert partial == sorted(partial, key=lambda r: r.case_id)


def test_each_record_is_told_as_it_is_made():
    told = []
    job = Job(task(), "m", ["casing"])
    records = run(job, on_record=lambda r, at: told.append((at, r)))
    assert [r for _, r in sorted(told, key=lambda each: each[0])] == records


def test_decoding_is_set_over_the_tasks_own():
    fake = Fake(route)
    records = run(Job(task(params={"temperature": 0, "max_tokens": 5}), "m", ["temperature:0.7"]), fake)
    assert fake.asked[0].params == {"temperature": 0, "max_tokens": 5}
    assert fake.asked[1].params == {"temperature": 0.7, "max_tokens": 5}
    assert fake.asked[1].sample == 1
    assert records[1].text == records[0].text
    assert records[1].input_hash != records[0].input_hash


def test_a_repeat_is_the_same_question_again():
    fake = Fake(route)
    records = run(Job(task(cases=CASES[:1]), "m", ["repeat"], settings=Settings(variants=2)), fake)
    assert [r.sample for r in fake.asked] == [0, 1, 2]
    assert len({r.input_hash for r in records}) == 1
    assert [r.level for r in records] == ["reference", "repeat", "repeat"]


def test_the_seed_and_the_number_of_variants():
    def texts(**options):
        job = Job(task(cases=CASES[:1]), "m", ["swap"], settings=Settings(**options))
        return [r.text for r in run(job)]

    assert texts(variants=2) == texts(variants=4)[:3]
    assert texts(seed=1, variants=3) == texts(seed=1, variants=3)
    assert texts(seed=1, variants=3) != texts(seed=2, variants=3)


def test_very_long_replies_are_cut_in_the_record():
    (record, *_) = run(Job(task(), "m"), Fake(lambda r: "billing" + " " * 50_000))
    assert len(record.reply) == 20_001


# --- writers and judges -------------------------------------------------------------------------------------


def writing(request: Request) -> str:
    if request.model == "writer":
        return f"<rewritten>please send the money back to me, {['now', 'soon', 'today'][request.sample % 3]}</rewritten>"
    return route(request)


def test_a_writer_is_asked_through_the_gateway():
    fake = Fake(writing)
    job = Job(task(cases=CASES[:1]), "m", [paraphrase(model="writer")], settings=Settings(variants=1))
    records = run(job, fake)
    assert job.models() == ("m", "writer")
    assert [r.variant for r in records] == ["", records[1].variant]
    assert records[1].text.startswith("please send the money back")
    assert (records[1].score, records[1].model) == (1.0, "m")
    assert [r.model for r in fake.asked] == ["m", "writer", "m"]


def test_what_a_writer_could_not_write_is_missing_not_passed():
    def answer(request):
        if request.model == "writer":
            raise CallError("writer is down")
        return route(request)

    records = run(
        Job(task(cases=CASES[:1]), "m", ["paraphrase"], settings=Settings(variants=2, writer="writer")),
        Fake(answer),
    )
    assert [(r.variant, r.status) for r in records] == [
        ("", "ok"), ("paraphrase#0", "error"), ("paraphrase#1", "error"),
    ]  # fmt: skip


def test_a_writer_is_named_before_any_call():
    with pytest.raises(UsageError, match="--robust-writer"):
        Job(task(), "m", ["paraphrase"])
    with pytest.raises(UsageError, match="is the model under test"):
        Job(task(), "m", ["paraphrase"], settings=Settings(writer="m"))
    assert Job(task(), "m", [paraphrase(model="m")]).models() == ("m",)


def test_a_judge_grades_through_the_gateway():
    def answer(request):
        if request.model == "judge":
            if "123" in text(request):
                return "no idea"
            return "GRADE: 0.75" if "parcel" in text(request) else "GRADE: 1"
        return "some words"

    fake = Fake(answer)
    records = run(Job(task(scorer=judge(model="judge")), "m"), fake)
    assert [(r.score, r.status) for r in records] == [(1.0, "ok"), (0.75, "ok"), (None, "error")]
    assert "no grade" in records[2].reason
    assert sum(r.model == "judge" for r in fake.asked) == 3


def test_a_failed_judge_is_an_error_of_the_variant():
    def answer(request):
        if request.model == "judge":
            raise CallError("judge is down")
        return "x"

    records = run(Job(task(scorer=judge(model="judge")), "m"), Fake(answer))
    assert {(r.status, r.score, r.reply) for r in records} == {("error", None, "x")}


# --- selection ----------------------------------------------------------------------------------------------


def test_only_and_skip():
    def specs(**options):
        return [
            p.spec
            for p in Job(
                task(), "m", ["keyboard", "keyboard:0.3", "casing"], settings=Settings(**options)
            ).wanted
        ]

    assert specs(only=("keyboard",)) == ["keyboard", "keyboard:0.3"]
    assert specs(only=("keyboard:0.3",)) == ["keyboard:0.3"]
    assert specs(skip=("keyboard",)) == ["casing"]
    assert specs(only=("ocr",)) == []
    with pytest.raises(UnknownNameError, match="Did you mean 'keyboard'"):
        specs(only=("keybord",))


def test_thresholds_at_perturbations_that_are_not_there():
    with pytest.raises(UnknownNameError, match=r"flip_rate\[keybord\]"):
        Job(task(), "m", ["keyboard"], [flip_rate["keybord"] <= 0.1])
    job = Job(task(), "m", ["keyboard", "casing"], [flip_rate["keyboard"] <= 0.1, accuracy >= 0.5],
              settings=Settings(skip=("keyboard",)))  # fmt: skip
    assert job.judged == (accuracy >= 0.5,)
    assert "not judged" in job.notes[0]


def test_limits():
    assert {r.case_id for r in run(Job(task(), "m", settings=Settings(limit=2)))} == {"a", "b"}
    assert {r.case_id for r in run(Job(task(), "m", settings=Settings(limit=2, max_cases=1)))} == {"a"}


def test_one_variant_is_the_same_alone():
    whole = run(Job(task(), "m", ["swap", "casing"], settings=Settings(variants=3)))
    alone = run(Job(task(), "m", ["swap", "casing"], settings=Settings(variants=3, case=("b::swap#2",))))
    assert [(r.case_id, r.variant) for r in alone] == [("b", ""), ("b", "swap#2")]
    assert all(r in whole for r in alone)
    further = run(Job(task(), "m", ["swap"], settings=Settings(variants=1, case=("b::swap#2",))))
    assert further[1].text == alone[1].text


def test_cases_by_id():
    odd = [{"id": "a", "input": "x", "target": "y"}, {"id": "a::b#0", "input": "z", "target": "y"}]
    made = task(cases=odd, scorer="exact")
    assert [r.case_id for r in run(Job(made, "m", settings=Settings(case=("a::b#0",))))] == ["a::b#0"]
    assert run(Job(made, "m", settings=Settings(case=("other",)))) == []
    for case, said in {"a::swap#0": "no perturbation 'swap'", "a::swap": "written as keyboard:0.1#3"}.items():
        wrong = Settings(case=(case,))
        assert said in str(unknown_case(wrong, [Job(made, "m", ["casing"], settings=wrong).tested()]))


def test_variants_from_elsewhere():
    def source(case: Case):
        reference = Draft(case=case, prompt=made.prompt)
        yield Variant(original=case, draft=reference)
        other = replace(case, fields={"input": "money"})
        yield Variant(original=case, draft=reference.with_(case=other), perturbation="casing", level="input")

    made = task()
    records = run(Job(made, "m", ["casing"], source=source))
    assert [r.text for r in records][1::2] == ["money"] * 3


def test_a_perturbation_that_raises_stops_its_own_job():
    def bad(text: str, rng: random.Random) -> str:
        raise ValueError("oh")

    runner = Runner(Fake(route))
    broken, fine = Job(task(), "m", [bad]), Job(task(), "m")
    runner.add(broken)
    runner.add(fine)
    assert len(runner.result(fine)) == 3
    with pytest.raises(UsageError, match="perturbation 'bad' raised ValueError: oh"):
        runner.result(broken)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefgh12345678",
        "Bearer abc.def.ghi-123456",
        "AIzaSyA1234567890abcdefghijk",
        "https://u:p@host/x",
    ],
)
def test_what_looks_like_a_key_is_taken_out(secret):
    case = Case(id="a", fields={"input": "x"})
    variant = Variant(original=case, draft=Draft(case=case))
    shown = make_record(
        variant, status="error", reason=f"failed with {secret}\nat once", task="t", model="m"
    ).reason
    assert "[hidden]" in shown
    assert "\n" not in shown
    assert secret not in shown


def test_a_score_without_number_is_refused():
    with pytest.raises(UsageError):
        run(Job(task(scorer=lambda reply, target: Score(value=float("nan"))), "m"))


# --- variants kept in the store -----------------------------------------------------------------------------------


class Keeps(Fake):
    """A gateway with a store of variants, which passes through JSON."""

    def __init__(self, answer) -> None:
        super().__init__(answer)
        self.store = self
        self.kept: dict[str, str] = {}
        self.hits = 0

    def get_variants(self, key):
        self.hits += key in self.kept
        return json.loads(self.kept[key]) if key in self.kept else None

    def put_variants(self, key, value):
        self.kept[key] = json.dumps(value)


NAMED = ["swap", "keyboard:0.3", "casing", "repeat", "format"]


def test_remembered_variants_give_the_same_records():
    job = lambda: Job(task(prompt="Text: {input}\nAnswer:"), "m", NAMED, settings=Settings(variants=3))  # noqa: E731
    fresh = run(job())
    fake = Keeps(route)
    assert run(job(), fake) == fresh
    assert (len(fake.kept), fake.hits) == (9, 0)
    assert run(job(), fake) == fresh
    assert fake.hits == 9


def test_a_replay_makes_no_edit(monkeypatch):
    fake = Keeps(route)
    first = run(Job(task(), "m", ["swap"]), fake)
    monkeypatch.setattr("robusttest.engine.job.expand_case", _references_only(monkeypatch))
    assert run(Job(task(), "m", ["swap"]), fake) == first


def _references_only(monkeypatch):
    from robusttest.variants.expand import expand_case

    def expand(case, perturbations, **how):
        assert not list(perturbations), "an edit was made anew"
        return expand_case(case, (), **how)

    return expand


def test_what_changes_the_text_changes_the_key():
    fake = Keeps(route)
    for options in ({}, {"seed": 1}, {"variants": 2}):
        run(Job(task(cases=CASES[:1]), "m", ["swap"], settings=Settings(**options)), fake)
    run(Job(task(cases=CASES[:1], protect=["money"]), "m", ["swap"]), fake)
    run(Job(task(cases=CASES[1:2]), "m", ["swap"]), fake)
    assert (len(fake.kept), fake.hits) == (5, 0)
    run(Job(task(cases=CASES[:1]), "another model", ["swap"]), fake)
    assert fake.hits == 1


def test_functions_of_the_user_are_never_remembered():
    def shout(text: str, rng: random.Random) -> str:
        return text.upper()

    fake = Keeps(route)
    run(Job(task(), "m", [shout, SAME]), fake)
    perturbation("test_shout")(shout)
    try:
        records = run(Job(task(), "m", ["test_shout"]), fake)
    finally:
        PERTURBATIONS.unregister("test_shout")
    assert records[1].text == "I WANT MY MONEY BACK PLEASE"
    assert not fake.kept
