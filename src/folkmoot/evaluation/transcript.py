"""Questions and transcripts for a terminal: side by side where there is room. What models wrote is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from folkmoot.answers import AnswerType
from folkmoot.evaluation.folder import Run
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.result import Figures, Result
from folkmoot.evaluation.show import Question, look, marked
from folkmoot.evaluation.worth.provenance import provenance
from folkmoot.visible import visible

COLUMN = 44
"""Least columns of a terminal for one transcript."""
_ORDER = {"route": -1, "critique": 0, "answer": 1, "confidence": 2, "judge": 2, "finish": 3}
_SIGNS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "none": ("–", "yellow")}


@dataclass(frozen=True, slots=True)
class _Cell:
    """A turn of one step, as it is shown."""

    step: tuple[int, int, str]
    shown: Text


def print_questions(console: Console, run: Run, found: Sequence[Question], systems: Sequence[str] = ()) -> None:
    """The questions one after the other: who had it right, who wrong, who gave no answer."""
    items = run.items()
    for q in found:
        item = items.get((q.task, q.item))
        head = Text(f"{_line(q.task)} {_line(q.item)}", style="bold")
        head.append(f"  {_line(item.question)}" if item else "", style="not bold dim")
        head.truncate(console.width, overflow="ellipsis")
        console.print(head)
        for group, (sign, style) in _SIGNS.items():
            names = [_drawn(s, draws) for s, draws in q.samples.items() if _seen(q, s, systems) == group]
            if names:
                console.print(Padding(Text(f"{sign} ", style=style) + Text(", ".join(names)), (0, 0, 0, 2)))
    console.print(Text(f"{len(found)} question{'' if len(found) == 1 else 's'}"))


def _seen(q: Question, system: str, systems: Sequence[str]) -> str:
    """The group of a system on a question: right, wrong, none (no draw was scored); empty if it is not wanted."""
    if systems and system not in systems:
        return ""
    if q.right(system):
        return "right"
    return "wrong" if any(f.outcome == "scored" for f in q.samples[system]) else "none"


def _drawn(system: str, draws: Sequence[Figures]) -> str:
    """A system with what became of its draws, where its sign does not say it."""
    looks = [look(f) for f in draws]
    if len(draws) > 1:
        return f"{_line(system)} {looks.count('right')}/{len(draws)}"
    return _line(system) + (f" ({looks[0]})" if looks[0] not in ("right", "wrong") else "")


def print_transcripts(
    console: Console,
    found: Mapping[str, Sequence[Result]],
    kinds: Mapping[str, str],
    items: Mapping[tuple[str, str], Item] = {},
    *,
    prompts: bool = False,
) -> None:
    """All transcripts of a question, a column per system; one after the other in a narrow terminal."""
    for task, results in found.items():
        item = items.get((task, results[0].item))
        kind = item.answer_type if item else None
        head = results[0]
        console.print(Text(visible(f"[{task}] {head.item}"), style="bold"))
        console.print(Text(visible(head.question)))
        console.print(Text(visible(f"\ngold: {' | '.join(head.gold)}\n" if head.gold else ""), style="bold"))
        draws = {r.draw for r in results}
        for draw in sorted(draws):
            if len(draws) > 1:
                console.print(Text(f"draw {draw}\n", style="bold"))
            chosen = [r for r in results if r.draw == draw]
            at_once = max(1, console.width // COLUMN)
            for start in range(0, len(chosen), at_once):
                part = chosen[start : start + at_once]
                many = len(part) > 1
                console.print(_beside(part, kinds, kind, prompts) if many else _alone(part[0], kinds, kind, prompts))
                console.print()


def _beside(results: Sequence[Result], kinds: Mapping[str, str], kind: AnswerType | None, prompts: bool) -> Table:
    """Transcripts in columns; what was said in the same step stands side by side."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 1, 0), expand=True)
    said = []
    for r in results:
        table.add_column(_title(r, kinds), ratio=1, overflow="fold", vertical="top")
        steps: dict[tuple[int, int, str], list[Text]] = {}
        for cell in _cells(r, prompts):
            steps.setdefault(cell.step, []).append(cell.shown)
        said.append(steps)
    for step in sorted({step for steps in said for step in steps}):
        table.add_row(*(Text("\n\n").join(steps.get(step, [])) for steps in said))
    table.add_row(*(Text("\n").join(_ending(r, kind)) for r in results))
    return table


