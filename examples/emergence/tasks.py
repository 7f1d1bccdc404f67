"""Nine text tasks of graded difficulty, generated: `python tasks.py` prints a question of each.

A task is a set of answers, a prompt in three wordings, and a function that draws one question from a seeded
generator. They are easy or hard for reasons that can be told: one word gives the answer away (topic), a
neighbouring word turns it round (mood), the order of two words matters (parcel), two words must be taken
together (comparison), counting is modulo two (parity).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from robusttest import Case, Task
from robusttest.core.nouns import derive_seed
from robusttest.scorers import choice

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NAMES = ["Ada", "Boris", "Chen", "Dora", "Emil", "Farah", "Gus", "Hana", "Ivan", "Jana", "Karl", "Lena"]
THINGS = ["apples", "books", "coins", "pencils", "tickets", "stamps", "shells", "candles"]
CITIES = ["Lisbon", "Oslo", "Prague", "Turin", "Vienna", "Zagreb"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

Draw = Callable[[random.Random], tuple[str, str]]
"""A seeded generator → (text, answer)."""


@dataclass(frozen=True)
class Design:
    name: str
    answers: tuple[str, ...]
    wordings: tuple[str, str, str]
    """The task's own prompt and two paraphrases, each over ``{input}`` and ``{choices}``."""
    draw: Draw


TOPICS = {
    "sport": [
        "goal",
        "match",
        "coach",
        "league",
        "striker",
        "referee",
        "stadium",
        "penalty",
        "trophy",
        "defender",
    ],
    "cooking": ["oven", "garlic", "recipe", "simmer", "butter", "flour", "sauce", "roast", "pepper", "whisk"],
    "travel": [
        "airport",
        "hotel",
        "luggage",
        "passport",
        "museum",
        "flight",
        "beach",
        "train",
        "hostel",
        "visa",
    ],
    "money": [
        "bank",
        "interest",
        "loan",
        "mortgage",
        "savings",
        "invoice",
        "pension",
        "budget",
        "tax",
        "shares",
    ],
}
FILLERS = (
    "I talked about the {a} and the {b} with {name} all evening",
    "{name} wrote a long letter on the {a}, and then on the {b}",
    "nobody told {name} that the {a} came before the {b}",
    "the {a} was what {name} remembered, more than the {b}",
    "after the {a} it was the {b} that {name} asked me for",
)


def topic(rng: random.Random) -> tuple[str, str]:
    answer = rng.choice(sorted(TOPICS))
    a, b = rng.sample(TOPICS[answer], 2)
    return _sentence(rng.choice(FILLERS).format(a=a, b=b, name=rng.choice(NAMES))), answer


REQUESTS = {
    "question": (
        "when does the {a} open",
        "who left the {a} here",
        "where can {name} find the {a}",
        "how much was the {a}",
    ),
    "order": (
        "bring the {a} to {name}",
        "put the {a} away",
        "leave the {a} with {name}",
        "open the {a} for me",
    ),
    "report": (
        "{name} opened the {a}",
        "the {a} was left with {name}",
        "they put the {a} here",
        "{name} found out how the {a} was brought",
    ),
}
OBJECTS = [
    "office",
    "gate",
    "parcel",
    "window",
    "shop",
    "box",
    "folder",
    "garage",
    "suitcase",
    "kitchen",
    "letter",
    "drawer",
]


def purpose(rng: random.Random) -> tuple[str, str]:
    """Question, order or report, in the words of all three, without the mark that would tell."""
    answer = rng.choice(sorted(REQUESTS))
    text = rng.choice(REQUESTS[answer]).format(a=rng.choice(OBJECTS), name=rng.choice(NAMES))
    extra = rng.choice(("this morning", "as usual", "before lunch", "at the corner", "once more"))
    return _sentence(f"{text} {extra}"), answer


GOOD = [
    "great",
    "lovely",
    "excellent",
    "charming",
    "bright",
    "friendly",
    "delightful",
    "pleasant",
    "superb",
    "tasty",
]
BAD = ["awful", "dull", "terrible", "rude", "dirty", "boring", "dreadful", "noisy", "bland", "horrible"]
PLACES = ["room", "meal", "staff", "breakfast", "garden", "service", "concert", "tour", "pool", "bar"]


