"""Where answers came from, in discussions written by hand."""

from folkmoot import AnswerType
from folkmoot.discussion import Decision, Turn
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.worth.provenance import provenance

NUMBER = AnswerType("number")


def a_result(
    turns: list[Turn], answer: str | None, by: str = "vote", why: str = "", whose: str | None = None
) -> Result:
    return Result(
        key="k",
        system="s",
        task="t",
        item="1",
        draw=0,
        question="?",
        gold=("7",),
        outcome="scored",
        answer=answer,
        score=1.0,
        turns=tuple(turns),
        decision=Decision(answer, by, (), why, whose) if by else None,
        seconds=0.0,
    )


def say(who: str, answer: str | None, round: int = 0, role: str = "answer", **more: object) -> Turn:
    return Turn(who, role, round, str(answer), answer, **more)  # type: ignore[arg-type]


def test_a_vote_rests_on_the_drafts_that_gave_the_answer() -> None:
    found = provenance(a_result([say("ana", "7"), say("bo", "8"), say("cy", "7.0")], "7", why="2 of 3"), NUMBER)
    assert found.turns == (0, 2)
    assert found.authors == ("ana", "cy")
    assert found.words == "draft of ana and cy → vote: 2 of 3"


def test_a_debate_is_followed_from_round_to_round() -> None:
    turns = [say("ana", "7"), say("bo", "8"), say("cy", "9"), say("ana", "7", 1), say("bo", "7", 1), say("cy", "9", 1)]
    found = provenance(a_result(turns, "7", why="2 of 3"), NUMBER)
    assert found.words == "draft of ana → kept by ana, taken over by bo from ana in round 2 → vote: 2 of 3"
    assert found.turns == (0, 1, 3, 4), "what bo had said before belongs to it, what cy said does not"
    assert found.authors == ("ana",)


def test_an_answer_that_nobody_drafted_is_new() -> None:
    found = provenance(a_result([say("ana", "8"), say("bo", "9"), say("ana", "7", 1), say("bo", "9", 1)], "7"), NUMBER)
    assert found.authors == ()
    assert found.words == "new from ana in round 2 → vote"


def test_a_revision_follows_its_reviews_and_not_the_other_drafts() -> None:
    turns = [
        say("ana", "8"),
        say("bo", "7"),
        say("bo", None, 1, "critique", about="ana"),
        say("ana", None, 1, "critique", about="bo"),
        say("ana", "7", 1),
        say("bo", "9", 1),
    ]
    found = provenance(a_result(turns, "7", why="1 of 2"), NUMBER)
    assert found.words == "revised by ana after a review by bo in round 2 → vote: 1 of 2"
    assert found.turns == (0, 2, 4)
    assert found.authors == ("bo",), "bo drafted it, though it did not come from there"


def test_a_judge_picks_a_draft() -> None:
    turns = [say("ana", "8"), say("bo", "7"), say("cy", "A", 1, "judge"), say("cy", "B", 1, "judge", draw=1)]
    found = provenance(a_result(turns, "7", "judge", "cy picked it in 2 of 2 orders"), NUMBER)
    assert (found.turns, found.words) == ((1, 2, 3), "draft of bo → judge: cy picked it in 2 of 2 orders")


def test_a_finisher_reads_them_all() -> None:
    turns = [say("ana", "8"), say("bo", "9"), say("ana", "7", 1, "finish")]
    found = provenance(a_result(turns, "7", "finisher"), NUMBER)
    assert (found.turns, found.words) == ((0, 1, 2), "written by ana, who read the answers of ana and bo")
    assert found.authors == ()


def test_a_router_names_who_was_asked() -> None:
    turns = [Turn("router", "route", text="bo"), say("bo", "7")]
    found = provenance(a_result(turns, "7", why="1 of 1"), NUMBER)
    assert (found.turns, found.words) == ((0, 1), "routed to bo → draft of bo → vote: 1 of 1")


def test_the_surest_member_is_followed_alone() -> None:
    turns = [say("ana", "7"), say("ana", "7", draw=1), say("bo", "7"), say("bo", "8", draw=1)]
    found = provenance(a_result(turns, "7", "confidence", "ana gave it in 2 of 2", "ana"), NUMBER)
    assert (found.turns, found.words) == ((0, 1), "draft of ana (2 times) → confidence: ana gave it in 2 of 2")


def test_who_failed_and_what_was_not_answered_led_to_nothing() -> None:
    turns = [say("ana", "7", error="no reply"), say("bo", "7")]
    assert provenance(a_result(turns, "7"), NUMBER).turns == (1,)
    nothing = provenance(a_result([say("ana", None)], None))
    assert (nothing.turns, nothing.authors, nothing.words) == ((), (), "")


def test_one_voice_needs_no_story() -> None:
    assert provenance(a_result([say("ana", "7")], "7", why="1 of 1"), NUMBER).words == "draft of ana"
