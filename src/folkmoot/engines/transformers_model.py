"""A model of transformers that decodes a batch step by step: loading, precision, attention, likelihoods."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import EngineError, Missing
from folkmoot.engines.job import Draw
from folkmoot.engines.openmp import calm
from folkmoot.engines.transformers_adapters import Adapters
from folkmoot.engines.transformers_attention import use_grouped_attention
from folkmoot.engines.transformers_memory import Memory, Padded, left_padded, memory
from folkmoot.engines.transformers_sampling import pick
from folkmoot.engines.transformers_slots import Slots
from folkmoot.engines.turnstile import turnstile

MOST_THREADS = 16
"""More do not make small models faster."""

SCORED_TOKENS = 1024
"""Option tokens whose probabilities over the whole vocabulary are in memory at once."""


def placed(device: str | None, dtype: str) -> tuple[str, str]:
    """Device and precision to be used: ``("cpu", "bfloat16")``. bfloat16 where the hardware computes in it.

    Raises:
        Missing: torch is not installed, or the device is not there.
        EngineError: There is no such precision.
    """
    calm()
    try:
        import torch
    except ImportError as e:
        raise Missing(f"torch cannot be imported ({e}); install folkmoot with the extra 'local'") from None
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if where.startswith("cuda") and not torch.cuda.is_available():
        raise Missing(f"device {where!r} is not there; use device='cpu'")
    if dtype == "auto":
        if where.startswith("cuda"):
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            fast = where == "cpu" and any(has and "bf16" in name for name, has in torch.cpu.get_capabilities().items())
        return where, "bfloat16" if fast else "float32"
    if dtype not in ("bfloat16", "float16", "float32"):
        raise EngineError(f"dtype {dtype!r} is not known; use auto, bfloat16, float16 or float32")
    return where, dtype


def load(folder: Path, device: str, dtype: str, threads: int | None) -> Decoder:
    """Load a model. Call it on the thread that will use it.

    Raises:
        Missing: The folder has no weights that can be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    if device == "cpu":
        torch.set_num_threads(threads or min(_cores(), MOST_THREADS))
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # the engine has a progress line of its own
    try:
        with turnstile(device), _memory_errors():
            model = AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=getattr(torch, dtype),
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
            ).to(device)
    except MemoryError:
        raise Missing(f"{folder}: not enough memory on {device} to load this model; use a smaller one") from None
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        reason = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise Missing(f"{folder}: the model cannot be loaded: {reason}") from None
    finally:
        if bars:
            logging.enable_progress_bar()
    model.eval().requires_grad_(False)
    use_grouped_attention(model)
    with turnstile(device):
        return Decoder(model, device)


