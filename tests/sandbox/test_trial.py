"""Isolation is found by trying, and without it nothing runs."""

import errno
import os
import resource
import sys
from dataclasses import replace

import pytest

from folkmoot.engines.contract import Missing
from folkmoot.sandbox import Limits, NotStarted, isolation, kinds, run_check, trial
from folkmoot.sandbox.check import check
from folkmoot.sandbox.tree import tree

RIGHT = ("def f(x): return x", "def check(candidate):\n    assert candidate(1) == 1", "f")


@pytest.fixture(autouse=True)
def fresh():
    trial._found.cache_clear()
    yield
    trial._found.cache_clear()


def broken(kind):
    def no():
        raise OSError("not here")

    return replace(kind, command=no)


def test_the_strongest_that_works_is_taken():
    found = isolation()
    assert found.ok
    assert found.name == ("bubblewrap" if kinds.bwrap() else "namespaces")
    assert "seccomp" in found.layers
    assert run_check(*RIGHT).passed


def test_without_bubblewrap_the_next_is_taken_and_it_is_said_why(monkeypatch):
    monkeypatch.setattr(kinds, "bwrap", lambda: None)
    found = isolation()
    assert (found.ok, found.name) == (True, "namespaces")
    assert "bubblewrap is not installed" in found.why


def test_without_namespaces_landlock_is_taken(monkeypatch):
    monkeypatch.setattr(trial, "kinds", lambda: (broken(kinds.BUBBLEWRAP), broken(kinds.NAMESPACES), kinds.LANDLOCK))
    assert isolation().name == "landlock"
    assert run_check(*RIGHT).passed


def test_without_isolation_nothing_runs_unless_it_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "kinds", lambda: (broken(kinds.BUBBLEWRAP),))
    assert not isolation().ok
    leaving = (f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f(x): return x", *RIGHT[1:])
    with pytest.raises(Missing, match=r"install bubblewrap .*--unsafe-code") as said:
        run_check(*leaving)
    assert "\n" not in str(said.value)
    assert not (tmp_path / "ran").exists()
    assert run_check(*leaving, unsafe=True).passed
    assert (tmp_path / "ran").exists()
    assert not run_check("import os\nos._exit(0)", *RIGHT[1:], unsafe=True).passed


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"landlock": None}, "leaky: a program could write outside"),
        ({"landlock": ["/"]}, "leaky: AssertionError: read a private file"),
    ],
)
def test_an_isolation_that_does_not_hold_is_not_believed(changed, why, monkeypatch):
    leaky = replace(kinds.LANDLOCK, name="leaky", job=lambda: kinds.LANDLOCK.job() | changed)
    monkeypatch.setattr(trial, "kinds", lambda: (leaky,))
    assert not isolation().ok
    assert why in isolation().why


def test_a_layer_that_is_missing_is_an_error_and_no_verdict():
    lacking = replace(kinds.LANDLOCK, job=lambda: kinds.LANDLOCK.job() | {"scratch": "/nowhere"})
    with pytest.raises(NotStarted, match="/nowhere"):
        check(lacking, *RIGHT, limits=Limits())


def test_the_sandbox_holds_little_more_than_python(kind):
    """What a program sees of the machine: not one file of the user's, and no installed packages."""
    program = """
import os
def f():
    seen = [os.path.join(w, n) for w, _, files in os.walk("/") for n in files if not w.startswith(("/proc", "/sys"))]
    return [p for p in seen if os.access(p, os.R_OK)], os.getcwd(), dict(os.environ), os.listdir("/tmp")
"""
    if kind.name == "landlock":
        pytest.skip("names of files can be seen there; reading them is refused, which the hostile programs try")
    own = tuple(inside for inside, _ in tree().files) + tuple(path for path, _ in tree().links)
    tests = f"""
def check(candidate):
    files, folder, environment, scratch = candidate()
    foreign = [p for p in files if not p.startswith(("/dev/", *{own!r}))]
    assert not foreign, foreign
    assert not [p for p in files if "site-packages/" in p]
    assert set(environment) <= {{"LC_CTYPE", "PWD"}}, environment
    assert (folder, scratch) == ("/tmp", [])
"""
    assert check(kind, program, tests, "f", limits=Limits(seconds=60)).why == ""


def test_neither_process_sees_the_other(kind):
    program = "import os\ndef f(): return os.getpid(), sorted(p for p in os.listdir('/proc') if p.isdigit())"
    tests = "def check(candidate):\n    try:\n        assert not candidate()[1]\n    except (FileNotFoundError, PermissionError):\n        pass"
    assert check(kind, program, tests, "f", limits=Limits()).why == ""


def test_threads_start_only_where_they_are_counted(kind):
    program = "from concurrent.futures import ThreadPoolExecutor as P\ndef f(n): return sum(P(n).map(int, '1' * n))"
    verdict = check(
        kind, program, "def check(candidate):\n    assert candidate(8) == 8", "f", limits=Limits(seconds=60)
    )
    counted = kind.name == "namespaces" or (kind.name == "bubblewrap" and os.geteuid() != 0)
    assert verdict.why == "" if counted else "can't start new thread" in verdict.why


def test_samples_run_side_by_side():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda x: run_check(f"def f(x): return {x}", *RIGHT[1:]).passed, range(12)))
    assert verdicts == [x == 1 for x in range(12)]


def test_descriptors_are_given_back():
    run_check(*RIGHT)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        run_check(*RIGHT)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def descriptors():
    """Allow only so many more descriptors, until allowed again; whatever was opened must be closed by then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(more):
        if more is None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        else:
            first = os.dup(0)  # the lowest that is free
            os.close(first)
            resource.setrlimit(resource.RLIMIT_NOFILE, (first + more, hard))

    yield allow
    allow(None)


def test_a_machine_out_of_descriptors_is_an_error_and_no_verdict(descriptors):
    assert run_check(*RIGHT).passed
    before = sorted(os.listdir("/proc/self/fd"))
    failed = 0
    for more in range(24):
        descriptors(more)
        try:
            assert run_check(*RIGHT).passed
        except NotStarted:
            failed += 1
        finally:
            descriptors(None)
        assert sorted(os.listdir("/proc/self/fd")) == before
    assert failed > 8
    assert run_check(*RIGHT).passed


def test_a_process_that_cannot_be_made_is_an_error_and_no_verdict(monkeypatch):
    def no(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    assert run_check(*RIGHT).passed
    with monkeypatch.context() as without:
        without.setattr("subprocess.Popen", no)
        with pytest.raises(NotStarted, match="Resource temporarily unavailable"):
            run_check(*RIGHT)
    assert run_check(*RIGHT).passed


def test_a_machine_that_is_full_for_now_is_not_remembered_as_one_without_isolation(descriptors):
    for more in (0, 2, 8):
        descriptors(more)
        with pytest.raises(NotStarted, match="Too many open files"):
            run_check(*RIGHT)
        descriptors(None)
    assert isolation().ok
    assert run_check(*RIGHT).passed


def test_the_interpreter_is_not_that_of_a_virtual_environment():
    assert os.path.realpath(sys.base_prefix) in os.path.realpath(tree().executable)
