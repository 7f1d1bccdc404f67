"""The registry of perturbations and how a spec, an object or a function becomes a `Perturbation`."""

from __future__ import annotations

import importlib
import inspect
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from robusttest.core.names import Registry, split_spec
from robusttest.core.nouns import Case, Draft, Level, NotApplicable, Preserves
from robusttest.errors import RobusttestError, UsageError
from robusttest.perturbations.base import usual
from robusttest.perturbations.base.acting import on_fields, on_target
from robusttest.perturbations.base.edits import (
    compose_edits,
    diff_edits,
    keep_protected,
    parse_severity,
    text_perturbation,
)
from robusttest.perturbations.base.fields import texts
from robusttest.perturbations.base.protocol import Expect, Perturbation
from robusttest.perturbations.base.spans import KINDS, protected_spans, unusable

Factory: TypeAlias = Callable[..., Perturbation]
"""Called as ``factory()`` or ``factory(severity_or_arg, **keywords)``; an argument from a spec is a str."""

Spec: TypeAlias = "str | Perturbation | Callable[..., Any]"

FAMILIES = "robusttest.perturbations.base.families"
"""The module that registers the built-in ones; imported when the first name is asked for."""


class Families(Registry[Factory]):
    """The registry; built-in families are imported on first use, so that declaring a test stays cheap."""

    _loaded = False

    def load(self) -> None:
        if not self._loaded:
            importlib.import_module(FAMILIES)
            package = importlib.import_module("robusttest.perturbations")
            for name in self._items.keys() & vars(package).keys():
                # A module of the same name (rendering.py) became an attribute of the package when it was imported.
                setattr(package, name, self._items[name])
            self._loaded = True  # last: another thread that finds it unset waits for the same import

    def get(self, name: str) -> Factory:
        self.load()
        return super().get(name)

    def __contains__(self, name: object) -> bool:
        self.load()
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self.load()
        return super().__iter__()

    def name_of(self, factory: object) -> str | None:
        """The name under which this very object is registered."""
        self.load()
        return next((name for name, item in self._items.items() if item is factory), None)


PERTURBATIONS = Families("perturbation", "robusttest.perturbations")


def make(spec: Spec) -> Perturbation:
    """``"keyboard:0.1"``, ``"keyboard+casing"``, an object, a factory or a user's function → `Perturbation`.

    Raises `UnknownNameError` with the nearest name, or `UsageError` that says the valid range.
    """
    if isinstance(spec, Perturbation):
        return spec
    if isinstance(spec, str):
        parts = [part.strip() for part in spec.split(",")]
        if len(parts) > 1 and all(split_spec(part)[0] in PERTURBATIONS for part in parts):
            raise UsageError(f"{spec!r} are several perturbations in one text: write {parts!r}")
        return _from_text(spec)
    if isinstance(spec, UserPerturbation) or PERTURBATIONS.name_of(spec) is not None:
        return _made(spec(), getattr(spec, "name", spec))
    if callable(spec):
        name = getattr(spec, "__name__", "")
        if not name.isidentifier():
            raise UsageError(
                f"perturbation {spec!r} has no name: write @perturbation('name') above the function"
            )
        return _made(UserPerturbation(spec, name=name)(), name)
    raise UsageError(
        f"perturbations holds {spec!r} ({type(spec).__name__}): give names like 'keyboard:0.1', objects like "
        "keyboard(0.1), or functions (text, rng) -> str"
    )


def make_all(specs: Spec | Iterable[Any]) -> list[Perturbation]:
    """Every spec made, lists within (as ``crossed(...)`` returns) laid out flat; two of one spec are refused.

    ``"usual"``, ``"typos"`` and the other groups of `usual.GROUPS` stand for their lists, without what is named beside them.
    """
    if isinstance(specs, str | Perturbation) or not isinstance(specs, Iterable):
        specs = [specs]
    specs = list(specs)
    named = {spec for spec in specs if isinstance(spec, str)}
    for i, spec in enumerate(specs):
        if isinstance(spec, str) and spec in usual.GROUPS:
            specs[i] = [usual.as_usual(make(s)) for s in usual.GROUPS[spec] if s not in named]
            named |= {*usual.GROUPS[spec]}
    made: list[Perturbation] = []
    for spec in specs:
        made += make_all(spec) if isinstance(spec, list | tuple) else [make(spec)]
    seen: set[str] = set()
    for p in made:
        if p.spec in seen:
            raise UsageError(
                f"perturbation {p.spec!r} is listed twice: its thresholds could not tell which is meant"
            )
        seen.add(p.spec)
    return made


def meant(name: str, known: Collection[str]) -> str | None:
    """Which of the ``known`` specs and families a user means: ``keyboard:0.10`` is ``keyboard``, whose default it is.

    None where it is none of them.
    """
    if name in known:
        return name
    try:
        spec = make(name).spec
    except RobusttestError:
        return None
    return spec if spec in known else None


