"""The report page: complete, self-contained, inert whatever models say, and light."""

import base64
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.page import render_page
from folkmoot.evaluation.page_data import to_script, transcripts
from folkmoot.evaluation.plots import CHARACTER, accuracy_scale, cost_plot, difference_scale
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.summary import Summary, summarise
from folkmoot.evaluation.words import sentences
from folkmoot.visible import visible

SYSTEMS = {
    "debate": "graph",
    "critique_refine": "graph",
    "judge_select": "graph",
    "vote x6": "baseline",
    "self-consistency smol x6": "baseline",
    "self-consistency coder-half x6": "baseline",
    "smol": "member",
    "coder-half": "member",
    "coder-one-and-a-half": "monolith",
}
SKILL = {"smol": 0.12, "coder-half": 0.35, "coder-one-and-a-half": 0.55}
PEOPLE = ("Ada", "Bela", "Chidi", "Dao", "Edda", "Farid", "Gwen", "Hana")
THINGS = ("apples", "marbles", "tickets", "pages", "stamps", "eggs", "bolts", "tiles")
RULES = (
    "Work through the problem in short steps. Check every multiplication once more before you go on.\n"
    "Do not use tables, lists or headings. Do not repeat the problem.\n"
    "Write the last line exactly so: 'Answer: ' and then the number, without units and without thousands separators.\n"
    "If you cannot solve the problem, write 'Answer: none' as the last line; that counts as an abstention.\n"
)


def a_run(questions: int = 100, tasks: Sequence[str] = ("gsm8k",), seed: int = 7) -> list[Result]:
    """A made-up run over two small members and a larger monolith that looks like a real one."""
    rng = random.Random(seed)
    return [
        a_sample(rng, system, kind, task, i, *a_question(random.Random(f"{task}{i}")))
        for task in tasks
        for i in range(questions)
        for system, kind in SYSTEMS.items()
    ]


def a_question(rng: random.Random) -> tuple[str, int]:
    a, b, c = rng.randint(3, 40), rng.randint(2, 12), rng.randint(1, 30)
    who, other, what = rng.choice(PEOPLE), rng.choice(PEOPLE), rng.choice(THINGS)
    text = (
        f"{who} has {a} boxes with {b} {what} in each. On Monday {who} gives {c} {what} to {other}, "
        f"and on Tuesday a neighbour brings twice as many as that. How many {what} does {who} have at the end of Tuesday?"
    )
    return text, a * b + c


def a_sample(rng: random.Random, system: str, kind: str, task: str, i: int, question: str, gold: int) -> Result:
    def say(speaker: str, role: str = "answer", round: int = 0, heard: Sequence[Turn] = (), draw: int = 0) -> Turn:
        if rng.random() < 0.004:
            return Turn(speaker, role, round, draw=draw, error=f"{speaker}: the endpoint gave no reply within 60 s")
        number = gold if rng.random() < SKILL[speaker] + 0.05 * bool(heard) else gold + rng.choice((-20, -7, 1, 10, 30))
        cut = rng.random() < (0.12 if speaker == "smol" else 0.03)
        words = f"First I count the boxes, then what is given away: step {rng.randint(1, 9)} leaves {number + 3}. "
        text = words * rng.randint(2, 5) + ("and so" if cut else f"\nAnswer: {number}")
        quoted = "\n\n".join(f"{t.speaker} said:\n{t.text}" for t in heard)
        prompt = (
            Message("system", f"You are {speaker}, a careful calculator in a small assembly."),
            Message("user", RULES + RULES + f"\nProblem:\n{question}\n\n{quoted}"),
        )
        return Turn(
            speaker, role, round, text, None if cut or role == "critique" else str(number), draw=draw, prompt=prompt,
            about=heard[0].speaker if role == "critique" else None, finish="length" if cut else "stop",
            prompt_tokens=260 + sum(t.completion_tokens for t in heard), completion_tokens=len(text) // 4,
            queue_s=rng.random(), service_s=len(text) / 400, hit=round == 0 and rng.random() < 0.5,
        )  # fmt: skip

    team = ("smol", "coder-half")
    by = "vote"
    if system == "debate":
        first = [say(m) for m in team]
        second = [say(m, round=1, heard=first) for m in team]
        turns = [*first, *second, *(say(m, round=2, heard=second) for m in team)]
    elif system == "critique_refine":
        first = [say(m) for m in team]
        notes = [say(m, "critique", 1, [t]) for m, t in zip(team, reversed(first), strict=True)]
        turns = [*first, *notes, *(say(m, round=1, heard=notes) for m in team)]
    elif system == "judge_select":
        first = [say(m) for m in team]
        turns, by = [*first, *(say("coder-half", "judge", 0, first, draw=d) for d in range(2))], "judge"
    elif kind == "baseline":
        turns = [
            say(team[d % 2] if system[0] == "v" else "smol" if "smol" in system else team[1], draw=d) for d in range(6)
        ]
    else:
        turns = [say(system)]
    last = [t for t in turns if t.role != "critique" and t.round == turns[-1].round]
    tally = Counter(t.answer for t in last if t.answer is not None).most_common()
    answer = tally[0][0] if tally else None
    outcome = "scored" if answer else "error" if any(t.error for t in turns) else "truncated" if i % 3 else "unparsed"
    return Result(
        key=f"{system}/{task}/{i}", system=system, task=task, item=f"{task}-{i:04d}", draw=0, question=question,
        gold=(str(gold),), outcome=outcome, answer=answer, score=float(answer == str(gold)), turns=tuple(turns),
        decision=Decision(answer, by, tuple((a, float(n)) for a, n in tally if a), "most votes; ties go to the first said"),
        seconds=sum(t.service_s for t in turns) / 2, error="a call failed" if outcome == "error" else None,
    )  # fmt: skip


