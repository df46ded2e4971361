"""Templates: shipped, replaced, refused, and the exact prompts that members get."""

from collections.abc import Callable
from pathlib import Path

import pytest

from folkmoot.answers import AnswerType
from folkmoot.discussion import Discussion, Turn
from folkmoot.documents import BadInput
from folkmoot.engines.contract import PromptTooLong, Sampling
from folkmoot.engines.scripted import Scripted
from folkmoot.evaluation.judging import TEMPLATE as JUDGE
from folkmoot.graphs import critique_refine, debate, judge_select, route
from folkmoot.participant import Participant
from folkmoot.prompts import check_template, fingerprint, lettered, prompted, render, template, template_names
from folkmoot.protocol import catalogue
from folkmoot.views import others

QUESTION = "How many legs have two spiders?"


def member(name: str = "ana", *, system: str = "", max_tokens: int = 20, **engine: object) -> Participant:
    return Participant(
        name,
        Scripted(lambda _: "Answer: 1", name=name, **engine),  # type: ignore[arg-type]
        system=system,
        sampling=Sampling(max_tokens=max_tokens),
    )


def discussion(*turns: Turn, question: str = QUESTION) -> Discussion:
    return {"question": question, "answer_type": AnswerType("number"), "turns": list(turns)}


def folder_with(path: Path, text: str) -> str:
    """A user's prompts folder with one template: ``answer.md``."""
    (path / "answer.md").write_text(text, encoding="utf-8")
    return str(path)


# Shipped templates.


@pytest.mark.parametrize("name", template_names())
def test_shipped_templates_render(name: str) -> None:
    check_template(name)


def test_every_template_belongs_to_a_graph_or_a_judge_and_every_graph_finds_its_own() -> None:
    used = {name for p in catalogue().values() for name in p.templates}
    assert used | {JUDGE} == set(template_names())


# A user's own.


def test_a_users_folder_replaces_one_template_and_leaves_the_others(tmp_path: Path) -> None:
    mine = folder_with(tmp_path, "Listen: {{ question }}")
    assert render("answer", discussion(), member(), folder=mine) == f"Listen: {QUESTION}"
    assert render("debate/revise", discussion(), member(), folder=mine) == render(
        "debate/revise", discussion(), member()
    )


def test_a_folder_can_hold_templates_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "poem").mkdir()
    (tmp_path / "poem" / "first.md").write_text("A poem on {{ question }}")
    assert render("poem/first", discussion(), member(), folder=str(tmp_path)) == f"A poem on {QUESTION}"


def test_an_edited_template_has_another_fingerprint(tmp_path: Path) -> None:
    shipped = fingerprint(("answer", "debate/revise"))
    assert fingerprint(("answer", "debate/revise"), str(tmp_path)) == shipped
    assert fingerprint(("answer", "debate/revise"), folder_with(tmp_path, "{{ question }}!")) != shipped


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ question }}\n\n{{ pears }}", ":3: template does not render: 'pears' is undefined"),
        ("{{ question }}\n{% for p in peers %}", ":2: template does not parse: Unexpected end of template"),
        ("{{ question | shout }}", ":1: template does not parse: No filter named 'shout'"),
        ("{{ question }}\n{{ ''.__class__ }}", ":2: template does not render: access to attribute '__class__'"),
        ("{{ question }}\n{{ question.__init__.__globals__ }}", ":2: template does not render: access to attribute"),
        ("{{ question }}\n{% for i in range(10**9) %}x{% endfor %}", ":2: template does not render: Range too big"),
        ("{{ question }}\n{{ peers.append('x') }}", ":2: template does not render: "),
        ("{{ question }}{% include 'answer.md' %}", ":1: template does not render: "),
        ("{{ question }}\n{{ 1 / 0 }}", ":2: template does not render: division by zero"),
        ("{{ question }}\n{{ peers[7] }}", ":2: template does not render: list object has no element 7"),
        ("Answer! {{ contract }}", ":1: the template never shows the question: add {{ question }}"),
        ("{{ question | upper }}", ":1: the template never shows the question"),
        ("", ":1: the template never shows the question"),
    ],
)  # fmt: skip
def test_bad_templates_are_refused_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    folder = folder_with(tmp_path, text)
    with pytest.raises(BadInput) as e:
        check_template("answer", folder)
    assert str(e.value).startswith(f"{tmp_path / 'answer.md'}{said}")


def test_templates_and_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no prompt template 'debate/revize'; did you mean 'debate/revise'"):
        template("debate/revize")
    with pytest.raises(BadInput, match=r"prompts folder '.*absent': no such folder"):
        template("answer", str(tmp_path / "absent"))
    (tmp_path / "answer.md").write_bytes(b"\xff{{ question }}")
    with pytest.raises(BadInput, match=r"answer\.md: cannot be read"):
        template("answer", str(tmp_path))


# What gets in.


def test_words_of_others_and_questions_are_data_and_never_templates() -> None:
    evil = "{{ 7 * 7 }} {% raw %} {{ ''.__class__ }}"
    text = render("debate/revise", discussion(Turn("bo", text=evil), question=evil), member(), [Turn("bo", text=evil)])
    assert text.count(evil) == 2


