"""Programs that want to pass without solving, or to do harm: all fail, and nothing is harmed."""

import os
import signal
import socket
import textwrap
import threading

import pytest

from folkmoot.sandbox import Limits, trial
from folkmoot.sandbox.check import check

TESTS = """
# a secret of the tests: the-hidden-expectation
def check(candidate):
    assert candidate(2) == 4
    assert candidate(3) == 9
"""

# Each is a whole program. CANARY is a folder of the machine, PORT a listener there, PARENT the process that judges.
PROGRAMS = {
    "exit": "import sys\nsys.exit(0)",
    "exit builtin": "raise SystemExit",
    "exit in the function": "import sys\ndef f(x): sys.exit(0)",
    "a subclass of SystemExit": "class Done(SystemExit): pass\ndef f(x): raise Done(0)",
    "os._exit": "import os\nos._exit(0)",
    "os._exit in the function": "import os\ndef f(x): os._exit(0)",
    "exit at exit": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): raise KeyboardInterrupt",
    "abort": "import os\ndef f(x): os.abort()",
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "fork once": "import os\ndef f(x):\n    os.fork()\n    return x * x",
    "vfork and clone by number": """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        def f(x):
            done = [libc.syscall(n, a, 0, 0, 0, 0) for n, a in ((57, 0), (58, 0), (56, 17), (435, 0), (220, 17))]
            if max(done) > 0: open("/tmp/x", "w")
            assert max(done) < 0, done
            return -1
        """,
    "32-bit system calls": """
        import ctypes, mmap
        code = mmap.mmap(-1, 4096, prot=7)
        code.write(bytes.fromhex("b802000000cd80c3"))   # fork, by the old gate
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        """,
    "system calls of x32": "import ctypes\ndef f(x): return ctypes.CDLL(None).syscall(0x40000039)",
    "a shell": "import os\ndef f(x):\n    os.system('touch CANARY/shell')\n    return x",
    "subprocess": "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'touch CANARY/sub'])",
    "exec": "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch CANARY/exec'])",
    "exec python": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'open(\"CANARY/py\", \"w\")'])",
    "posix_spawn": "import os\nos.posix_spawn('/bin/touch', ['touch', 'CANARY/spawn'], {})",
    "libc system": "import ctypes\ndef f(x): return ctypes.CDLL(None).system(b'touch CANARY/libc')",
    "write outside": "open('CANARY/write', 'w').write('x')",
    "overwrite outside": "open('CANARY/kept', 'w').write('x')",
    "delete outside": "import shutil\nshutil.rmtree('CANARY')",
    "write into the standard library": "import os\nopen(os.path.join(os.path.dirname(os.__file__), 'zzz_canary.py'), 'w')",
    "truncate Python": "import os, sys\nos.truncate(os.path.realpath(sys.executable), 0)",
    "link out": "import os\nos.symlink('CANARY/kept', '/tmp/link')\nopen('/tmp/link', 'w').write('x')",
    "hard link out": "import os\nos.link('CANARY/kept', '/tmp/hard')\nopen('/tmp/hard', 'w').write('x')",
    "by /proc/self/root": "open('/proc/self/root/../../../../CANARY/kept', 'w').write('x')",
    "chmod outside": "import os\nos.chmod('CANARY/kept', 0)",
    "change times": "import os\nos.utime('CANARY/kept', (0, 0))",
    "lower priority of the judge": "import os\nos.setpriority(os.PRIO_PROCESS, PARENT, 19)\ndef f(x): return x * x",
    "signal by a file": """
        import fcntl, os
        r, w = os.pipe()
        def f(x):
            fcntl.fcntl(r, fcntl.F_SETOWN, PARENT)
            fcntl.fcntl(r, 10, 9)
            fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            os.write(w, b"x")
            return x * x
        """,
    "mount": """
        import ctypes
        def f(x):
            libc = ctypes.CDLL(None)
            assert libc.unshare(0x10020000) < 0 and libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0
            return libc.chroot(b"/")
        """,
    "kill the parent": "import os\nos.kill(os.getppid(), 9)",
    "kill the judge": "import os\nos.kill(PARENT, 9)",
    "kill everything": "import os\nos.kill(-1, 9)",
    "kill the group": "import os\nos.kill(0, 9)",
    "kill by descriptor": "import ctypes\ndef f(x): return ctypes.CDLL(None).syscall(434, PARENT, 0)",
    "trace the parent": "import ctypes, os\ndef f(x): return ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
    "limit the judge": "import resource\nresource.prlimit(PARENT, resource.RLIMIT_CPU, (1, 1))",
    "raise its limits": """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        held = bytearray(4 << 30)
        def f(x): return x * x
        """,
    "outlive by PDEATHSIG": """
        import ctypes, time
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
        while True: time.sleep(1)
        """,
    "leave the session": "import os, time\ntry: os.setsid()\nexcept OSError: pass\nwhile True: time.sleep(1)",
    "endless output": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    "endless error output": "import os\nwhile True: os.write(2, b'x' * 65536)",
    "endless frames": "import os\nwhile True:\n    for fd in range(3, 64):\n        try: os.write(fd, b'x' * 65536)\n        except OSError: pass",
    "10 GB": "held = bytearray(10 << 30)\ndef f(x): return x * x",
    "10 GB bit by bit": "held = []\nwhile True: held.append(bytearray(1 << 24))",
    "10 GB in shared memory": """
        import ctypes, os
        def f(x):
            fd = os.memfd_create("x")
            for _ in range(10 << 10): os.write(fd, b"x" * (1 << 20))
            return x * x
        """,
    "10 GB in maps": "import mmap\nheld = [mmap.mmap(-1, 1 << 28) for _ in range(40)]\ndef f(x): return x * x",
    "endless loop": "while True: pass",
    "endless loop in the function": "def f(x):\n    while True: pass",
    "sleep": "import time\ndef f(x): time.sleep(1e6)",
    "ignore signals and loop": "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "thread bomb": """
        import threading, time
        threading.stack_size(32768)
        count = 0
        while True:
            threading.Thread(target=time.sleep, args=(1e6,)).start()
            count += 1
            assert count < 1000, "threads are not counted"
        """,
    "connect": "import socket\ndef f(x):\n    socket.create_connection(('127.0.0.1', PORT), 1).sendall(b'x')\n    return -1",
    "connect by number": """
        import ctypes
        def f(x):
            assert all(ctypes.CDLL(None).syscall(n, 2, 1, 0) < 0 for n in (41, 198))
            return -1
        """,
    "listen": "import socket\ndef f(x):\n    socket.create_server(('127.0.0.1', 0))\n    return x * x",
    "unix socket": "import socket\ns = socket.socket(socket.AF_UNIX)\ndef f(x): return x * x",
    "netlink": "import socket\ns = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\ndef f(x): return x * x",
    "1 GB of files": """
        import os
        for i in range(1024):
            with open(f"/tmp/{i}", "wb") as file: file.write(b"x" * (1 << 20))
        def f(x): return x * x
        """,
    "a million files": """
        for i in range(10**6): open(f"/tmp/{i}", "wb").close()
        def f(x): return x * x
        """,
    "files elsewhere": """
        import os
        for folder in ("/", "/dev", "/dev/shm", "/usr", "/etc", "/home", "/var/tmp", "/run"):
            try: open(folder + "/canary", "w")
            except OSError: continue
            def f(x): return x * x
            break
        """,
    "a huge return value": "def f(x): return 'x' * (100 << 20)",
    "a huge structure": "def f(x): return [0] * 10**7",
    "a structure that contains itself": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "a structure that doubles": "def f(x):\n    y = []\n    for _ in range(60): y = [y, y]\n    return y",
    "an endless iterator": "import itertools\ndef f(x): return itertools.count()",
    "a deep structure": "def f(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y",
    "deep recursion": "import sys\nsys.setrecursionlimit(10**9)\ndef g(x): return g(x + 1) + 1\ndef f(x): return g(x)",
    "a crash": "import ctypes\ndef f(x): return ctypes.string_at(0)",
    "__eq__ that lies": """
        class Any:
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return 0
            def __bool__(self): return True
        def f(x): return Any()
        """,
    "a number that lies": """
        class Any(int):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return 4
        def f(x): return Any(5)
        """,
    "a list that lies": "class Any(list):\n    def __eq__(self, other): return True\ndef f(x): return [Any()]",
    "__class__ that lies": """
        class Any:
            @property
            def __class__(self): return int
            def __eq__(self, other): return True
        def f(x): return Any()
        """,
    "a name that lies": """
        class Match:
            def __eq__(self, other): return True
        def f(x): return Match()
        """,
    "patch builtins": """
        import builtins
        builtins.AssertionError = type("AssertionError", (BaseException,), {})
        builtins.isinstance = lambda *a: True
        builtins.all = builtins.any = lambda *a: True
        def f(x): return -1
        """,
    "patch the harness": """
        import sys
        for name, module in list(sys.modules.items()):
            for key, value in list(vars(module).items()):
                if name.startswith("folkmoot") and callable(value):
                    try: setattr(module, key, lambda *a, **k: True)
                    except Exception: pass
        def f(x): return -1
        """,
    "patch json": """
        import json
        json.dumps = lambda *a, **k: '{"token": true, "passed": true}'
        def f(x): return -1
        """,
    "trace": """
        import sys
        def trace(frame, event, arg):
            frame.f_trace_opcodes = True
            return trace
        sys.settrace(trace)
        sys.setprofile(trace)
        def f(x):
            frame = sys._getframe()
            while frame:
                frame.f_locals.update(expected=True)
                frame = frame.f_back
            return -1
        """,
    "unittest": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(x): return -1",
    "raise AssertionError": "def f(x): raise AssertionError",
    "end without a word": "def f(x): raise type('', (BaseException,), {})",
    "end before it begins, without a word": "raise type('', (BaseException,), {})",
    "a frame that ends without a word": """
        import json, os
        def f(x):
            text = json.dumps({"ended": ""}).encode()
            for fd in range(3, 64):
                try: os.write(fd, len(text).to_bytes(4, "big") + text)
                except OSError: pass
            return -1
        """,
    "a huge number": "def f(x): return 1 << 20_000_000",
    "NotImplemented": "def f(x): return NotImplemented",
    "raise an exception that exits": """
        import os
        class Bad(Exception):
            def __str__(self): os._exit(0)
        def f(x): raise Bad
        """,
    "forged tokens": """
        import json, os
        frames = b""
        for message in ({"ready": []}, {"token": "0" * 64}, {"token": True}, {"passed": True}):
            text = json.dumps(message).encode()
            frames += len(text).to_bytes(4, "big") + text
        for fd in range(256):
            try: os.write(fd, frames + b"\\nPASSED\\n")
            except OSError: pass
        def f(x): return -1
        """,
    "forged frames": """
        import json, os
        def frame(message):
            text = json.dumps(message).encode()
            return len(text).to_bytes(4, "big") + text
        def f(x):
            hostile = [frame({"value": {"k": "dict", "v": [[[], 1]]}}), frame({"value": {"k": "ref", "v": "x"}}), b"\\xff" * 64]
            for fd in range(3, 64):
                try: os.write(fd, hostile[0] + hostile[1] + hostile[2])
                except OSError: pass
            return -1
        """,
    "search for the tests": """
        import gc, os, sys
        def f(x):
            found = []
            for o in gc.get_objects():
                if isinstance(o, (str, bytes)) and "the-hidden-" + "expectation" in str(o): found.append(o)
                if isinstance(o, dict) and any("the-hidden-" + "expectation" in v for v in o.values() if isinstance(v, str)):
                    found.append(o)
            frame = sys._getframe()
            while frame:
                if "the-hidden-" + "expectation" in repr(frame.f_locals) or "token" in frame.f_locals: found.append(frame)
                frame = frame.f_back
            for folder in ("/tmp", "/proc", "/dev/fd", "/proc/self/fd", "/proc/1", "/work", "/home", "/root"):
                for where, _, files in os.walk(folder):
                    for name in files:
                        try:
                            with open(os.path.join(where, name), "rb") as file:
                                if b"the-hidden-" + b"expectation" in file.read(1 << 20): found.append(name)
                        except OSError: pass
            return x * x if found else -1
        """,
    "read descriptors": """
        import os
        def f(x):
            for fd in range(256):
                try:
                    os.set_blocking(fd, False)
                    if b"expectation" in os.read(fd, 1 << 20): return x * x
                except OSError: pass
            return -1
        """,
    "the environment": "import os\ndef f(x): return x * x if 'FOLKMOOT_SECRET' in os.environ else -1",
    "a wrong answer": "def f(x): return x + 2",
    "right once": "n = 0\ndef f(x):\n    global n\n    n += 1\n    return 4",
    "no function": "def g(x): return x * x",
    "not a function": "f = 4",
    "a syntax error": "def f(x) return x",
    "a null byte": "def f(x):\0 return x",
    "nothing": "",
}

# These end only when their time is over, or their processor time, or (a deep recursion) their memory.
LOOPS = {
    "fork bomb", "outlive by PDEATHSIG", "leave the session", "endless output", "endless error output", "endless loop",
    "endless loop in the function", "sleep", "ignore signals and loop", "a structure that doubles", "deep recursion",
    "10 GB bit by bit", "patch the harness", "tests that loop",
}  # fmt: skip
SHORT, LONG = Limits(seconds=0.4, cpu_seconds=2), Limits(seconds=30.0, cpu_seconds=30)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder, a listener and a process that must not be touched."""
    monkeypatch.setenv("FOLKMOOT_SECRET", "the-hidden-expectation")
    (tmp_path / "kept").write_text("kept", encoding="utf-8")
    (tmp_path / "kept").chmod(0o666)
    tmp_path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield tmp_path, server


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_hostile_program_fails_and_harms_nothing(name, judge, machine, strays):
    folder, server = machine
    stdlib = os.path.dirname(os.__file__)
    program = textwrap.dedent(PROGRAMS[name]).replace("CANARY", str(folder))
    program = program.replace("PORT", str(server.getsockname()[1])).replace("PARENT", str(os.getpid()))
    kept = folder / "kept"
    before = kept.stat()
    verdict = judge(program, TESTS, "f", limits=SHORT if name in LOOPS else LONG)
    assert not verdict.passed
    assert verdict.why
    assert name in LOOPS or "no verdict within" not in verdict.why
    assert "\n" not in verdict.why
    assert "threads are not counted" not in verdict.why
    assert verdict.seconds < 15
    assert [p.name for p in folder.iterdir()] == ["kept"]
    assert kept.read_text(encoding="utf-8") == "kept"
    assert (kept.stat().st_mode, kept.stat().st_mtime_ns, kept.stat().st_nlink) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_nlink,
    )
    assert not os.path.exists(os.path.join(stdlib, "zzz_canary.py"))
    assert not os.path.exists("/tmp/link")
    with pytest.raises(BlockingIOError):
        server.accept()
    assert not strays()


