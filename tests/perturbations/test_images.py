"""Images in a prompt, by address and by bytes: no perturbation of text touches them."""

from __future__ import annotations

import base64

import pytest

from robusttest import Task, load_cases
from robusttest.errors import UsageError
from robusttest.perturbations import PERTURBATIONS, make
from robusttest.tasks.render import render
from robusttest.variants.expand import expand_case

PNG = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4).decode()
ADDRESS = "https://example.org/Photos/My%20Cat_picture.JPG?size=Large&v=2"
TEXT = "What animal is shown on this {} picture, please? It was taken on 3 May 2024 for $5 by Anna."


@pytest.fixture(scope="module")
def task():
    cases = load_cases(
        [
            {"id": "bytes", "input": TEXT.format("first"), "image": PNG, "target": "cat"},
            {"id": "address", "input": TEXT.format("other"), "image": ADDRESS, "target": "dog"},
        ]
    )
    parts = [{"type": "text", "text": "{input}"}, {"type": "image_url", "image_url": {"url": "{image}"}}]
    return Task("vision", cases=cases, messages=[{"role": "user", "content": parts}], scorer="exact")


def test_images_stand_whatever_is_done_to_the_text(task):
    varied, touched = set(), set()
    for name in sorted(PERTURBATIONS):
        try:
            perturbation = make(name)
        except UsageError:  # it has no default
            continue
        for case in task.cases:
            for variant in expand_case(
                case, [perturbation], prompt=task.prompt, params={}, variants=1, seed=0
            ):
                if getattr(variant, "status", None) != "ok":
                    continue
                (message,) = [m for m in render(variant.draft) if isinstance(m["content"], list)][-1:]
                images = [p["image_url"]["url"] for p in message["content"] if p["type"] == "image_url"]
                if variant.perturbation:
                    varied.add(name)
                if images != [case.fields["image"]]:
                    touched.add(name)
    assert touched == set()
    assert len(varied) > 30
