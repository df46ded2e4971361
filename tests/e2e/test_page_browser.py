"""The report page in a real browser: headless chromium, driven by Playwright."""

import importlib.util
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from folkmoot.discussion import Turn
from folkmoot.engines.contract import Message
from folkmoot.evaluation.page import render_page
from folkmoot.evaluation.result import Result
from folkmoot.visible import visible

_spec = importlib.util.spec_from_file_location(
    "page_fixture", Path(__file__).parents[1] / "evaluation" / "page_fixture.py"
)
assert _spec
assert _spec.loader
fixture = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fixture)
KINDS: dict[str, str] = fixture.SYSTEMS
SYSTEMS = list(KINDS)
TASKS = ("gsm8k", "dates")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e42\u202c \x1b[31m"
HUGE = "word " * 20_000


def a_report() -> list[Result]:
    """40 questions with one hostile reply, one of 100,000 characters and one that was judged."""
    run: list[Result] = fixture.a_run(20, TASKS)
    debate, _, _, vote, *_ = run[:9]
    run[0] = replace(
        debate,
        turns=(Turn("smol", text=HOSTILE, answer=HOSTILE, prompt=(Message("user", HOSTILE),)), *debate.turns[1:]),
        judgements=(fixture.JUDGED,),
    )
    run[3] = replace(vote, turns=(Turn("smol", text=HUGE, answer="1"),))
    return run


RUN = a_report()
BY_QUESTION = {item: {r.system: r for r in RUN if r.item == item} for item in dict.fromkeys(r.item for r in RUN)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail(
            "the report page is tested in a browser: install chromium (Debian and Ubuntu: apt-get install chromium)"
        )
    with sync_playwright() as p:
        started = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render_page(fixture.analysis_of(RUN), RUN, fixture.META, total=len(RUN)), encoding="utf-8")
    return file


Opener = Callable[..., Any]


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opener]:
    """Opens the report; at the end nothing but the file was asked for, and the console is empty."""
    contexts, complaints, asked = [], [], []

    def open_page(file: Path = report, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: complaints.append(m.text))
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("dialog", lambda d: (complaints.append(d.message), d.dismiss()))
        page.on("request", lambda r: asked.append(r.url.partition("#")[0]))
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector("tr[data-row]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in asked if not url.endswith(".html")} == set()
    assert len(asked) == len(contexts)


def score(item: str, system: str) -> float:
    return BY_QUESTION[item][system].score


def is_only(item: str, ones: list[str]) -> bool:
    others = [s for s in SYSTEMS if s not in ones]
    return any(score(item, s) == 1 for s in ones) and all(score(item, s) < 1 for s in others)


GRAPHS = [s for s in SYSTEMS if KINDS[s] == "graph"]
MEMBERS = [s for s in SYSTEMS if KINDS[s] == "member"]


@pytest.mark.parametrize(
    ("show", "of", "wanted"),
    [
        ("all", "", lambda q: True),
        ("disagree", "", lambda q: len({score(q, s) for s in SYSTEMS}) > 1),
        ("disagree", "debate", lambda q: any(score(q, s) != score(q, "debate") for s in SYSTEMS)),
        ("only", "", lambda q: is_only(q, GRAPHS)),
        ("only", "judge_select", lambda q: is_only(q, ["judge_select"])),
        ("collapsed", "", lambda q: any(score(q, m) == 1 for m in MEMBERS) and any(score(q, g) < 1 for g in GRAPHS)),
        ("collapsed", "debate", lambda q: any(score(q, m) == 1 for m in MEMBERS) and score(q, "debate") < 1),
        ("nobody", "", lambda q: all(score(q, s) == 0 for s in SYSTEMS)),
        ("unparsed", "", lambda q: any(r.outcome == "unparsed" for r in BY_QUESTION[q].values())),
        ("unparsed", "smol", lambda q: BY_QUESTION[q]["smol"].outcome == "unparsed"),
        ("truncated", "", lambda q: any(r.outcome == "truncated" for r in BY_QUESTION[q].values())),
        ("right", "coder-half", lambda q: score(q, "coder-half") == 1),
        (
            "wrong",
            "coder-half",
            lambda q: BY_QUESTION[q]["coder-half"].outcome == "scored" and not score(q, "coder-half"),
        ),
    ],
)
def test_filters_count_right(opened: Opener, show: str, of: str, wanted: Callable[[str], bool]) -> None:
    page = opened()
    page.select_option("#filter", show)
    page.select_option("#system", label=of or "any system")
    expected = [q for q in BY_QUESTION if wanted(q)]
    assert page.inner_text("#count") == f"{len(expected)} of 40 questions"
    assert page.get_attribute(".matrix", "aria-rowcount") == str(len(expected) + 1)
    seen = page.eval_on_selector_all("tr[data-row] .id", "all => all.map(e => e.textContent)")
    assert seen == expected[: len(seen)]
    assert bool(seen) == bool(expected)


def test_by_task_and_by_words_of_the_question(opened: Opener) -> None:
    page = opened()
    page.select_option("#task", label="dates")
    assert page.inner_text("#count") == "20 of 40 questions"
    person = BY_QUESTION["dates-0003"]["smol"].question.split()[0]
    page.fill("#search", f"THE END OF TUESDAY? dates-0003 {person}"[0:23])
    page.wait_for_timeout(300)  # the words are past what the matrix shows: the whole questions are unpacked now
    assert page.inner_text("#count") == "0 of 40 questions"
    assert page.is_visible(".nothing-found")
    page.fill("#search", "HAVE AT THE END OF TUESDAY?")
    page.wait_for_timeout(300)
    assert page.inner_text("#count") == "20 of 40 questions"
    page.fill("#search", "dates-0003")
    assert page.inner_text("#count") == "1 of 40 questions"
    page.click("#clear")
    assert page.inner_text("#count") == "40 of 40 questions"


FOCUSED = """() => { const e = document.activeElement, s = getComputedStyle(e);
  return [e.id || e.className || e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; }"""


def test_everything_is_reached_and_worked_by_keyboard(opened: Opener) -> None:
    page = opened()
    walked = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, style, width = page.evaluate(FOCUSED)
        if name == "BODY":
            break
        walked.append(name)
        assert style != "none", name
        assert width >= 1, name
    assert walked[0] == "skip"
    wanted = {"theme", "forest-graph", "forest-reference", "filter", "system", "task", "search", "matrix", "scroll"}
    assert wanted <= set(walked)

    page.focus(".matrix")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    active = page.get_attribute(".matrix", "aria-activedescendant")
    assert active == "c1-2"
    assert page.get_attribute(f"#{active}", "aria-label").startswith("critique_refine: ")
    page.keyboard.press("Control+End")
    assert page.get_attribute(".matrix", "aria-activedescendant") == "c39-9"
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".matrix", "aria-activedescendant") == "c0-1"
    page.keyboard.press("Enter")
    page.wait_for_selector(".column .turn")
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")
    assert page.evaluate(FOCUSED)[0] == "matrix"


