"""The address and the key of a contribution that an endpoint serves."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from folkmoot.contribute.findings import Finding, hidden, refuse, warn
from folkmoot.manifest import Manifest

_METADATA = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal"}
)
_METADATA_AT = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"))
)
"""Where machines of clouds are told their own keys, but for link-local addresses; by the clouds' own documentation."""


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
    if parts.scheme not in ("http", "https") or not host or hidden(url) or re.search(r"[\s\\%]", parts.netloc):
        yield refuse("endpoint", f"url {url!r} is no web address", place, "write https://host/v1")
        return
    if parts.username or parts.password or parts.query or parts.fragment:
        yield refuse("endpoint", "the url holds a password or a query", place, "write https://host/v1")
    yield from _host(host.rstrip("."), parts.scheme == "https", place)
    if manifest.api_key_env and manifest.api_key_env != (own := key_variable(manifest.name)):
        what = f"it asks for what your variable {manifest.api_key_env!r} holds, which would be sent to {host}"
        remedy = f"leave api_key_env out, or write {own}, which is meant for it alone"
        yield refuse("endpoint-key", what, at("api_key_env"), remedy)
    if manifest.adapter:
        yield refuse("endpoint", "an endpoint takes no adapter folders", at("adapter"), "leave 'adapter' out")


def _host(host: str, encrypted: bool, place: str) -> Iterator[Finding]:
    address = _address(host)
    if host.lower() in _METADATA or (address and (address in _METADATA_AT or not _reachable(address))):
        what = f"{host} is where a machine asks for its own keys, or no place of an endpoint"
        yield refuse("endpoint-address", what, place, "name the endpoint's own address")
    elif host.lower() == "localhost" or host.lower().endswith(".localhost") or (address and not address.is_global):
        what = f"{host} is another machine for everybody: questions would go to what listens there in your network"
        yield warn("endpoint-address", what, place, "take it only if the endpoint is yours")
    elif not encrypted:
        yield warn("endpoint", "questions go to it unencrypted", place, "use https")


def _reachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, also in the forms that only some programs read (2852039166, 0xa9.254.169.254)."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        parts = host.split(".")
        if len(parts) > 4 or not all(re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,11}", p) for p in parts):
            return None
        try:
            numbers = [int(p, 16 if p[:2] in ("0x", "0X") else 8 if p[0] == "0" and len(p) > 1 else 10) for p in parts]
            whole = sum(n << 8 * (3 - i) for i, n in enumerate(numbers[:-1])) + numbers[-1]
            return ipaddress.IPv4Address(whole)
        except (ValueError, ipaddress.AddressValueError):
            return ipaddress.IPv4Address(0)  # no address that anybody has a use for
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
