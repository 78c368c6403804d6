"""What can't start says why in one sentence that names what to change, ends with an exit code, and leaves no trace."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridpulse.free_ports import free_ports
from tests.integration.running import World, gridpulse

EXIT_FAILED, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_CONFIG = 1, 2, 69, 78


@pytest.fixture
def elsewhere(tmp_path: Path) -> World:
    """A world that is not running."""
    return World(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", *free_ports(1)))
        taken.listen()
        yield taken.getsockname()[1]


def refused(world: World, *arguments: str, code: int, says: list[str], **settings: str) -> None:
    """The command fails with this exit code and one sentence that says all this."""
    done = gridpulse(*arguments, environment={**world.environment, **settings})
    sentences = [line for line in done.stderr.splitlines() if line.startswith("gridpulse: ")]
    notes = [line for line in done.stderr.splitlines() if "·" not in line]  # what `up` says it is doing
    assert notes == sentences, done.stderr
    assert len(sentences) == 1, done.stderr
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for words in says:
        assert words in sentences[0]


def test_api_port_in_use(elsewhere: World, taken_port: int) -> None:
    says = [f"127.0.0.1:{taken_port}", "GRIDPULSE_API_PORT"]
    refused(elsewhere, "up", code=EXIT_CONFIG, says=says, GRIDPULSE_API_PORT=f"{taken_port}")


def test_store_port_in_use(elsewhere: World, taken_port: int) -> None:
    says = [f"127.0.0.1:{taken_port}", "GRIDPULSE_STORE_PORT"]
    refused(elsewhere, "up", code=EXIT_CONFIG, says=says, GRIDPULSE_STORE_PORT=f"{taken_port}")


def test_data_directory_of_a_running_store(world: World) -> None:
    api_port, store_port = free_ports(2)
    settings = {"GRIDPULSE_API_PORT": f"{api_port}", "GRIDPULSE_STORE_PORT": f"{store_port}"}
    refused(world, "up", code=EXIT_CONFIG, says=[str(world.data_dir / "store")], **settings)
    world.wait_ready()


def test_unknown_setting(elsewhere: World) -> None:
    says = ["GRIDPULSE_API_PROT", "did you mean GRIDPULSE_API_PORT"]
    refused(elsewhere, "up", code=EXIT_USAGE, says=says, GRIDPULSE_API_PROT="8080")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GRIDPULSE_API_PORT", "80800", "65535"),
        ("GRIDPULSE_SITE_TIMEZONE", "Asia/Wuhu", "Asia/Shanghai"),
    ],
)
def test_wrong_value(elsewhere: World, name: str, value: str, allowed: str) -> None:
    refused(elsewhere, "up", code=EXIT_USAGE, says=[name, allowed], **{name: value})


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgres://db:5432", ["sqlite:///path", "kafka://host:port"]),
        ("sqlite:////nowhere/at/all/log.sqlite", ["/nowhere/at/all", "does not exist"]),
    ],
)
def test_wrong_log_url(elsewhere: World, url: str, says: list[str]) -> None:
    refused(elsewhere, "keys", "issue", code=EXIT_CONFIG, says=says, GRIDPULSE_LOG_URL=url)


def test_unreachable_kafka_within_a_bounded_time(elsewhere: World) -> None:
    (port,) = free_ports(1)
    before_s = time.monotonic()
    says = [f"127.0.0.1:{port}"]
    refused(elsewhere, "run", "api", code=EXIT_UNAVAILABLE, says=says, GRIDPULSE_LOG_URL=f"kafka://127.0.0.1:{port}")
    assert time.monotonic() - before_s < 60


def test_unreachable_clickhouse(elsewhere: World) -> None:
    (port,) = free_ports(1)
    url = f"http://gridpulse@127.0.0.1:{port}/gridpulse"
    says = [f"ClickHouse at 127.0.0.1:{port}", "cannot be reached"]
    refused(elsewhere, "migrate", code=EXIT_UNAVAILABLE, says=says, GRIDPULSE_CLICKHOUSE_URL=url)
    elsewhere.data_dir.mkdir()
    refused(elsewhere, "run", "writer", code=EXIT_UNAVAILABLE, says=says, GRIDPULSE_CLICKHOUSE_URL=url)


def test_wrong_clickhouse_password(world: World) -> None:
    url = f"http://gridpulse@127.0.0.1:{world.store_port}/gridpulse"
    settings = {"GRIDPULSE_CLICKHOUSE_URL": url, "GRIDPULSE_CLICKHOUSE_PASSWORD": "guessed"}
    refused(world, "migrate", code=EXIT_FAILED, says=["ClickHouse", "password"], **settings)


def test_wrong_clickhouse_url(elsewhere: World) -> None:
    says = ["GRIDPULSE_CLICKHOUSE_URL", "http://user@host:port/database"]
    refused(elsewhere, "migrate", code=EXIT_USAGE, says=says, GRIDPULSE_CLICKHOUSE_URL="tcp://clickhouse:9000")


def test_password_file_that_is_not_there(elsewhere: World) -> None:
    settings = {"GRIDPULSE_CLICKHOUSE_URL": "http://u@127.0.0.1:1/d", "GRIDPULSE_CLICKHOUSE_PASSWORD_FILE": "/no/file"}
    refused(elsewhere, "migrate", code=EXIT_CONFIG, says=["GRIDPULSE_CLICKHOUSE_PASSWORD_FILE", "/no/file"], **settings)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--prot", "8080"], "--prot"),
        (["run", "everything"], "'store', 'api', 'pipeline'"),
        (["demo", "--seconds", "soon"], "--seconds"),
    ],
)
def test_wrong_command_line(elsewhere: World, arguments: list[str], says: str) -> None:
    done = gridpulse(*arguments, environment=elsewhere.environment)
    assert done.returncode == EXIT_USAGE
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_can_not_be_imported(elsewhere: World, tmp_path: Path) -> None:
    elsewhere.data_dir.mkdir()
    table = tmp_path / "table.csv"
    table.write_text("Time,Flow\n2026-01-01,1\n")
    refused(elsewhere, "import", str(table), code=EXIT_CONFIG, says=["--mapping"])
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text("type: cn.gridpulse.readings.measured.v1\nsauce: //x\n")
    refused(elsewhere, "import", str(table), "--mapping", str(mapping), code=EXIT_CONFIG, says=["sauce"])


def test_processes_that_lack_something(elsewhere: World) -> None:
    elsewhere.data_dir.mkdir()
    refused(elsewhere, "run", "bridge", code=EXIT_CONFIG, says=["GRIDPULSE_BRIDGE_TOPICS"])
    refused(elsewhere, "sql", "SELECT 1", code=EXIT_UNAVAILABLE, says=[f"127.0.0.1:{elsewhere.store_port}"])