def columns(page: Any) -> list[str]:
    page.wait_for_selector(".column .turn")
    found: list[str] = page.eval_on_selector_all(".column h3 bdi", "all => all.map(e => e.textContent)")
    return found


def test_discussions_stand_side_by_side_with_every_turn(opened: Opener) -> None:
    page = opened()
    page.click("tr[data-row='4'] td:nth-child(2)")
    assert columns(page) == ["debate", "coder-one-and-a-half"]
    for i, system in enumerate(("debate", "coder-one-and-a-half")):
        r = BY_QUESTION["gsm8k-0004"][system]
        box = page.locator(".column").nth(i)
        assert box.locator(".said").all_text_contents() == [t.text for t in r.turns if not t.error]
        assert box.locator(".turn .who").all_text_contents() == [t.speaker for t in r.turns]
        marks = ["✓" if m else "×" for m in r.marks if m is not None]
        assert box.locator(".turn .read .cell").all_text_contents() == marks
        tokens = f"{r.turns[0].prompt_tokens} + {r.turns[0].completion_tokens} tokens"
        assert tokens in box.locator(".turn .facts").first.inner_text()
        box.locator(".turn summary").first.click()
        box.locator("pre").first.wait_for()
        said = box.locator(".turn").first.locator("pre").all_text_contents()
        assert said == [m.content for m in r.turns[0].prompt]
    assert page.inner_text(".question") == BY_QUESTION["gsm8k-0004"]["debate"].question
    page.check("#t-s6")
    page.wait_for_selector(".column:nth-child(3)")
    assert columns(page) == ["debate", "smol", "coder-one-and-a-half"]
    page.click("#t-next")
    page.wait_for_selector("#t-title:has-text('gsm8k-0005')")
    assert columns(page) == ["debate", "smol", "coder-one-and-a-half"]
    assert page.evaluate("location.hash") == "#q5s0-6-8"
    page.click("#t-close")
    page.wait_for_selector("dialog", state="hidden")