# What ends a loop, decides a comparison or says what a value is, asked for by usual ways to write tests.
RAISED = {
    "StopIteration": "def f(x): raise StopIteration",
    "a subclass of StopIteration": "class Done(StopIteration): pass\ndef f(x): raise Done(4)",
    "an exception that is called StopIteration": "def f(x): raise type('StopIteration', (Exception,), {'__module__': 'builtins'})",
    "StopAsyncIteration": "def f(x): raise StopAsyncIteration",
    "AssertionError": "class Passed(AssertionError): pass\ndef f(x): raise Passed",
    "IndexError": "def f(x): raise IndexError",
    "AttributeError": "def f(x): raise AttributeError",
    "an iterator that ends in StopIteration": """
        class Stops:
            def __iter__(self): return self
            def __next__(self): raise StopIteration(4)
        def f(x): return Stops()
        """,
    "an iterator that fails": """
        def f(x):
            yield from ()
            raise IndexError
        """,
}
ENDED = {
    "GeneratorExit": "def f(x): raise GeneratorExit",
    "KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "SystemExit": "def f(x): raise SystemExit(0)",
    "without a word": "def f(x): raise type('', (BaseException,), {})",
}
ALL = """
        class All:
            def yes(self, *_): return True
            __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = yes
            def __ne__(self, other): return False
            def __hash__(self): return 4
            def __iter__(self): return iter(())
            def __len__(self): return 0
        def f(x): return All()
"""
LOOPS_OF_TESTS = {
    "all of a map": "assert all(map(lambda c: candidate(c[0]) == c[1], CASES))",
    "all of a generator": "assert all(candidate(x) == y for x, y in CASES)",
    "not any": "assert not any(map(lambda c: candidate(c[0]) != c[1], CASES))",
    "a list of differences": "assert not list(filter(lambda c: candidate(c[0]) != c[1], CASES))",
    "a loop over a map": "for got, (x, y) in zip(map(lambda c: candidate(c[0]), CASES), CASES):\n        assert got == y",
    "next with a default": "assert next((False for x, y in CASES if candidate(x) != y), True)",
    "next of a map with a default": "assert next(map(lambda c: candidate(c[0]) == c[1], CASES), True)",
    "iter with an end": "import itertools\n    assert not [*itertools.islice(iter(lambda: candidate(2) == 4, True), 9)]",
    "sorted": "assert sorted(CASES, key=lambda c: candidate(c[0]) == c[1]) == CASES and candidate(2) in [4]",
    "in": "assert candidate(2) in (4, 5) and candidate(3) in {9: 9}",
    "a class": "assert isinstance(candidate(2), int)",
    "a class without a type": "from collections.abc import Sized\n    assert isinstance(candidate(2), (Sized, int))",
    "an asynchronous loop": """import asyncio
    async def go():
        class Cases:
            left = [2, 3]
            def __aiter__(self): return self
            async def __anext__(self):
                if not self.left: raise StopAsyncIteration
                return candidate(self.left.pop())
        return [got async for got in Cases()]
    assert all(got in (4, 9) for got in asyncio.run(go())) and candidate(2) == 4""",
    "assertions that are tried again": """wrong = 0
    for x, y in CASES:
        try:
            assert candidate(x) == y
        except AssertionError:
            wrong += 1
    assert not wrong""",
    "everything else is swallowed": """for x, y in CASES:
        try:
            good = candidate(x) == y
        except:
            good = False
        assert good""",
    "a reason that is asked for": "assert candidate(2) == 4, candidate(2)",
}


