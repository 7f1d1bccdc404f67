"""pytest's part of the table of options (`robusttest.settings`): its flags and ini keys, and where they become `Settings`.

Loaded at pytest's start-up, so it imports nothing heavy: the table, and the errors that it raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robusttest import settings as table
from robusttest.errors import UsageError

if TYPE_CHECKING:
    import pytest

    from robusttest.core.nouns import Threshold
    from robusttest.settings import Option, Settings

EXPECT = "robust_expect"
EXPECT_HELP = "thresholds of robust tests that list none, one a line, as in accuracy >= 0.9"


def add(parser: pytest.Parser) -> None:
    """Register every option. No flag has a default, so that one that was not given is told apart."""
    group = parser.getgroup("robust", "robustness of language models (robusttest)")
    for option in flagged():
        group.addoption(option.flag, dest=option.key, **option.arguments())
        if option.ini is not None:
            parser.addini(option.key, option.help, type=option.ini, default=None)  # type: ignore[arg-type]  # one of pytest's names of types
            if option.is_switch:
                off = option.flag.replace("--", "--no-", 1)
                said = f"without {option.flag}, where the ini file says it"
                group.addoption(off, dest=option.key, action="store_false", default=None, help=said)
    parser.addini(EXPECT, EXPECT_HELP, type="linelist", default=None)


def flagged() -> list[Option]:
    """The options that have a flag."""
    return [o for o in table.OPTIONS if o.flagged]


def given(config: pytest.Config) -> bool:
    """Whether any flag or ini key of ours is set: a session without is none of our business."""
    if any(getattr(config.option, o.key, None) is not None for o in flagged()):
        return True
    return any(str(key).startswith("robust_") for key in _written(config))


def is_given(config: pytest.Config, field: str) -> bool:
    """Whether the flag or its ini twin is set."""
    option = next(o for o in table.OPTIONS if o.field == field)
    if getattr(config.option, option.key, None) is not None:
        return True
    return option.ini is not None and _of_ini(config, option) is not None


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether ``CI`` is set, as GitHub, GitLab and most others do."""
    return environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")


def resolve(config: pytest.Config, decorator: Mapping[str, Any] | None = None) -> Settings:
    """Flag > decorator > ini > default. Raises `robusttest.errors.UsageError` that names where a value is from."""
    values: dict[str, Any] = {"directory": config.rootpath / ".robusttest"}
    for option in flagged():
        flag = getattr(config.option, option.key, None)
        mark = (decorator or {}).get(option.field)
        if flag is not None:
            values[option.field] = _placed(option.read(flag), config.invocation_params.dir)
        elif mark is not None:
            try:
                values[option.field] = option.read(mark)
            except UsageError as e:
                raise UsageError(f"robust({option.field}={mark!r}): {e}") from None
        elif (written := _of_ini(config, option)) is not None:
            values[option.field] = _placed(written, config.rootpath)
    if values.get("models") or values.get("writer"):
        named = _named_models(config)
        values["models"] = tuple(named.get(m, m) for m in values.get("models", ()))
        if (writer := values.get("writer")) is not None:
            values["writer"] = named.get(writer, writer)
    return table.Settings(**values)


def _named_models(config: pytest.Config) -> Mapping[str, str]:
    """The models of ``[tool.robusttest.models.NAME]``, by name."""
    from robusttest.core.models import table_of

    return table_of(config.rootpath / "pyproject.toml")


def _placed(value: Any, folder: Path) -> Any:
    """Paths are absolute from here on: a test that changes the working directory must not move a file."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple):
        return tuple(t.within(folder) if isinstance(t, table.ReportTarget) else t for t in value)
    return value


def validate(config: pytest.Config) -> None:
    """`pytest.UsageError` (exit code 4) for a wrong ini key or value, at start-up, if any of ours is set."""
    import pytest

    from robusttest.errors import RobusttestError, UnknownNameError

    known = [o.key for o in table.OPTIONS if o.ini is not None] + [EXPECT]
    for key in _written(config):
        if str(key).startswith("robust_") and key not in known:
            raise pytest.UsageError(str(UnknownNameError("ini key", str(key), known)))
    try:
        settings = resolve(config)
        expected(config)
        if settings.fail_on is not None or settings.update_baseline:
            from robusttest.run import baseline

            baseline.check(settings, flagged=config.option.robust_fail_on is not None)
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


def expected(config: pytest.Config) -> list[Threshold]:
    """The thresholds of ``robust_expect``, for tests that list none."""
    texts = _ini(config, EXPECT)
    if not texts:
        return []
    from robusttest.metrics import thresholds

    return list(thresholds(texts, f"{EXPECT} in {_where(config)}"))


def _of_ini(config: pytest.Config, option: Option) -> Any:
    """An option's value in the ini file, checked; None where it is not there."""
    if option.ini is None or (value := _ini(config, option.key)) is None:
        return None
    try:
        return option.read(value)
    except UsageError as e:
        raise UsageError(f"{option.key} = {value!r} in {_where(config)}: {e}") from None


def _ini(config: pytest.Config, key: str) -> Any:
    """As pytest reads it; what pytest does not take for its type as it is written: our check says what is wrong with it."""
    import pytest

    try:
        return config.getini(key)
    except (TypeError, ValueError, pytest.UsageError):
        written = _written(config).get(key)
        return getattr(written, "value", written)


def _written(config: pytest.Config) -> Mapping[str, Any]:
    keys: Any = getattr(config, "_inicfg", None)  # `inicfg` is deprecated since pytest 9.2
    return config.inicfg if keys is None else keys


def _where(config: pytest.Config) -> str:
    return "the ini file" if config.inipath is None else config.inipath.name
