"""The thirty models, which the tests name ``python:models:bayes_20`` … ``python:models:network_1800``."""

from learners import KINDS, SIZES, answers, version

from robusttest import model


def _made(kind, size):
    @model(version=version(), batch_size=256, messages=True)
    def batch(messages, params):
        out = [""] * len(messages)
        groups = {}
        for i, p in enumerate(params):
            groups.setdefault(float(p.get("temperature", 0)), []).append(i)
        for t, rows in groups.items():
            for i, a in zip(rows, answers(kind, size, [messages[i] for i in rows], t)):
                out[i] = a
        return out

    return batch


for _kind in KINDS:
    for _size in SIZES:
        globals()[f"{_kind}_{_size}"] = _made(_kind, _size)
