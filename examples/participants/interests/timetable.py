"""Clock times and weekdays: when a train arrives, which weekday it is some days later or earlier.

Held out are pairs of a departure with a duration. Of the weekdays, which are a table to be known by heart, only the wordings
of the test set are new.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, opening, pick

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TOWNS = ("Arden", "Belford", "Corby", "Dunmore", "Elmsted", "Farlow", "Gorsey", "Halden")

ARRIVE = (
    "The train to {town} leaves at {a} and takes {m} minutes. When does it arrive?",
    "A bus to {town} departs at {a}. The ride is {m} minutes. At what time is it there?",
    "Departure {a}, travel time {m} minutes to {town}. What is the arrival time?",
    "It takes {m} minutes to {town}. I leave at {a}. When am I in {town}?",
    "When does the {a} to {town} arrive, if it needs {m} minutes?",
    "The {a} ferry reaches {town} after {m} minutes. At what time?",
)
DAY = (
    "Today is {d}. Which weekday is it {n}?",
    "If it is {d} now, which weekday is it {n}?",
    "It is {d}. Name the weekday {n}.",
    "We are on a {d}. What day of the week is it {n}?",
    "The ticket is dated {d}. Which weekday is it {n}?",
    "Start from {d}. Which weekday is it {n}?",
)
SHIFTS = {"one day later": 1, "two days later": 2, "one day earlier": -1, "two days earlier": -2, "a week later": 7}


def clock(minutes: int) -> str:
    """Minutes after midnight as a clock time: 08:10."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def draw(rng: Random, held: bool) -> Question:
    """An arrival or a weekday."""
    if rng.random() < 0.3:
        day, (shift, n) = rng.randrange(7), rng.choice(list(SHIFTS.items()))
        return Question(opening(rng) + pick(rng, DAY, held).format(d=DAYS[day], n=shift), DAYS[(day + n) % 7])
    while True:
        start, takes = 10 * rng.randrange(48, 114), 10 * rng.randrange(1, 6)
        if ((start + 2 * takes) // 10 % 5 == 0) == held:
            break
    text = pick(rng, ARRIVE, held).format(town=rng.choice(TOWNS), a=clock(start), m=takes)
    return Question(text, clock(start + takes))