def _alone(r: Result, kinds: Mapping[str, str], kind: AnswerType | None, prompts: bool) -> Group:
    parts: list[RenderableType] = [Text("== ") + _title(r, kinds)]
    parts += [Padding(cell.shown, (0, 0, 1, 2)) for cell in _cells(r, prompts)]
    return Group(*parts, *_ending(r, kind))


def _title(r: Result, kinds: Mapping[str, str]) -> Text:
    kind = f" ({kinds[r.system]})" if kinds.get(r.system) else ""
    return Text(f"{_line(r.system)}{kind}\n", style="bold") + Text(_line(r.answer or "no answer")) + Text(" ") + mark(r)


def mark(r: Result) -> Text:
    """Sign and word for a sample: ``✓ right``, ``✗ wrong``, ``– unparsed``, ``✓ right (0.67)``."""
    word = look(r)
    sign, style = _SIGNS.get(word, _SIGNS["none"])
    return Text(f"{sign} {word}{'' if r.score in (0, 1) else f' ({r.score:.2g})'}", style=style)


def _cells(r: Result, prompts: bool) -> Iterator[_Cell]:
    for t, score in marked(r):
        about = f" on {_line(t.about)}" if t.about else ""
        draw = f", sample {t.draw + 1}" if t.draw else ""
        shown = Text(f"{_line(t.speaker)} · {t.role}{about} · round {t.round + 1}{draw}", style="bold")
        if prompts:
            for m in t.prompt:
                shown.append(f"\n{m.role}: {visible(m.content).strip()}", style="dim")
        if t.error is not None:
            shown.append(f"\nFAILED: {visible(t.error)}", style="red")
        elif t.text.strip():
            shown.append(f"\n{visible(t.text).strip()}", style="")
        if t.finish in ("length", "refused"):
            shown.append(f"\n[{'cut at the token limit' if t.finish == 'length' else 'refused'}]", style="yellow")
        if t.answer is not None:
            shown.append(f"\n→ {_line(t.answer)} ")
            shown.append_text(_turn_mark(score))
        elif t.role == "answer" and t.error is None:
            shown.append("\n→ no answer read", style="yellow")
        yield _Cell((t.round, _ORDER.get(t.role, 4), t.role), shown)


def _turn_mark(score: float | None) -> Text:
    if score is None:
        return Text("")
    sign, style = _SIGNS["right" if score > 0.5 else "wrong"]
    return Text(
        f"{sign} {'right' if score > 0.5 else 'wrong'}{'' if score in (0, 1) else f' ({score:.2g})'}", style=style
    )


def _ending(r: Result, kind: AnswerType | None) -> list[Text]:
    """How the answer came about and where it came from, what the tests or judges said, and what went wrong."""
    lines = []
    if r.decision:
        why = f": {visible(r.decision.why)}" if r.decision.why else ""
        lines.append(Text(f"⇒ {_line(r.decision.answer or 'no answer')} by {r.decision.by}{why}", style="bold"))
    if len(r.turns) > 1 and (words := provenance(r, kind).words):
        lines.append(Text(f"from: {_line(words)}"))
    if r.why:
        lines.append(Text(visible(r.why)))
    for j in r.judgements:
        order = "the verdict changed with the order" if j.flipped else "the same in both orders"
        lines.append(
            Text(
                _line(
                    f"judge {j.judge}: {j.score:g} against {j.against} ({order}; {j.words} and {j.words_against} words)"
                )
            )
        )
    if r.error:
        lines.append(Text(visible(r.error), style="red"))
    return lines


def _line(text: str) -> str:
    return " ".join(visible(text).split())
