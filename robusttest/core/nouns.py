"""The nouns, as frozen dataclasses whose fields are JSON-native.

A straight line: ``Case`` (what the user wrote) → ``Draft`` (what a perturbation changes) → ``Variant`` (one
way to put the question) → ``Request`` → ``Completion`` → ``Score`` → ``Record`` (one row of a run) →
``Estimate`` (a metric with its interval) → ``Verdict``.

A missing value is ``None`` with a reason beside it: never NaN, never 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

Json: TypeAlias = Any
"""Whatever ``json`` reads and writes: None, bool, int, float, str, list, dict with str keys."""

Preserves = Literal["preserves", "probably", "alters"]
"""Whether a perturbation keeps the right answer right: by construction, nearly always, or not."""

Effect = Literal["same", "target", "changes", "increases", "decreases"]
"""What a variant does to the right answer: nothing (invariance), or what has to be seen of the model (sensitivity):
another target, any other answer than the reference's, a larger or a smaller number."""

Level = Literal["input", "prompt", "decoding", "repeat"]
"""What a perturbation acts on: the case's text, the prompt around it, the decoding, or nothing."""

REFERENCE = ""
"""The ``perturbation`` and ``variant`` of the unperturbed prompt."""


def canonical_json(value: Json) -> str:
    """One text for equal values: sorted keys, compact, ``1.0`` written as ``1``; NaN is refused."""
    return _CANONICAL.encode(_canonical(value))


ORDERED = ("tools", "functions", "response_format")
"""Parameters in which the model sees the order of keys."""
_SCHEMAS = ("parameters", "input_schema", "schema")


def in_order(params: Mapping[str, Json]) -> Mapping[str, Json]:
    """Parameters for an identity: in the schemas of tools and formats the model sees the order of the keys, which
    `canonical_json` sorts away. Those that stand in sorted order are left as they are.
    """
    if not any(name in params for name in ORDERED):
        return params
    return {name: _schemas_in_order(value) if name in ORDERED else value for name, value in params.items()}


def _schemas_in_order(value: Json) -> Json:
    if isinstance(value, list | tuple):
        return [_schemas_in_order(v) for v in value]
    if not isinstance(value, Mapping):
        return value
    out: dict[str, Json] = {}
    for key, held in value.items():
        out[key] = _schemas_in_order(held)
        if key in _SCHEMAS and isinstance(held, Mapping):
            shown = json.dumps(held, ensure_ascii=False, default=repr)
            if shown != json.dumps(held, ensure_ascii=False, default=repr, sort_keys=True):
                out[key] = shown
    return out


def _canonical(v: Any) -> Json:
    kind = type(v)
    if kind is str or kind is int or v is None:
        return v
    if kind is dict:
        return {k if type(k) is str else str(k): _canonical(x) for k, x in v.items()}
    if isinstance(v, float):
        return int(v) if v.is_integer() else v
    if isinstance(v, list | tuple):
        return [_canonical(x) for x in v]
    if isinstance(v, Mapping):
        return {str(k): _canonical(x) for k, x in v.items()}
    return v


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _hashed(parts: Iterable[str], size: int) -> Any:
    """Each part behind its length, so that no two lists of parts are one."""
    raw = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.blake2b(
        b"".join([piece for r in raw for piece in (len(r).to_bytes(8, "big"), r)]), digest_size=size
    )


def digest(*parts: str, size: int = 16) -> str:
    """Hex digest (``2 * size`` characters) of the parts; lone surrogates are allowed in them."""
    found: str = _hashed(parts, size).hexdigest()
    return found


def derive_seed(*names: str | int) -> int:
    """A 64-bit seed from names alone: the same in every process, order, thread and ``PYTHONHASHSEED``."""
    return int.from_bytes(_hashed(map(str, names), 8).digest(), "big")


_Noun = TypeVar("_Noun", "Case", "Draft")