def test_an_address_leads_to_a_discussion(opened: Opener, report: Path) -> None:
    page = opened()
    page.evaluate("location.hash = '#q21s3-4'")
    assert columns(page) == ["vote x6", "self-consistency smol x6"]
    assert "dates-0001" in page.inner_text("#t-title")


def test_hostile_and_huge_replies_are_shown_as_text(opened: Opener) -> None:
    page = opened()
    page.evaluate("location.hash = '#q0s0-3'")
    assert columns(page) == ["debate", "vote x6"]
    first = page.locator(".column").first
    assert first.locator(".said").first.text_content() == visible(HOSTILE)
    first.locator(".turn summary").first.click()
    first.locator("pre").first.wait_for()
    assert first.locator("pre").first.text_content() == visible(HOSTILE)
    assert page.locator("img").count() == 0
    assert (
        "umpire against coder-one-and-a-half: shown first, this reply; shown second, the other; score 0.5; the verdict changed with the order. 120 words against 95."
        in first.inner_text()
    )
    huge = page.locator(".column").nth(1)
    assert len(huge.locator(".said").first.text_content()) < 2_000
    page.get_by_role("button", name="Show all 100,000 characters").click()
    assert huge.locator(".said").first.text_content() == HUGE
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# The least contrast of any text in sight with what lies behind it (WCAG 2.2), and where
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (a, b) => a.map((v, i) => (i < 3 ? v * a[3] / 255 + b[i] * (1 - a[3] / 255) : 255));
  const behind = e => { for (; e; e = e.parentElement) { const c = read(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
  let least = [99, ""], n = 0;
  const walk = document.createTreeWalker(document.querySelector("dialog[open]") || document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, s = getComputedStyle(e);
    if (!walk.currentNode.textContent.trim() || !e.checkVisibility({ visibilityProperty: true }) || e.closest(":disabled, title, script, option")) continue;
    const svg = e.namespaceURI.endsWith("svg"), back = behind(e), front = over(read(svg ? s.fill : s.color), back);
    let [a, b] = [light(front), light(back)];
    const opacity = parseFloat(s.opacity);
    if (opacity < 1) a = light(front.map((v, i) => v * opacity + back[i] * (1 - opacity)));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    n++;
    if (ratio < least[0]) least = [ratio, `${e.className || e.tagName}: ${walk.currentNode.textContent.trim().slice(0, 40)}`];
  }
  return [...least, n];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_colour_schemes(opened: Opener, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    ratio, where, n = page.evaluate(CONTRAST)
    assert n > 500
    print(f"least contrast {scheme}: {ratio:.2f} ({where}), of {n} texts")
    assert ratio >= 4.5, where
    page.evaluate("location.hash = '#q4s0-8'")
    columns(page)
    ratio, where, n = page.evaluate(CONTRAST)
    assert n > 50
    assert ratio >= 4.5, where


def test_the_button_changes_the_colours(opened: Opener) -> None:
    page = opened(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    assert page.inner_text("#theme") == "Colours: dark"
    dark = page.evaluate(paper)
    assert dark != light
    page.emulate_media(color_scheme="dark")
    page.click("#theme")
    assert (page.inner_text("#theme"), page.evaluate(paper)) == ("Colours: light", light)
    page.click("#theme")
    assert (page.inner_text("#theme"), page.evaluate(paper)) == ("Colours: as the system", dark)


def test_it_prints_tables_and_drawings_without_controls_on_white(opened: Opener) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    for gone in ("nav", "#questions", "#theme", ".tools"):
        assert not page.locator(gone).first.is_visible(), gone
    for there in (
        "#verdict table",
        "#systems table",
        "#tasks .forest:not([hidden]) table",
        "#collaboration table",
        "#made",
    ):
        assert page.locator(there).first.is_visible(), there
    assert page.locator(".cost svg:visible").count() == 1
    assert page.evaluate("getComputedStyle(document.querySelector('#made dd')).color") == "rgb(28, 30, 35)"
    assert page.locator(".scroll").first.evaluate("e => getComputedStyle(e).overflowX") == "visible"
    assert page.pdf(format="A4")[:5] == b"%PDF-"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways(opened: Opener, width: int) -> None:
    page = opened(width=width)
    wide = "() => [document.documentElement.scrollWidth, document.querySelector('dialog .inside').scrollWidth - document.querySelector('dialog .inside').clientWidth]"
    assert page.evaluate(wide) == [width, 0]
    # Words for screen readers stand in cells that may be far to the right in their box
    page.evaluate(
        """for (const cell of document.querySelectorAll('.scroll td:last-child'))
            cell.append(Object.assign(document.createElement('span'), {className: 'hidden', textContent: 'worse'}))"""
    )
    assert page.evaluate(wide) == [width, 0]
    assert page.locator(".cost svg:visible").count() == 1
    page.evaluate("location.hash = '#q0s0-3-8'")
    columns(page)
    assert page.evaluate(wide) == [width, 0]


def test_the_forest_plot_is_chosen(opened: Opener) -> None:
    page = opened()
    title = ".forest:not([hidden]) figcaption"
    assert page.locator(title).all_inner_texts() == ["debate minus coder-one-and-a-half, points"]
    page.select_option("#forest-graph", label="judge_select")
    page.select_option("#forest-reference", label="vote x6")
    assert page.locator(title).all_inner_texts() == ["judge_select minus vote x6, points"]


def test_without_javascript_tables_and_drawings_are_there(opened: Opener) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator(".grid-of-verdicts tbody tr").count() == 3
    assert page.locator(".forest:visible").count() == 12
    assert page.locator(".cost svg:visible").count() == 1
    assert page.get_by_text("need JavaScript to be shown").is_visible()
    assert not page.locator("#theme").is_visible()


def test_20000_samples_open_at_once(opened: Opener, tmp_path: Path) -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4000)]
    base: list[Result] = fixture.a_run(60)

    def again(r: Result, k: int) -> Result:
        turns = tuple(replace(t, text=" ".join(rng.choices(words, k=40)), prompt=t.prompt[:1]) for t in r.turns)
        return replace(r, item=f"{r.item}-{k}", question=" ".join(rng.choices(words, k=30)), turns=turns)

    run = [again(r, k) for k in range(38) for r in base][:20_000]
    file = tmp_path / "large.html"
    file.write_text(render_page(fixture.analysis_of(run), iter(run), fixture.META, total=40_000), encoding="utf-8")
    page = opened(file)
    page.wait_for_timeout(200)
    ready, painted = page.evaluate(
        "[performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd, performance.getEntriesByName('matrix')[0].startTime]"
    )
    started = page.evaluate("performance.now()")
    page.evaluate("location.hash = '#q2000s0-8'")
    columns(page)
    opening = page.evaluate("performance.now()") - started
    print(
        f"{len(run)} samples, {file.stat().st_size / 1e6:.1f} MB: DOMContentLoaded {ready:.0f} ms, matrix painted "
        f"{painted:.0f} ms, a discussion opened in {opening:.0f} ms"
    )
    assert max(ready, painted) < 4000
    page.keyboard.press("Escape")
    assert page.locator("tr[data-row]").count() < 80
    page.focus(".matrix")
    page.keyboard.press("Control+End")
    assert page.locator("tr[data-row]").last.locator(".id").inner_text() == run[-1].item
    assert page.inner_text("#shown").startswith("20,000 of 40,000 samples are in this file")