def mood(rng: random.Random) -> tuple[str, str]:
    """A verdict on two things; either may be turned round by a negation. They agree."""
    answer = rng.choice(("negative", "positive"))
    parts = []
    for place in rng.sample(PLACES, 2):
        turned = rng.random() < 0.4
        words = GOOD if (answer == "positive") != turned else BAD
        parts.append(f"the {place} was {'not ' if turned else ''}{rng.choice(words)}")
    return _sentence(f"{rng.choice(NAMES)} said {parts[0]} and {parts[1]}"), answer


ROUTES = (
    "the parcel goes from {a} to {b} for {name}",
    "{name} sends it to {b}, it was packed in {a}",
    "it left {a} for {b}, {name} says",
    "{name} waits in {b}, and the parcel is still in {a}",
    "packed in {a} by {name}, it goes to {b}",
    "to {b}, writes {name} in {a}",
)


def parcel(rng: random.Random) -> tuple[str, str]:
    """Two cities; where does the parcel go?"""
    a, b = rng.sample(CITIES, 2)
    return _sentence(rng.choice(ROUTES).format(a=a, b=b, name=rng.choice(NAMES))), b


def total(rng: random.Random) -> tuple[str, str]:
    """Two numbers in words: is their sum more than twelve? Never by one only, so that near misses are few."""
    while True:
        a, b = rng.randrange(12), rng.randrange(12)
        if abs(a + b + 2 - 12.5) > 1:
            break
    thing, name = rng.choice(THINGS), rng.choice(NAMES)
    text = rng.choice(
        (
            "{name} has {a} {thing} and finds {b} more",
            "there were {a} {thing}, and {name} brings {b}",
            "{name} buys {a} {thing} on one day and {b} on the next",
        )
    ).format(name=name, thing=thing, a=NUMBERS[a], b=NUMBERS[b])
    return _sentence(text), "yes" if a + b + 2 > 12 else "no"


def comparison(rng: random.Random) -> tuple[str, str]:
    """Who has more, the first or the second? Each number counts for or against by where it stands."""
    a, b = rng.sample(range(12), 2)
    first, second = rng.sample(NAMES, 2)
    text = rng.choice(
        (
            "{first} has {a} {thing} and {second} has {b}",
            "there are {a} {thing} with {first} and {b} with {second}",
            "{first} counts {a} {thing} while {second} counts {b}",
        )
    ).format(first=first, second=second, a=NUMBERS[a], b=NUMBERS[b], thing=rng.choice(THINGS))
    return _sentence(text), "first" if a > b else "second"


def calendar(rng: random.Random) -> tuple[str, str]:
    """A weekday and a step of one to three days, forwards or back: which part of the week does it lead to?"""
    day, step, sign = rng.randrange(7), rng.randrange(1, 4), rng.choice((-1, 1))
    target = (day + sign * step) % 7
    text = rng.choice(
        (
            "the {a} opens {step} {days} {way} {day}, {name} says",
            "{name} leaves the {a} {step} {days} {way} {day}",
            "{step} {days} {way} {day} {name} is back with the {a}",
        )
    ).format(
        step=NUMBERS[step - 1],
        days="day" if step == 1 else "days",
        way="after" if sign > 0 else "before",
        day=DAYS[day],
        name=rng.choice(NAMES),
        a=rng.choice(OBJECTS),
    )
    return _sentence(text), "early" if target < 2 else "middle" if target < 4 else "late"


def promise(rng: random.Random) -> tuple[str, str]:
    """Up to three negations, one over the other: will it be done? Even is yes."""
    outer, inner, last = rng.randrange(2), rng.randrange(2), rng.randrange(2)
    name, other = rng.sample(NAMES, 2)
    text = (
        f"it is {('true', 'false')[outer]} that {name} {('promised', 'refused')[inner]} to "
        f"{('keep', 'drop')[last]} the {rng.choice(OBJECTS)} of {other}"
    )
    return _sentence(text), "no" if (outer + inner + last) % 2 else "yes"


def parity(rng: random.Random) -> tuple[str, str]:
    """Two numbers in words: is their sum even or odd? No word says anything by itself."""
    a, b = rng.randrange(12), rng.randrange(12)
    text = rng.choice(
        (
            "{name} rolls {a} and then {b}",
            "{a} from {name} and {b} from the others",
            "first {a}, then {b}, notes {name}",
        )
    ).format(a=NUMBERS[a], b=NUMBERS[b], name=rng.choice(NAMES))
    return _sentence(text), "odd" if (a + b) % 2 else "even"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_ASK = "\n\nText: {input}\nOptions: {choices}\nAnswer:"

