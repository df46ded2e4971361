"""Score a finished run again from its stored texts: with another version of the readers, or after a repair."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from folkmoot.confidence import beliefs, surest
from folkmoot.decide import plurality
from folkmoot.discussion import Decision, Turn, last_answers
from folkmoot.evaluation.item import Item
from folkmoot.evaluation.report import read_own_meta, width, write_report
from folkmoot.evaluation.result import Result
from folkmoot.evaluation.runner import classify
from folkmoot.evaluation.scoring import grade
from folkmoot.evaluation.store import RunStore
from folkmoot.evaluation.table import render_text
from folkmoot.evaluation.table_json import to_json
from folkmoot.nodes import describe


def rescore(folder: Path, *, unsafe_code: bool = False, as_json: bool = False) -> int:
    """Read and score every sample of a run again, write its report again, and say what changed.

    Every turn is read anew, every vote is counted anew, and the surest member is found anew, with the weights and curves that
    the run had. What a judge picked or a finisher wrote stands. Whether another reading would have led the discussion itself
    elsewhere (a debate ends when all agree) only a new run can tell; from the cache it costs no call where nothing changed.
    The words of smaller teams (``worth``) are not stored: if anything changed, their samples are dropped until they are played
    again, since old scores beside new ones would say nothing.

    Returns:
        Exit code 0.

    Raises:
        BadInput: There is no run, or another process is writing it.
        Missing: Programs would have to run, and nothing here can isolate them.
    """
    meta = read_own_meta(folder)
    changed: list[dict[str, object]] = []
    count, stored = 0, None
    with RunStore(folder) as store:
        for dev in (False, True):
            items, options = store.items(dev=dev), _options(meta, dev=dev)
            for r in store.results(dev=dev):
                again = scored(r, items[r.task, r.item], options.get(r.system, {}), unsafe_code=unsafe_code)
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
        dropped = store.drop_coalitions() if changed else 0
        analysis = write_report(store, meta)
    if as_json:
        told = {"scored": count, "coalitions_dropped": dropped, "changed": changed}
        print(json.dumps(told | to_json(analysis), indent=2))
        return 0
    print(render_text(analysis, width()))
    print(f"\n{count} samples scored again, {len(changed)} changed.")
    if dropped:
        print(
            f"{dropped} samples of smaller teams are dropped, since their words are not stored and old scores do not go with new "
            f"ones: 'folkmoot eval resume {folder}' plays them again from the completion cache. Until then nobody's worth is known."
        )
    for c in changed[:10]:
        print(f"  {c['system']}, {c['task']} {c['item']}: {c['before']} -> {c['now']}")
    if len(changed) > 10:
        print(f"  and {len(changed) - 10} more: --json lists them all")
    return 0


def _options(meta: Mapping[str, Any], *, dev: bool) -> dict[str, dict[str, Any]]:
    """The options of every graph as its samples had them: with what dev results said, and on dev without."""
    found = {}
    for s in meta["suite"]["systems"]:
        told = meta.get("tuned", {}).get(s["name"], {})
        found[s["name"]] = {k: v for k, v in s["with"].items() if k not in told} | ({} if dev else told)
    return found


def scored(r: Result, item: Item, options: Mapping[str, Any] = {}, *, unsafe_code: bool = False) -> Result:
    """A result read and scored again; replies that a judge scored keep their judgements.

    Args:
        r: The result.
        item: Its question.
        options: Of its graph; those that say how answers are counted have a say.
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
    elif turns != r.turns and r.decision is not None and (anew := _decided(r.decision.by, turns, item, options)):
        answer, r = anew.answer, replace(r, decision=anew)
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


def _decided(by: str, turns: Sequence[Turn], item: Item, options: Mapping[str, Any]) -> Decision | None:
    """The decision, made again by the same rule; None where the rule is somebody's judgement."""
    kind, newest = item.answer_type, last_answers({"turns": list(turns)})
    if by in ("vote", "weighted vote"):
        weights = options.get("weights") if by == "weighted vote" else None
        return plurality(newest, kind, weights=weights, quorum=options.get("quorum", 1))
    if by == "confidence":
        spoken = [t for t in turns if t.role == "confidence"]
        held = beliefs([*newest, *spoken], kind, options.get("confidence", "agreement"))
        return surest(held, options.get("calibration"), options.get("accuracy"))
    return None