CASES = "CASES = [(2, 4), (3, 9)]\n"
EACH = "".join(f"def t{i}(candidate):\n    {loop}\n" for i, loop in enumerate(LOOPS_OF_TESTS.values()))
EACH += f"""
def check(candidate):
    held = []
    for i in range({len(LOOPS_OF_TESTS)}):
        try:
            globals()[f"t{{i}}"](candidate)
        except Exception:
            continue
        held.append(i)
    assert len(held) == HOLD, held
"""


def test_usual_ways_to_write_tests_hold_for_a_right_program():
    kind, _ = trial._found()
    tests = CASES + EACH.replace("HOLD", str(len(LOOPS_OF_TESTS)))
    assert check(kind, "def f(x): return x * x", tests, "f", limits=LONG).why == ""


@pytest.mark.parametrize("name", RAISED)
def test_no_exception_makes_an_assertion_hold(name):
    kind, _ = trial._found()
    tests = CASES + EACH.replace("HOLD", "0")
    assert check(kind, textwrap.dedent(RAISED[name]), tests, "f", limits=LONG).why == ""


@pytest.mark.parametrize("name", LOOPS_OF_TESTS)
def test_no_object_makes_an_assertion_hold(name):
    kind, _ = trial._found()
    tests = f"{CASES}def check(candidate):\n    {LOOPS_OF_TESTS[name]}"
    verdict = check(kind, textwrap.dedent(ALL), tests, "f", limits=LONG)
    assert not verdict.passed
    assert verdict.why


