"""What a run is told: one frozen object, and in its fields the one table of options.

Each field of `Settings` is an entry: name, check, default, help, and whether it has a flag, a key in the ini file and an
argument of `robust`. pytest's options (`robusttest.plugin.options`), the mark, `robusttest.evaluate` and the command
line are adapters of it. Precedence is flag > decorator > ini > default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from robusttest.core.fail_on import FailOn
from robusttest.errors import UnknownNameError, UsageError, did_you_mean

if TYPE_CHECKING:
    from robusttest.core.nouns import Json

Replies = Literal["auto", "live", "replay", "off"]
"""``auto`` replays what is stored and calls for the rest; ``live`` calls anew and stores; ``replay`` never
calls a provider (a ``python:`` model is the repo's own code, and runs); ``off`` neither reads nor writes the store."""
InconclusivePolicy = Literal["point", "pass", "fail", "xfail"]
Transport = Literal["auto", "litellm"]

REPORT_KINDS = ("html", "md", "json", "csv", "eee", "comment")

Check = Callable[[Any], Any]
"""A value as somebody wrote it (text, or of its own type) → the value; raises `UsageError` that says what would be valid."""


class ReportTarget(NamedTuple):
    """``--robust-report=json:PATH``."""

    kind: str
    path: str

    @classmethod
    def parse(cls, text: Any) -> ReportTarget:
        """``KIND:PATH``. Raises `UsageError` where it is not."""
        if isinstance(text, ReportTarget):
            return text
        kind, colon, path = str(text).partition(":")
        if not colon or not path:
            raise UsageError(
                f"{text!r}: write KIND:PATH, as in json:robust.json. Kinds: {', '.join(REPORT_KINDS)}"
            )
        if kind not in REPORT_KINDS:
            raise UsageError(f"unknown report kind {kind!r}.{_known(kind, REPORT_KINDS)}")
        return cls(kind, path)

    def within(self, folder: str | os.PathLike[str]) -> ReportTarget:
        """With its path taken from a folder, where it is relative."""
        return self._replace(path=os.path.join(folder, self.path))


# --- checks


def _known(word: str, known: Iterable[str]) -> str:
    known = tuple(known)
    return f"{did_you_mean(word, known, cutoff=0.5)} Known: {', '.join(known)}"


def one_of(*known: str) -> Check:
    """One of these words."""

    def check(value: Any) -> str:
        if value not in known:
            raise UsageError(f"unknown value {value!r}.{_known(str(value), known)}")
        return str(value)

    return check


def whole(low: int) -> Check:
    """A whole number of ``low`` or more."""

    def check(value: Any) -> int:
        try:
            if isinstance(value, bool | float):
                raise ValueError
            found = int(value)
        except (TypeError, ValueError):
            raise UsageError(f"{value!r} is not a whole number: give {low} or more") from None
        if found < low:
            raise UsageError(f"{found} is too small: give {low} or more")
        return found

    return check


def number(low: float, high: float | None = None) -> Check:
    """A finite number within these limits."""
    between = f"between {low:g} and {high:g}" if high is not None else f"of {low:g} or more"

    def check(value: Any) -> float:
        try:
            if isinstance(value, bool):
                raise ValueError
            x = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"{value!r} is not a number: give one {between}") from None
        if not low <= x < float("inf") or (high is not None and x > high):
            raise UsageError(f"{value!r}: give a number {between}")
        return x

    return check


