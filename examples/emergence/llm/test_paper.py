"""The paper's own design for language models: 24 configurations with and without demonstrations in the prompt.

Six tasks × 100 cases × 24 configurations = 14,400 calls a model. Not part of the example's slice: it takes models that
read prompts. See the README.
"""

from tasks import DESIGNS, questions, task

from robusttest import Case, robust
from robusttest.perturbations import demos, preset, template


def study(name):
    design, asked = DESIGNS[name], task(name)
    pool = [
        Case(id=f"demo-{i}", fields={"input": text}, target=answer, choices=asked.choices)
        for i, (text, answer) in enumerate(questions(name, "train", 40))
    ]
    wordings = [
        None,
        template([design.wordings[1]], name="second"),
        template([design.wordings[2]], name="third"),
    ]

    @robust(
        asked,
        perturbations=preset("paper24", wordings=wordings, demonstrations=[None, demos(pool, k=4)]),
        variants=1,
    )
    def test(): ...

    return test


test_topic = study("topic")
test_mood = study("mood")
test_parcel = study("parcel")
test_comparison = study("comparison")
test_promise = study("promise")
test_parity = study("parity")
