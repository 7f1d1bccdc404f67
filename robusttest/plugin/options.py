"""Every flag and its ini twin in one table, and the one place where they become `Settings`.

Loaded at pytest's start-up, so it imports nothing of ours and nothing that pytest has not loaded already.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pytest

    from robusttest.settings import Settings

Check = Callable[[Any], Any]
"""Text or TOML value → value; raises `argparse.ArgumentTypeError` that says what would be valid."""


class Option(NamedTuple):
    name: str
    """As in `Settings`, but for ``model`` and ``robust_model``, which read better in the singular."""
    ini: str | None
    """pytest's type of the ini twin; None where the flag is a one-off action."""
    check: Check
    help: str
    metavar: str | None = None
    const: str | None = None
    """The value of the flag given without one."""

    @property
    def flag(self) -> str:
        return "--robust-" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        return f"robust_{self.name}"

    @property
    def field(self) -> str:
        return "models" if self.name == "model" else self.name


def add(parser: pytest.Parser) -> None:
    """Register every option. No flag has a default, so that one that was not given is told apart."""
    group = parser.getgroup("robust", "robustness of language models (robusttest)")
    for option in OPTIONS:
        kwargs: dict[str, Any] = {"dest": option.key, "default": None, "help": option.help}
        if option.check is _switch:
            kwargs["action"] = "store_true"
        else:
            kwargs["type"] = option.check
            kwargs["metavar"] = option.metavar or option.name.upper()
            if option.const is not None:
                kwargs |= {"nargs": "?", "const": option.const}
            if option.name in MANY:
                kwargs["action"] = "append"
        group.addoption(option.flag, **kwargs)
        if option.ini is not None:
            parser.addini(option.key, option.help, type=option.ini, default=None)  # type: ignore[arg-type]
    parser.addini("robust_expect", EXPECT_HELP, type="linelist", default=None)


def given(config: pytest.Config) -> bool:
    """Whether any flag or ini key of ours is set: a session without is none of our business."""
    if any(getattr(config.option, o.key, None) is not None for o in OPTIONS):
        return True
    keys: Any = getattr(config, "_inicfg", None)  # `inicfg` is deprecated since pytest 9.2
    return any(str(key).startswith("robust_") for key in (config.inicfg if keys is None else keys))


