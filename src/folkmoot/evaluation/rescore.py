"""Score a finished run again from its stored texts: with another version of the readers, or after a repair."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from folkmoot.decide import plurality
from folkmoot.discussion import last_answers
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.report import read_meta, width, write_report
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import classify
from folkmoot.evaluation.scoring import grade
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.table import render_text, to_json
from folkmoot.nodes import describe


def rescore(folder: Path, *, unsafe_code: bool = False, as_json: bool = False) -> int:
    """Read and score every sample of a run again, write its report again, and say what changed.

    Every turn is read anew and every plain vote is counted anew. What a judge picked or a finisher wrote stands. Whether
    another reading would have led the discussion itself elsewhere (a debate ends when all agree) only a new run can tell; from
    the cache it costs no call where nothing changed.

    Returns:
        Exit code 0.

    Raises:
        BadInput: There is no run, or another process is writing it.
        Missing: Programs would have to run, and nothing here can isolate them.
    """
    meta = read_meta(folder)
    changed: list[dict[str, object]] = []
    count, stored = 0, None
    quorums = {s["name"]: s["with"].get("quorum", 1) for s in meta["suite"]["systems"]}
    with RunStore(folder) as store:
        for dev in (False, True):
            items = store.items(dev=dev)
            for r in store.results(dev=dev):
                again = scored(r, items[r.task, r.item], quorum=quorums.get(r.system, 1), unsafe_code=unsafe_code)
                count += 1
                if again != r:
                    stored = store.add(again)
                if (again.score, again.answer, again.outcome) != (r.score, r.answer, r.outcome):
                    changed.append(
                        {"system": r.system, "task": r.task, "item": r.item, "draw": r.draw, "dev": dev}
                        | {"before": [r.outcome, r.answer, r.score], "now": [again.outcome, again.answer, again.score]}
                    )
        if stored is not None:
            stored.result()
        analysis = write_report(store, meta)
        smaller = len(store.coalitions())
    if as_json:
        told = {"scored": count, "coalitions_not_scored": smaller, "changed": changed}
        print(json.dumps(told | to_json(analysis), indent=2))
        return 0
    print(render_text(analysis, width()))
    print(f"\n{count} samples scored again, {len(changed)} changed.")
    if smaller:
        print(
            f"{smaller} samples of smaller teams keep their scores, since their words are not stored: where readers have changed, "
            "'folkmoot eval resume' plays them again from the completion cache."
        )
    for c in changed[:10]:
        print(f"  {c['system']}, {c['task']} {c['item']}: {c['before']} -> {c['now']}")
    if len(changed) > 10:
        print(f"  and {len(changed) - 10} more: --json lists them all")
    return 0


def scored(r: Result, item: Item, *, quorum: int = 1, unsafe_code: bool = False) -> Result:
    """A result read and scored again; replies that a judge scored keep their judgements.

    Args:
        r: The result.
        item: Its question.
        quorum: Fewest valid votes of its system, if a vote decides.
        unsafe_code: Run programs even where this machine cannot isolate them.
    """
    turns = tuple(
        replace(t, answer=item.answer_type.extract(t.text, cut=t.finish == "length"))
        if t.role in ("answer", "finish") and t.error is None
        else t
        for t in r.turns
    )
    answer = r.answer
    if len(turns) == 1:
        answer = turns[0].answer
    elif turns != r.turns and r.decision is not None and r.decision.by == "vote":
        answer = plurality(last_answers({"turns": list(turns)}), item.answer_type, quorum=quorum).answer
    if item.metric == "judge":
        return replace(r, turns=turns, answer=answer)
    outcome = classify(turns, answer) if turns else r.outcome
    if outcome == "error":
        return replace(r, turns=turns, answer=answer)
    try:
        told = grade(item, answer, turns, unsafe_code=unsafe_code)
    except RuntimeError as e:  # the sandbox did not start
        return replace(r, turns=turns, answer=answer, outcome="error", error=describe(e), score=0.0)
    error = r.error if outcome == "limit" else None
    again = replace(r, turns=turns, answer=answer, outcome=outcome, error=error)
    return replace(again, score=told.score, marks=told.marks, why=told.why)
