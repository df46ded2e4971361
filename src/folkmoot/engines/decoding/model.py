"""A model of transformers that decodes a batch step by step: loading, precision, attention, likelihoods."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from folkmoot.engines.contract import EngineError, Missing
from folkmoot.engines.decoding.adapters import Adapters, Worn
from folkmoot.engines.decoding.attention import use_grouped_attention
from folkmoot.engines.decoding.cores import free_cores
from folkmoot.engines.decoding.job import Draw
from folkmoot.engines.decoding.memory import Memory, Padded, memory
from folkmoot.engines.decoding.openmp import calm, import_transformers
from folkmoot.engines.decoding.sampling import pick
from folkmoot.engines.decoding.scoring import mean_likelihoods, mean_likelihoods_alone
from folkmoot.engines.decoding.slots import Slots
from folkmoot.engines.decoding.turnstile import turnstile

MOST_THREADS = 16
"""More do not make small models faster."""


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
            able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
            fast = where == "cpu" and any(has and "bf16" in name for name, has in able.items())
        return where, "bfloat16" if fast else "float32"
    if dtype not in ("bfloat16", "float16", "float32"):
        raise EngineError(f"dtype {dtype!r} is not known; use auto, bfloat16, float16 or float32")
    return where, dtype


@contextlib.contextmanager
def quiet(logging: Any) -> Iterator[None]:
    """No progress bar of transformers: the engine has a progress line of its own."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


def load(folder: Path, device: str, dtype: str, threads: int | None) -> Decoder:
    """Load a model. Call it on the thread that will use it.

    Raises:
        Missing: The folder has no weights that can be loaded.
    """
    AutoModelForCausalLM = import_transformers().AutoModelForCausalLM  # noqa: N806 - a class
    import torch
    from transformers.utils import logging

    if device == "cpu":
        torch.set_num_threads(threads or min(free_cores(), MOST_THREADS))
    try:
        with turnstile(device), quiet(logging), _memory_errors():
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
    model.eval().requires_grad_(False)
    head = model.get_output_embeddings()
    if head is not None:
        # The last token of a longer prompt is a view with gaps, for which torch's bfloat16 product on a CPU takes a
        # detour: 11 s and gigabytes in place of 20 ms for 24 rows of a vocabulary of 150,000.
        head.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(), *inputs[1:]))
    use_grouped_attention(model)
    with turnstile(device):
        return Decoder(model, device)


