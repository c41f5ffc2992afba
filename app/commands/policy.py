"""``hitl policy``: write, check, read and compare the policy file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from ruamel.yaml import YAML

from app.commands.output import console, errors, print_json, print_line
from app.errors import HitlError, UsageError
from app.policy.automation import warnings
from app.policy.checks import did_you_mean
from app.policy.compiled import compile_policy
from app.policy.diff import Effect, diff_policies, effective
from app.policy.json_schema import policy_schema_text
from app.policy.load import Policy, load_policy
from app.policy.problems import PolicyError, Problem
from app.settings import load_settings

app = typer.Typer(
    help="The policy file: when AI decides, when people must, and who.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

File = Annotated[
    Path | None, typer.Argument(help="Policy file; HITL_POLICY, or else the example, unless given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_COLOURS = {Effect.STRICTER: "yellow", Effect.LOOSER: "red"}


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("policy.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a first policy with comments.

    Example: `hitl policy init my-policy.yaml`
    """
    text = resources.files("app.policy").joinpath("starting.yaml").read_text(encoding="utf-8")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists already", hint="choose another name, or overwrite it with --force"
        ) from error
    except OSError as error:
        raise HitlError(
            f"{file} can not be written: {error.strerror}", hint="choose a folder that exists and is writable"
        ) from error
    console.print(
        f"wrote {file}; next: hitl policy check {file}", markup=False, highlight=False, soft_wrap=True
    )


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Find every mistake, with file, line, column and field. Exit code 1 if there is one.

    Example: `hitl policy check my-policy.yaml`
    """
    path = _path(file)
    try:
        policy = load_policy(path)
        compiled = compile_policy(policy)
    except PolicyError as error:
        if not as_json:
            raise
        for problem in error.problems:
            print_json(problem)
        raise typer.Exit(1) from error
    types = sorted(compiled.terms)
    known = [{"field": ".".join(at), "message": words} for at, words in warnings(policy.content)]
    if as_json:
        print_json(
            {
                "file": str(path),
                "name": compiled.name,
                "version": compiled.version,
                "types": types,
                "warnings": known,
            }
        )
        return
    for warning in known:
        errors.print(
            f"warning: {warning['field']}: {warning['message']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"{path}: fine. Policy '{compiled.name}', version {compiled.version}, decides {', '.join(types)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def show(
    file: File = None,
    decision_type: Annotated[str | None, typer.Option("--type", help="Only this decision type.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the policy with all defaults filled in.

    Example: `hitl policy show --type expense.approval`
    """
    policy = load_policy(_path(file))
    values = effective(policy.content)
    if decision_type is not None:
        types = values["decision_types"]
        if decision_type not in types:
            raise UsageError(
                f"'{decision_type}' is not in {policy.file}{did_you_mean(decision_type, types)}",
                hint=f"it has {', '.join(types)}",
            )
        values = types[decision_type]
    if as_json:
        print_json({"version": policy.version, **values})
        return
    print_line(f"# {policy.file}, version {policy.version}")
    _print_yaml(values)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it was.")],
    new: Annotated[Path, typer.Argument(help="The policy as it will be.")],
    as_json: AsJson = False,
) -> None:
    """Say what changes in meaning between two policies, and what gets stricter or looser.

    Example: `hitl policy diff policies/example.yaml my-policy.yaml`
    """
    before, after = _both(old, new)
    changes = diff_policies(before.content, after.content)
    if as_json:
        for change in changes:
            print_json(change)
        return
    for change in changes:
        colour = _COLOURS.get(change.effect)
        text = escape(str(change))
        console.print(f"[{colour}]{text}[/{colour}]" if colour else text, highlight=False, soft_wrap=True)
    if not changes:
        console.print("no difference in meaning")
        return
    counts = {effect: sum(change.effect is effect for change in changes) for effect in Effect}
    errors.print(
        f"{len(changes)} change{'s' * (len(changes) > 1)}: {counts[Effect.STRICTER]} stricter, "
        f"{counts[Effect.LOOSER]} looser, "
        f"{counts[Effect.UNKNOWN]} depend on the decisions, {counts[Effect.NONE]} only words",
        highlight=False,
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors.

    Example: `hitl policy schema > policy.schema.json`
    """
    print(policy_schema_text(), end="")


def _path(file: Path | None) -> Path:
    return file if file is not None else load_settings().policy_path


def _both(old: Path, new: Path) -> tuple[Policy, Policy]:
    """Both policies, or the problems of both."""
    loaded: list[Policy] = []
    problems: list[Problem] = []
    hints: list[str] = []
    for path in (old, new):
        try:
            loaded.append(load_policy(path))
        except PolicyError as error:
            problems += error.problems
            hints.append(error.hint)
    if problems:
        raise PolicyError(problems, hint=hints[0])
    return loaded[0], loaded[1]


def _print_yaml(values: dict[str, Any]) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 110
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(values, typer.get_text_stream("stdout"))
