"""Numbers for LoRA adapters: vLLM tells adapters apart by a number, and does not see if two have the same."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from folkmoot.engines.placement.lora import RANKS as RANKS
from folkmoot.engines.placement.lora import check_adapter


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter.

    Attributes:
        number: Unique in this process.
        path: Its folder, absolute.
    """

    number: int
    path: Path


class Adapters:
    """Numbers adapters by folder. Thread-safe.

    Args:
        max_rank: Largest rank that is accepted.
    """

    def __init__(self, max_rank: int) -> None:
        self._max_rank = max_rank
        self._known: dict[Path, Adapter] = {}
        self._lock = threading.Lock()

    def find(self, folder: str, base: Path) -> Adapter:
        """The adapter in a folder.

        Args:
            folder: What the request names.
            base: Folder of the model it is applied to.

        Raises:
            EngineError: vLLM could not use it; the message names the folder and the reason.
        """
        path = Path(folder).expanduser().resolve()
        with self._lock:
            if path not in self._known:
                check_adapter(folder, base, engine="vllm", max_rank=self._max_rank)
                self._known[path] = Adapter(len(self._known) + 1, path)
            return self._known[path]