class Decoder:
    """See `folkmoot.engines.batching.Decoder`.

    Args:
        model: A causal language model of transformers.
        device: Where it is.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._model, self._device = model, device
        config = model.config.get_text_config(decoder=True)
        pad = config.pad_token_id
        self._pad = pad if isinstance(pad, int) and 0 <= pad < config.vocab_size else 0
        self._adapters = Adapters(model)
        self.turnstile = turnstile(device)
        self._slots = _slots_work(model, self._pad)
        self._memory = self._fresh()
        self.room = _room(config, device, model.dtype.itemsize)

    @property
    def joins(self) -> bool:
        """Rows may be added while others run."""
        return self._memory.joins

    def use(self, adapter: str | None) -> None:
        """Apply an adapter to all rows, or none."""
        with _memory_errors():
            self._adapters.use(adapter)

    def add(self, prompts: Sequence[Sequence[int]], draws: Sequence[Draw]) -> list[int]:
        """Append rows; the first token of each."""
        return self._next(self._memory.fill(prompts), draws)

    def step(self, last: Sequence[int], draws: Sequence[Draw]) -> list[int]:
        """The next token of every row."""
        return self._next(self._memory.step(last), draws)

    def _next(self, inputs: dict[str, Any], draws: Sequence[Draw]) -> list[int]:
        import torch

        with torch.inference_mode(), _memory_errors():
            logits = self._model(**inputs, use_cache=True, logits_to_keep=1).logits[:, -1]
            self._memory.done()
            return pick(logits, draws)

    def drop(self, gone: Sequence[int]) -> list[int]:
        """Take rows out; where the remaining ones were before."""
        import torch

        with torch.inference_mode(), _memory_errors():
            return self._memory.drop(gone)

    def score(self, prompts: Sequence[Sequence[int]], options: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        """Mean log-probability per token of each option after its prompt. Prompts are computed once."""
        import torch
        from transformers import DynamicCache

        flat = [(row, list(option)) for row, some in enumerate(options) for option in some]
        owner = torch.tensor([row for row, _ in flat], device=self._device)
        first = torch.tensor([option[0] for _, option in flat], device=self._device)
        with torch.inference_mode(), _memory_errors():
            cache = DynamicCache(config=self._model.config)
            inputs = left_padded(prompts, self._pad, self._device)
            logits = self._model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
            total = logits.float().log_softmax(dim=-1)[owner, first]
            longest = max(len(option) for _, option in flat)
            if longest > 1:
                mask = inputs["attention_mask"]
                mask = torch.ones_like(inputs["input_ids"]) if mask is None else mask
                after = inputs["position_ids"][:, -1] + 1
                some = max(1, SCORED_TOKENS // longest)
                for begin in range(0, len(flat), some):
                    part = slice(begin, begin + some)
                    # A cache is used up by a pass: all parts but the last get a copy.
                    own = cache if begin + some >= len(flat) else copy.deepcopy(cache)
                    own.reorder_cache(owner[part])
                    rest = [option for _, option in flat[part]]
                    total[part] += self._rest(rest, own, mask[owner[part]], after[owner[part]])
            means = (total / torch.tensor([len(option) for _, option in flat], device=self._device)).tolist()
        return [[m for m, (row, _) in zip(means, flat, strict=True) if row == r] for r in range(len(prompts))]

    def _rest(self, options: list[list[int]], cache: Any, mask: Any, after: Any) -> Any:
        """Log-probabilities of all tokens but the first, added up, after the prompts in the cache."""
        import torch

        width = max(map(len, options)) - 1
        if not width:
            return torch.zeros(len(options), device=self._device)
        fed = torch.tensor([(o[:-1] + [self._pad] * width)[:width] for o in options], device=self._device)
        wanted = torch.tensor([(o[1:] + [self._pad] * width)[:width] for o in options], device=self._device)
        real = torch.tensor([[i < len(o) - 1 for i in range(width)] for o in options], device=self._device)
        logits = self._model(
            input_ids=fed,
            attention_mask=torch.cat([mask, torch.ones_like(fed)], dim=1),
            position_ids=after[:, None] + torch.arange(width, device=self._device),
            past_key_values=cache,
            use_cache=True,
        ).logits.float()
        likely = logits.gather(-1, wanted[:, :, None])[:, :, 0] - logits.logsumexp(dim=-1)
        return (likely * real).sum(dim=-1)

    def clear(self) -> None:
        """Take all rows out and free their memory."""
        self._memory = self._fresh()
        _release(self._device)

    def close(self) -> None:
        """Free the model."""
        self._model = self._memory = self._adapters = None  # type: ignore[assignment]  # unusable from here on
        gc.collect()  # modules and their hooks refer to each other
        _release(self._device)

    def _fresh(self) -> Memory:
        return memory(self._model, self._pad) if self._slots else Padded(self._model.config, self._device, self._pad)


def _slots_work(model: Any, pad: int) -> bool:
    """Not every model with several kinds of attention takes a mask for each of them: try it."""
    import torch

    trial = memory(model, pad)
    if not isinstance(trial, Slots) or len(set(trial.windows)) == 1:
        return True
    try:
        with torch.inference_mode():
            model(**trial.fill([[pad, pad]]), use_cache=True)
            trial.done()
            model(**trial.step([pad]), use_cache=True)
    except Exception:  # what a model says that does not know such masks is its own affair
        return False
    return True


def _room(config: Any, device: str, size: int) -> int:
    """Tokens whose keys and values may be held: a quarter of the free memory, on a GPU most of it."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return max(1, int(free_memory(device) // (2 * config.num_hidden_layers * heads * width * size)))


def free_memory(device: str) -> int:
    """Bytes that keys and values may take."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] * 0.8)
    free = 4 << 30
    with contextlib.suppress(
        OSError, ValueError, StopIteration
    ):  # not Linux, or not in a container: what is known so far
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))  # the word "max" where there is none
        free = min(free, limit - int((group / "memory.current").read_text(encoding="ascii")))
    return max(free // 4, 256 << 20)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _release(device: str) -> None:
    """Give memory that is not in use back to the device."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Make one error of the many ways in which torch says that memory is used up."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as e:
        raise MemoryError(str(e)) from None
    except RuntimeError as e:
        if "allocate memory" in str(e) or "out of memory" in str(e) or "not enough memory" in str(e):
            raise MemoryError(str(e)) from None
        raise
