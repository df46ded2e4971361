"""The report page: complete, self-contained, inert whatever models say, and light. What needs a browser is in tests/e2e."""

import base64
import functools
import hashlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from folkmoot.discussion import Decision, Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.analysis import Analysis
from folkmoot.evaluation.finding import Finding
from folkmoot.evaluation.page import SCRIPTS, render_page
from folkmoot.evaluation.page_data import BLOCK, Packed, unpack
from folkmoot.evaluation.page_view import Grid, coefficient, forests, level, measures, steps
from folkmoot.evaluation.plots import accuracy_scale, cost_plot, difference_scale
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.statistics import Interval
from folkmoot.visible import visible

_spec = importlib.util.spec_from_file_location("page_fixture", Path(__file__).with_name("page_fixture.py"))
assert _spec
assert _spec.loader
fixture = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fixture)
SYSTEMS, META, a_run, analysis_of = fixture.SYSTEMS, fixture.META, fixture.a_run, fixture.analysis_of
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
        self.packed: dict[str, Any] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)
            if "id" not in dict(attrs):
                self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        where = self.inside[-1] if self.inside else "text"
        if where == "text":
            self.raw["text"].append(data)
        elif "id" in self.tags[-1][1]:
            self.packed[self.tags[-1][1]["id"]] = unpack(data)
        else:
            self.raw[where][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.raw["text"]).split())

    @property
    def samples(self) -> list[Any]:
        blocks = [self.packed[f"block{i}"] for i in range(len(self.packed["matrix"]["starts"]))]
        return [(block, s) for block in blocks for s in block["samples"]]


def page_of(results: Sequence[Result], meta: Mapping[str, Any] = META, **more: Any) -> tuple[str, Analysis]:
    analysis = analysis_of(results, **more)
    return render_page(analysis, iter(results), meta, total=len(results)), analysis


def test_the_page_says_what_the_analysis_says() -> None:
    html, analysis = page_of(a_run(12, ("gsm8k", "dates")))
    page = Page(html)
    assert "<!doctype html>" in html
    for row in analysis.summary.overall:
        assert row.system in page.text
        assert f"[{100 * row.interval.low:.1f}, {100 * row.interval.high:.1f}]" in page.text
    for c in analysis.contrasts:
        assert (
            f"{c.verdict} {100 * c.difference.mean:+.1f} [{100 * c.difference.low:+.1f}".replace("-", "−") in page.text
        )
    for word in (
        "Quickstart",
        "24 questions in 2 tasks",
        "11 systems",
        "216 samples",
        "By task",
        "Suite hash 9f2c41d07be3",
    ):
        assert word in page.text
    for word in ("folkmoot 0.1.0, python 3.11", "temperature 0.7", "Apache-2.0", "note of mine a, b"):
        assert word in page.text


@pytest.mark.parametrize(
    "words",
    [
        "Emergence right, of the questions that every member alone got wrong 12.5 % [5.5, 26.1] 5 of 40",
        "Emergence beyond luck emergence minus its control, points +3.8 [−5.0, +12.5]",
        "Collapse wrong, of the questions that some member alone got right 18.3 % [10.6, 29.9] 11 of 60",
        "Judge accuracy a right answer was picked, of the questions with a right draft – – 63.5 % [49.9, 75.2] 33 of 52",
        "round 1 to 2 98 38 14 9 37 +5 31",
        "first to last 96 38 13 8 37 +5 31",
        "smol 0.31",
        "2 findings: 1 gold, 1 overlap. 1 of them excludes an item from the run.",
        "gsm8k test gsm8k-0007 gold the accepted answer 'twelve' is no number yes",
        "Agreement of the judges value kappa 0.41 flip rate 0.12 pairs 40",
        "All tasks",
    ],
)
def test_every_part_of_the_analysis_has_its_place(words: str) -> None:
    assert words in text_of_a_page()


@functools.cache
def text_of_a_page() -> str:
    return Page(page_of(a_run(12, ("gsm8k", "dates")))[0]).text