_ON_FIELDS = re.compile(r"([^()]+)\(([^()]+)\)")


def _from_text(spec: str) -> Perturbation:
    if "+" in spec:
        parts = [p.strip() for p in spec.split("+")]
        if all(split_spec(p)[0] in PERTURBATIONS for p in parts):
            from robusttest.perturbations.base.designs import together

            return together([make(p) for p in parts])
    if m := _ON_FIELDS.fullmatch(spec):
        return on_fields(_from_text(m[1]), m[2].split("&"))
    if spec in usual.GROUPS:
        raise UsageError(
            f"{spec!r} is a list of perturbations: write perturbations={spec!r}, or put it in the list"
        )
    name, arg = split_spec(spec)
    if arg == "":
        raise UsageError(f"perturbation {spec!r}: nothing after the colon; write {name!r} for its default")
    factory = PERTURBATIONS.get(name)
    try:
        return _made(factory() if arg is None else factory(arg), name)
    except TypeError as e:
        if arg is not None and not _takes_argument(factory):
            raise UsageError(
                f"perturbation {name!r} takes no argument, but {spec!r} gives it {arg!r}"
            ) from None
        if arg is None:
            raise UsageError(
                f"perturbation {name!r} has no default: give it an argument, as in '{name}:…'"
            ) from e
        raise UsageError(f"perturbation {spec!r}: {e}") from e


def _takes_argument(factory: Factory) -> bool:
    kinds = [p.kind for p in inspect.signature(factory).parameters.values()]
    return any(
        k
        in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        )
        for k in kinds
    )


def _made(value: object, name: object) -> Perturbation:
    if not isinstance(value, Perturbation):
        raise UsageError(f"the factory of perturbation {name!r} returned {value!r}, not a Perturbation")
    return value


# --- a user's own -------------------------------------------------------------------------------------------


def perturbation(
    name: str | Callable[..., Any] | None = None,
    *,
    level: Level = "input",
    preserves: Preserves = "preserves",
    scripts: tuple[str, ...] = ("any",),
    limit: int | None = None,
    expect: Expect = "target",
    changes: tuple[str, ...] = (),
    separable: bool = True,
    description: str | None = None,
) -> Any:
    """Decorator: a function ``(text, rng) -> str``, ``(case, rng) -> Case`` or ``(draft, rng) -> Draft``.

    Which of the three is told by the first parameter's name or annotation. The function is known by name from then
    on (``"shout"``, ``"shout:0.3"`` where it has a parameter ``severity``), and can be listed itself::

        @perturbation("shout")
        def shout(text: str, rng: random.Random) -> str:
            return text.upper()

    It gets what the built-in ones get: a private generator, protected text restored (or the variant rejected), no
    no-op, no duplicate. ``expect`` says what a right answer is: the target, the ``same`` answer as unperturbed,
    one that ``changes``, ``increases`` or ``decreases``. ``separable=False``: its edits belong together, so that
    shrinking leaves none of them out. A function may return None: it has nothing to act on.
    """

    def decorate(fn: Callable[..., Any]) -> UserPerturbation:
        family = UserPerturbation(
            fn,
            name=name if isinstance(name, str) else fn.__name__,
            level=level,
            preserves=preserves,
            scripts=scripts,
            limit=limit,
            expect=expect,
            changes=changes,
            separable=separable,
            description=description,
        )
        PERTURBATIONS.load()
        PERTURBATIONS.register(family.name)(family)
        return family

    return decorate(name) if callable(name) else decorate


