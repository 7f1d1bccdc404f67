from __future__ import annotations

import pytest

from robusttest.errors import MissingExtraError, UsageError
from robusttest.perturbations.base import similarity
from robusttest.perturbations.base.validity import Validity
from robusttest.perturbations.written import local_models


def test_a_missing_package_says_the_pip_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'robusttest\[transformers\]'"):
        similarity.embedding()


def test_a_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_models, "find_spec", lambda name: object())
    with pytest.raises(UsageError, match="name or the folder"):
        similarity.embedding("")


def test_the_extra_is_one_of_the_project() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    name = local_models.EXTRA.partition("[")[2].rstrip("]")
    assert {"torch", "transformers"} <= {
        r.partition(">")[0] for r in project["project"]["optional-dependencies"][name]
    }


@pytest.mark.parametrize("bad", [{"similarity": 0.5}, {"judge": ""}, {"judge": 3}])
def test_gates_of_another_kind_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))):
        Validity(**bad)