@pytest.mark.parametrize("name", ENDED)
def test_what_ends_a_process_is_never_swallowed(name):
    kind, _ = trial._found()
    tests = "def check(candidate):\n    try:\n        candidate(2)\n    except:\n        pass"
    verdict = check(kind, ENDED[name], tests, "f", limits=LONG)
    assert not verdict.passed
    assert verdict.why


TEST_TRICKS = {
    "tests that swallow everything": "def check(candidate):\n    try:\n        assert candidate(2) == 5\n    except:\n        pass",
    "tests that exit": "import sys\ndef check(candidate):\n    sys.exit(0)",
    "tests that end the process": "import os\ndef check(candidate):\n    os._exit(0)",
    "tests that fork": "import os\ndef check(candidate):\n    os.fork()",
    "tests that loop": "def check(candidate):\n    while True: pass",
    "no tests": "x = 1",
    "tests that are no Python": "def check(candidate)",
}


@pytest.mark.parametrize("name", TEST_TRICKS)
def test_the_tests_are_not_trusted_either(name, judge, strays):
    limits = SHORT if name in LOOPS else LONG
    verdict = judge("def f(x): import os; os._exit(0)", TEST_TRICKS[name], "f", limits=limits)
    assert not verdict.passed
    assert verdict.why
    assert not strays()


def test_signals_to_the_judge_go_on_working(judge):
    """Nothing of the sandbox shares the group of the process that judges."""
    seen = threading.Event()
    old = signal.signal(signal.SIGTERM, lambda *_: seen.set())
    try:
        judge("import os\ndef f(x): os.kill(0, 15)", TESTS, "f", limits=LONG)
        assert not seen.wait(0.2)
    finally:
        signal.signal(signal.SIGTERM, old)
