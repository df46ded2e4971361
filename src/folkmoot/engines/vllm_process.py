"""One life of vLLM: the child process that runs the model, and the thread and event loop here that talk to it.

vLLM's `AsyncLLM` belongs to the event loop it was made on. With a loop of its own in a thread of its own, it can be
used from any event loop, from several ones in turn, and by threads.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import multiprocessing.util  # its exit hook must be there before ours
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from folkmoot.documents import BadInput
from folkmoot.engines.contract import EngineError, Missing
from folkmoot.engines.vllm_boot import INSTALL, Boot, lent

T = TypeVar("T")
Work = Callable[[Any], Coroutine[Any, Any, T]]

_SEE_LOG = "Set FOLKMOOT_DEBUG=1 to see its log"
_LOOK_S = 0.2
_GONE_S = 10.0
"""A killed process needs a moment to give its memory back; on a busy machine a long one."""
_STARTING = threading.Lock()
"""Held while the environment of this process is changed for a child to inherit."""


class Died(EngineError):  # noqa: N818
    """The child process ended by itself while a request was under way."""


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
        self._busy: set[asyncio.Task[Any]] = set()
        self._gate = threading.Lock()
        self._stopping = self._dead = self._asleep = False
        self._bed, self._ended = asyncio.Lock(), asyncio.Event()
        self._llm: Any = None
        self._others: set[int | None] = set()
        self._children: list[Any] = []
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
        return self._dead or (llm is not None and not self._stopping and bool(llm.errored))

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

    async def run(self, work: Work[T]) -> T:
        """Let `work` do something with the `AsyncLLM` on its loop; being cancelled cancels it there.

        Raises:
            Died: The child process ended by itself.
            EngineError: vLLM refused, or the engine was closed meanwhile.
        """

        async def awake(llm: Any) -> T:
            async with self._bed:
                if self._asleep:
                    await llm.wake_up()
                    self._asleep = False
            task = asyncio.current_task()
            assert task is not None
            self._busy.add(task)
            try:
                return await work(llm)
            finally:
                self._busy.discard(task)

        return await self._enter(awake)

    async def sleep(self) -> None:
        """Move the weights to the host's memory and drop keys and values, once no request is under way.

        The next request brings the weights back. vLLM can do this on a GPU, if it was started for it.

        Raises:
            EngineError: See `run`.
        """

        async def lie_down(llm: Any) -> None:
            async with self._bed:  # requests that come now wait here
                while self._busy:
                    await asyncio.wait(self._busy)
                if not self._asleep:
                    await llm.sleep(level=1)
                    self._asleep = True

        await self._enter(lie_down)

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
            if self._fatal(error):
                raise
            raise EngineError(f"{self._name}: adapter {adapter.lora_path} cannot be loaded: {_line(error)}.") from None

    def stop(self, wait_s: float | None = None, *, dead: bool = False) -> None:
        """End the child process, the loop and the thread; requests under way fail. Idempotent.

        Args:
            wait_s: Longest wait for that, in seconds; None waits until it is done, 0 does not wait.
            dead: The child process has ended by itself, and requests under way are to be told so.
        """
        with self._gate:  # what was let in before is answered, nothing is let in after
            self._dead |= dead and not self._stopping
            self._stopping = True
        if not self._up.done():
            for child in self._own():
                child.kill()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(wait_s)

    async def _enter(self, work: Work[T]) -> T:
        with self._gate:
            if self._stopping:
                raise self._told(None)
            future = asyncio.run_coroutine_threadsafe(self._guard(work), self._loop)
        return await asyncio.wrap_future(future)

    async def _guard(self, work: Work[T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work(self._llm)
        except asyncio.CancelledError:
            if self._stopping or self._dead:
                raise self._told(None) from None
            raise
        except EngineError:
            raise
        except Exception as error:
            raise self._told(error) from None
        finally:
            self._tasks.discard(task)

    def _told(self, error: Exception | None) -> EngineError:
        """What to tell whoever asked; without an error, the process has stopped."""
        if self._fatal(error):
            return Died(f"{self._name}: vLLM's engine process died while this request was under way. {_SEE_LOG}.")
        if self._stopping:
            return EngineError(f"{self._name}: the engine was closed before this request was answered.")
        assert error is not None
        return EngineError(f"{self._name}: vLLM refuses the request: {_line(error.__cause__ or error)}.")

    def _fatal(self, error: Exception | None) -> bool:
        if self.died or error is None or self._stopping:
            return self.died
        from vllm.v1.engine.exceptions import EngineDeadError

        return isinstance(error, EngineDeadError)

    async def _look(self) -> None:
        """Have all requests fail when the child dies: of those that load an adapter, vLLM does not think."""
        while not self._llm.errored:  # noqa: ASYNC110 - it changes in a thread of vLLM's
            await asyncio.sleep(_LOOK_S)
        with self._gate:
            self._dead |= not self._stopping
        for task in self._tasks:
            task.cancel()

    def _live(self) -> None:
        try:
            boot = self._boot()
            del self._boot  # it knows its engine, which is to be collected when nobody else needs it
            with _STARTING, lent(boot.environment):
                build = _import()
                if self._stopping:
                    raise EngineError("it was closed")
                self._others = {child.pid for child in multiprocessing.active_children()}
                self._llm = self._loop.run_until_complete(build(boot.arguments))
        except (Missing, BadInput, EngineError) as error:
            self._up.set_exception(error)
        except BaseException as error:
            why = "the engine was closed meanwhile" if self._stopping else f"{_line(error)}. {_SEE_LOG}"
            if "freeze_support" in str(error):
                why = "the script has no guard: put what it does under if __name__ == '__main__':"
            self._up.set_exception(EngineError(f"{self._name}: vLLM did not start: {why}."))
        else:
            self._children = self._own()
            self.context = int(self._llm.model_config.max_model_len)
            boot.ready()
            self._up.set_result(None)
            looking = self._loop.create_task(self._look())
            self._loop.run_until_complete(self._ended.wait())
            looking.cancel()
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
            for child in self._children:  # vLLM kills one that takes its time, and does not wait until it is gone
                child.join(_GONE_S)
            self._finish(asyncio.all_tasks(self._loop))
            self._loop.close()

    def _own(self) -> list[Any]:
        """The child processes that were started by this one."""
        children = multiprocessing.active_children()
        return [c for c in children if c.name.startswith("EngineCore") and c.pid not in self._others]

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
