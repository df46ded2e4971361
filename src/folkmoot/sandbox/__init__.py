"""Running programs that models wrote: isolated from this machine, from their tests and from the verdict."""

from folkmoot.sandbox.check import NotStarted
from folkmoot.sandbox.entry import entry_of
from folkmoot.sandbox.limits import Limits, Verdict
from folkmoot.sandbox.trial import Isolation, isolation, run_check

__all__ = ["Isolation", "Limits", "NotStarted", "Verdict", "entry_of", "isolation", "run_check"]
