"""Structs to Avro bytes, with one function written out per record type.

About four times as fast as ``msgspec.to_builtins`` plus fastavro's writer (3 against 14 us for an
Assessment), because no dict is built and small integers and lengths come from a table.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from app.stream.avro_program import Program
from app.stream.avro_reader import Schema, named_types
from app.stream.errors import EncodeError, SchemaError


def write_long(value: int) -> bytes:
    """The zigzag varint of a 64-bit integer. Raises ``OverflowError`` beyond 64 bits.

    >>> write_long(-1).hex(), write_long(300).hex()
    ('01', 'd804')
    """
    if not -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        raise OverflowError(f"{value} is more than 64 bits")
    rest = (value << 1) ^ (value >> 63)
    pieces = bytearray()
    while rest > 127:
        pieces.append(rest & 127 | 128)
        rest >>= 7
    pieces.append(rest)
    return bytes(pieces)


_TABLE = tuple(write_long(n) for n in range(1024))
"""Varints of the lengths and counts that occur most."""

_CHUNK = 1 << 14
_CONTINUED = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(_CHUNK))
"""Two continued varint bytes for each 14 bits: a timestamp is three look-ups instead of a loop."""


def _long(value: int) -> bytes:
    if 0 <= value < 1 << 50:
        rest = value << 1
        head = b""
        while rest >= _CHUNK:
            head += _CONTINUED[rest & 16383]
            rest >>= 14
        return head + (_TABLE[rest >> 1] if not rest & 1 and rest < 2048 else _tail(rest))
    return write_long(value)


def _tail(rest: int) -> bytes:
    return bytes((rest,)) if rest < 128 else bytes((rest & 127 | 128, rest >> 7))


def _int(value: int) -> bytes:
    if not -0x80000000 <= value <= 0x7FFFFFFF:
        raise OverflowError(f"{value} is more than 32 bits")
    return write_long(value)


_HELPERS: dict[str, Any] = {
    "TABLE": _TABLE,
    "long": _long,
    "int": _int,
    "double": struct.Struct("<d").pack,
    "BOOLEAN": {False: b"\x00", True: b"\x01"},
    "join": b"".join,
}


def compile_writer(schema: Schema) -> Callable[[Any], bytes]:
    """A function ``struct -> body`` for a self-contained record schema.

    It raises ``EncodeError``, naming the field, for a value that the field can not carry, and
    ``SchemaError`` here for a shape that structs do not have.
    """
    name = schema["name"]
    program = Program(name, "r")
    emitter = _Emitter(program, named_types(schema))
    pieces = emitter.value(schema, "r", name)
    program.line(f"return join(({', '.join(pieces)},))", name)
    run = program.function(_HELPERS)

    def encode(record: Any) -> bytes:  # noqa: ANN401  a struct of `schema`
        try:
            body: bytes = run(record)
        except (AttributeError, TypeError, ValueError, KeyError, OverflowError, struct.error) as error:
            path = program.blame(error)[0]
            raise EncodeError(f"{path}: {type(error).__name__}: {error}") from error
        return body

    return encode


class _Emitter:
    """Writes the encoding function. Each value becomes pieces: expressions that yield bytes."""

    def __init__(self, program: Program, named: dict[str, Schema]) -> None:
        self._out = program
        self._named = named

    def value(self, schema: Schema, source: str, path: str) -> list[str]:
        """Emit what the value held by the expression ``source`` needs; return its pieces in order."""
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            return [self._nullable(schema, source, path)]
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, dict | list):
            return self.value(kind, source, path)
        if kind == "record":
            record = self._bind(source, path)
            return [
                piece
                for field in schema["fields"]
                for piece in self.value(field["type"], f"{record}.{field['name']}", f"{path}.{field['name']}")
            ]
        if kind == "array":
            return [f"*{self._array(schema, source, path)}"]
        if kind == "string":
            return self._string(source, path)
        piece = self._out.local()
        self._out.line(f"{piece} = {self._fixed(kind, schema, source, path)}", path)
        return [piece]

    def _bind(self, source: str, path: str) -> str:
        if source.isalnum():
            return source
        name = self._out.local()
        self._out.line(f"{name} = {source}", path)
        return name

    def _string(self, source: str, path: str) -> list[str]:
        text, length = self._out.local(), self._out.local()
        self._out.line(f"{text} = {source}.encode(); {length} = len({text})", path)
        self._out.line(f"{length} = TABLE[{length}] if {length} < 1024 else long({length})", path)
        return [length, text]

    def _fixed(self, kind: str, schema: Schema, source: str, path: str) -> str:
        """An expression for a value that needs no statements of its own."""
        if kind in ("int", "long"):
            value = self._bind(source, path)
            return f"TABLE[{value}] if 0 <= {value} < 1024 else {kind}({value})"
        if kind == "double":
            return f"double({source})"
        if kind == "boolean":
            return f"BOOLEAN[{source}]"
        if kind == "enum":
            symbols = {symbol: write_long(index) for index, symbol in enumerate(schema["symbols"])}
            return f"{self._out.constant(symbols)}[{source}]"
        raise SchemaError(f"{path}: {kind} is not a shape that events use")

    def _nullable(self, union: list[Schema], source: str, path: str) -> str:
        if len(union) != 2 or union.count("null") != 1:
            raise SchemaError(f"{path}: the only unions that events use are a type and null")
        null = union.index("null")
        out = self._out
        value, piece = self._bind(source, path), out.local()
        out.line(f"if {value} is None: {piece} = {write_long(null)!r}", path)
        out.line("else:", path)
        out.deeper()
        pieces = self.value(union[1 - null], value, path)
        branch = repr(write_long(1 - null))
        if any(part.startswith("*") for part in pieces) or len(pieces) > 3:
            out.line(f"{piece} = join(({branch}, {', '.join(pieces)}))", path)
        else:
            out.line(f"{piece} = {' + '.join([branch, *pieces])}", path)
        out.back()
        return piece

    def _array(self, schema: Schema, source: str, path: str) -> str:
        out = self._out
        items, pieces, item = out.local(), out.local(), out.local()
        out.line(f"{items} = {source}", path)
        out.line(f"{pieces} = []", path)
        out.line(f"if {items}:", path)
        out.deeper()
        out.line(f"{pieces}.append(long(len({items})))", path)
        out.line(f"for {item} in {items}:", path)
        out.deeper()
        parts = self.value(schema["items"], item, f"{path}[]")
        out.line(f"{pieces} += ({', '.join(parts)},)", path)
        out.back()
        out.back()
        out.line(f"{pieces}.append({write_long(0)!r})", path)
        return pieces