def test_the_sentences_are_those_of_compare() -> None:
    from folkmoot.evaluation.verdicts import sentence

    html, analysis = page_of(a_run(12))
    text = Page(html).text.replace("−", "-")
    reference = analysis.summary.reference
    said = [" ".join(sentence(c).split()) for c in analysis.contrasts if c.reference == reference]
    assert len(said) == 3
    assert [s for s in said if s not in text] == []


def test_facts_of_the_run_are_shown_folded_or_left_out() -> None:
    meta = {
        "about": "Two small models together.",
        "suite": {"name": "quickstart", "team": [{"name": "smol", "purpose": "x" * 300}]},
        "sampling": {"temperature": 0.7, "stop": (), "seed": None},
        "participants": [
            {"name": "smol", "adapter": None, "licence": "Apache-2.0", "about": ["y" * 300, "z"]},
            {"name": "bo", "adapter": "bo-dates"},
        ],
        "kinds": {"debate": "graph"},
        "draws": 1,
        "load": [0.25, 0.5],
    }
    page = Page(page_of(a_run(1), meta)[0])
    assert "Evaluation Two small models together. 1 question" in page.text
    assert 'Suite show { "name": "quickstart",' in page.text
    assert "Sampling temperature 0.7 draws 1 load 0.25, 0.5" in page.text
    assert f"name adapter licence about smol Apache-2.0 show {'y' * 300}, z bo bo-dates" in page.text
    assert "kinds" not in page.text


@pytest.mark.parametrize("scripted", [True, False])
def test_a_rehearsal_says_so(scripted: bool) -> None:
    html, _ = page_of(a_run(1), {"scripted": scripted})
    assert ("This was a rehearsal." in html) == scripted


@pytest.mark.parametrize(("total", "said"), [(18, False), (20_000, True)])
def test_a_page_that_holds_a_part_of_the_run_says_so(total: int, said: bool) -> None:
    run = a_run(2)
    text = Page(render_page(analysis_of(run), run, META, total=total)).text
    assert (
        "18 of 20,000 samples are in this file; folkmoot eval show RUN --item ID shows any of the rest." in text
    ) == said


def test_nothing_is_fetched_and_nothing_is_linked() -> None:
    html, _ = page_of(a_run(5))
    shown = re.sub(r'(<script type="application/octet-stream"[^>]*>)[A-Za-z0-9+/=]+', r"\1", html)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|\bimport\(|fetch\(|XMLHttp|WebSocket", shown)
    for tag, attributes in Page(html).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "audio", "video")
        for name, value in attributes.items():
            assert name not in ("src", "srcset", "style"), (tag, name)
            assert not name.startswith("on"), (tag, name)
            assert name != "href" or (value or "").startswith("#")


def test_the_policy_forbids_everything_but_the_own_style_and_script() -> None:
    page = Page(page_of(a_run(2))[0])
    (policy,) = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    (script,), (style,) = page.raw["script"], page.raw["style"]

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; base-uri 'none'; form-action 'none'"
    )


def test_links_inside_the_page_lead_somewhere() -> None:
    page = Page(page_of(a_run(2, ("gsm8k", "dates")))[0])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for t, a in page.tags if t == "a"} <= {f"#{i}" for i in ids}