DESIGNS = {
    d.name: d
    for d in (
        Design(
            "topic",
            tuple(sorted(TOPICS)),
            (
                "What is this text about?" + _ASK,
                "Name the subject that the text deals with." + _ASK,
                "Read the following lines, then say which heading they belong under." + _ASK,
            ),
            topic,
        ),
        Design(
            "purpose",
            tuple(sorted(REQUESTS)),
            (
                "What does the speaker do here?" + _ASK,
                "Say what kind of utterance this is." + _ASK,
                "Its marks were lost in transcription; is something asked, demanded or told?" + _ASK,
            ),
            purpose,
        ),
        Design(
            "mood",
            ("negative", "positive"),
            (
                "Is this review positive or negative?" + _ASK,
                "Decide whether the guest liked it." + _ASK,
                "Read what a visitor wrote, and give the overall opinion." + _ASK,
            ),
            mood,
        ),
        Design(
            "parcel",
            tuple(CITIES),
            (
                "Where does the parcel go?" + _ASK,
                "Name the city that this shipment is meant for." + _ASK,
                "A note came with a delivery. Extract its destination." + _ASK,
            ),
            parcel,
        ),
        Design(
            "total",
            ("no", "yes"),
            (
                "Are there more than a dozen?" + _ASK,
                "Does the sum exceed a dozen?" + _ASK,
                "Add up what is mentioned and say if it is beyond a dozen." + _ASK,
            ),
            total,
        ),
        Design(
            "comparison",
            ("first", "second"),
            (
                "Who has more?" + _ASK,
                "Which of the people mentioned owns the larger amount?" + _ASK,
                "Compare the amounts in the order in which they come, and say which is larger." + _ASK,
            ),
            comparison,
        ),
        Design(
            "calendar",
            ("early", "late", "middle"),
            (
                "Which part of the week is meant?" + _ASK,
                "Work out the weekday and say in which part of the week it falls." + _ASK,
                "Count the days, then place the result within the week." + _ASK,
            ),
            calendar,
        ),
        Design(
            "promise",
            ("no", "yes"),
            (
                "Will it stay where it is?" + _ASK,
                "Taking this as said, does it remain?" + _ASK,
                "Untangle the statement and tell whether the thing is kept in the end." + _ASK,
            ),
            promise,
        ),
        Design(
            "parity",
            ("even", "odd"),
            (
                "Is the sum even or odd?" + _ASK,
                "Add both and give the parity." + _ASK,
                "Take the amounts together: can the result be halved or not?" + _ASK,
            ),
            parity,
        ),
    )
}


@cache
def questions(name: str, split: str, n: int) -> tuple[tuple[str, str], ...]:
    """The first ``n`` distinct questions of a split, ``train`` or ``test``. No test question is a training question."""
    taken = {text for text, _ in questions(name, "test", TEST)} if split != "test" else set()
    rng = random.Random(derive_seed("emergence", name, split))
    found: dict[str, str] = {}
    for _ in range(200 * n):
        text, answer = DESIGNS[name].draw(rng)
        if text not in taken:
            found.setdefault(text, answer)
        if len(found) == n:
            return tuple(found.items())
    raise ValueError(f"{name} has fewer than {n} distinct questions")


TEST = 100
"""Cases of each task."""


@cache
def task(name: str) -> Task:
    """The task as robusttest runs it. A model, and an LLM, is told the task's name by the system prompt."""
    design = DESIGNS[name]
    cases = [
        Case(id=f"{name}-{i:03}", fields={"input": text}, target=answer)
        for i, (text, answer) in enumerate(questions(name, "test", TEST))
    ]
    return Task(
        name,
        cases=cases,
        system=f"Task: {name}. Reply with one of the options and nothing else.",
        prompt=design.wordings[0],
        params={"temperature": 0, "max_tokens": 8},
        scorer=choice(list(design.answers)),
    )


def main() -> None:
    for name in DESIGNS:
        text, answer = questions(name, "test", TEST)[0]
        print(f"{name:11} {text}  -> {answer}")


if __name__ == "__main__":
    main()
