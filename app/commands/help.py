"""How `--help` speaks: a flag takes no value, so none is shown."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup, TyperOption


class Verbs(TyperGroup):
    """The whole command. Typer writes `<bool>` after every flag, as if one could give it."""

    def make_context(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as typer has it
        """Once for each call, before anything is printed."""
        _silence(self)
        return super().make_context(*args, **more)


def _silence(command: Any) -> None:  # noqa: ANN401 - typer's commands have no public type
    options = [*command.params, command.get_help_option(typer.Context(command))]
    for option in options:
        if isinstance(option, TyperOption) and option.is_flag and option.metavar is None:
            option.metavar = ""
    for child in getattr(command, "commands", {}).values():
        _silence(child)