def test_the_script_makes_nodes_of_text_only() -> None:
    parts = resources.files("folkmoot.evaluation").joinpath("page_parts")
    script = "".join(parts.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser"):
        assert way not in script
    assert "textContent" in script


def test_hostile_texts_are_inert_everywhere() -> None:
    plain = [replace(r, judgements=(fixture.JUDGED,)) for r in a_run(3)]
    calm = Page(page_of(plain, {**META, "partial": "stopped"})[0])

    def poison(r: Result) -> Result:
        turns = [
            replace(t, text=HOSTILE + t.text, speaker=HOSTILE, answer=HOSTILE, error=HOSTILE, role=HOSTILE, about=HOSTILE,
                    prompt=(Message("user", HOSTILE),))
            for t in r.turns
        ]  # fmt: skip
        d = Decision(HOSTILE, HOSTILE, ((HOSTILE, 2.0),), HOSTILE)
        return replace(r, turns=tuple(turns), question=HOSTILE, item=HOSTILE + r.item, gold=(HOSTILE,), answer=HOSTILE,
                       decision=d, error=HOSTILE, task=HOSTILE, judgements=(replace(fixture.JUDGED, judge=HOSTILE),))  # fmt: skip

    run = [poison(r) for r in plain]
    analysis = analysis_of(run)
    analysis = replace(
        analysis,
        findings=(Finding(HOSTILE, HOSTILE, HOSTILE, "gold", HOSTILE, True),),
        members=replace(analysis.members, names=(HOSTILE, HOSTILE), best=HOSTILE),
        collaboration=tuple(
            replace(c, nodes=tuple(replace(n, speaker=HOSTILE, role=HOSTILE) for n in c.nodes),
                    transitions=tuple(replace(t, speaker=t.speaker and HOSTILE) for t in c.transitions))
            for c in analysis.collaboration
        ),
    )  # fmt: skip
    meta = {
        "title": HOSTILE,
        "command": HOSTILE,
        "members": [{HOSTILE: HOSTILE}],
        HOSTILE: {HOSTILE: HOSTILE},
        "partial": HOSTILE,
        "agreement": {HOSTILE: HOSTILE},
    }
    html = render_page(analysis, run, meta, total=len(run))
    page = Page(html)
    assert {t for t, _ in page.tags} <= {t for t, _ in calm.tags}
    assert page.raw["script"] == calm.raw["script"]
    assert page.raw["style"] == calm.raw["style"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert "⟨U+202E⟩42⟨U+202C⟩ ⟨ESC⟩[31m ⟨U+0000⟩ ⟨U+D800⟩" in page.text
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]*", part) for part in re.findall(r"octet-stream\" id=\"\w+\">(.*?)<", html))
    texts = page.samples[0][0]["texts"]
    assert any(text.startswith("</script><script>alert(1)") for text in texts)  # kept, as data
    for kept in (texts, page.packed["whole"], str(page.packed["matrix"])):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", "".join(kept))
    html.encode("utf-8")


def test_hostile_system_names_are_inert() -> None:
    run = [replace(r, system=HOSTILE) for r in a_run(2) if r.system == "debate"]
    page = Page(render_page(analysis_of(run, {HOSTILE: "graph", "smol": HOSTILE}), run, {}, total=2))
    assert "img" not in {t for t, _ in page.tags}
    assert page.packed["matrix"]["systems"] == [[visible(HOSTILE), "graph"], ["smol", visible(HOSTILE)]]


def test_equal_input_gives_an_equal_page() -> None:
    assert page_of(a_run(10))[0] == page_of(a_run(10))[0]


def test_900_samples_stay_light() -> None:
    results = a_run(100)
    calls = [t for r in results for t in r.turns]
    prompts = sum(len(m.content) for t in calls for m in t.prompt)
    assert (len(results), len(calls)) == (900, 3700)
    assert prompts / len(calls) > 1000
    assert len(page_of(results)[0].encode()) < 600_000


def test_every_prompt_and_reply_can_be_read_back() -> None:
    results = [replace(r, judgements=(fixture.JUDGED,)) if r.system == "debate" else r for r in a_run(4)]
    page = Page(page_of(results)[0])
    matrix = page.packed["matrix"]
    assert [row[1] for row in matrix["rows"]] == [f"gsm8k-{i:04d}" for i in range(4)]
    for row, whole in zip(matrix["rows"], page.packed["whole"], strict=True):
        for (system, _), number, letter in zip(matrix["systems"], row[5], row[4], strict=True):
            (r,) = [r for r in results if (r.system, r.item) == (system, row[1])]
            block, sample = page.samples[number]
            texts = block["texts"]
            assert (texts[sample[0]], whole, [texts[g] for g in sample[1]]) == (r.question, r.question, list(r.gold))
            assert (sample[2], sample[3]) == (r.outcome, r.score)
            assert letter == (
                "rw"[r.score == 0] if r.outcome == "scored" else {"unparsed": "u", "error": "e"}.get(r.outcome, "t")
            )
            assert [(texts[j[0]], j[2:]) for j in sample[9]] == (
                [("umpire", [1.0, 0.0, 0.5, 1, 120, 95])] if r.judgements else []
            )
            for turn, said, mark in zip(sample[8], r.turns, r.marks, strict=True):
                read = [
                    Message(who, "".join(texts[p] for p in pieces)) for who, pieces in block["prompts"][turn[8]]
                ] if turn[8] >= 0 else []  # fmt: skip
                assert (texts[turn[0]], texts[turn[3]], turn[2], turn[5], turn[7], tuple(read)) == (
                    said.speaker, said.text, said.round, mark, said.draw, said.prompt,
                )  # fmt: skip