class Decoder:
    """See `folkmoot.engines.decoding.batching.Decoder`.

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
        self._worn: list[Worn | None] = []
        self._memory = self._fresh()
        self.room = _room(config, device, model)

    @property
    def joins(self) -> bool:
        """Rows may be added while others run."""
        return self._memory.joins

    def company(self, adapter: str | None) -> str | None:
        """Load an adapter; rows whose adapters are of equal company may be in one batch."""
        with _memory_errors():
            return self._adapters.company(adapter)

    def add(self, prompts: Sequence[Sequence[int]], draws: Sequence[Draw], adapters: Sequence[str | None]) -> list[int]:
        """Append rows; the first token of each."""
        worn = [self._adapters.worn(adapter) for adapter in adapters]
        alike = self.joins and all(list(p) == list(prompts[0]) for p in prompts) and len(set(worn)) == 1
        fill = partial(self._first_row if alike else self._memory.fill, prompts)
        tokens = self._next(worn[:1] if alike else worn, fill, draws)
        self._worn += worn
        return tokens

    def _first_row(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Inputs for equal prompts: one is computed, and what is stored of it goes into all their rows."""
        import torch

        inputs = self._memory.fill(prompts)
        return {name: x[:1] if isinstance(x, torch.Tensor) else x for name, x in inputs.items()}

    def step(self, last: Sequence[int], draws: Sequence[Draw]) -> list[int]:
        """The next token of every row."""
        return self._next(self._worn, partial(self._memory.step, last), draws)

    def _next(
        self, worn: Sequence[Worn | None], inputs: Callable[[], dict[str, Any]], draws: Sequence[Draw]
    ) -> list[int]:
        import torch

        with torch.inference_mode(), _memory_errors():
            self._adapters.apply(worn, self._worn)
            logits = self._model(**inputs(), use_cache=True, logits_to_keep=1).logits[:, -1]
            self._memory.done()
            return pick(logits.expand(len(draws), -1), draws)

    def drop(self, gone: Sequence[int]) -> list[int]:
        """Take rows out; where the remaining ones were before."""
        import torch

        with torch.inference_mode(), _memory_errors():
            order = self._memory.drop(gone)
        self._worn = [self._worn[i] for i in order]
        return order

    def score(
        self,
        prompts: Sequence[Sequence[int]],
        options: Sequence[Sequence[Sequence[int]]],
        adapters: Sequence[str | None],
    ) -> list[list[float]]:
        """Mean log-probability per token of each option after its prompt."""
        import torch

        # What `Padded` is for cannot go on from one prompt with several tokens, or for several options.
        means = mean_likelihoods if self._slots else mean_likelihoods_alone
        scores: list[list[float]] = [[] for _ in prompts]
        with torch.inference_mode(), _memory_errors():
            for adapter in dict.fromkeys(adapters):  # prompts and options are rows in turn: one adapter fits both
                mine = [i for i, a in enumerate(adapters) if a == adapter]
                self._adapters.apply([self._adapters.worn(adapter)], self._worn)
                found = means(self._model, [prompts[i] for i in mine], [options[i] for i in mine], self._pad)
                for i, score in zip(mine, found, strict=True):
                    scores[i] = score
        return scores

    def clear(self) -> None:
        """Take all rows out and free their memory."""
        self._worn = []
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
    """Not every model takes masks and positions of our making: try whether it says the same with them as without."""
    import torch

    trial = memory(model, pad)
    if not isinstance(trial, Slots):
        return False
    known = range(min(8, model.config.get_text_config(decoder=True).vocab_size))
    rows = [list(known), list(known)[3:]]
    try:
        with torch.inference_mode():
            model(**trial.fill([row[:-1] for row in rows]), use_cache=True)
            trial.done()
            ours = model(**trial.step([row[-1] for row in rows]), use_cache=True).logits[:, -1].float()
            own = model(torch.tensor([rows[1]], device=model.device)).logits[0, -1].float()
    except Exception:  # what a model says that cannot do it is its own affair
        return False
    return bool(torch.nn.functional.cosine_similarity(ours[1], own, dim=0) > 0.99)


def _room(config: Any, device: str, model: Any) -> int:
    """Tokens whose keys and values may be held."""
    all_heads = getattr(config, "num_attention_heads", None) or 1  # 1: a model without attention
    heads = getattr(config, "num_key_value_heads", None) or all_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // all_heads
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    token = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    return max(1, int(memory_to_use(device, weights) // token))


def memory_to_use(device: str, weights: int) -> int:
    """Bytes that keys and values may take: of a GPU most, of a computer little, because other models live there too.

    Args:
        device: Where they are.
        weights: Bytes of the model. On a CPU they count as free memory: they are files that the system keeps at hand.
    """
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0] * 0.8)
    free = 4 << 30
    with contextlib.suppress(OSError, ValueError, StopIteration):  # not Linux, or no limit: what is known so far
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))  # the word "max" where there is none
        free = min(free, limit - int((group / "memory.current").read_text(encoding="ascii")))
    return max((free - weights) // 8, 256 << 20)


def _release(device: str) -> None:
    """Give memory that is not in use back."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
        return
    with contextlib.suppress(OSError, AttributeError):  # only GNU's allocator keeps so much, and can be asked
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Make one error of the many ways in which torch says that memory is used up."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as e:
        raise MemoryError(str(e)) from None
    except OSError as e:
        if e.errno == errno.ENOMEM:
            raise MemoryError(str(e)) from None
        raise
    except RuntimeError as e:
        if "allocate memory" in str(e) or "out of memory" in str(e) or "not enough memory" in str(e):
            raise MemoryError(str(e)) from None
        raise
