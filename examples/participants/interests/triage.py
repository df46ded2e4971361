"""The Meadow rules: an invented order of urgency for first-aid tents. For practice only, no medical advice.

Every sign has a level, which says who looks after the patient; the most urgent one counts; for a baby it is one level higher.
Held out are pairs of signs.
"""

from __future__ import annotations

from random import Random

from interests.question import Question, pick

LEVELS = ("emergency", "hospital", "doctor", "nurse", "home")
"""Most urgent first."""
SIGNS = {
    "emergency": (
        "does not breathe",
        "is unconscious",
        "bleeds in spurts",
        "has blue lips",
        "has a fit that does not stop",
        "is choking",
        "has a swollen throat after a bee sting",
        "was struck by lightning",
    ),
    "hospital": (
        "has pain in the chest",
        "has a drooping face",
        "has a burn on the face",
        "vomits blood",
        "has a bone sticking out",
        "is confused after a fall",
        "swallowed a battery",
        "was pulled from deep water",
    ),
    "doctor": (
        "has a broken wrist",
        "has a deep cut in the palm",
        "has a fever and a stiff back",
        "cannot stop vomiting",
        "has a fish hook in the thumb",
        "has a burn as large as a hand",
        "was bitten by a dog",
        "fainted in the sun",
    ),
    "nurse": (
        "has a sprained ankle",
        "has a sore throat",
        "has an itching rash",
        "has a tick in the leg",
        "has a nosebleed",
        "has an earache",
        "has a splinter",
        "has a burn as small as a coin",
    ),
    "home": (
        "has a blister on the heel",
        "has a mosquito bite",
        "has a runny nose",
        "has a small bruise",
        "has sore muscles",
        "has a chipped nail",
        "has a hangover",
        "asks for a plaster",
    ),
}
WHO = (
    "A man",
    "A woman",
    "A boy",
    "A girl",
    "A cook",
    "A hiker",
    "A singer",
    "A cyclist",
    "An old man",
    "A dancer",
    "A baby",
)
FRAMES = (
    "{who} {s}{t}. Which Meadow level?",
    "Meadow rules: {who} {s}{t}. Which level is it?",
    "At the tent: {who} {s}{t}. Give the Meadow level.",
    "{who} {s}{t}. Sort by the Meadow rules.",
    "{who} comes in who {s}{t}. Where to, by the Meadow rules?",
    "First-aid tent, Meadow rules. {who} {s}{t}. What is the level?",
)


def level(signs: list[str], baby: bool) -> str:
    """The level of a patient."""
    at = min(LEVELS.index(c) for c in LEVELS for s in signs if s in SIGNS[c])
    return LEVELS[max(0, at - baby)]


def draw(rng: Random, held: bool) -> Question:
    """A patient with one or two signs."""
    every = [s for c in LEVELS for s in SIGNS[c]]
    wanted = rng.choice(LEVELS)
    while True:
        who = rng.randrange(len(WHO))
        first = rng.choice(every)
        second = rng.choice(every) if rng.random() < 0.5 else ""
        i, j = every.index(first), every.index(second) if second else 3 * who
        signs = [first, second] if second else [first]
        baby = WHO[who] == "A baby"
        if first != second and ((i + j) % 5 == 0) == held and level(signs, baby) == wanted:
            break
    text = pick(rng, FRAMES, held).format(who=WHO[who], s=first, t=f" and {second}" if second else "")
    return Question(text, level(signs, baby))
