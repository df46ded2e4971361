"""The line that says what is happening: redrawn on a terminal, a line now and then in a log."""

import io
import threading

import pytest

from folkmoot.progress import Line, duration, render, silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("load smollm2", 0, 0, "", 5.0), "load smollm2"),
        (("download", 5e6, 1e8, "41 MB/s", 10.0), "download  5 MB/100 MB  5 %  41 MB/s  3 min 10 s left"),
        (("samples", 50, 100, "210 tokens/s", 30.0), "samples  50/100  50 %  210 tokens/s  30 s left"),
        (("samples", 1, 100, "", 0.5), "samples  1/100  1 %"),  # too early to tell
        (("samples", 0, 100, "", 30.0), "samples  0/100  0 %"),
        (("samples", 100, 100, "", 30.0), "samples  100/100  100 %"),
    ],
)
def test_render(args: tuple[str, float, float, str, float], said: str) -> None:
    assert render(*args) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_log_gets_whole_lines_for_new_stages_and_ends_and_nothing_in_between() -> None:
    log = io.StringIO()
    line = Line(log)
    for done in range(11):
        line("download", done, 10)
    line("load")
    line("load", note="still")
    line.close()
    assert log.getvalue() == "download  0/10  0 %\ndownload  10/10  100 %\nload\n"


def test_a_terminal_line_is_redrawn_and_a_new_stage_starts_a_new_one() -> None:
    screen = Terminal()
    line = Line(screen)
    line("download", 0, 10)
    line("download", 1, 10)  # sooner than anybody could read it
    line("download", 10, 10)
    line("load")
    line.close()
    assert screen.getvalue() == (
        "\r\x1b[2Kdownload  0/10  0 %\r\x1b[2Kdownload  10/10  100 %\n\r\x1b[2Kload\n"
    )  # fmt: skip


def test_closing_twice_writes_nothing_more_and_the_next_report_starts_afresh() -> None:
    screen = Terminal()
    line = Line(screen)
    line.close()
    assert screen.getvalue() == ""
    line("load")
    line.close()
    line.close()
    line("load")
    assert screen.getvalue() == "\r\x1b[2Kload\n\r\x1b[2Kload"


def test_many_threads_write_whole_lines() -> None:
    log = io.StringIO()
    line = Line(log)
    threads = [threading.Thread(target=line, args=(f"stage {i}",)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(log.getvalue().splitlines()) == sorted(f"stage {i}" for i in range(20))


def test_silent_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    silent("download", 1, 2, "note")
    assert capsys.readouterr() == ("", "")
