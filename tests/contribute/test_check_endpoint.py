"""Where a contributed endpoint may be: the address is judged as whoever connects will read it."""

import pytest

from folkmoot.contribute.check_endpoint import check_endpoint
from folkmoot.manifest import Manifest


def found(url: str) -> set[tuple[str, str]]:
    """Level and check of everything that is found."""
    manifest = Manifest(name="ana", model="m", engine="openai", url=url)
    return {(f.level, f.check) for f in check_endpoint(manifest, lambda key: f"participant.yaml: {key}")}


@pytest.mark.parametrize(
    "url",
    [
        # letters that a client maps to others before it connects
        "https://169。254。169。254/v1",
        "https://１６９.254.169.254/v1",
        "https://①②⑦.0.0.1/v1",
        "https://ｍetadata.google.internal/v1",
        "https://metadata.google.internal。/v1",
        "https://münchen.example/v1",
        # IPv4 inside IPv6
        "https://[::ffff:169.254.169.254]/v1",
        "https://[::ffff:0:a9fe:a9fe]/v1",
        "https://[::169.254.169.254]/v1",
        "https://[64:ff9b::a9fe:a9fe]/v1",
        "https://[64:ff9b:1::a9fe:a9fe]/v1",
        "https://[64:ff9b:1:a9fe:a9:fe00::]/v1",
        "https://[2002:a9fe:a9fe::1]/v1",
        "https://[64:ff9b::100.100.100.200]/v1",
        # numbers that the system's own parser takes
        "https://0xA9FEA9FE/v1",
        "https://0xa9.254.43518/v1",
        "https://0251.0376.0251.0376/v1",
        "https://000000000000000000000251.254.169.254/v1",
        "https://169.0x0000000000fe.169.254/v1",
        "https://169.254.43518/v1",
        # numbers that no parser takes
        "https://1.2.3.4.5/v1",
        "https://1.256.3.4/v1",
        "https://4294967296/v1",
        "https://1.2.3.08/v1",
        "https://1.2.3.0x/v1",
        "https://1_0.0.0.1/v1",
        # the root's dot, and other places of keys
        "https://169.254.169.254./v1",
        "https://metadata./v1",
        "https://METADATA.google.internal./v1",
        "https://[fd00:ec2::23]/v1",
        "https://[fd20:ce::254]/v1",
        "https://[::]/v1",
        "https://0/v1",
    ],
)
def test_where_machines_keep_their_keys_in_every_spelling(url: str) -> None:
    assert ("refuse", "endpoint-address") in found(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://%31%36%39.254.169.254/v1",
        "https://[fe80::1%25eth0]/v1",
        "https://169.254.169.254../v1",
        "https://a..b/v1",
        "https://./v1",
        "https://example.org\\@169.254.169.254/v1",
        "https://a!b/v1",
        f"https://{'a' * 64}.org/v1",
        "https:///v1",
        "https://exam\u200bple.org/v1",
    ],
)
def test_what_is_no_host(url: str) -> None:
    assert {level for level, _ in found(url)} == {"refuse"}


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost./v1",
        "https://ana.localhost/v1",
        "https://0x7f.1/v1",
        "https://2130706433/v1",
        "https://127.1/v1",
        "https://[::1]/v1",
        "https://[2002:7f00:1::]/v1",
        "https://[64:ff9b::10.0.0.8]/v1",
        "https://[fd12::8]/v1",
    ],
)
def test_the_users_own_network_is_a_warning(url: str) -> None:
    assert found(url) == {("warn", "endpoint-address")}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/v1",
        "https://example.org./v1",
        "https://xn--mnchen-3ya.example/v1",
        "https://model_1.example.org:8443/v1",
        "https://1.1.1.1/v1",
        "https://[2606:4700::1111]/v1",
        "https://4chan.example/v1",
    ],
)
def test_what_anybody_may_serve(url: str) -> None:
    assert found(url) == set()
