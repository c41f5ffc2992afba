"""A small function written out from a schema, and where in the schema each of its lines came from."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Program:
    """Collects the lines of one function and the field that each line handles.

    Only names of our own structs' fields enter the text: locals are numbered, and values (structs,
    symbol tables) are bound as constants. A schema from a registry therefore can not inject code.
    """

    def __init__(self, name: str, signature: str) -> None:
        self._filename = f"<avro {name}>"
        self._lines = [f"def run({signature}):"]
        self._paths = [name]
        self._constants: dict[str, Any] = {}
        self._indent = 1
        self._locals = 0

    def line(self, text: str, path: str) -> None:
        """Append one line at the current depth, on behalf of the field at ``path``."""
        self._lines.append("    " * self._indent + text)
        self._paths.append(path)

    def deeper(self) -> None:
        """The next lines belong to the block just opened."""
        self._indent += 1

    def back(self) -> None:
        """The block ends."""
        self._indent -= 1

    def local(self) -> str:
        """A fresh local variable."""
        self._locals += 1
        return f"v{self._locals}"

    def constant(self, value: object) -> str:
        """Bind ``value`` and return its name."""
        name = f"C{len(self._constants)}"
        self._constants[name] = value
        return name

    def function(self, names: dict[str, Any]) -> Callable[..., Any]:
        """The finished function; ``names`` are the helpers its lines may call."""
        scope = {**names, **self._constants}
        exec(compile("\n".join(self._lines), self._filename, "exec"), scope)  # noqa: S102  text holds no foreign name  # nosec
        run: Callable[..., Any] = scope["run"]
        return run

    def blame(self, error: BaseException) -> tuple[str, dict[str, Any]]:
        """The field that was handled when ``error`` was raised, and the function's locals then."""
        step: TracebackType | None = error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == self._filename:
                return self._paths[min(step.tb_lineno, len(self._paths)) - 1], step.tb_frame.f_locals
            step = step.tb_next
        return self._paths[0], {}
