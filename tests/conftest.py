"""What every room's tests may use: one real Kafka broker per test run."""

from collections.abc import Iterator

import pytest

from streams.dev_broker import DevBroker


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    """A running Apache Kafka on free loopback ports, started when the first test asks for it.

    Shared by the whole run: use topics of your own names, and a ``DevBroker`` of your own to stop or kill one.
    """
    with DevBroker.start(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under ``-n … --dist loadgroup`` the tests of the shared broker run in one worker, so there is one broker."""
    for item in items:
        if "kafka_broker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("kafka"))
