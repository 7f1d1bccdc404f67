"""Every error that robusttest raises on purpose.

::

    RobusttestError
    ├── UsageError              a wrong argument, mark, flag, ini value or file: the user can mend it
    │   ├── UnknownNameError    a name that no registry knows; says the nearest one
    │   ├── CaseError           a case that can't be used: says the file, row and column
    │   ├── ThresholdError      a threshold against a metric's direction, out of range, or unreadable
    │   └── MissingExtraError   an optional package is not installed; says the ``pip install``
    ├── CallError               one call did not give a reply: that variant has no score
    │   ├── ModelCodeError      the user's own callable (or body) raised
    │   ├── ReplayMissError     replay mode, and the reply is not in the store
    │   └── BudgetExhaustedError  --robust-max-cost or --robust-max-calls is spent
    ├── RunAbortedError         no further call makes sense (wrong key, dead endpoint): one message for all
    │   └── ConfigurationError  unknown provider, missing key, refused parameter
    ├── ToolFaultError          what a body's tool raises in a variant of ``tool_fault``
    └── StorageError            the reply store, a run file or a baseline can't be read or written

``except RobusttestError`` catches them all; none of them carries a key, a header or a request.
"""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that is most like this one; None where none is."""
    import difflib

    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`` Did you mean 'keyboard'?``, to be put after a sentence; empty where no known name is like this one."""
    near = nearest(name, known, cutoff=cutoff)
    return "" if near is None else f" Did you mean {near!r}?"


class RobusttestError(Exception):
    """Base of every error that robusttest raises on purpose."""


class UsageError(RobusttestError):
    """A wrong argument, mark, flag, ini value or file. Raised before any call is made."""


class UnknownNameError(UsageError):
    """A name that is not known; the message gives the nearest one and the whole list."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        self.known = sorted(known)
        hint = did_you_mean(name, self.known)
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(self.known) or 'none'}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        return type(self), (self.kind, self.name, self.known)


class CaseError(UsageError):
    """A case that can't be used. The message names the file, the row and the column where known."""


class ThresholdError(UsageError):
    """A threshold that can't be judged: unknown form, out of range, or against the metric's direction."""


class MissingExtraError(UsageError):
    """An optional package is missing; the message is the ``pip install`` that brings it."""

    def __init__(self, feature: str, requirement: str) -> None:
        self.feature, self.requirement = feature, requirement
        super().__init__(f"{feature} needs a package that is not installed: pip install '{requirement}'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.feature, self.requirement)


class ToolFaultError(RobusttestError):
    """What a tool raises in a variant of ``tool_fault``: as its server would, with the HTTP ``status``."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CallError(RobusttestError):
    """One call gave no reply. Its variant has no score: it is neither right nor wrong.

    ``kind`` is one short word for counting (``rate_limit``, ``timeout``, ``server``, ``connection``,
    ``bad_request``, ``context_window``, ``invalid_reply``, ``code``, ``replay_miss``, ``budget``, …).
    """

    kind = "call"

    def __init__(self, message: str, *, kind: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind
        self.status = status


class ModelCodeError(CallError):
    """The user's own callable raised: a bug in the code under test, not an answer of the model."""

    kind = "code"


class ReplayMissError(CallError):
    """Replay mode, and this request was never recorded. Says the nearest request that was."""

    kind = "replay_miss"


class BudgetExhaustedError(CallError):
    """The call was not made because ``--robust-max-cost`` or ``--robust-max-calls`` is spent."""

    kind = "budget"


class RunAbortedError(RobusttestError):
    """No further call makes sense (a dead endpoint, a wrong key): every waiting call ends with this."""


class ConfigurationError(RunAbortedError):
    """Unknown provider, missing key, a parameter that the provider refuses."""


class StorageError(RobusttestError):
    """The reply store, a run file or a baseline can't be read or written."""