def name(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{value!r}: give a name")
    return value if value == value.strip() else value.strip()  # as it is: it may be a `Model`


def file(value: Any) -> Path:
    """A file that is there, or may be made."""
    path = value if isinstance(value, Path) else Path(name(value))
    if path.is_dir():
        raise UsageError(f"{os.fspath(path)!r} is a folder: give a file")
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
    if isinstance(value, bool) or not 0 <= seconds < float("inf"):
        raise UsageError(f"{value!r}: give seconds, or a number with a unit, as in 30m, 12h, 7d, 2w")
    return seconds


def fail_on(value: Any) -> str:
    """What `FailOn` reads."""
    FailOn.parse(str(value))
    return str(value)


def shard(value: Any) -> str:
    """What `Shard` reads."""
    from robusttest.core.shards import Shard

    return str(Shard.parse(value))


def records(value: Any) -> str:
    """``jsonl``, or ``parquet:`` with a folder or URL, which is made absolute: it stands in run files."""
    kind, _, url = name(value).partition(":")
    if value == "jsonl":
        return "jsonl"
    if kind != "parquet" or not url:
        raise UsageError(
            f"{value!r}: write jsonl, or parquet:FOLDER, as in parquet:results or parquet:s3://bucket/results"
        )
    from robusttest.core.files import absolute

    return f"{kind}:{absolute(url)}"


def shared_store(value: Any) -> str:
    """A folder or URL that several machines reach, or a Postgres database; made absolute: it stands in run files."""
    from robusttest.core.files import absolute

    made = absolute(name(value))
    scheme, _, rest = made.partition("://")
    if scheme in ("postgresql", "postgres"):
        if not rest.partition("/")[2].strip("/"):
            raise UsageError(f"{value!r} names no database: write postgresql://host/database")
        return f"postgresql://{rest}"
    return made


def _told(value: Any) -> str:
    """As it was given, but for who is in a URL, and with which password."""
    return re.sub(r"(://)[^/@\s]*@", r"\1…@", repr(value))


def engine(value: Any) -> str:
    """What `robusttest.workers.engines` knows."""
    from robusttest.workers.engines import check

    return check(name(value))


def read_price(text: str) -> tuple[str | None, float, float]:
    """``MODEL=0.15/0.60`` → the model and its US dollars for a million tokens of input and of output; no model: any other."""
    model, equals, numbers = text.rpartition("=")
    paid, slash, said = numbers.partition("/")
    try:
        made = (model.strip() or None, float(paid), float(said))
    except ValueError:
        made = (None, -1.0, -1.0)
    if not slash or (equals and made[0] is None) or not (0 <= made[1] < inf and 0 <= made[2] < inf):
        raise UsageError(
            f"{text!r}: write MODEL=IN/OUT, US dollars for a million tokens of input and of output, as in hosted_vllm/llama=0.15/0.60; "
            "without MODEL= for every model that LiteLLM has no price of"
        )
    return made


def price(value: Any) -> str:
    """What `read_price` reads."""
    read_price(str(value))
    return str(value)


def updating(value: Any) -> str:
    """``write`` or ``force``."""
    if value not in ("write", "force"):
        raise UsageError(
            f"{value!r}: write --robust-update-baseline or --robust-update-baseline=force; with other words put the tests first"
        )
    return str(value)


def switch(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false: write one of the two")
    return value


# --- the table


class Option(NamedTuple):
    """One entry: a field of `Settings`, and how it is given."""

    field: str
    default: Any
    check: Check
    help: str
    ini: str | None = None
    """pytest's type of the ini key; None where the flag is a one-off action."""
    metavar: str | None = None
    many: bool = False
    """It may be given several times: its value is a tuple."""
    const: str | None = None
    """The value of the flag given without one."""
    mark: bool = False
    """It may be an argument of `robust`."""
    flagged: bool = True
    word: str | None = None
    """Its name in flag and ini key, where another reads better there."""

    @property
    def name(self) -> str:
        return self.word or self.field

    @property
    def flag(self) -> str:
        return "--robust-" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        return f"robust_{self.name}"

    @property
    def is_switch(self) -> bool:
        return self.check is switch

    def read(self, value: Any) -> Any:
        """The value, checked; of an option that may come several times one value or an iterable of them."""
        if not self.many:
            return self.check(value)
        if isinstance(value, str | ReportTarget):
            value = (value,)
        if isinstance(value, Mapping) or not isinstance(value, Iterable):
            raise UsageError(f"{value!r}: give one, or a list of them")
        return tuple(self.check(v) for v in value)

    def arguments(self) -> dict[str, Any]:
        """What argparse is told of it, but for its name. It has no default, so that one that is not given is told apart."""
        kwargs: dict[str, Any] = {"default": None, "help": self.help.replace("%", "%%")}
        if self.is_switch:
            return {**kwargs, "action": "store_true"}
        kwargs |= {"type": _argument(self.check), "metavar": self.metavar or self.name.upper()}
        if self.const is not None:
            kwargs |= {"nargs": "?", "const": self.const}
        if self.many:
            kwargs["action"] = "append"
        return kwargs


def _argument(check: Check) -> Check:
    def checked(text: str) -> Any:
        from argparse import ArgumentTypeError

        try:
            return check(text)
        except UsageError as e:
            raise ArgumentTypeError(str(e)) from None

    return checked


def option(default: Any, check: Check, help: str, **how: Any) -> Any:
    """A field of `Settings` with its entry of the table."""
    return field(default=default, metadata={"check": check, "help": help, **how})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one run. Every field has the name of its flag without ``--robust-`` (``models`` is ``--robust-model``).

    Raises `UsageError` that names the field for a value that makes no sense.
    """

    models: tuple[str, ...] = option(
        (), name, "a model to test: what LiteLLM names, or python:module:callable (repeatable)",
        ini="linelist", many=True, mark=True, word="model", metavar="MODEL",
    )  # fmt: skip
    writer: str | None = option(
        None, name, "the model that writes paraphrases", ini="string", metavar="MODEL", mark=True
    )
    only: tuple[str, ...] = option(
        (), name, "run only this perturbation (repeatable)", ini="linelist", many=True, metavar="PERTURBATION"
    )
    skip: tuple[str, ...] = option(
        (),
        name,
        "leave out this perturbation (repeatable)",
        ini="linelist",
        many=True,
        metavar="PERTURBATION",
    )
    variants: int = option(
        5, whole(1), "variants of each perturbation for each case (5)", ini="int", metavar="N", mark=True
    )
    limit: int | None = option(
        None, whole(1), "at most this many cases of each task", ini="int", metavar="N", mark=True
    )
    case: tuple[str, ...] = option(
        (),
        name,
        "only this case, or variant of it: ID or ID::keyboard#3 (repeatable)",
        many=True,
        metavar="ID",
    )
    by: tuple[str, ...] = option(
        (), name, "break results down by this column: target, cluster, or one of the cases (repeatable)",
        ini="linelist", many=True, metavar="COLUMN", mark=True,
    )  # fmt: skip
    prompt: tuple[str, ...] = option(
        (), name, "of tasks with several prompts, put only this one (repeatable)", ini="linelist", many=True,
        metavar="NAME",
    )  # fmt: skip
    seed: int = option(0, whole(0), "seed of all variants (0)", ini="int", metavar="N", mark=True)
    concurrency: int = option(
        32, whole(1), "calls in flight at most, per endpoint (32)", ini="int", metavar="N", mark=True
    )
    rpm: int | None = option(
        None, whole(1), "requests per minute at most, per endpoint", ini="int", metavar="N"
    )
    tpm: int | None = option(
        None, whole(1), "tokens per minute at most, per endpoint", ini="int", metavar="N"
    )
    timeout: float = option(
        120.0, number(0.001), "seconds for one attempt of a call (120)", ini="float", metavar="SECONDS"
    )
    deadline: float = option(
        600.0, number(0.001), "seconds for one call with its retries (600)", ini="float", metavar="SECONDS"
    )
    max_cost: float | None = option(
        None,
        number(0),
        "spend this much, within what the last calls cost beyond such calls before",
        ini="float",
        metavar="USD",
    )
    price: tuple[str, ...] = option(
        (), price, "US dollars for a million tokens of input and output, where LiteLLM knows none or another",
        ini="linelist", metavar="[MODEL=]IN/OUT", many=True,
    )  # fmt: skip
    max_calls: int | None = option(None, whole(0), "make at most this many calls", ini="int", metavar="N")
    dry_run: bool = option(False, switch, "print variants, calls, tokens and cost; make no call")
    replies: Replies = option(
        "auto", one_of("auto", "live", "replay", "off"),
        "auto: replay stored replies, call for the rest; live: call anew; replay: never call; off: no store "
        "(auto; replay where CI is set and no model has its key)",
        ini="string", metavar="MODE",
    )  # fmt: skip
    store: str | None = option(
        None, shared_store,
        "share replies with other machines: a folder or URL that all of them reach, as s3://bucket/replies, or postgresql://host/database",
        ini="string", metavar="URL",
    )  # fmt: skip
    max_age: float | None = option(
        None, duration, "ask again where a stored reply is older (30m, 12h, 7d)", ini="string", metavar="AGE"
    )
    adaptive: bool = option(
        False,
        switch,
        "ask whole cases in random order, until every threshold is decided",
        ini="bool",
        mark=True,
    )
    max_cases: int | None = option(
        None, whole(1), "at most this many cases in an adaptive run", ini="int", metavar="N", mark=True
    )
    engine: str = option(
        "local", engine,
        "where python: models run: local (this process), processes[:N], ray[:ADDRESS], or one that a package brings (local)",
        ini="string", metavar="ENGINE",
    )  # fmt: skip
    shard: str | None = option(
        None,
        shard,
        "ask these cases alone, the K-th part of N (or slurm, or kubernetes/N: as the environment says), and judge nothing: robusttest merge joins the parts",
        ini="string",
        metavar="K/N",
    )
    inconclusive: InconclusivePolicy = option(
        "point", one_of("point", "pass", "fail", "xfail"),
        "what becomes of a threshold within the interval (point: the estimate decides)",
        ini="string", metavar="POLICY", mark=True,
    )  # fmt: skip
    min_coverage: float = option(
        0.95,
        number(0, 1),
        "share of calls that must have a reply (0.95)",
        ini="float",
        metavar="SHARE",
        mark=True,
    )
    baseline: str | None = option(
        None, name, "compare with a run or file (robust-baseline.json)",
        ini="string", metavar="REF", const="robust-baseline.json",
    )  # fmt: skip
    update_baseline: Literal["write", "force"] | None = option(
        None, updating, "write this run to robust-baseline.json (force: whatever its coverage)",
        metavar="force", const="write",
    )  # fmt: skip
    fail_on: str | None = option(
        None,
        fail_on,
        "fail tests by the comparison: regression[:MARGIN] or undecided",
        ini="string",
        metavar="WHAT",
    )
    freeze: Path | None = option(
        None, file,
        "use exactly the variants in this file; where there is none, write those of this run to it, to review and commit",
        ini="string", metavar="FILE",
    )  # fmt: skip
    update_freeze: bool = option(
        False, switch, "make the variants of --robust-freeze anew and write them to the file"
    )
    shrink: int = option(
        0, whole(0),
        "spend up to this many calls on the smallest edits that still fail, the worst variant of each perturbation first",
        ini="int", metavar="CALLS",
    )  # fmt: skip
    transport: Transport = option(
        "auto", one_of("auto", "litellm"),
        "auto: our pooled connection where proven equal; litellm: always LiteLLM's own", ini="string", metavar="KIND",
    )  # fmt: skip
    report: tuple[ReportTarget, ...] = option(
        (), ReportTarget.parse, f"write a report: {', '.join(f'{kind}:PATH' for kind in REPORT_KINDS)} (repeatable)",
        ini="linelist", many=True, metavar="KIND:PATH",
    )  # fmt: skip
    records: str = option(
        "jsonl", records, "where records are kept: jsonl (the run file), or parquet:FOLDER or URL, in parts with sums beside them (jsonl)",
        ini="string", metavar="jsonl|parquet:URL",
    )  # fmt: skip
    resume: bool = option(
        False,
        switch,
        "go on with the last run of these tests, which did not end: ask only what it has no answer of",
    )
    label: str | None = option(None, name, "name this run, for history and comparison")
    directory: Path = option(Path(".robusttest"), Path, "where replies and runs are kept", flagged=False)

    def __post_init__(self) -> None:
        for entry in entries(type(self)):
            value = getattr(self, entry.field)
            if value is entry.default:
                continue
            try:
                object.__setattr__(self, entry.field, entry.read(value))
            except UsageError as e:
                raise UsageError(f"{entry.field}={_told(value)}: {e}") from None
        if self.update_freeze and self.freeze is None:
            raise UsageError("update_freeze needs freeze: the file whose variants are made anew")
        if self.shard is not None:
            for other in ("adaptive", "baseline", "update_baseline", "fail_on", "shrink", "freeze"):
                if getattr(self, other):
                    raise UsageError(
                        f"shard={self.shard!r} judges nothing and knows no other part, so {other}={getattr(self, other)!r} means "
                        "nothing there: leave it out, and give what judges to robusttest merge"
                    )

    def to_json(self) -> dict[str, Json]:
        """The settings that differ from their defaults, for the run file."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {k: os.fspath(v) if isinstance(v, Path) else v for k, v in changed.items()}

    def as_dict(self) -> dict[str, Json]:
        return asdict(self)


def overridden(settings: Settings | None, options: Mapping[str, Any], function: str) -> Settings:
    """``settings`` (the defaults for None) with the keyword arguments of ``function``. Raises for a name that is no setting."""
    known = {f.name for f in fields(Settings)}
    for name in options:
        if name not in known:
            raise UnknownNameError(f"argument of {function}", name, known)
    return replace(settings or Settings(), **options)


_ENTRIES: dict[type[Settings], tuple[Option, ...]] = {}


def entries(settings: type[Settings]) -> tuple[Option, ...]:
    """The table: an `Option` for each field."""
    found = _ENTRIES.get(settings)
    if found is None:
        found = tuple(Option(field=f.name, default=f.default, **f.metadata) for f in fields(settings))
        _ENTRIES[settings] = found
    return found


OPTIONS = entries(Settings)
