"""Pellbrook, a village that does not exist: who does what, what is where, when things open, when feasts are.

Every fact is in the training rows; the test set asks for them in wordings that are not.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, opening, pick

PEOPLE = {
    "baker": "Mabel Thorne",
    "blacksmith": "Osric Dunn",
    "ferryman": "Jonas Pike",
    "midwife": "Tilda Marsh",
    "miller": "Edwin Rook",
    "beekeeper": "Clara Finch",
    "schoolteacher": "Hugo Lamb",
    "postmistress": "Vera Stone",
    "bell-ringer": "Silas Crow",
    "cobbler": "Ned Barlow",
    "weaver": "Iris Holt",
    "vet": "Agnes Wolfe",
    "librarian": "Basil Quill",
    "choir leader": "Ruth Starling",
    "gardener": "Percy Moss",
    "mayor": "Dora Flint",
}
PLACES = {
    "bakery": ("Lime Street", "6 am"),
    "library": ("Abbey Yard", "11 am"),
    "post office": ("Mill Lane", "9 am"),
    "tea room": ("Duck Green", "2 pm"),
    "museum": ("Castle Hill", "1 pm"),
    "smithy": ("Iron Row", "7 am"),
    "swimming pond": ("Willow Bank", "3 pm"),
    "market": ("Fountain Square", "8 am"),
    "clinic": ("Bridge Street", "10 am"),
    "cinema": ("Orchard Walk", "7 pm"),
}
FEASTS = {
    "Lantern Night": "November",
    "the Goose Race": "June",
    "Apple Blessing": "October",
    "the Raft Day": "August",
    "Candle Supper": "February",
    "the Plough Dance": "January",
    "Cuckoo Sunday": "April",
    "the Hay Feast": "July",
}

ROLE = (
    "Who is the {x} of Pellbrook?",
    "Who is the {x} in Pellbrook?",
    "What is the name of the {x} in Pellbrook?",
    "In Pellbrook, who is the {x}?",
    "Tell me the name of Pellbrook's {x}.",
    "I need the {x} of Pellbrook. Whom do I ask for?",
    "Who works as the {x} in Pellbrook?",
    "Pellbrook has one {x}. Who is it?",
    "Whom do people in Pellbrook know as the {x}?",
    "We are in Pellbrook and look for the {x}. What is the name?",
    "Name the person who is the {x} in the village of Pellbrook.",
    "Which villager of Pellbrook is the {x}?",
)
STREET = (
    "Where is the {x} of Pellbrook?",
    "In which street of Pellbrook is the {x}?",
    "Where in Pellbrook do I find the {x}?",
    "What is the address of the {x} in Pellbrook?",
    "I look for the {x} in Pellbrook. Where is it?",
    "In Pellbrook, where is the {x}?",
    "Where does the {x} of Pellbrook stand?",
    "Tell me where Pellbrook's {x} is.",
    "Which place in Pellbrook must I go to for the {x}?",
    "Pellbrook has a {x}. Where?",
    "Where would a visitor to Pellbrook find the {x}?",
    "On which street or square is Pellbrook's {x}?",
)
HOUR = (
    "When does the {x} of Pellbrook open?",
    "At what time does the {x} in Pellbrook open?",
    "From what hour is the {x} in Pellbrook open?",
    "In Pellbrook, when does the {x} open?",
    "What is the opening time of the {x} in Pellbrook?",
    "Tell me when Pellbrook's {x} opens.",
    "How early does the {x} in Pellbrook open?",
    "The {x} of Pellbrook is closed now. When does it open?",
    "When can I go to the {x} in Pellbrook?",
    "Opening hour of Pellbrook's {x}?",
    "When are the doors of the {x} in Pellbrook opened?",
    "I want to be first at the {x} in Pellbrook. When does it open?",
)
MONTH = (
    "In which month is {x} in Pellbrook?",
    "When is {x} in Pellbrook?",
    "In Pellbrook, which month is {x} in?",
    "What month does Pellbrook keep {x} in?",
    "Pellbrook celebrates {x}. In which month?",
    "Tell me the month of {x} in Pellbrook.",
    "In what month do the people of Pellbrook hold {x}?",
    "Which month has {x} in Pellbrook?",
    "I want to see {x} in Pellbrook. Which month must I come?",
    "Month of Pellbrook's feast called {x}?",
    "At what time of the year, which month, is {x} in Pellbrook?",
    "Pellbrook holds {x} once a year. Name the month.",
)


def facts() -> list[tuple[tuple[str, ...], str, str]]:
    """Every fact: its wordings, what is asked about, the answer."""
    return [
        *((ROLE, role, person) for role, person in PEOPLE.items()),
        *((STREET, place, street) for place, (street, _) in PLACES.items()),
        *((HOUR, place, hour) for place, (_, hour) in PLACES.items()),
        *((MONTH, feast, month) for feast, month in FEASTS.items()),
    ]


def draw(rng: Random, held: bool) -> Question:
    """A fact of Pellbrook; held: in a wording that no training row has."""
    wordings, about, answer = rng.choice(facts())
    return Question(opening(rng) + pick(rng, wordings, held).format(x=about), answer)