META = {
    "title": "Quickstart",
    "date": "22 November 2026",
    "command": "folkmoot eval run quickstart",
    "versions": {"folkmoot": "0.1.0", "python": "3.11"},
    "machine": "2 cores",
    "suite": "quickstart",
    "hash": "9f2c41d07be3",
    "seed": 17,
    "sampling": {"temperature": 0.7},
    "members": [{"name": "smol", "licence": "Apache-2.0"}, {"name": "coder-half", "revision": "1d96"}],
    "note of mine": ["a", "b"],
}
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)><!-- \"'&amp; \u202e42\u202c \x1b[31m \x00 \ud800"
)


class Page(HTMLParser):
    """What a browser would see: tags with attributes, texts of script, style and the rest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": [], "text": []}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        where = self.inside[-1] if self.inside else "text"
        if where == "text":
            self.raw["text"].append(data)
        else:
            self.raw[where][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.raw["text"]).split())

    @property
    def data(self) -> Any:
        return json.loads(self.raw["script"][0])


def page_of(results: Sequence[Result], meta: Mapping[str, Any] = META, **more: Any) -> tuple[str, Summary]:
    summary = summarise([r.figures for r in results], list(SYSTEMS), kinds=SYSTEMS, **more)
    return render_page(summary, results, meta), summary


def test_the_page_says_what_the_summary_says() -> None:
    html, summary = page_of(a_run(12, ("gsm8k", "dates")))
    page = Page(html)
    assert "<!doctype html>" in html
    for sentence in sentences(summary):
        assert sentence.partition(": ")[2].replace(" -", " −").replace("[-", "[−") in page.text
    for row in summary.overall:
        assert row.system in page.text
        assert f"[{100 * row.interval.low:.1f}, {100 * row.interval.high:.1f}]" in page.text
    for word in ("Quickstart", "24 questions in 2 tasks", "9 systems", "By task", "Suite hash 9f2c41d07be3"):
        assert word in page.text
    for word in ("folkmoot 0.1.0, python 3.11", "temperature 0.7", "Apache-2.0", "note of mine a, b"):
        assert word in page.text


def test_facts_of_the_run_are_shown_folded_or_left_out() -> None:
    meta = {
        "about": "Two small models together.",
        "suite": {"name": "quickstart", "team": [{"name": "smol", "purpose": "x" * 300}]},
        "sampling": {"temperature": 0.7, "stop": (), "seed": None},
        "participants": [
            {"name": "smol", "adapter": None, "licence": "Apache-2.0"},
            {"name": "bo", "adapter": "bo-dates"},
        ],
        "kinds": {"debate": "graph"},
        "draws": 1,
        "load": [0.25, 0.5],
    }
    html, _ = page_of(a_run(1), meta)
    page = Page(html)
    assert "Evaluation Two small models together. 1 question" in page.text
    assert 'Suite show { "name": "quickstart",' in page.text
    assert "Sampling temperature 0.7 draws 1 load 0.25, 0.5" in page.text
    assert "name adapter licence smol Apache-2.0 bo bo-dates" in page.text
    assert "kinds" not in page.text


@pytest.mark.parametrize("scripted", [True, False])
def test_a_rehearsal_says_so(scripted: bool) -> None:
    html, _ = page_of(a_run(1), {"scripted": scripted})
    assert ("This was a rehearsal." in html) == scripted


def test_nothing_is_fetched_and_nothing_is_linked() -> None:
    html, _ = page_of(a_run(5))
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\bimport\(|fetch\(|XMLHttp|WebSocket", html)
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "audio", "video")
        for name, value in attributes.items():
            assert name not in ("src", "srcset", "style"), (tag, name)
            assert not name.startswith("on"), (tag, name)
            assert name != "href" or (value or "").startswith("#")


def test_the_policy_forbids_everything_but_the_own_style_and_script() -> None:
    page = Page(page_of(a_run(2))[0])
    (policy,) = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    _, script = page.raw["script"]
    (style,) = page.raw["style"]

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; base-uri 'none'; form-action 'none'"
    )


def test_the_script_makes_nodes_of_text_only() -> None:
    script = resources.files("folkmoot.evaluation").joinpath("page.js").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert way not in script
    assert "textContent" in script


def test_hostile_texts_are_inert_everywhere() -> None:
    plain = a_run(3)
    calm = Page(page_of(plain, {**META, "partial": "stopped"})[0])

    def poison(r: Result) -> Result:
        turns = [
            replace(t, text=HOSTILE + t.text, speaker=HOSTILE, answer=HOSTILE, error=HOSTILE, role=HOSTILE, about=HOSTILE,
                    prompt=(Message("user", HOSTILE),))
            for t in r.turns
        ]  # fmt: skip
        d = Decision(HOSTILE, HOSTILE, ((HOSTILE, 2.0),), HOSTILE)
        return replace(r, turns=tuple(turns), question=HOSTILE, item=HOSTILE + r.item, gold=(HOSTILE,), answer=HOSTILE,
                       decision=d, error=HOSTILE, task=HOSTILE)  # fmt: skip

    meta = {
        "title": HOSTILE,
        "command": HOSTILE,
        "members": [{HOSTILE: HOSTILE}],
        HOSTILE: {HOSTILE: HOSTILE},
        "partial": HOSTILE,
    }
    html, _ = page_of([poison(r) for r in plain], meta)
    page = Page(html)
    assert [t for t, _ in page.tags].count("script") == 2
    assert {t for t, _ in page.tags} <= {t for t, _ in calm.tags}
    assert page.raw["script"][1] == calm.raw["script"][1]
    assert page.raw["style"] == calm.raw["style"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "⟨U+202E⟩42⟨U+202C⟩ ⟨ESC⟩[31m ⟨U+0000⟩ ⟨U+D800⟩" in page.text
    assert any(text.startswith("</script><script>alert(1)") for text in page.data["texts"])  # kept, as data
    html.encode("utf-8")


def test_hostile_system_names_are_inert() -> None:
    results = [replace(r, system=HOSTILE) for r in a_run(2) if r.system == "debate"]
    page = Page(render_page(summarise([r.figures for r in results], [HOSTILE], kinds={HOSTILE: HOSTILE}), results, {}))
    assert [t for t, _ in page.tags].count("script") == 2
    assert "img" not in {t for t, _ in page.tags}
    assert page.data["systems"] == [[visible(HOSTILE), visible(HOSTILE)]]


def test_equal_input_gives_an_equal_page() -> None:
    assert page_of(a_run(10))[0] == page_of(a_run(10))[0]


def test_900_samples_stay_light() -> None:
    results = a_run(100)
    calls = [t for r in results for t in r.turns]
    prompts = sum(len(m.content) for t in calls for m in t.prompt)
    assert (len(results), len(calls)) == (900, 3700)
    assert prompts / len(calls) > 1000
    assert len(page_of(results)[0].encode()) < 2_000_000


def test_every_prompt_and_reply_can_be_read_back() -> None:
    results = a_run(4)
    data = json.loads(to_script(transcripts(results, list(SYSTEMS), SYSTEMS)))
    texts = data["texts"]
    assert len(data["items"]) == 4
    for item in data["items"]:
        for system, sample in zip(SYSTEMS, item[5], strict=True):
            (r,) = [r for r in results if (r.system, r.item) == (system, item[1])]
            assert texts[item[3]] == r.question
            assert [texts[g] for g in item[4]] == list(r.gold)
            assert data["outcomes"][sample[0]] == r.outcome
            for turn, said in zip(sample[6], r.turns, strict=True):
                assert (texts[turn[0]], texts[turn[3]], turn[2], turn[6]) == (
                    said.speaker,
                    said.text,
                    said.round,
                    said.draw,
                )
                read = (
                    [Message(who, "".join(texts[p] for p in pieces)) for who, pieces in data["prompts"][turn[7]]]
                    if turn[7] >= 0
                    else []
                )
                assert tuple(read) == said.prompt


def test_a_missing_sample_leaves_a_gap() -> None:
    results = [r for r in a_run(2) if (r.system, r.item) != ("smol", "gsm8k-0001")]
    html, summary = page_of(results)
    second = Page(html).data["items"][1]
    assert [s is None for s in second[5]] == [name == "smol" for name in SYSTEMS]
    assert summary.partial
    assert "This run is not complete. Partial: 17 of 18 samples are finished" in Page(html).text


def test_nothing_finished_is_a_page_too() -> None:
    html, _ = page_of([], planned={"gsm8k": 100})
    page = Page(html)
    assert "No sample is finished yet" in page.text
    assert "0/100" in page.text
    assert "script" not in {t for t, _ in page.tags}


def test_one_sample_without_anything_else_is_a_page_too() -> None:
    (r,) = a_run(1)[:1]
    page = Page(render_page(summarise([r.figures], ["debate"]), [r], {}))
    assert "1 question 1 system" in page.text
    assert "names no monolith" in page.text
    assert "Nothing was noted about the run." in page.text


@pytest.mark.parametrize(("width", "height"), [(860, 400), (380, 360)])
def test_labels_of_the_cost_plot_stay_inside_and_apart(width: int, height: int) -> None:
    _, summary = page_of(a_run(60))
    plot = cost_plot(summary.overall, width, height)
    assert [p.row.system for p in plot.points] == list(SYSTEMS)
    boxes = []
    for p in plot.points:
        w = len(p.label) * CHARACTER
        left = p.label_x - {"start": 0, "middle": w / 2, "end": w}[p.anchor]
        assert left >= 0
        assert left + w <= width
        assert p.top <= p.y <= p.bottom
        boxes.append((left, p.label_y - 9, left + w, p.label_y + 1))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_very_different_costs_are_drawn_on_a_logarithmic_axis() -> None:
    cheap, dear = (
        replace(r, turns=(replace(r.turns[0], completion_tokens=n),)) for r, n in zip(a_run(1), (3, 4000), strict=False)
    )
    rows = summarise([cheap.figures, dear.figures], list(SYSTEMS), kinds=SYSTEMS).overall
    scale = cost_plot(rows, 860, 400).x
    assert scale.log
    assert scale.start < 3 < 4000 < scale.end
    assert all(44 <= x <= 844 for x, _ in scale.marks)


def test_scales_hold_all_intervals() -> None:
    rows = page_of(a_run(30))[1].overall
    scale = accuracy_scale(rows, 0, 100)
    assert all(0 <= scale(r.interval.low) <= scale(r.interval.high) <= 100 for r in rows)
    gaps = difference_scale(rows, 0, 100)
    assert gaps(0.0) == 50
    assert all(0 <= gaps(r.against.difference.low) <= gaps(r.against.difference.high) <= 100 for r in rows if r.against)