class UserPerturbation:
    """A user's function as a family: ``shout`` in a list, ``shout(0.3)``, and ``shout("text", rng)`` to try it."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str,
        level: Level = "input",
        preserves: Preserves = "preserves",
        scripts: tuple[str, ...] = ("any",),
        limit: int | None = None,
        expect: Expect = "target",
        changes: tuple[str, ...] = (),
        separable: bool = True,
        description: str | None = None,
    ) -> None:
        self.fn, self.name, self.level, self.preserves, self.scripts = fn, name, level, preserves, scripts
        self.limit, self.expect, self.changes, self.separable = limit, expect, changes, separable
        self.description = (
            description if description is not None else (inspect.getdoc(fn) or "").partition("\n")[0]
        )
        self.kind, self.severity = _signature(fn, name)
        self.__doc__ = fn.__doc__
        self.__name__ = name
        self.__wrapped__ = fn

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if len(args) == 2 and isinstance(args[1], random.Random):
            return self.fn(*args, **keywords)
        return self._make(*args, **keywords)

    def _make(
        self,
        severity: float | str | None = None,
        *,
        fields: str | Sequence[str] | None = None,
        target: str = "case",
    ) -> Perturbation:
        options: dict[str, Any] = {}
        spec, value = self.name, None
        if self.severity is not None:
            value, spec = parse_severity(self.name, severity, default=self.severity)
            options["severity"] = value
        elif severity is not None:
            raise UsageError(
                f"perturbation {self.name!r} takes no argument, but was given {severity!r}: give its function a "
                "parameter severity=0.1 to read it"
            )
        act = {"text": self._on_text, "case": self._on_case, "draft": self._on_draft}[self.kind]

        def apply(draft: Draft, rng: random.Random, index: int) -> Draft | NotApplicable:
            return act(draft, rng, options)

        made = Perturbation(
            name=self.name,
            spec=spec,
            level=self.level,
            apply=apply,
            severity=value,
            preserves=self.preserves,
            scripts=self.scripts,
            limit=self.limit,
            expect=self.expect,
            aims=self.kind != "text",
            # Its author decides how much it changes; the share gate is for noise whose severity we measure.
            changes=(*self.changes, "share"),
            separable=self.separable,
            description=self.description,
        )
        return on_target(made, fields, target)

    def _call(self, value: Any, draft: Draft, rng: random.Random, options: dict[str, Any], want: type) -> Any:
        try:
            result = self.fn(value, rng, **options)
        except RobusttestError:
            raise
        except Exception as e:
            raise UsageError(
                f"perturbation {self.name!r} raised {type(e).__name__}: {e} (case {draft.case.id!r})"
            ) from e
        if result is not None and not isinstance(result, want | NotApplicable):
            raise UsageError(
                f"perturbation {self.name!r} returned {type(result).__name__} for case {draft.case.id!r}: "
                f"return a {want.__name__}, or None where there is nothing to act on"
            )
        return NotApplicable(reason=f"{self.name}: nothing to act on") if result is None else result

    def _allow(self) -> tuple[str, ...]:
        return tuple(c for c in self.changes if c in KINDS)

    def _on_text(self, draft: Draft, rng: random.Random, options: dict[str, Any]) -> Draft | NotApplicable:
        def fn(text: str, *, rng: random.Random, index: int, protected: Any) -> Any:
            new = self._call(text, draft, rng, options, str)
            return new if isinstance(new, NotApplicable) else keep_protected(text, new, protected)

        lifted = text_perturbation(self.name, fn, changes=self.changes, moves=True)
        assert lifted.apply is not None
        return lifted.apply(draft, rng, 0)

    def _on_case(self, draft: Draft, rng: random.Random, options: dict[str, Any]) -> Draft | NotApplicable:
        old = draft.case
        if reasons := [r for text in texts(old.fields).values() if (r := unusable(text))]:
            return NotApplicable(reason=reasons[0])
        new = self._call(old, draft, rng, options, Case)
        if isinstance(new, NotApplicable):
            return new
        edits = dict(draft.edits)
        fields = dict(new.fields)
        for key, before in old.fields.items():
            after = fields.get(key)
            if isinstance(before, str) and isinstance(after, str) and before != after:
                spans = protected_spans(before, case=old, extra=draft.protect, allow=self._allow())
                if self.preserves != "alters" and new.target == old.target:
                    after, made = keep_protected(before, after, spans)
                    fields[key] = after
                else:
                    made = diff_edits(before, after)
                edits[key] = compose_edits(before, edits[key], made) if edits.get(key) else made
        return draft.with_(case=replace(new, id=old.id, fields=fields), edits=edits)

    def _on_draft(self, draft: Draft, rng: random.Random, options: dict[str, Any]) -> Draft | NotApplicable:
        result: Draft | NotApplicable = self._call(draft, draft, rng, options, Draft)
        return result


def _signature(fn: Callable[..., Any], name: str) -> tuple[str, float | None]:
    """``text``, ``case`` or ``draft``, and the default of a parameter ``severity``."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        raise UsageError(f"perturbation {name!r}: can't read the signature of {fn!r}") from None
    extra = [
        p for p in parameters[2:] if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if len(parameters) < 2 or any(p.name != "severity" for p in extra) or inspect.iscoroutinefunction(fn):
        raise UsageError(
            f"perturbation {name!r}: {getattr(fn, '__name__', fn)}{inspect.signature(fn)} must be a plain function "
            "of (text, rng), (case, rng) or (draft, rng), and severity=… if it has one"
        )
    first = parameters[0]
    annotation = getattr(first.annotation, "__name__", first.annotation)
    for kind, noun in (("case", "Case"), ("draft", "Draft")):
        if first.name == kind or (isinstance(annotation, str) and annotation.rpartition(".")[2] == noun):
            return kind, _severity(parameters)
    return "text", _severity(parameters)


def _severity(parameters: list[inspect.Parameter]) -> float | None:
    for p in parameters[2:]:
        if p.name == "severity":
            return 0.1 if p.default is p.empty or p.default is None else float(p.default)
    return None
