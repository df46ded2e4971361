"""One member: its name, how it is asked, what fits its window, which seeds it draws with."""

from pathlib import Path

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.contract import Capabilities, Message, PromptTooLong, Request, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.participant import Participant, check_name, check_team, check_weights, derive
from folkmoot.paths import folder_hash

WARM = Sampling(temperature=0.8, max_tokens=50)


def member(name: str = "ana", *, sampling: Sampling | None = None, **engine: object) -> Participant:
    return Participant(name, Scripted(lambda _: "Answer: 1", **engine), sampling=sampling or Sampling(max_tokens=50))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ana", "A", "ana-2", "ana_b.c", "Ana of York", "0", "x" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ana", "-ana", "a:b", "a|b", "a\n", "a/b", "x" * 65, "judge", "floor", "decide", "finish", "__end__"]
)
def test_names_that_cannot_name_a_node(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot name a participant.*use letters, digits"):
        Participant(name, Scripted([]))


def test_an_adapter_needs_an_engine_that_has_adapters() -> None:
    with pytest.raises(BadInput, match=r"'ana'.*'\./adapters/units' cannot be applied; use TransformersEngine"):
        Participant("ana", Scripted([]), adapter="./adapters/units")
    able = Scripted(["1"], capabilities=Capabilities(adapters=True))
    assert Participant("ana", able, adapter="./adapters/units").adapter == "./adapters/units"


async def test_adapter_and_system_text_are_part_of_every_request() -> None:
    engine = Scripted(["1"], capabilities=Capabilities(adapters=True))
    ana = Participant("ana", engine, adapter="./units", system="Be brief.")
    await ana.complete(ana.messages("How many?"))
    assert engine.calls == [
        Request((Message("system", "Be brief."), Message("user", "How many?")), Sampling(max_tokens=512), "./units")
    ]


def test_without_a_system_text_there_is_no_system_message() -> None:
    assert member().messages("Hi") == (Message("user", "Hi"),)


# Seeds: from (seed of the question, name, draw), and the same on every machine.


async def drawn(p: Participant, seed: int | None, draw: int = 0) -> Request:
    await p.complete(p.messages("q"), seed=seed, draw=draw)
    engine = p.engine
    assert isinstance(engine, Scripted)
    return engine.calls[-1]


async def test_a_seed_follows_from_question_name_and_draw() -> None:
    ana = member(sampling=WARM)
    first = await drawn(ana, 7)
    assert first.sampling.seed == derive(7, "ana", 0)
    assert await drawn(member(sampling=WARM), 7) == first, "same seed, name and draw: the same request"
    different = [first, await drawn(ana, 7, 1), await drawn(ana, 8), await drawn(member("bo", sampling=WARM), 7)]
    assert len({r.sampling.seed for r in different}) == 4
    assert len({r.draw for r in different}) == 4


async def test_engines_without_seeds_get_none_but_their_draws_still_differ() -> None:
    ana = member(sampling=WARM, capabilities=Capabilities())
    requests = [await drawn(ana, 7, draw) for draw in range(3)]
    assert [r.sampling.seed for r in requests] == [None] * 3
    assert len({r.draw for r in requests}) == 3


async def test_without_a_seed_nothing_is_seeded_and_draws_differ() -> None:
    ana = member(sampling=WARM)
    requests = [await drawn(ana, None, draw) for draw in range(2)]
    assert [r.sampling.seed for r in requests] == [None, None]
    assert requests[0].draw != requests[1].draw


async def test_at_temperature_0_all_draws_are_one_request() -> None:
    ana = member()
    assert await drawn(ana, 7) == await drawn(ana, 8, 3) == await drawn(ana, None)
    assert (await drawn(ana, 7)).sampling.seed is None


async def test_a_seed_written_into_the_sampling_does_not_outlive_the_call() -> None:
    fixed = Sampling(temperature=0.0, max_tokens=50, seed=5)
    assert (await drawn(member(sampling=fixed), 7)).sampling.seed is None


def test_derive_is_a_seed_for_any_engine() -> None:
    assert derive(7, "ana", 0) == 482821775
    assert all(0 <= derive(i) < 2**31 for i in range(1000))
    assert derive("a", "b") != derive("ab")


async def test_choosing_is_one_request_whatever_the_draw() -> None:
    engine = Scripted([], choices=["A", "A"])
    judge = Participant("jo", engine, sampling=WARM)
    await judge.choose(judge.messages("A or B?"), ["A", "B"])
    request, options = engine.choose_calls[0]
    assert (request.draw, request.sampling.seed, options) == (0, None, ("A", "B"))


# The window.


def test_room_is_what_question_and_reply_leave() -> None:
    ana = Participant("ana", Scripted([], context=200), system="Be brief.", sampling=Sampling(max_tokens=50))
    room = ana.room("How many legs?")
    assert room is not None
    assert 0 < room <= 200 - 50 - 5, "words of system text and question count, and so does the reply"
    assert (
        Participant("ana", Scripted([], context=200), sampling=Sampling(max_tokens=50)).room("How many legs?")
        == room + 2
    )
    assert member().room("How many legs?") is None, "an unknown window bounds nothing"


def test_a_question_that_does_not_fit_is_refused_and_not_cut() -> None:
    ana = member(context=100)
    with pytest.raises(
        PromptTooLong, match=r"ana: the question and the reply need \d+ tokens, the model's window has 100"
    ):
        ana.room("word " * 60)


# What determines replies.


def test_spec_changes_with_all_that_determines_replies(tmp_path: Path) -> None:
    (tmp_path / "adapter.bin").write_bytes(b"1")
    engine = Scripted([], capabilities=Capabilities(adapters=True))
    plain = Participant("ana", engine)
    others = [
        Participant("bo", engine),
        Participant("ana", Scripted([], name="other")),
        Participant("ana", engine, system="Be brief."),
        Participant("ana", engine, sampling=WARM),
        Participant("ana", engine, adapter=str(tmp_path)),
        Participant("ana", engine, purpose="units"),  # routers read it
        Participant("ana", engine, examples=("How many feet has a mile?",)),
    ]
    assert all(p.spec() != plain.spec() for p in others)
    assert Participant("ana", engine, contributor="Ana", licence="MIT").spec() == plain.spec()


def test_folder_hash_is_of_contents_and_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "w.bin").write_bytes(b"weights")
    assert folder_hash(tmp_path / "a") == folder_hash(tmp_path / "b")
    (tmp_path / "b" / "deep" / "w.bin").write_bytes(b"weightz")
    changed = folder_hash(tmp_path / "b")
    (tmp_path / "a" / "deep" / "w.bin").rename(tmp_path / "a" / "deep" / "v.bin")
    assert len({folder_hash(tmp_path / "a"), changed}) == 2
    with pytest.raises(BadInput, match="no such folder"):
        folder_hash(tmp_path / "absent")


# Teams.


def test_teams_that_cannot_hold_a_discussion() -> None:
    with pytest.raises(BadInput, match="debate needs a team of at least 2, got 1: add members"):
        check_team([member()], "debate", 2)
    with pytest.raises(BadInput, match="two members are called 'ana'"):
        check_team([member(), member("bo"), member()], "debate", 2)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"anna": 2}, "'anna' is no member; did you mean 'ana'"),
        ({"ana": float("nan")}, "'ana' has nan; use a number"),
        ({"ana": "two"}, "'ana' has 'two'; use a number"),
    ],
)
def test_weights_that_cannot_be_counted(weights: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_weights(weights, [member(), member("bo")], "debate")
