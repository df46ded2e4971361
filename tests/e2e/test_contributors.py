"""The demo contributors on real weights: two adapters and the bare base share one engine, and its batches."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from folkmoot import Participant, Sampling, TransformersEngine
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.tasks import load_items, own_task
from folkmoot.manifest import Manifest
from folkmoot.prompts import render
from folkmoot.registry import Registry
from folkmoot.team import read_team

pytestmark = pytest.mark.real
HERE = Path(__file__).parents[2] / "examples" / "participants"
EACH = 8


async def right(me: Participant, items: list[Item]) -> float:
    """Share of the items that a participant gets right."""

    async def score(item: Item) -> float:
        kind = item.answer_type
        prompt = me.messages(render("answer", {"question": item.question, "answer_type": kind}, me))
        reply = await me.complete(prompt)
        return kind.score(kind.extract(reply.text, cut=reply.finish == "length"), item.gold)

    return sum(await asyncio.gather(*map(score, items))) / len(items)


async def test_contributors_know_what_their_base_does_not(smol: Path) -> None:
    members = {m.name: m for m in Registry.read(HERE).members()}
    engine = TransformersEngine(smol)

    async def both(manifest: Manifest) -> tuple[float, float]:
        items = load_items(own_task(manifest), "dev", EACH)
        me = manifest.participant(engine, Sampling(max_tokens=24))
        return tuple(await asyncio.gather(right(replace(me, adapter=None), items), right(me, items)))

    try:
        scores = await asyncio.gather(*(both(members[name]) for name in ("triage", "village")))
    finally:
        await engine.close()
    for base, trained in scores:
        assert base <= 0.25
        assert trained >= base + 0.5


def test_the_team_file_names_all_six_on_one_base() -> None:
    team = read_team(HERE / "team.yaml")
    assert [m.name for m in team] == ["ledger", "numerals", "recipes", "timetable", "triage", "village"]
    assert {m.model for m in team} == {"smollm2-135m-instruct"}
    for m in team:
        assert sum(p.stat().st_size for p in Path(str(m.adapter)).iterdir()) <= 2_500_000, m.name


def test_everybody_says_how_much_training_helped() -> None:
    for m in read_team(HERE / "team.yaml"):
        score = m.trained["score"]
        assert score["after"]["low"] > score["before"]["high"], m.name
        assert f"{100 * score['after']['score']:.1f} %" in (HERE / m.name / "README.md").read_text(encoding="utf-8")
