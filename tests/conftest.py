"""What every room's tests may use: one real Kafka broker and one real embedded store per test run."""

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridpulse.free_ports import free_ports
from projections.client import Client, connect
from projections.migrate import migrate
from projections.store import StoreConfig, StoreUser, password_hash
from projections.store.process import StoreProcess
from streams.dev_broker import DevBroker

_USER, _PASSWORD = "projector", "projector-secret"
READER, READER_PASSWORD = "reader", "reader-secret"
NewDatabase = Callable[..., Client]


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """A running Apache Kafka on free loopback ports, started when the first test asks for it.

    Shared by the whole run: use topics of your own names, and a ``DevBroker`` of your own to stop or kill one.
    """
    with DevBroker.start(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


def tool(name: str) -> str:
    """The path of a foreign tool, fetched where the machine has none."""
    script = Path(__file__).parents[1] / "requirements" / "get-tool.sh"
    found = subprocess.run(["sh", str(script), name], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.fail(found.stderr.strip(), pytrace=False)
    return found.stdout.strip()


@pytest.fixture(scope="session")
def projection_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """One store process for all tests of tables, writer and rollups."""
    (port,) = free_ports(1)
    users = {
        _USER: StoreUser(password_hash(_PASSWORD)),
        READER: StoreUser(password_hash(READER_PASSWORD), readonly=True, settings={"max_execution_time": "20"}),
    }
    with StoreProcess.start(StoreConfig(tmp_path_factory.mktemp("projections"), port, users)) as running:
        yield running


@pytest.fixture(scope="session")
def new_database(projection_store: StoreProcess) -> Iterator[NewDatabase]:
    """Makes a database of its own, with all tables unless told otherwise; answers a client of it."""
    clients: list[Client] = []
    numbers = itertools.count(1)

    def make(*, migrated: bool = True) -> Client:
        url = f"http://{_USER}@127.0.0.1:{projection_store.config.port}/test_{next(numbers)}"
        client = connect(url, password=_PASSWORD, create_database=True)
        clients.append(client)
        if migrated:
            migrate(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under ``-n … --dist loadgroup`` the tests of the shared broker run in one worker, so there is one broker."""
    for item in items:
        if "kafka_broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("kafka"))