def changed(noun: _Noun, **changes: Any) -> _Noun:
    """A copy with these fields changed, as `dataclasses.replace` makes it, in a third of the time."""
    names: tuple[str, ...] = type(noun).__slots__
    new: _Noun = object.__new__(type(noun))
    for name in names:
        object.__setattr__(new, name, changes.pop(name) if name in changes else getattr(noun, name))
    if changes:
        raise TypeError(f"{type(noun).__name__} has no field {', '.join(changes)}")
    return new


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One example of a task, as the user wrote it."""

    id: str
    fields: Mapping[str, Json]
    """Input fields by name; ``input`` is the one that most tasks have."""
    target: Json = None
    """The right answer; None for tasks that are judged by a body or without one."""
    choices: tuple[str, ...] | None = None
    """The options as shown to the model, in their order. The target is one of them, by text."""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    cluster: str | None = None
    """Cases that share a cluster (a passage, a user) are not independent; intervals account for it."""
    language: str | None = None
    """Code of the language of its texts (``de``); None: detected where it matters."""
    perturb: tuple[str, ...] | None = None
    """The input fields that text perturbations vary; None: ``input``, else those of free text."""
    by: Mapping[str, str] = field(default_factory=dict)
    """Column → value, of the columns by which results are broken down (``by=``)."""

    @property
    def input(self) -> Json:
        """The field ``input``, or the only field there is."""
        if "input" in self.fields:
            return self.fields["input"]
        return next(iter(self.fields.values())) if len(self.fields) == 1 else dict(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The text around a case: templates with ``{field}``, ``{choices}`` and ``{options}``.

    ``{choices}`` is the options in one line (``a, b, c``), ``{options}`` one marked line each (``A) a``).
    Prompt perturbations return a changed copy; ``robusttest.tasks.render.render`` turns it into messages.
    """

    template: str | None = "{input}"
    """The user message. None when ``messages`` stands instead."""
    system: str | None = None
    messages: tuple[Mapping[str, Json], ...] | None = None
    """A whole conversation of templates, in LiteLLM's (OpenAI's) form; content parts pass unchanged."""
    demos: tuple[Case, ...] = ()
    """Few-shot examples shown before the question, in this order."""
    demo_template: str | None = None
    """How one demo is written; None: the template followed by a space and the target."""
    demo_separator: str = "\n\n"
    choice_separator: str = ", "
    option_marker: str = "{letter}) "
    """What precedes an option: fields ``{letter}`` (A, B …), ``{lower}`` (a), ``{number}`` (1), ``{roman}`` (i)."""
    option_separator: str = "\n"