def is_given(config: pytest.Config, name: str) -> bool:
    """Whether the flag or its ini twin is set."""
    option = BY_FIELD[name]
    if getattr(config.option, option.key, None) is not None:
        return True
    return option.ini is not None and _getini(config, option.key) is not None


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether ``CI`` is set, as GitHub, GitLab and most others do."""
    return environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")


def resolve(config: pytest.Config, decorator: Mapping[str, Any] | None = None) -> Settings:
    """Flag > decorator > ini > default. Raises `robusttest.errors.UsageError` that names where a value is from."""
    from robusttest.errors import UsageError
    from robusttest.settings import Settings

    values: dict[str, Any] = {"directory": config.rootpath / ".robusttest"}
    from_ini, from_flags = _ini(config), _flags(config)
    values |= from_ini
    sources = dict.fromkeys(from_ini, "ini")
    for name, value in (decorator or {}).items():
        if value is None:
            continue
        option = BY_FIELD.get(name)
        if option is not None and name != "models":
            try:
                value = option.check(value)
            except argparse.ArgumentTypeError as e:
                raise UsageError(f"robust({name}={value!r}): {e}") from None
        values[name] = value
    values |= from_flags
    try:
        return Settings(**values)
    except UsageError as e:
        raise UsageError(f"robusttest: {e}" if sources else str(e)) from None


def validate(config: pytest.Config) -> None:
    """`pytest.UsageError` (exit code 4) for a wrong ini key or value, at start-up, if any of ours is set."""
    import pytest

    from robusttest.errors import RobusttestError, UnknownNameError

    keys: Any = getattr(config, "_inicfg", None)
    known = [o.key for o in OPTIONS if o.ini is not None] + ["robust_expect"]
    for key in config.inicfg if keys is None else keys:
        if str(key).startswith("robust_") and key not in known:
            raise pytest.UsageError(str(UnknownNameError("ini key", str(key), known)))
    try:
        settings = resolve(config)
        expected(config)
        if settings.fail_on is not None or settings.update_baseline:
            from robusttest.plugin import comparing

            comparing.check(settings, flagged=config.option.robust_fail_on is not None)
        _check_names(settings)
    except RobusttestError as e:
        raise pytest.UsageError(str(e)) from None
    if settings.dry_run and (config.getoption("numprocesses", None) or config.getoption("tx", None)):
        raise pytest.UsageError("--robust-dry-run counts in one process: leave out -n")


def _check_names(settings: Settings) -> None:
    """Refuse a misspelt built-in perturbation here; a name like none of them may be one that a test module defines."""
    if not settings.only and not settings.skip:
        return
    from robusttest.core.names import split_spec
    from robusttest.errors import UnknownNameError, nearest
    from robusttest.perturbations import PERTURBATIONS

    for flag, wanted in (("--robust-only", settings.only), ("--robust-skip", settings.skip)):
        for word in wanted:
            for part in word.split("+"):
                base = split_spec(part)[0]
                if base not in PERTURBATIONS and nearest(base, PERTURBATIONS, cutoff=0.8) is not None:
                    raise UnknownNameError(f"perturbation in {flag}:", base, PERTURBATIONS)


def expected(config: pytest.Config) -> list[Any]:
    """The thresholds of ``robust_expect``, for tests that list none."""
    texts = _getini(config, "robust_expect")
    if not texts:
        return []
    from robusttest.errors import UsageError
    from robusttest.metrics import parse_threshold

    out = []
    for text in texts:
        try:
            out.append(parse_threshold(text))
        except UsageError as e:
            raise UsageError(f"robust_expect: {e}") from None
    return out


def _flags(config: pytest.Config) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for option in OPTIONS:
        value = getattr(config.option, option.key, None)
        if value is not None:
            out[option.field] = _collected(option, value)
    return out


def _ini(config: pytest.Config) -> dict[str, Any]:
    from robusttest.errors import UsageError

    out: dict[str, Any] = {}
    for option in OPTIONS:
        if option.ini is None or (value := _getini(config, option.key)) is None:
            continue
        try:
            if option.name in MANY:
                out[option.field] = tuple(option.check(v) for v in value)
            elif option.check is file and isinstance(value, str):
                out[option.field] = file(os.path.join(config.rootpath, value))
            else:
                out[option.field] = option.check(value)
        except argparse.ArgumentTypeError as e:
            raise UsageError(f"{option.key} = {value!r} in {_where(config)}: {e}") from None
    return {name: _targets(v) if name == "report" else v for name, v in out.items()}


def _getini(config: pytest.Config, key: str) -> Any:
    import pytest

    from robusttest.errors import UsageError

    try:
        return config.getini(key)
    except (TypeError, ValueError, pytest.UsageError) as e:
        text = str(e)
        raise UsageError(text if key in text else f"{key} in {_where(config)}: {text}") from None


def _where(config: pytest.Config) -> str:
    return "the ini file" if config.inipath is None else config.inipath.name


def _collected(option: Option, value: Any) -> Any:
    if option.name not in MANY:
        return value
    return _targets(value) if option.name == "report" else tuple(value)


def _targets(values: Any) -> tuple[Any, ...]:
    from robusttest.settings import ReportTarget

    return tuple(ReportTarget(*v) for v in values)


# checks


def _nearest(word: str, known: tuple[str, ...]) -> str:
    from robusttest.errors import did_you_mean

    return f"{did_you_mean(word, known, cutoff=0.5)} Known: {', '.join(known)}".strip()


def _refuse(message: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(message)


def one_of(*known: str) -> Check:
    def check(value: Any) -> str:
        if value not in known:
            raise _refuse(f"unknown value {value!r}. {_nearest(str(value), known)}")
        return str(value)

    return check


def whole(low: int) -> Check:
    def check(value: Any) -> int:
        try:
            if isinstance(value, bool | float):
                raise ValueError
            number = int(value)
        except (TypeError, ValueError):
            raise _refuse(f"{value!r} is not a whole number") from None
        if number < low:
            raise _refuse(f"{number} is too small: give {low} or more")
        return number

    return check


def number(low: float, high: float | None = None) -> Check:
    def check(value: Any) -> float:
        try:
            if isinstance(value, bool):
                raise ValueError
            x = float(value)
        except (TypeError, ValueError):
            raise _refuse(f"{value!r} is not a number") from None
        if not low <= x < float("inf") or (high is not None and x > high):
            between = f"between {low:g} and {high:g}" if high is not None else f"of {low:g} or more"
            raise _refuse(f"{value!r}: give a number {between}")
        return x

    return check


def name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _refuse(f"{value!r}: give a name")
    return value.strip()


def file(value: Any) -> str:
    """Absolute from here on: a test that changes the working directory must not move the file."""
    path = os.path.abspath(name(value))
    if os.path.isdir(path):
        raise _refuse(f"{value!r} is a folder: give a file")
    return path


def duration(value: Any) -> float:
    """Seconds, or ``30m``, ``12h``, ``7d``, ``2w``."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    text = str(value).strip()
    unit = units.get(text[-1:].lower())
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise _refuse(f"{value!r}: give seconds, or a number with a unit, as in 30m, 12h, 7d, 2w")
    return seconds


