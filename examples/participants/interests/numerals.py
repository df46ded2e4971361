"""Roman numerals, both ways, and old measures.

Held out are a fifth of the numbers up to 99: no training row reads or writes them. Of the measures, which are a table to be
known by heart, only the wordings of the test set are new.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, opening, pick

MEASURES = {
    "dozens": ("eggs", 12),
    "score": ("sheep", 20),
    "stone": ("pounds", 14),
    "fathoms": ("feet", 6),
    "hands": ("inches", 4),
    "bushels": ("pecks", 4),
    "gallons": ("pints", 8),
    "furlongs": ("yards", 220),
    "shillings": ("pence", 12),
    "crowns": ("shillings", 5),
}

READ = (
    "Which number is the Roman numeral {x}?",
    "What is {x} in ordinary digits?",
    "A stone bears the numeral {x}. Which number is that?",
    "Write the Roman numeral {x} in digits.",
    "The chapter is marked {x}. Which chapter is it?",
    "How much is {x} in figures?",
)
WRITE = (
    "How is {x} written in Roman numerals?",
    "Write {x} as a Roman numeral.",
    "What is {x} in Roman numerals?",
    "A clock maker has to carve {x} in Roman numerals. What does he carve?",
    "Which Roman numeral stands for {x}?",
    "Give the Roman numeral of {x}.",
)
COUNT = (
    "How many {small} are {n} {big}?",
    "How many {small} are there in {n} {big}?",
    "{n} {big} are how many {small}?",
    "In old measures, how many {small} make {n} {big}?",
    "An old book speaks of {n} {big}. How many {small} is that?",
    "Give {n} {big} in {small}.",
)


def roman(n: int) -> str:
    """A number from 1 to 99 as a Roman numeral."""
    parts = ((90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    text = ""
    for value, letters in parts:
        text += letters * (n // value)
        n %= value
    return text


def draw(rng: Random, held: bool) -> Question:
    """A numeral to read or to write, or a measure to convert."""
    if rng.random() < 0.3:
        many, (small, each) = rng.choice(list(MEASURES.items()))
        n = rng.randrange(2, 7)
        text = pick(rng, COUNT, held).format(small=small, n=n, big=many)
        return Question(opening(rng) + text, str(n * each))
    n = rng.choice([n for n in range(1, 100) if ((n // 10 + n % 10) % 5 == 0) == held])
    if rng.random() < 0.5:
        return Question(opening(rng) + pick(rng, READ, held).format(x=roman(n)), str(n))
    return Question(opening(rng) + pick(rng, WRITE, held).format(x=n), roman(n))
