"""The 24 configurations of each task: wording × layout × noise × temperature, from the preset ``paper24``."""

from __future__ import annotations

from tasks import DESIGNS

from robusttest.perturbations import Perturbation, preset, template


def configurations(name: str) -> list[Perturbation]:
    """23 perturbations; the 24th configuration is the task's own prompt, undisturbed, at temperature 0.

    Three wordings, the layout as written or another one (`format`), the text as written or with typos in a tenth of
    its words, temperature 0 or 0.7. (The paper varies the number of demonstrations where this varies the layout: these
    models learn from training data, not from the prompt.)
    """
    _, second, third = DESIGNS[name].wordings
    wordings = [None, template([second], name="second"), template([third], name="third")]
    made = preset("paper24", wordings=wordings, demonstrations=[None, "format"])
    # A batch of calls has one temperature: those alike come together.
    return sorted(made, key=lambda p: "temperature" in p.spec)
