"""Reference pages from the code itself, so that they can not say anything else."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import click
import typer
from fastapi import FastAPI

import app.settings
from app.cli import app as command
from app.console import api, probes
from app.console.openapi import describe
from app.policy.json_schema import policy_schema
from app.settings import EXAMPLE_POLICY, PROJECT, Settings
from app.stream.topics import TopicTable

SCHEMAS = PROJECT / "schemas"


def cli() -> str:
    """Every verb of ``hitl`` with its options."""
    lines = [
        "# The `hitl` command",
        "",
        "Exit codes: 0 done, 1 failed, 2 wrong use, 3 a needed service can not be reached.",
        "",
    ]
    for name, verb in _verbs("hitl", typer.main.get_command(command)):
        lines += [f"## `{name}`", "", inspect.cleandoc(verb.help or verb.short_help or ""), ""]
        rows = [_option(parameter) for parameter in verb.params if parameter.name != "help"]
        if rows:
            lines += ["| | | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _verbs(name: str, verb: click.Command) -> Iterator[tuple[str, click.Command]]:
    children = getattr(verb, "commands", None)
    if children is None:
        yield name, verb
        return
    for child in sorted(children):
        yield from _verbs(f"{name} {child}", children[child])


def _option(parameter: Any) -> str:  # noqa: ANN401 - options of typer and click alike
    optional = parameter.param_type_name == "option"
    name = ", ".join(f"`{each}`" for each in parameter.opts) if optional else f"`{parameter.name.upper()}`"
    default = parameter.default
    shown = "required" if parameter.required else ""
    if default not in (None, False, ...) and not callable(default) and not parameter.required:
        shown = f"`{getattr(default, 'value', default)}`"
    return f"| {name} | {_cell(getattr(parameter, 'help', None) or '')} | {shown} |"


def policy_fields() -> str:
    """Every field of the policy file, from the types that read it."""
    schema = policy_schema()
    lines = [
        "# Every policy field",
        "",
        "From the types that read the file; [policy.md](../policy.md) explains how they work together.",
        "",
        *_fields("the file", schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        if "properties" in part:
            lines += _fields(name, part)
    return "\n".join(lines)


def _fields(name: str, part: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## {name}",
        "",
        inspect.cleandoc(part.get("description", "")),
        "",
        "| field | type | default | |",
        "|---|---|---|---|",
    ]
    needed = set(part.get("required", ()))
    for field, about in part["properties"].items():
        default = (
            "required"
            if field in needed
            else f"`{about['default']}`"
            if about.get("default") not in (None, "")
            else ""
        )
        lines.append(
            f"| `{field}` | {_type(about)} | {_cell(default)} | {_cell(about.get('description', ''))} |"
        )
    return [*lines, ""]


def _type(about: Mapping[str, Any]) -> str:
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[1]
        return (
            f"[{name}](#{name.lower()})"
            if name[0].isupper() and "properties" in policy_schema()["$defs"][name]
            else name
        )
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_type(each) for each in about["anyOf"]))
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    if about.get("type") == "object" and isinstance(about.get("additionalProperties"), Mapping):
        return f"by name: {_type(about['additionalProperties'])}"
    return str(about.get("type", "anything"))


def environment() -> str:
    """Every environment variable, from the settings' own words."""
    lines = [
        "# Environment",
        "",
        "The environment says where things are, never how they behave: that is [the policy](../policy.md).",
        "",
        "| setting | |",
        "|---|---|",
    ]
    tree = ast.parse(inspect.getsource(app.settings))
    (body,) = (
        node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
    )
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            lines.append(f"| `{field.target.id}` | {_cell(str(text.value.value))} |")  # type: ignore[union-attr]
    return "\n".join(lines).replace("``", "`") + "\n"


def events() -> str:
    """Every topic with its events, and every event with its fields, from topics.yaml and the Avro schemas."""
    lines = ["# Every event", "", "Topics, encoding and headers: [topics.md](../topics.md).", ""]
    carried: dict[str, list[str]] = {}
    for topic, spec in TopicTable.load().specs.items():
        for event in spec.schemas:
            carried.setdefault(event, []).append(topic)
    for path in sorted(SCHEMAS.glob("*.avsc")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        schema = schema[-1] if isinstance(schema, list) else schema
        topics = ", ".join(f"`{topic}`" for topic in carried.get(path.stem, ())) or "no topic of its own"
        lines += [
            f"## {path.stem}",
            "",
            _cell(schema.get("doc", "")),
            "",
            f"On {topics}.",
            "",
            "| field | type | |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{field['name']}` | {_avro(field['type'])} | {_cell(field.get('doc', ''))} |"
            for field in schema["fields"]
        ]
        lines.append("")
    return "\n".join(lines)


def _avro(kind: Any) -> str:  # noqa: ANN401 - a schema is text, list or mapping
    if isinstance(kind, list):
        return " or ".join(_avro(each) for each in kind)
    if isinstance(kind, str):
        return kind.rsplit(".", 1)[-1]
    if kind["type"] == "array":
        return f"list of {_avro(kind['items'])}"
    if kind["type"] == "map":
        return f"map of {_avro(kind['values'])}"
    return str(kind.get("name") or kind.get("logicalType") or kind["type"]).rsplit(".", 1)[-1]


def endpoints() -> str:
    """Every endpoint of the API, from its own description."""
    server = FastAPI()
    for router in (probes.router, *api.routers):
        server.include_router(router)
    lines = [
        "# Every endpoint",
        "",
        "How to sign in, errors and streams: [api.md](../api.md). `/openapi.json` of a running console has it"
        " all, with schemas.",
        "",
    ]
    for path, verbs in describe(server)["paths"].items():
        for verb, about in verbs.items():
            if verb in ("get", "post", "put", "patch", "delete"):
                text = about.get("description") or about.get("summary") or ""
                lines += [f"## `{verb.upper()} {path}`", "", inspect.cleandoc(text), ""]
                rows = [
                    f"| `{each['name']}` | {each['in']} | {_cell(each.get('description', ''))} |"
                    for each in about.get("parameters", ())
                ]
                if rows:
                    lines += ["| parameter | in | |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def example_policy() -> str:
    """The commented example, whole."""
    text = EXAMPLE_POLICY.read_text(encoding="utf-8")
    about = "Every field with a comment, as `policies/example.yaml` has it."
    return f"# An example policy\n\n{about}\n\n```yaml\n{text}```\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli,
    "policy-fields.md": policy_fields,
    "environment.md": environment,
    "events.md": events,
    "endpoints.md": endpoints,
    "example-policy.md": example_policy,
}
"""File in reference/ -> what writes it."""
