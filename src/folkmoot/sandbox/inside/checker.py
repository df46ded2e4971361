"""The process that holds the tests and the token: it calls the program over a pipe, and gets plain data back."""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable
from typing import Any

from folkmoot.sandbox.inside import wire

_REMOTE = "raised by the program"


class Failed(BaseException):
    """The sample has failed, whatever the tests make of it: no `except Exception` in them stops this."""


class Kept:
    """An object that stayed with the program: it can be called and handed back; to look into it fails the sample."""

    __slots__ = ("_call", "_fail", "_name", "_ref", "_truth")

    def __init__(self, remote: Remote, data: dict[str, Any]) -> None:
        self._ref, self._name, self._truth = int(data["v"]), str(data.get("n"))[:60], data.get("truth")
        self._call, self._fail = remote.call, remote.fail

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it where it is."""
        return self._call(self._ref, args, kwargs)

    def __bool__(self) -> bool:
        if self._truth is True:
            return True
        raise self._fail(f"the program returned a {self._name}, which is not plain data")

    def _no(self, *_: Any) -> Any:
        raise self._fail(f"the program returned a {self._name}, which is not plain data")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __len__ = __iter__ = __contains__ = __getitem__ = _no
    __hash__ = __str__ = __repr__ = __int__ = __float__ = __index__ = __getattr__ = _no
    __class__ = property(_no)  # or isinstance would see the methods here, and take anything for an Iterable


class Remote:
    """The program, as far as the tests see it."""

    def __init__(self, requests: int, replies: int, most: int) -> None:
        self.requests, self.replies, self.most = requests, replies, most
        self.failure = ""

    def fail(self, why: str) -> Failed:
        """Note the failure, for good, and make the exception to raise."""
        self.failure = self.failure or why.strip() or "the program failed"  # the words may be its own, even none
        return Failed(self.failure)

    def expect(self) -> dict[str, Any]:
        """The next frame of the program's process, which may hold anything."""
        try:
            reply = wire.receive(self.replies, self.most)
        except EOFError:
            raise self.fail("the program ended its process, or was ended for what it used") from None
        except wire.Unplain as e:
            raise self.fail(f"the program returned {e}") from None
        if not isinstance(reply, dict):
            raise self.fail("the program wrote into the pipe")
        if "ended" in reply:
            raise self.fail(str(reply["ended"])[:400])
        return reply

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the program."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.call(name, args, kwargs)

        call.__name__ = call.__qualname__ = name
        return call

    def call(self, name: str | int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the program, by its name, or an object that it returned before, by its number."""
        if self.failure:
            raise Failed(self.failure)
        try:
            request = {"name": name, "args": wire.encode(list(args), _back), "kwargs": wire.encode(kwargs, _back)}
        except wire.Unplain as e:
            raise self.fail(f"the tests pass {e}") from None
        try:
            wire.send(self.requests, request)
        except OSError:
            raise self.fail("the program ended its process, or was ended for what it used") from None
        reply = self.expect()
        if "missing" in reply:
            raise self.fail(f"the program does not define {name}")
        try:
            if "args" in reply:
                _reflect(list(args), wire.decode(reply["args"], self.kept))
            if "raised" in reply:
                error = wire.rebuild(reply["raised"])
            else:
                return wire.decode(reply["value"], self.kept)
        except wire.Unplain as e:
            raise self.fail(f"the program returned {e}") from None
        except (KeyError, TypeError):
            raise self.fail("the program wrote into the pipe") from None
        error.__notes__ = [_REMOTE]
        raise error

    def kept(self, data: dict[str, Any]) -> Kept:
        """Stand in for an object that stayed with the program."""
        return Kept(self, data)


def _back(value: Any) -> dict[str, Any]:
    if type(value) is Kept:
        return {"k": "ref", "v": value._ref}
    raise wire.Unplain(f"a {type(value).__name__}, which is not plain data")


def _reflect(old: Any, new: Any) -> None:
    """Do to `old` what the program did to its copy of it."""
    if isinstance(old, list):
        old[:] = [_merged(a, b) for a, b in zip(old, new, strict=False)] + new[len(old) :]
    elif isinstance(old, dict):
        new = {key: _merged(old[key], value) if key in old else value for key, value in new.items()}
        old.clear()
        old.update(new)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray):
        old[:] = new
    elif type(old).__name__ == "deque":
        old.clear()
        old.extend(new)


def _merged(old: Any, new: Any) -> Any:
    """The old object with the new contents if it can change, else the new one."""
    if type(old) is not type(new) or type(old).__name__ not in ("list", "dict", "set", "bytearray", "deque"):
        return new
    _reflect(old, new)
    return old


def check(job: dict[str, Any], layers: dict[str, bool]) -> None:
    """Run the tests; write the token if all of them hold, else why not.

    Args:
        job: ``tests`` (source), ``given`` (source that the tests may use), ``entry``, ``token``, ``requests``, ``replies`` and
            ``verdict`` (descriptors), ``most`` (bytes of a frame).
        layers: What confines this process.
    """
    verdict = job["verdict"]
    remote = Remote(job["requests"], job["replies"], job["most"])
    try:
        wire.send(verdict, {"ready": [remote.expect().get("layers"), layers]})
        remote.expect()
        _run(job, remote)
    except BaseException as e:
        wire.send(verdict, {"failed": remote.failure or _where(e, job["tests"])})
        return
    # the tests may have swallowed the failure
    wire.send(verdict, {"failed": remote.failure} if remote.failure else {"token": job["token"]})


def _run(job: dict[str, Any], remote: Remote) -> None:
    module = types.ModuleType("tests")
    sys.modules["tests"] = module
    names = module.__dict__
    if job["given"]:
        exec(compile(job["given"], "<prompt>", "exec"), names)  # noqa: S102 - what this process is for
    tree = ast.parse(job["tests"])
    candidate = remote.function(job["entry"])
    defined = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    for name in {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - defined:
        # tests may use what the program defines: the function by its own name, a class for its arguments
        if name not in names and not hasattr(builtins, name):
            names[name] = remote.function(name)
    names |= {"candidate": candidate, job["entry"]: candidate}
    exec(compile(tree, "<tests>", "exec"), names)  # noqa: S102 - as above
    function = names.get("check")
    if isinstance(function, types.FunctionType) and function.__code__.co_filename == "<tests>":
        function(candidate)
    elif not any(isinstance(n, ast.Assert) for n in ast.walk(tree)):
        raise remote.fail("the tests neither define check(candidate) nor assert anything")


def _where(e: BaseException, tests: str) -> str:
    lines, line, trace = tests.splitlines(), 0, e.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<tests>":
            line = trace.tb_lineno
        trace = trace.tb_next
    said = f"{type(e).__name__}: {wire.describe(e)['text']}".rstrip(": ")
    if _REMOTE in getattr(e, "__notes__", ()):
        said = f"the program raised {said}"
    return f"{said} at: {lines[line - 1].strip()[:200]}" if 0 < line <= len(lines) else said