def test_quoted_turns_are_numbered_and_fenced_or_lettered() -> None:
    seen = [Turn("bo", text="Six."), Turn("cy", text="Seven.")]
    text = render("debate/revise", discussion(), member(), seen)
    assert [w in text for w in ("--- Answer 1 (", "\nSix.\n--- end ", "--- Answer 2 (", "bo", "cy")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    picked = render("judge_select/pick", discussion(), member(), seen, mark=lettered("Candidate"))
    assert "--- Candidate B (" in picked
    assert picked.endswith("Reply with one letter: A or B.")


def test_own_words_are_shown_once_they_exist() -> None:
    say = prompted("debate/revise", sees=others)
    d = discussion(Turn("ana", text="<think>hm</think>Eight."), Turn("bo", text="Six."))
    assert "Your own answer so far:\nEight.\n" in say(d, member("ana"))
    assert "Your own answer" not in say(d, member("guest"))


# The window: the question is never cut, the words of others are.

LONG = " ".join(f"step{i}" for i in range(400))


def tokens(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("window", [250, 300, 600, 2000])
def test_others_are_cut_to_what_the_readers_window_leaves(window: int) -> None:
    ana = member(context=window, system="Be brief.")
    d = discussion(Turn("ana", text=f"{LONG} own-end"), Turn("bo", text=f"{LONG} bo-end"), Turn("cy", text="Answer: 6"))
    text = prompted("debate/revise", sees=others)(d, ana)
    assert tokens(text) + tokens("Be brief.") + 20 <= window
    assert f"\n\n{QUESTION}\n\n" in text
    assert text.count(AnswerType("number").instruction()) == 2
    assert "\nAnswer: 6\n" in text, "short replies stay whole"
    assert text.count("own-end") == text.count("bo-end") == 1, "the end of each is kept"
    assert ("[...] " in text) == (window < 2000), "nothing is cut that fits"


def test_every_reader_counts_with_its_own_tokenizer() -> None:
    class Spelling(Scripted):
        def count_tokens(self, text: str) -> int:
            return len(text)

    d = discussion(Turn("bo", text=LONG))
    say = prompted("debate/revise", sees=others)
    reads_words = say(d, member(context=1500))
    spells = Participant("ana", Spelling([], context=1500), sampling=Sampling(max_tokens=20))
    assert "step0 " in reads_words
    assert "step0 " not in say(d, spells)
    assert len(say(d, spells)) + 20 <= 1500


def test_a_whole_that_has_more_tokens_than_its_parts_fits_too() -> None:
    class Seams(Scripted):
        def count_tokens(self, text: str) -> int:
            return len(text.split()) * 21 // 20  # the parts of a text lose their fractions

    ana = Participant("ana", Seams([], context=900), sampling=Sampling(max_tokens=20))
    for length in range(100, 160):
        turns = [Turn(f"m{i}", text="w " * (length + i)) for i in range(9)]
        text = prompted("debate/revise", sees=others)(discussion(*turns), ana)
        assert ana.room(text) is not None, "question, reply and margin still have their place"


def test_a_question_that_does_not_fit_is_never_cut() -> None:
    with pytest.raises(PromptTooLong, match="ana: the question and the reply need"):
        render("answer", discussion(question="word " * 300), member(context=200))


# Exactly what members get to read.


def transcript(result: Discussion) -> str:
    return "\n".join(
        f"=== {t.speaker}, {t.role}, round {t.round}{f', about {t.about}' if t.about else ''}\n"
        + "".join(f"[{m.role}]\n{m.content}\n" for m in t.prompt)
        + f"[reply]\n{t.text}\n"
        for t in result["turns"]
    )


SCRIPTS = {
    "debate": {
        "ana": ["8 and 8 are 16.\nAnswer: 16", "Still 16.\nAnswer: 16"],
        "bo": ["<think>Six each?</think>Answer: 12", "I forgot two legs each.\nAnswer: 16"],
        "cy": ["I do not know.", "Answer: 16"],
    },
    "critique_refine": {
        "ana": ["Answer: 16", "It has six legs a spider; a spider has eight.", "Answer: 16"],
        "bo": ["Six and six.\nAnswer: 12", "I find no mistake.", "Answer: 16", "All agree.\nAnswer: 16"],
    },
    "judge_select": {"ana": ["Answer: 16"], "bo": ["Answer: 12"], "cy": ["Answer: 16.0"]},
    "route": {"ana": ["Answer: 12"], "bo": ["Answer: 16"]},
}
KNOWN = {
    "ana": ("Scales recipes.", ("A recipe for 2 needs 100 g. How much do 4 need?", "How many cups\nare 3 pints?")),
    "bo": ("Animals, and how they are built.", ("How many wings has a bee?",)),
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_prompts_as_members_get_them(name: str, snapshot: Callable[[str, str], None]) -> None:
    people = [
        Participant(
            n,
            Scripted(replies, name=n),
            system="You know animals." if n == "bo" else "",
            purpose=KNOWN.get(n, ("",))[0],
            examples=KNOWN.get(n, ("", ()))[1],
        )
        for n, replies in SCRIPTS[name].items()
    ]
    graph = {
        "debate": lambda: debate(people, sees="neighbours"),
        "critique_refine": lambda: critique_refine(people, finish="bo"),
        "judge_select": lambda: judge_select(people, judge=Participant("jo", Scripted(["A", "Candidate B."]))),
        "route": lambda: route(people, by=Participant("jo", Scripted(["B", "Member A."]))),
    }[name]()
    result = await graph.compile().ainvoke({"question": QUESTION, "answer_type": AnswerType("number")})
    assert result["answer"] == "16"
    snapshot(f"prompts/{name}.txt", transcript(result))