def report(value: Any) -> tuple[str, str]:
    kinds = ("html", "md", "json", "csv")
    kind, colon, path = str(value).partition(":")
    if not colon or not path:
        raise _refuse(f"{value!r}: write KIND:PATH, as in json:robust.json. Kinds: {', '.join(kinds)}")
    if kind not in kinds:
        raise _refuse(f"unknown report kind {kind!r}. {_nearest(kind, kinds)}")
    # Absolute from here on: a test that changes the working directory must not move the report.
    return kind, os.path.abspath(path)


def fail_on(value: Any) -> str:
    word, colon, margin = str(value).partition(":")
    if word not in ("regression", "undecided") or (colon and word != "regression"):
        raise _refuse(f"{value!r}: write regression, regression:MARGIN (as in regression:0.02) or undecided")
    if colon:
        number(0, 1)(margin)
    return str(value)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refuse(f"{value!r} is neither True nor False")
    return value


MANY = ("model", "only", "skip", "case", "report")
"""Options that may be given several times."""

EXPECT_HELP = "thresholds of robust tests that list none, one a line, as in accuracy >= 0.9"

OPTIONS: tuple[Option, ...] = (
    Option("model", "linelist", name, "a model to test: what LiteLLM names, or python:module:callable (repeatable)"),
    Option("writer", "string", name, "the model that writes paraphrases", "MODEL"),
    Option("only", "linelist", name, "run only this perturbation (repeatable)", "PERTURBATION"),
    Option("skip", "linelist", name, "leave out this perturbation (repeatable)", "PERTURBATION"),
    Option("variants", "int", whole(1), "variants of each perturbation for each case (5)", "N"),
    Option("limit", "int", whole(1), "at most this many cases of each task", "N"),
    Option("case", None, name, "only this case, or variant of it: ID or ID::keyboard#3 (repeatable)", "ID"),
    Option("seed", "int", whole(0), "seed of all variants (0)", "N"),
    Option("concurrency", "int", whole(1), "calls in flight at most, per endpoint (32)", "N"),
    Option("rpm", "int", whole(1), "requests per minute at most, per endpoint", "N"),
    Option("tpm", "int", whole(1), "tokens per minute at most, per endpoint", "N"),
    Option("timeout", "float", number(0.001), "seconds for one attempt of a call (120)", "SECONDS"),
    Option("deadline", "float", number(0.001), "seconds for one call with its retries (600)", "SECONDS"),
    Option("max_cost", "float", number(0), "spend at most this much", "USD"),
    Option("max_calls", "int", whole(0), "make at most this many calls", "N"),
    Option("dry_run", None, _switch, "print variants, calls, tokens and cost; make no call"),
    Option(
        "replies",
        "string",
        one_of("auto", "live", "replay", "off"),
        "auto: replay stored replies, call for the rest; live: call anew; replay: never call; off: no store "
        "(auto; replay where CI is set and no model has its key)",
        "MODE",
    ),
    Option("max_age", "string", duration, "ask again where a stored reply is older (30m, 12h, 7d)", "AGE"),
    Option("adaptive", "bool", _switch, "ask whole cases in random order, until every threshold is decided"),
    Option("max_cases", "int", whole(1), "at most this many cases in an adaptive run", "N"),
    Option(
        "inconclusive",
        "string",
        one_of("point", "pass", "fail", "xfail"),
        "what becomes of a threshold within the interval (point: the estimate decides)",
        "POLICY",
    ),
    Option("min_coverage", "float", number(0, 1), "share of calls that must have a reply (0.95)", "SHARE"),
    Option(
        "baseline", "string", name, "compare with a run or file (robust-baseline.json)", "REF", "robust-baseline.json"
    ),
    Option("update_baseline", None, _switch, "write this run to robust-baseline.json"),
    Option("fail_on", "string", fail_on, "fail tests by the comparison: regression[:MARGIN] or undecided", "WHAT"),
    Option(
        "freeze",
        "string",
        file,
        "use exactly the variants in this file; where there is none, write those of this run to it, to review and commit",
        "FILE",
    ),
    Option("update_freeze", None, _switch, "make the variants of --robust-freeze anew and write them to the file"),
    Option("shrink", "int", whole(0), "spend up to this many calls on the smallest edits that still fail, for the worst variant of each perturbation", "CALLS"),
    Option(
        "transport",
        "string",
        one_of("auto", "litellm"),
        "auto: our pooled connection where proven equal; litellm: always LiteLLM's own",
        "KIND",
    ),
    Option("report", "linelist", report, "write a report: html:PATH, md:PATH, json:PATH, csv:PATH", "KIND:PATH"),
    Option("label", None, name, "name this run, for history and comparison"),
)  # fmt: skip

BY_FIELD = {o.field: o for o in OPTIONS}
