"""The address and the key of a contribution that an endpoint serves."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from folkmoot.contribute.findings import Finding, hidden, refuse, warn
from folkmoot.manifest import Manifest

_METADATA = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal"}
)
_NEVER = tuple(
    map(
        ipaddress.ip_network,
        ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::/32", "fd20:ce::254", "64:ff9b:1::/48"),
    )
)
"""Where machines of clouds are told their own keys, but for link-local addresses; by the clouds' own documentation. The last
are IPv4 addresses in a form that each network chooses for itself (RFC 8215)."""
_WITHIN = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0), ("::ffff:0:0/96", 0), ("::ffff:0:0:0/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80)
    )
)  # fmt: skip
"""IPv6 addresses that hold an IPv4 address to which they lead, and where in them it stands (RFC 4291, 7915, 6052, 3056)."""
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def key_variable(name: str) -> str:
    """The only variable whose contents the endpoint of a contribution of this name may be sent.

    >>> key_variable("ana-units")
    'FOLKMOOT_KEY_ANA_UNITS'
    """
    return f"FOLKMOOT_KEY_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"


def check_endpoint(manifest: Manifest, at: Callable[..., str]) -> Iterator[Finding]:
    """Where questions would be sent, and what with them.

    Args:
        manifest: Of an endpoint.
        at: File and line of a key.
    """
    place, url = at("url"), manifest.url or ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield refuse("endpoint", f"url {url!r} is no address", place, "write https://host/v1")
        return
    if not parts.netloc.isascii():  # who connects maps it first: '１６９。254.169.254' is 169.254.169.254
        yield refuse("endpoint-address", f"url {url!r} is not in plain letters", place, "write its host as xn--...")
        return
    # one dot at the end is the root; what is looked up is the name without it
    host = (host or "").removesuffix(".")
    web = parts.scheme in ("http", "https") and not hidden(url) and not re.search(r"[\s\\%]", parts.netloc)
    if not web or not (":" in host or _NAME.fullmatch(host)):
        yield refuse("endpoint", f"url {url!r} is no web address", place, "write https://host/v1")
        return
    if parts.username or parts.password or parts.query or parts.fragment:
        yield refuse("endpoint", "the url holds a password or a query", place, "write https://host/v1")
    yield from _host(host, parts.scheme == "https", place)
    if manifest.api_key_env and manifest.api_key_env != (own := key_variable(manifest.name)):
        what = f"it asks for what your variable {manifest.api_key_env!r} holds, which would be sent to {host}"
        remedy = f"leave api_key_env out, or write {own}, which is meant for it alone"
        yield refuse("endpoint-key", what, at("api_key_env"), remedy)
    if manifest.adapter:
        yield refuse("endpoint", "an endpoint takes no adapter folders", at("adapter"), "leave 'adapter' out")


def _host(host: str, encrypted: bool, place: str) -> Iterator[Finding]:
    address = _address(host)
    if host in _METADATA or (address and not _reachable(address)):
        what = f"{host} is where a machine asks for its own keys, or no place of an endpoint"
        yield refuse("endpoint-address", what, place, "name the endpoint's own address")
    elif host == "localhost" or host.endswith(".localhost") or (address and not address.is_global):
        what = f"{host} is another machine for everybody: questions would go to what listens there in your network"
        yield warn("endpoint-address", what, place, "take it only if the endpoint is yours")
    elif not encrypted:
        yield warn("endpoint", "questions go to it unencrypted", place, "use https")


def _reachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    return not never and not any(address in network for network in _NEVER)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, in any form that the system reads (2852039166, 0xa9.254.43518); None for a name.

    What looks like an address and is none is 0.0.0.0: nobody has a use for it, and no name ends in a number.
    """
    try:
        if ":" not in host:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        found = ipaddress.IPv6Address(host)
    except (OSError, ValueError):
        return ipaddress.IPv4Address(0) if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) else None
    for network, shift in _WITHIN:
        if found in network:
            return ipaddress.IPv4Address(int(found) >> shift & 0xFFFFFFFF)
    return found
