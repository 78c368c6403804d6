"""docker-compose.yml as far as it can be checked without containers: the compose specification and our own rules."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gridpulse.cli.app import app
from gridpulse.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "api", "writer", "detect", "detect-1", "rollup", "webhooks")
LONG_RUNNING = sorted(set(SERVICES) - {"migrate"})
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
SERVICE_KEYS = {
    *("image", "build", "command", "environment", "ports", "volumes", "depends_on", "healthcheck", "restart"),
    *("init", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period", "ulimits"),
}
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
PINNED = re.compile(r"[a-z0-9./-]+:\d+(\.\d+)+[a-z0-9.-]*")


def test_it_has_the_keys_of_the_specification_only() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} <= {
        "name",
        "services",
        "volumes",
        "networks",
        "secrets",
    }
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE_KEYS, name


def test_all_processes_are_there() -> None:
    assert set(SERVICES) == {"kafka", "clickhouse", *OURS}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


def test_our_image_has_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"gridpulse:{version[1]}"}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_keeps_running_is_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert len(check["test"]) > 1
    assert all(DURATION.fullmatch(check[key]) for key in ("interval", "timeout", "start_period"))
    assert check["retries"] >= 3
    assert service["restart"] == "unless-stopped"
    assert DURATION.fullmatch(service["stop_grace_period"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependencies_exist_and_are_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        if how["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] in {"no", "on-failure:5"}


def test_processes_start_after_log_database_and_migration() -> None:
    for name in set(OURS) - {"migrate"}:
        assert set(SERVICES[name]["depends_on"]) == {"kafka", "clickhouse", "migrate"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_bound_to_loopback_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_named_volumes_are_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        assert volume.split(":")[0] in COMPOSE["volumes"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_password_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name]["environment"].items():
        if "PASSWORD" in key and not key.endswith("_FILE"):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value)
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{key} has a password in its URL"


@pytest.mark.parametrize("name", OURS)
def test_our_processes_can_change_nothing_but_their_data(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service  # the image's own, which is not root


@pytest.mark.parametrize("name", OURS)
def test_settings_are_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"GRIDPULSE_{field.upper()}" for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= names
    for key, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.is_kafka
    assert not settings.embedded_store


def test_the_processes_of_the_cluster_are_told_of_each_other() -> None:
    cluster = {
        name: SERVICES[name]["environment"] for name in OURS if "GRIDPULSE_ADDRESSES" in SERVICES[name]["environment"]
    }
    (addresses,) = {environment["GRIDPULSE_ADDRESSES"] for environment in cluster.values()}
    hosts = [address.rpartition(":")[0] for address in addresses.split(",")]
    assert {hosts[int(environment["GRIDPULSE_PROCESS_ID"])]: name for name, environment in cluster.items()} == {
        name: name for name in hosts
    }
    assert len(hosts) == len(cluster) <= int(SERVICES["detect"]["environment"]["GRIDPULSE_PARTITIONS"])


def test_commands_exist() -> None:
    runner = CliRunner()
    for name in OURS:
        command = SERVICES[name]["command"]
        shown = runner.invoke(app, [command[0], "--help"])
        assert shown.exit_code == 0
        assert all(word in shown.output for word in command[1:])


def test_the_dockerfile_is_built_from_pins_and_runs_as_nobody_special() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert images
    assert all(PINNED.fullmatch(image) for image in images)
    assert len(set(images)) == 1  # the virtual environment is copied: the same Python must be at the same place
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation" in line for line in installs)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert text.rindex("USER ") > text.rindex("RUN ")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / path).exists() for path in source.split()), source
