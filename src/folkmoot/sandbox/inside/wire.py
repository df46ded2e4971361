"""Plain data between the two sandboxed processes: what crosses is data only, and has no behaviour of its own.

A frame is a length in four bytes and JSON. A list, a text, a float, a small int, a bool and None are themselves in JSON;
everything else is an object with its kind under ``k``. An object of any other type stays where it was made; a reference to it
crosses, which can be handed back, called, and nothing more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

ITEMS = 10_000
"""Most items that an iterator is read for."""
VALUES = 1_000_000
"""Most values in one frame."""


class Unplain(Exception):  # noqa: N818 - reads as a sentence: raise Unplain(...)
    """Something cannot cross, or what came across is not plain data."""


def send(fd: int, message: Any) -> None:
    """Write one frame."""
    text = json.dumps(message, separators=(",", ":")).encode()
    data = memoryview(len(text).to_bytes(4, "big") + text)
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int, most: int) -> Any:
    """Read one frame.

    Args:
        fd: Where from.
        most: Bytes that it may have.

    Raises:
        EOFError: The other side is gone.
        Unplain: It is longer than that, or not JSON.
    """
    size = int.from_bytes(_exactly(fd, 4), "big")
    if size > most:
        raise Unplain(f"more than {most // 1024} KiB of data")
    try:
        return json.loads(_exactly(fd, size))
    except (ValueError, RecursionError) as e:
        raise Unplain(f"no plain data: {type(e).__name__}") from None


def _exactly(fd: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def encode(value: Any, keep: Callable[[Any], dict[str, Any]]) -> Any:
    """A value as JSON has it.

    A value of a subclass crosses as the plain value that it holds; methods that the subclass has changed are not asked.

    Args:
        value: Any value.
        keep: Makes the reference for what cannot cross, or raises `Unplain`.
    """
    left = VALUES

    def one(v: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Unplain(f"more than {VALUES} values")
        kind = type(v)
        if v is None or kind is bool or kind is str:
            return v
        if issubclass(kind, str):
            return str.__str__(v)
        if issubclass(kind, float):
            return float.__pos__(v)
        if issubclass(kind, int):
            number = int.__pos__(v)
            # hexadecimal: reading a long decimal takes quadratic time
            return number if number.bit_length() <= 53 else {"k": "int", "v": hex(number)}
        if issubclass(kind, list):
            return [one(x) for x in list.__iter__(v)]
        return other(v)

    def many(values: Any) -> list[Any]:
        return [one(x) for x in values]

    def other(v: Any) -> Any:
        kind = type(v)  # not what it says of itself in __class__
        if issubclass(kind, tuple):
            found: dict[str, Any] = {"k": "tuple", "v": many(tuple.__iter__(v))}
            if isinstance(fields := getattr(type(v), "_fields", None), tuple):
                found |= {"n": type(v).__name__, "f": [str(f) for f in fields]}
            return found
        if issubclass(kind, dict):
            name = next(
                (c.__name__ for c in type(v).__mro__ if c.__name__ in ("Counter", "OrderedDict") and _plain(c)), "dict"
            )
            return {"k": name, "v": [[one(a), one(b)] for a, b in dict.items(v)]}
        if issubclass(kind, set):
            return {"k": "set", "v": many(set.__iter__(v))}
        if issubclass(kind, frozenset):
            return {"k": "frozenset", "v": many(frozenset.__iter__(v))}
        if issubclass(kind, (bytes, bytearray)):
            return {"k": "bytearray" if issubclass(kind, bytearray) else "bytes", "v": bytes(v).hex()}
        if issubclass(kind, complex):
            return {"k": "complex", "v": [v.real, v.imag]}
        if issubclass(kind, range):
            return {"k": "range", "v": many((v.start, v.stop, v.step))}
        if issubclass(kind, (type({}.keys()), type({}.values()), type({}.items()))):
            return {"k": type(v).__name__, "v": many(v)}
        name = type(v).__name__
        if name == "deque" and _plain(type(v)):
            return {"k": "deque", "v": many(v), "n": v.maxlen}
        if name in ("Decimal", "Fraction") and type(v).__module__ in ("decimal", "fractions"):
            return {"k": name, "v": str(v)}
        if issubclass(kind, Iterator) and not hasattr(v, "read"):
            return flow(v)
        return keep(v)

    def flow(v: Iterator[Any]) -> dict[str, Any]:
        found: list[Any] = []
        try:
            for x in v:
                if len(found) == ITEMS:
                    return {"k": "iterator", "v": found, "more": True}
                found.append(one(x))
        except Unplain:
            raise
        except Exception as e:
            return {"k": "iterator", "v": found, "raised": describe(e)}
        return {"k": "iterator", "v": found}

    try:
        return one(value)
    except RecursionError:
        raise Unplain("data nested too deeply") from None


def _plain(kind: type) -> bool:
    return kind.__module__ in ("collections", "_collections")


def decode(data: Any, reference: Callable[[dict[str, Any]], Any]) -> Any:
    """The value that `encode` was given, built of plain types only.

    Args:
        data: From the other side, which may be hostile.
        reference: What to put in the place of a reference.

    Raises:
        Unplain: This is not what `encode` makes.
    """
    try:
        return _decode(data, reference)
    except Unplain:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as e:
        raise Unplain(f"no plain data: {type(e).__name__}") from None


def _decode(data: Any, reference: Callable[[dict[str, Any]], Any]) -> Any:
    if isinstance(data, list):
        return [_decode(x, reference) for x in data]
    if not isinstance(data, dict):
        return data
    kind: str = data["k"]
    value: Any = data.get("v")
    if kind == "ref":
        return reference(data)
    if kind == "int":
        return int(value, 16)
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(value)
    if kind == "complex":
        return complex(*value)
    if kind in ("Decimal", "Fraction"):
        return _number(kind, value)
    if kind == "range":
        return range(*(_decode(x, reference) for x in value))
    if kind in ("dict", "Counter", "OrderedDict"):
        return _mapping(kind, [(_decode(a, reference), _decode(b, reference)) for a, b in value])
    items = [_decode(x, reference) for x in value]
    if kind == "tuple":
        return _named(data["n"], tuple(data["f"]), items) if "f" in data else tuple(items)
    if kind == "iterator":
        return _replay(items, data.get("raised"), bool(data.get("more")))
    if kind == "deque":
        from collections import deque

        return deque(items, data["n"])
    plain: dict[str, Callable[[list[Any]], Any]] = {
        "set": set,
        "frozenset": frozenset,
        "dict_keys": lambda v: dict.fromkeys(v).keys(),
        "dict_values": lambda v: dict(enumerate(v)).values(),
        "dict_items": lambda v: dict(v).items(),
    }
    return plain[kind](items)


def _number(kind: str, value: str) -> Any:
    if kind == "Decimal":
        from decimal import Decimal

        return Decimal(value)
    from fractions import Fraction

    return Fraction(value)


def _mapping(kind: str, pairs: list[tuple[Any, Any]]) -> Any:
    if kind == "dict":
        return dict(pairs)
    import collections

    found = getattr(collections, kind)()
    dict.update(found, pairs) if kind == "Counter" else found.update(pairs)
    return found


def _named(name: str, fields: tuple[str, ...], items: list[Any]) -> Any:
    from collections import namedtuple

    return namedtuple(name, fields)(*items)


def _replay(items: list[Any], raised: Any, more: bool) -> Iterator[Any]:
    yield from items
    if raised is not None:
        raise rebuild(raised)
    if more:
        raise Unplain(f"an iterator of more than {ITEMS} items")


def describe(e: BaseException) -> dict[str, Any]:
    """An exception as data: the names of its built-in classes, nearest first, its own name and its text."""
    return {
        "is": [c.__name__ for c in type(e).__mro__ if c.__module__ == "builtins"],
        "name": type(e).__name__,
        "text": _text(e),
    }


def _text(e: BaseException) -> str:
    try:
        return str.__str__(str(e))[:300]
    except BaseException:  # its text may ask an object that only the program has, which ends everything
        return ""


def rebuild(data: Any) -> Exception:
    """The nearest built-in exception to the one described, or RuntimeError for one that ends an iteration (PEP 479).

    Otherwise a program could end the loops of its tests before they have seen anything: ``all(map(...))`` holds then.
    """
    import builtins

    if not isinstance(data, dict):
        raise Unplain("no exception")
    for name in data.get("is") or ():
        if name in ("StopIteration", "StopAsyncIteration", "GeneratorExit"):
            return RuntimeError(f"{name}: {data.get('text')}".removesuffix(": "))
        kind = getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(str(data.get("text")))
            except TypeError:  # a UnicodeError wants more than a text
                continue
    return Exception(str(data.get("text")))