class Edit(NamedTuple):
    """Characters ``start:end`` of the original were replaced by ``text``. JSON: ``[start, end, text]``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What perturbations read and return a changed copy of: a case, the prompt around it, the decoding."""

    case: Case
    prompt: Prompt | None = None
    """None in a test with a body of its own: there is no prompt of ours to change."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """Generation parameters (temperature, top_p, seed …) that this variant sets over the task's own."""
    edits: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)
    """Field → edits that lead from the original text to the perturbed one, sorted by start. A text in a list is
    ``input[0]`` (the first message), ``input[0][1]`` (its second part)."""
    sample: int = 0
    """Which repeat of an otherwise equal request this is; 0 is the first."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Factor name → level, where several perturbations are crossed."""
    protect: tuple[str, ...] = ()
    """What the user protects from edits, besides what is found: literal texts, and patterns as ``re:…``."""
    vary: tuple[str, ...] | None = None
    """The fields that the perturbation at work varies (its ``fields=``), over the case's ``perturb``."""
    given: Mapping[str, Json] = field(default_factory=dict)
    """The task's own parameters (tools, response format …): a perturbation reads them here and changes them in ``params``."""
    tool_names: Mapping[str, str] = field(default_factory=dict)
    """Names under which tools are offered → the task's own, where a variant renames them: calls are read back by it."""
    fault: Mapping[str, Json] = field(default_factory=dict)
    """What befalls a body's tools (`robusttest.engine.faults`): ``kind``, ``at``, ``times``, ``tool``; empty: nothing."""
    realised: float | None = None
    """Share of the eligible places that were really edited, over all texts; None where severity has no meaning."""

    def with_(self, **changes: Any) -> Draft:
        """A copy with these fields changed."""
        return changed(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """What a perturbation returns where it has nothing to act on: counted by reason, never a pass."""

    reason: str


VariantStatus = Literal["ok", "rejected", "not_applicable"]


_BRIEF = 240


def _brief(value: Json) -> str:
    """A value in one line of bounded length."""
    written = repr(value)
    return written if len(written) <= _BRIEF else f"{written[: _BRIEF - 20]} … {written[-16:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to put one case's question: the reference, or a perturbation of it."""

    original: Case
    draft: Draft
    perturbation: str = REFERENCE
    """The spec, as in thresholds: ``keyboard``, ``ocr:0.2``; empty for the reference."""
    index: int = 0
    level: Level | Literal["reference"] = "reference"
    severity: float | None = None
    preserves: Preserves = "preserves"
    expected: Effect = "same"
    """The rule of its perturbation; `effect` also sees where the target is another one."""
    status: VariantStatus = "ok"
    reason: str | None = None
    """Why it is rejected or not applicable."""
    seed: int = 0
    writer: str | None = None
    """The model that wrote it, where a model did."""

    @property
    def id(self) -> str:
        """Empty for the reference, else ``keyboard:0.1#3``: unique within a case."""
        return f"{self.perturbation}#{self.index}" if self.perturbation else REFERENCE

    def __repr__(self) -> str:
        """What differs from the case, in a few lines: Hypothesis and pytest print it where a test fails."""
        case, old = self.draft.case, self.original
        said = [f"{self.id or 'the reference'} of case {old.id!r}"]
        if self.status != "ok":
            said.append(f"{self.status}: {self.reason}")
        said += [
            f"{name}={_brief(value)}"
            for name, value in case.fields.items()
            if not self.perturbation or name not in old.fields or old.fields[name] != value
        ]
        if case.choices != old.choices:
            said.append(f"choices={_brief(case.choices)}")
        if case.target is not None:
            said.append(f"target={_brief(case.target)}")
        if self.draft.params:
            said.append(f"params={_brief(dict(self.draft.params))}")
        if self.level == "prompt" and self.draft.prompt is not None:
            shown = (
                self.draft.prompt.template
                if self.draft.prompt.messages is None
                else self.draft.prompt.messages
            )
            said.append(f"prompt={_brief(shown)}")
        return "Variant(" + ",\n        ".join(said) + ")"

    @property
    def effect(self) -> Effect:
        """What the variant does to the right answer: the rule's word, or ``target`` where the target is another one."""
        now, before = self.draft.case.target, self.original.target
        if self.expected != "same" or now is before:
            return self.expected
        from robusttest.core.equality import same

        return "same" if same(now, before) else "target"

    @property
    def case(self) -> Case:
        return self.draft.case

    @property
    def input(self) -> Json:
        """The (perturbed) input text."""
        return self.draft.case.input

    @property
    def fields(self) -> Mapping[str, Json]:
        return self.draft.case.fields

    @property
    def target(self) -> Json:
        return self.draft.case.target

    @property
    def choices(self) -> tuple[str, ...] | None:
        return self.draft.case.choices

    @property
    def metadata(self) -> Mapping[str, Json]:
        return self.draft.case.metadata

    @property
    def params(self) -> Mapping[str, Json]:
        return self.draft.params


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to one model. ``key()`` is its identity in the reply store."""

    model: str
    messages: tuple[Mapping[str, Json], ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    endpoint: str | None = None
    """Normalised ``api_base`` without userinfo and query: two servers behind one name are two models."""
    version: str | None = None
    """Declared version of a ``python:`` model."""
    sample: int = 0
    private: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What only carries the call (key, raw ``api_base``, auth headers): never stored, shown or in the key."""

    def identity(self) -> dict[str, Json]:
        return {
            "schema": 1,
            "model": self.model,
            "endpoint": self.endpoint,
            "version": self.version,
            "messages": list(self.messages),
            "params": dict(self.params),
            "sample": self.sample,
        }

    def key(self) -> str:
        """64 hex digits, equal for equal requests whatever the order of keys (but in tools and schemas) or ``0`` against ``0.0``."""
        return digest(canonical_json({**self.identity(), "params": in_order(self.params)}), size=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model said, and what it cost. ``str(completion)`` is the text."""

    text: str
    model: str | None = None
    """The model's id as the provider returned it."""
    finish_reason: str | None = None
    refusal: str | None = None
    """The provider's own refusal or content filter note, where it gave one."""
    tool_calls: tuple[Json, ...] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    """US dollars; None is unknown, not free."""
    latency: float | None = None
    """Seconds from sending to the whole reply; None where it was replayed without one."""
    created: str | None = None
    """UTC, ISO 8601: when the model said it (not when it was replayed)."""
    cached: bool = False
    """True if no call was made for it in this run."""
    meta: Mapping[str, Json] = field(default_factory=dict)
    """Further provider facts worth keeping (``system_fingerprint`` …), from a short white list."""

    def __str__(self) -> str:
        return self.text


AnswerStatus = Literal["ok", "unparsed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good one reply is, and the answer that was read from it."""

    value: float
    """In [0, 1]. An unparsed or refused reply has 0."""
    answer: Json = None
    """The normalised answer that consistency compares (options by text, not by letter)."""
    status: AnswerStatus = "ok"
    explanation: str | None = None
    labelled: bool = True
    """False where nothing says what is right: the answer stands, and ``value`` is none."""
    check: Mapping[str, Json] | None = None
    """What the task's second scorer (``scorer_check``) says of the same reply: ``value``, ``answer``, ``status``, and
    ``judge``, if a model said it."""
    grades: Mapping[str, list[float | None]] | None = None
    """What a judge says of this very answer, asked again (``again``, the first grade first), by other wordings of its rubric
    (``reworded``) and with the two answers in the other order (``swapped``); None where a verdict had no grade."""
    turns: tuple[float, ...] | None = None
    """Of a conversation that was scored turn by turn: the score of each; ``value`` is their mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How a judge grades answers whose right grade its user knows, in counts."""

    model: str
    right_right: int = 0
    """Labelled right, graded right."""
    right_wrong: int = 0
    """Labelled right, graded wrong."""
    wrong_wrong: int = 0
    wrong_right: int = 0
    """Labelled wrong, graded right."""
    ungraded: int = 0
    """Verdicts without a grade, and calls that failed: they count nowhere else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a test's own body returns where it says more than text: the answer, and how good it is."""

    value: Json
    """The answer that consistency compares."""
    score: float | Sequence[float] | None = None
    """In [0, 1]; None: 1, as of a body that returns without failing. A list: of each turn of a conversation, and their mean is the
    score."""


class CellKey(NamedTuple):
    """What makes two rows rows of one cell: one model on one task in one test."""

    test: str | None
    """The test's node id without the model; None from a notebook or a table."""
    task: str
    model: str

    @property
    def order(self) -> tuple[str, str, str]:
        """What cells are sorted by."""
        return self.test or "", self.task, self.model


RecordStatus = Literal["ok", "unparsed", "refused", "error", "skipped", "rejected", "not_applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of a run: one variant of one case, one model. The fields are the columns of the DataFrame.

    ``ok``, ``unparsed`` and ``refused`` have a score; ``error`` and ``skipped`` were planned and have none
    (they lower coverage); ``rejected`` and ``not_applicable`` were never planned as calls.
    """

    task: str
    model: str
    case_id: str
    variant: str = REFERENCE
    perturbation: str = REFERENCE
    level: str = "reference"
    severity: float | None = None
    index: int = 0
    repeat: int = 0
    status: RecordStatus = "ok"
    score: float | None = None
    answer: Json = None
    target: Json = None
    cluster: str | None = None
    reason: str | None = None
    """Why there is no score, or why the score is what it is, in one line."""
    text: str | None = None
    """What was put to the model, as one text: the (perturbed) input where an input perturbation acted, else
    the rendered prompt."""
    input_hash: str | None = None
    """16 hex digits over everything that was put to the model: equal means the same question."""
    case_hash: str | None = None
    """16 hex digits over what the variant makes of the case (its fields and options, decoding, factors), whatever prompt
    is around it: two versions are compared on what is equal in it."""
    edits: Mapping[str, list[list[Any]]] | None = None
    shrunk: Mapping[str, Json] | None = None
    """What shrinking found, where it ran on this variant: the smallest ``text`` that still fails and its ``edits``,
    ``kept`` ``of`` the edits, ``failed`` of the times it was ``asked``, ``complete`` if every smaller part was tried."""
    reply: str | None = None
    factors: Mapping[str, str] | None = None
    preserves: str = "preserves"
    effect: Effect = "same"
    """What the variant does to the right answer; see `Variant.effect`. Invariance metrics read ``same`` alone."""
    cut: bool = False
    """The reply stops at the token limit (finish reason ``length``)."""
    by: Mapping[str, str] | None = None
    """Column → value, of the columns by which results are broken down (``by=``)."""
    check: Mapping[str, Json] | None = None
    """What the second scorer says of the same reply; see `Score.check`."""
    grades: Mapping[str, list[float | None]] | None = None
    """What a judge says of the same answer when it is asked otherwise; see `Score.grades`."""
    turns: list[float] | None = None
    """The score of each turn of a conversation; ``score`` is their mean."""
    prompt: str | None = None
    """The prompt's name, where the task has several; ``task`` is then ``NAME [PROMPT]``."""
    test: str | None = None
    """The test's node id without the model, where a test made the record."""
    request_key: str | None = None
    cached: bool = False
    created: str | None = None
    cost: float | None = None
    latency: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    served: str | None = None
    """The model's id as the provider returned it: another one is another model behind the same name."""
    fingerprint: str | None = None
    """The provider's ``system_fingerprint``; for a ``python:`` model its declared version."""
    finish_reason: str | None = None

    @property
    def scored(self) -> bool:
        return self.score is not None

    @property
    def key(self) -> CellKey:
        """The cell that it belongs to."""
        return CellKey(self.test, self.task, self.model)


WHY = {"no_data": "no data", "no_labels": "no labels"}
"""Reasons that are names, as people read them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric's value with its interval. ``value`` is None where it is undefined; ``reason`` says why."""

    metric: str
    perturbation: str | None = None
    value: float | None = None
    low: float | None = None
    """Two-sided interval at ``level``."""
    high: float | None = None
    lower: float | None = None
    """One-sided 95 % limits: what a gate decides by."""
    upper: float | None = None
    n: int = 0
    """Cases (or clusters, where ``method`` says so) that carry the value."""
    of: int | None = None
    """Cases of the whole cell: a metric of one perturbation stands on those that have it, ``n`` of ``of``."""
    base: float | None = None
    """Of a change (``drop``): the accuracy of the unperturbed prompts of the same ``n`` cases, which it is a change from."""
    k: int | None = None
    """Variants per case, the largest; a worst case over K variants falls with K."""
    method: str = ""
    """How the interval was made: ``wilson``, ``clopper-pearson``, ``case-means``, ``jackknife-z`` …"""
    level: float = 0.95
    reason: str | None = None
    """Why there is no value, or no interval; ``no_data`` and ``no_labels`` are names for programs, see `why`."""

    @property
    def why(self) -> str | None:
        """``reason`` in words."""
        return WHY.get(self.reason, self.reason) if self.reason is not None else None

    @property
    def clusters(self) -> str:
        """``24 clusters (5 with a failure)``, where the interval is one over clusters; else empty."""
        return self.method.partition(", ")[2] if "clusters" in self.method else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """``metric[perturbation] >= limit``. Made by comparing a metric (``robusttest.metrics``), or from text.

    It has no truth value: ``assert accuracy >= 0.9`` and ``0.8 <= accuracy <= 0.9`` raise.
    """

    metric: str
    op: Literal[">=", "<="]
    limit: float
    perturbation: str | None = None

    def __bool__(self) -> bool:
        from robusttest.errors import ThresholdError

        raise ThresholdError(
            f"the threshold '{self}' has no truth value: list it in expect=[…]; "
            "for a range write two thresholds, and in a body compare result.<metric>.value"
        )

    def __str__(self) -> str:
        where = f"[{self.perturbation}]" if self.perturbation is not None else ""
        return f"{self.metric}{where} {self.op} {self.limit:g}"


VerdictStatus = Literal["passed", "failed", "inconclusive", "error"]

ItemOutcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed", "not_run"]
"""What pytest says came of a test item; ``not_run`` where the session ended before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One threshold, judged. ``settled`` is False where the interval straddles the limit."""

    threshold: Threshold
    status: VerdictStatus
    reason: str
    """One sentence for the reader: value, interval, n, and what it would take where it is not settled."""
    estimate: Estimate | None = None
    settled: bool = True
    cases_needed: int | None = None
    """About how many cases would settle it, at the value seen; None where it is settled or can't be said."""
    note: str | None = None
    """What a reader has to know besides value and limit: what a judge's errors do to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSummary:
    """The main numbers of one cell, as a run's last line has them for histories."""

    key: CellKey
    n_cases: int
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a run was: enough to say whether another may be compared with it."""

    id: str
    created: str
    """UTC, ISO 8601."""
    commit: str | None = None
    dirty: bool | None = None
    label: str | None = None
    models: tuple[str, ...] = ()
    seed: int = 0
    complete: bool = False
    """False until the last record is written: Ctrl-C, a spent budget and a crash leave it so."""
    duration: float | None = None
    calls: int = 0
    cached: int = 0
    errors: int = 0
    cost: float | None = None
    """US dollars spent in this run; None if a call's cost is unknown."""
    oldest_reply: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution → version (robusttest, python, litellm, nlpaug … those that were used)."""
    model_versions: Mapping[str, str] = field(default_factory=dict)
    """``python:`` model → the version it declares (``@model(version=…)``)."""
    served: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Model → the ids that answered in its name, as the provider returned them."""
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Model → the provider's ``system_fingerprint`` of its replies."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Files of tests and ``python:`` models → a digest of each: whether the code is the same."""
    process: str | None = None
    """Who writes it, ``PID@MACHINE``: a run that did not end may still go on."""
    resumed: str | None = None
    """The id of the run that it goes on with."""
    repo: str | None = None
    """Where its code comes from: git's remote, without user and password."""
    ci: str | None = None
    """The page of the CI job that ran it."""
    planned: str | None = None
    """A digest of the whole plan: tasks, cases, perturbations, variants, seed. Runs with the same one ask the same."""
    plan: Mapping[str, Json] = field(default_factory=dict)
    """Of a shard: by cell what the whole run plans (`robusttest.run.plan`)."""