def test_one_question_is_in_one_block_and_blocks_stay_small() -> None:
    long = replace(a_run(1)[0], turns=(Turn("smol", text="x" * (BLOCK // 3)),))
    run = [
        replace(long, item=str(i), system=s, turns=(Turn("smol", text=f"{i}{s}" * (BLOCK // 9)),))
        for i in range(6)
        for s in ("a", "b")
    ]
    packed = Packed(run, {"a": "graph", "b": "member"})
    starts = unpack(packed.matrix)["starts"]
    assert len(packed.blocks) == len(starts) > 1
    assert all(start % 2 == 0 for start in starts)
    assert [len(unpack(b)["samples"]) for b in packed.blocks] == [
        b - a for a, b in zip(starts, [*starts[1:], 12], strict=True)
    ]


def test_samples_of_a_question_may_come_late() -> None:
    run = a_run(3)
    late = [*run[1:], run[0]]
    row = unpack(Packed(late, SYSTEMS).matrix)["rows"][0]
    assert row[1] == "gsm8k-0000"
    assert row[5][0] == len(run) - 1


def test_a_text_that_a_prompt_quotes_is_kept_once() -> None:
    reply = "I think that it is forty-two, because of many reasons. " * 40
    r = replace(
        a_run(1)[0],
        turns=(
            Turn("a", text=reply),
            Turn("b", text="yes", prompt=(Message("user", f"He said: {reply}\nDo you agree?"),)),
        ),
    )
    texts = unpack(Packed([r], SYSTEMS).blocks[0])["texts"]
    assert sum(reply.strip() in t for t in texts) == 2  # the reply as it came, and without the space at its end


def test_a_missing_sample_leaves_a_gap() -> None:
    results = [r for r in a_run(2) if (r.system, r.item) != ("smol", "gsm8k-0001")]
    html, analysis = page_of(results, planned=2)
    second = Page(html).packed["matrix"]["rows"][1]
    assert [letter == "." for letter in second[4]] == [name == "smol" for name in SYSTEMS]
    assert [n < 0 for n in second[5]] == [name == "smol" for name in SYSTEMS]
    assert analysis.summary.partial
    assert "This run is not complete." in Page(html).text


def test_nothing_finished_is_a_page_too() -> None:
    html, _ = page_of([], planned=100)
    page = Page(html)
    assert "No sample is finished yet" in page.text
    assert "0/100" in page.text
    assert "explorer" not in [a.get("id") for _, a in page.tags]


def test_one_sample_without_anything_else_is_a_page_too() -> None:
    (r,) = a_run(1)[:1]
    analysis = replace(analysis_of([r], {"debate": "graph"}), members=None, collaboration=(), points=(), findings=())
    page = Page(render_page(analysis, [r], {}, total=1))
    assert "1 question" in page.text
    assert "The suite declares no comparison." in page.text
    assert "The checks of the data found nothing wrong." in page.text
    assert "Nothing was noted about the run." in page.text


def test_the_verdicts_stand_graphs_down_and_references_across() -> None:
    grid = Grid(analysis_of(a_run(5)).contrasts)
    assert grid.systems == ["debate", "critique_refine", "judge_select"]
    assert grid.references[-1] == "coder-one-and-a-half"
    assert [c.system for c in grid.against("vote x6")] == grid.systems
    assert [c.reference for c in grid.against("nothing of this name")] == [grid.references[0]] * 3
    assert grid.at("debate", "debate") is None


def test_a_forest_for_every_pair_ends_with_all_tasks() -> None:
    found = forests(analysis_of(a_run(6, ("gsm8k", "dates"))))
    assert len(found) == 12
    for f in found:
        assert [c.task for c in f.lines] == ["gsm8k", "dates", None]
        assert all(16 <= f.scale(e) <= 284 for c in f.lines for e in c.difference)


def test_bars_of_the_transitions_fill_their_width() -> None:
    found = steps(analysis_of(a_run(2)).collaboration[0], None)
    assert [s.name for s in found] == ["round 1 to 2", "round 2 to 3", "first to last"]
    for s in found:
        assert sum(width for _, _, width in s.bar) == pytest.approx(180, abs=0.3)


def test_measures_that_nobody_has_are_left_out() -> None:
    bare = replace(analysis_of(a_run(2)).collaboration[0], emergence=None, conformity=None, headroom=None)
    assert [name for name, _, _ in measures([bare])] == ["Collapse", "Collapse of a majority"]


@pytest.mark.parametrize(
    ("value", "text", "shade"),
    [(None, "–", ""), (-0.2, "−0.20", "h-"), (0.0, "0.00", "h0"), (0.45, "0.45", "h2"), (1.0, "1.00", "h4")],
)
def test_correlations(value: float | None, text: str, shade: str) -> None:
    assert (coefficient(value), level(value)) == (text, shade)


@pytest.mark.parametrize(("width", "height"), [(960, 440), (380, 400)])
@pytest.mark.parametrize("crowd", [1, 2])
def test_labels_of_the_cost_plot_stay_inside_and_apart(width: int, height: int, crowd: int) -> None:
    points = analysis_of(a_run(60)).points
    points += tuple(replace(p, system=f"{p.system} again", tokens=1.02 * p.tokens) for p in points[: 9 * (crowd - 1)])
    plot = cost_plot(points, SYSTEMS, width, height)
    assert [d.point for d in plot.dots] == list(points)
    for i, d in enumerate(plot.dots):
        left, top, right, bottom = d.box
        assert left >= 0
        assert right <= width
        assert top >= 0
        assert d.top <= d.y <= d.bottom
        assert d.left <= d.x <= d.right
        for other in plot.dots[:i]:
            b = other.box
            assert right <= b[0] or b[2] <= left or bottom <= b[1] or b[3] <= top, (d.label, other.label)


def test_the_front_climbs_from_the_cheapest_to_the_best() -> None:
    points = [
        replace(p, tokens=t, tokens_interval=Interval(0.9 * t, 1.1 * t), accuracy=a, on_front=on)
        for p, (t, a, on) in zip(
            analysis_of(a_run(5)).points, [(900, 0.5, True), (100, 0.2, True), (500, 0.1, False)], strict=False
        )
    ]
    plot = cost_plot(points, SYSTEMS, 960, 440)
    dear, cheap, _ = plot.dots
    assert plot.front == f"M{cheap.x} {cheap.y}L{dear.x} {cheap.y}L{dear.x} {dear.y}L942 {dear.y}"


def test_very_different_costs_are_drawn_on_a_logarithmic_axis() -> None:
    points = [
        replace(p, tokens=t, tokens_interval=Interval(t, t))
        for p, t in zip(analysis_of(a_run(2)).points, (3.0, 4000.0), strict=False)
    ]
    scale = cost_plot(points, SYSTEMS, 860, 400).x
    assert scale.log
    assert scale.start < 3 < 4000 < scale.end
    assert all(44 <= x <= 844 for x, _ in scale.marks)


def test_scales_hold_all_intervals() -> None:
    analysis = analysis_of(a_run(30))
    scale = accuracy_scale((r.interval for r in analysis.summary.overall), 0, 100)
    assert all(0 <= scale(r.interval.low) <= scale(r.interval.high) <= 100 for r in analysis.summary.overall)
    gaps = difference_scale((c.difference for c in analysis.contrasts), 0, 100)
    assert gaps(0.0) == 50
    assert all(0 <= gaps(c.difference.low) <= gaps(c.difference.high) <= 100 for c in analysis.contrasts)
