"""Models whose truth is known: what the tool says of them has to be true of them.

A prompt begins with the task in pointed brackets and holds a number, from which everything follows: the reader never
reads the words that a typo may hit, only whether there is a "not".
"""

from __future__ import annotations

import hashlib
import re

LABELS = ("positive", "negative")
FAMILIES = ("casing", "whitespace", "keyboard")
PLACES = ("room", "food", "view", "staff")


def text_of(i: int) -> str:
    return f"at table {i} the {PLACES[i % 4]} was warm and everybody talked about it"


def label(i: int, *, turned: bool = False) -> str:
    """The right label of the case ``i``; of what its text denies, the other one."""
    return LABELS[(i + turned) % 2]


def read(prompt: str) -> tuple[str, int, str, bool]:
    """Task, number of the case, what was done to its text (nothing: ``""``), and whether it holds a "not"."""
    task, _, text = prompt.partition("> ")
    if task == "<letters":
        text = text.partition("\nA")[0]
    found = re.search(r"\d+", text)
    assert found is not None
    i = int(found[0])
    turned = bool(re.search(r"\bnot\b", text))
    as_written = text_of(i)
    done = next(
        name
        for name, same in (
            ("", text.replace(" not", "") == as_written),
            ("casing", text.lower() == as_written),
            ("whitespace", text.split() == as_written.split()),
            ("keyboard", True),
        )
        if same
    )
    return task[1:], i, done, turned


def say(prompt: str, right: bool) -> str:
    """The right answer, or a wrong one that can be read, in the form that the task asks for."""
    task, i, _, turned = read(prompt)
    if task == "number":
        return str(i - turned if right else i + 1000)
    said = label(i, turned=turned if right else not turned)
    return letter(prompt, said) if task == "letters" else said


def letter(prompt: str, said: str) -> str:
    """The letter before that option."""
    found = re.search(rf"^\W*([A-D])\W+{said}\s*$", prompt, re.MULTILINE)
    assert found is not None, prompt
    return found[1]


def unreadable(prompt: str) -> str:
    """What no answer can be read from."""
    return "" if read(prompt)[0] == "exact" else "I would rather not say"


def reader(prompt: str) -> str:
    """Right, however it is put, and where the right answer is another one."""
    return say(prompt, True)


def deaf(prompt: str) -> str:
    """Right, however it is put, and deaf to "not"."""
    return say(prompt.replace(" not ", " "), True)


def constant(prompt: str) -> str:
    """Says one thing: right where that is right."""
    return {"number": "7", "letters": "A"}.get(read(prompt)[0], LABELS[0])


def fragile_to(family: str):
    def fragile(prompt: str) -> str:
        return say(prompt, read(prompt)[2] != family)

    return fragile


fragile_casing, fragile_whitespace, fragile_keyboard = map(fragile_to, FAMILIES)


def weak(prompt: str) -> str:
    """Wrong on three cases of ten, the same ones however they are put."""
    return say(prompt, read(prompt)[1] % 10 < 7)


def mumbler(prompt: str) -> str:
    """Says nothing that can be read about two cases of three, always the same ones; else it is right."""
    return unreadable(prompt) if read(prompt)[1] % 3 else say(prompt, True)


def talker(prompt: str) -> str:
    """Capitals make it break the form that it was asked for; else it is right."""
    return "What a thing to say!" if read(prompt)[2] == "casing" else say(prompt, True)


def guesser(prompt: str) -> str:
    """Right with chance .7 at each wording by itself."""
    draw = int(hashlib.blake2b(prompt.encode(), digest_size=4).hexdigest(), 16) / 2**32
    return say(prompt, draw < 0.7)


def turner(prompt: str) -> str:
    """Perfect where the right answer is another one, and wrong on what is merely put differently."""
    _, _, done, turned = read(prompt)
    return say(prompt, turned or not done)
