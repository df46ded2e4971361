"""What pip says becomes one line that helps."""

import pytest

from folkmoot.models.wheels import explain


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("/usr/bin/python3: No module named pip\n", "this Python has no pip"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "no room in "),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/x/\n"
            "ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)\n"
            "ERROR: No matching distribution found for x==1\n",
            "no network: the package index cannot be reached for x==1",
        ),
        (
            "ERROR: No matching distribution found for x==1\n",
            "has no wheel x==1, or does not answer; see which is used",
        ),
        ("ERROR: 403 Client Error: Forbidden for url: somewhere\n", "pip could not fetch x==1: 403 Client Error"),
        ("", "pip could not fetch x==1: it said nothing"),
    ],
)
def test_one_line(said: str, says: str) -> None:
    line = explain("tiny", "x==1", said)
    assert line.startswith("tiny: ")
    assert says in line
    assert "\n" not in line
