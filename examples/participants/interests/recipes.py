"""Kitchen units, and recipes for more or fewer people.

Held out are combinations of an amount with numbers of people. Of the units, which are a table to be known by heart, only the
wordings of the test set are new.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, opening, pick

UNITS = {
    ("tablespoons", "teaspoons"): 3,
    ("cups", "tablespoons"): 16,
    ("cups", "millilitres"): 240,
    ("teaspoons", "millilitres"): 5,
    ("pints", "cups"): 2,
    ("quarts", "cups"): 4,
}
GRAMS = (
    "flour",
    "sugar",
    "rice",
    "butter",
    "cheese",
    "oats",
    "lentils",
    "potatoes",
    "spinach",
    "mushrooms",
    "beans",
    "ham",
)
PEOPLE = ((2, 4), (3, 6), (4, 8), (4, 2), (6, 3), (8, 4), (2, 6), (3, 9))
AMOUNTS = (40, 60, 80, 100, 120, 160, 200, 240, 300, 400)

CONVERT = (
    "How many {small} are {n} {big}?",
    "How many {small} do I need for {n} {big}?",
    "The recipe says {n} {big}. How many {small} is that?",
    "Convert {n} {big} to {small}.",
    "I only have a measure for {small}. How many make {n} {big}?",
    "{n} {big} equal how many {small}?",
)
SCALE = (
    "A recipe for {a} people needs {x} g of {what}. How many grams do {b} people need?",
    "For {a} servings I take {x} g of {what}. How many grams for {b} servings?",
    "{x} g of {what} are enough for {a}. How many grams of {what} for {b}?",
    "The soup for {a} guests has {x} g of {what}. We are {b}. How many grams of {what}?",
    "My cookbook uses {x} g of {what} for {a} persons. How much in grams for {b} persons?",
    "{a} eaters: {x} g of {what}. {b} eaters: how many grams?",
)


def draw(rng: Random, held: bool) -> Question:
    """An amount to convert or to scale."""
    if rng.random() < 0.5:
        big, small = rng.choice(list(UNITS))
        n = rng.randrange(2, 7)
        text = pick(rng, CONVERT, held).format(small=small, n=n, big=big)
        return Question(opening(rng) + text, str(n * UNITS[big, small]))
    cases = [(*p, x) for i, p in enumerate(PEOPLE) for j, x in enumerate(AMOUNTS) if ((i + j) % 5 == 0) == held]
    a, b, x = rng.choice(cases)
    return Question(pick(rng, SCALE, held).format(a=a, b=b, x=x, what=rng.choice(GRAMS)), str(x * b // a))
