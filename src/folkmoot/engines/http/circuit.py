"""Whether a server is up, judged by what its calls come back with, so that a dead one is not hammered."""

from __future__ import annotations

import time

BURST = 10
"""Failures in a row that open a circuit at once; a 429 or 503 is a refusal, not such a failure."""

SPELL_S = 1.5
"""Seconds without a success, with at least three failures of any kind, that open it too."""

PROBE_S = 0.55
"""Seconds between two calls while it is open: less than two a second."""

PROOF_S = 10.0
"""Seconds after which a server that has never answered is given up."""


class Circuit:
    """Counts failures in a row. Open, it lets a call through now and then; the first success closes it.

    It opens on evidence against the server, not against a request: a refused connection, or failures of at least two
    different calls. One request that always makes a server fail runs out of retries and disturbs nobody.

    Args:
        patience: Seconds without any success after which waiting is pointless (`hopeless`).
    """

    def __init__(self, patience: float) -> None:
        self.open = False
        self.successes = 0
        self.trouble = ""
        self._patience, self._strikes, self._hard = patience, 0, 0
        self._first: object = None
        self._shared = False
        self._since = self._next = 0.0

    def worked(self) -> None:
        """The server did what it should, or at least said what is wrong with a request."""
        self.successes += 1
        if self._strikes:
            self._strikes = self._hard = 0
            self._shared = self.open = False

    def failed(self, caller: object, trouble: str, *, refused: bool = False, busy: bool = False) -> None:
        """A call found no server (`refused`), was turned away (`busy`: 429, 503) or broke.

        Args:
            caller: Tells calls apart; retries of one call have the same.
            trouble: What happened, for error lines.
            refused: There was no connection at all.
            busy: The server lives and has too much to do.
        """
        now = time.monotonic()
        if not self._strikes:
            self._first, self._since = caller, now
        self._strikes += 1
        self._hard += not busy
        self._shared = self._shared or refused or caller != self._first
        self.trouble = trouble
        spell = self._strikes >= 3 and now - self._since >= SPELL_S
        if not self.open and self._shared and (self._hard >= BURST or spell):
            self.open, self._next = True, now + PROBE_S

    def wait(self) -> float:
        """Seconds until the next call may go; 0 while the circuit is closed."""
        return max(self._next - time.monotonic(), 0.0) if self.open else 0.0

    def sent(self) -> None:
        """A call goes out; while the circuit is open, the next one waits a while."""
        if self.open:
            self._next = time.monotonic() + PROBE_S

    @property
    def down_s(self) -> float:
        """Seconds since the first failure in a row; 0 if the last call worked."""
        return time.monotonic() - self._since if self._strikes else 0.0

    @property
    def hopeless(self) -> bool:
        """Nothing has worked for so long that callers had better be told."""
        return self.open and self.down_s > (self._patience if self.successes else min(PROOF_S, self._patience))
