"""Whether a program passes the tests of its item."""

from __future__ import annotations

from folkmoot.answers.code import complete
from folkmoot.evaluation.item import Item
from folkmoot.sandbox import Limits, Verdict, entry_of, run_check


def passes(item: Item, answer: str, *, limits: Limits | None = None, unsafe: bool = False) -> Verdict:
    """Run the tests of an item on a program, isolated.

    Imports, helpers and the head of the function that the question gives are added where the answer leaves them out. The tests
    get the question's own imports and helpers, never the answer's version of them.

    Args:
        item: With metric ``tests``.
        answer: The program, as `folkmoot.answers.extract` reads it from a reply.
        limits: What the program may use.
        unsafe: Run it even where no isolation works.

    Raises:
        Missing: No isolation works here, and `unsafe` is not set.
        NotStarted: The sandbox did not start, though it did before.
    """
    entry = item.entry or entry_of(item.question, item.tests)
    if not entry:
        return Verdict(False, f"item {item.id!r} does not tell which function its tests are about", 0.0)
    return run_check(
        complete(answer, item.question, entry),
        item.tests,
        entry,
        given=complete(f"def {entry}(): ...", item.question, entry),
        limits=limits or Limits(),
        unsafe=unsafe,
    )
