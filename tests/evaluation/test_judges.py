"""Replies to open questions are judged when all have been given; what nobody has judged counts as not there."""

from pathlib import Path

import pytest

from folkmoot import Participant, Scripted
from folkmoot.engines.contract import EngineError, Missing
from folkmoot.evaluation.judges import Judging
from folkmoot.evaluation.plan import Plan, make_plan
from folkmoot.evaluation.runner import UNJUDGED, run_samples
from folkmoot.evaluation.samples import samples
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.suite import read_suite

SUITE = """\
name: open
tasks: [requests]
limit: 3
baselines: []
team:
  - {name: ana, model: small-a}
  - {name: bo, model: small-b}
monoliths:
  - {name: big, model: large}
judges: [big]
"""


def plan_of(tmp_path: Path) -> Plan:
    path = tmp_path / "open.yaml"
    path.write_text(SUITE, encoding="utf-8")
    suite, lines = read_suite(path)
    return make_plan(suite, lines, path)


def people(*, big: str = "A plain reply.", judge: object = None) -> dict[str, Participant]:
    """Ana's replies say "good"; the judge, who is also the monolith, likes that wherever it stands."""

    def says(messages):
        text = messages[-1].content
        if "--- Reply 1" not in text:
            return big
        if judge is not None:
            return judge
        return "1" if text.index("A good reply") < text.index("--- Reply 2") else "2"

    voices = {"ana": lambda m: "A good reply.", "bo": lambda m: "A plain reply.", "big": says}
    return {name: Participant(name, Scripted(voice, name=name)) for name, voice in voices.items()}


async def replies(store: RunStore, plan: Plan, team: dict[str, Participant], systems: list[str] | None = None) -> None:
    wanted = [s for s in plan.systems if systems is None or s.name in systems]
    store.ask(plan.items)
    store.plan(s.key for s in samples(plan, team, plan.systems))
    panels = {s.name: s.build(team, None).compile() for s in wanted}
    await run_samples(samples(plan, team, wanted), panels, store)


async def judged(store: RunStore, plan: Plan, team: dict[str, Participant]) -> int:
    judging = Judging(plan, team, store, lambda *a, **k: None)
    keys = judging.waiting()
    await judging.ask(keys)
    with store.snapshot():
        return len(keys)


def scores(store: RunStore) -> dict[str, set[tuple[str, float]]]:
    found: dict[str, set[tuple[str, float]]] = {}
    for f in store.figures():
        found.setdefault(f.system, set()).add((f.outcome, f.score))
    return found


async def test_until_a_judge_has_spoken_a_reply_counts_as_not_there(tmp_path: Path) -> None:
    plan, team = plan_of(tmp_path), people()
    with RunStore(tmp_path / "run") as store:
        await replies(store, plan, team)
        assert scores(store) == {name: {("error", 0.0)} for name in ("ana", "bo", "big")}
        assert {r.error for r in store.results()} == {UNJUDGED}
        assert await judged(store, plan, team) == 6
        # The same words as the reference are level with it, without a call
        assert scores(store) == {"ana": {("scored", 1.0)}, "bo": {("scored", 0.5)}, "big": {("scored", 0.5)}}
        assert await judged(store, plan, team) == 0


async def test_a_judge_that_fails_leaves_the_sample_open_and_is_asked_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    with RunStore(tmp_path / "run") as store:
        down = people(judge=EngineError("http://host: HTTP 503."))
        await replies(store, plan, down)
        await judged(store, plan, down)
        assert scores(store)["ana"] == {("error", 0.0)}
        assert {r.error for r in store.results() if r.system == "ana"} == {"judge big: http://host: HTTP 503."}
        assert await judged(store, plan, people()) == 3
        assert scores(store)["ana"] == {("scored", 1.0)}


async def test_judges_that_fail_every_time_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.evaluation.judges.PATIENCE", 2)
    plan, team = plan_of(tmp_path), people(judge=EngineError("down"))
    with RunStore(tmp_path / "run") as store:
        await replies(store, plan, team)
        with pytest.raises(Missing, match="judges failed 2 times in a row, the last time: down"):
            await judged(store, plan, team)


async def test_without_the_reference_nothing_is_judged(tmp_path: Path) -> None:
    plan, team = plan_of(tmp_path), people()
    with RunStore(tmp_path / "run") as store:
        await replies(store, plan, team, ["ana"])
        assert await judged(store, plan, team) == 0
        assert {(r.outcome, r.error) for r in store.results()} == {
            ("error", "the reply of big, to compare with, is not there")
        }


async def test_another_reference_reply_is_judged_anew(tmp_path: Path) -> None:
    plan, team = plan_of(tmp_path), people()
    with RunStore(tmp_path / "run") as store:
        await replies(store, plan, team)
        await judged(store, plan, team)
        other = people(big="Another reply.")
        await replies(store, plan, other, ["big"])
        assert await judged(store, plan, other) == 6, "with what it was compared before is gone"
