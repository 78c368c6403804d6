"""The event log that a URL names.

``sqlite:///relative/path``, ``sqlite:////absolute/path``     options: ``max_bytes``, ``busy_timeout_s``
``kafka://host:port[,host:port]``                            options: ``replication_factor``, any of librdkafka's

Options follow as ``?name=value&name=value``, percent-encoded. They may be secret (``sasl.password``), so no error
shows a value, and no log's ``repr`` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from streams.log import EventLog, LogConfigError
from streams.log_sqlite import BUSY_TIMEOUT_S, SqliteLog

_FORMS: Final = "sqlite:///path or kafka://host:port[,host:port]"
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_REPLICATION: Final = "replication_factor"


def open_log(url: str, clock: Callable[[], int]) -> EventLog:
    """Open the log. ``clock`` stamps records that bring no recorded time, in epoch milliseconds.

    :raises LogConfigError: the URL is wrong (says which part), or the log can't be used.
    """
    scheme, rest, options = _split(url)
    if scheme == "sqlite":
        return _open_sqlite(rest, options, clock)
    from streams.log_kafka import KafkaLog  # here, since Kafka's client is heavy and the default does without

    bootstrap = _bootstrap(rest)
    replication = _whole_number(options, _REPLICATION, -1)
    client_config = {name: value for name, value in options.items() if name != _REPLICATION}
    return KafkaLog(bootstrap, clock, client_config=client_config, replication_factor=replication)


def kafka_client(url: str) -> tuple[str, dict[str, str]]:
    """The brokers' addresses and the librdkafka options of a ``kafka://`` URL, for clients of other topics.

    :raises LogConfigError: the URL is wrong, or no Kafka's.
    """
    scheme, rest, options = _split(url)
    if scheme != "kafka":
        raise LogConfigError("the log URL is not a Kafka's: kafka://host:port is needed here")
    return _bootstrap(rest), {name: value for name, value in options.items() if name != _REPLICATION}


def _split(url: str) -> tuple[str, str, dict[str, str]]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("sqlite", "kafka"):
        shown = scheme if separator else "missing"
        raise LogConfigError(f"the scheme of the log URL is {shown}; {_FORMS} is needed")
    place, _, query = rest.partition("?")
    return scheme, place, _options(query)


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for number, pair in enumerate(query.split("&") if query else (), start=1):
        name, separator, value = pair.partition("=")
        name = unquote(name)
        if not name or not separator:
            raise LogConfigError(f"option {number} of the log URL is not name=value (percent-encode ? & = %)")
        if name in options:
            raise LogConfigError(f"the option {name} of the log URL is given twice")
        options[name] = unquote(value)  # not unquote_plus: a + in a password is a plus
    return options


def _open_sqlite(place: str, options: dict[str, str], clock: Callable[[], int]) -> SqliteLog:
    if not place.startswith("/") or len(place) < 2:
        raise LogConfigError(
            "the path of the log URL is missing: sqlite:///relative/path (three slashes) or "
            "sqlite:////absolute/path (four)"
        )
    if unknown := options.keys() - {"max_bytes", "busy_timeout_s"}:
        raise LogConfigError(f"the option {min(unknown)} of the log URL is unknown; max_bytes, busy_timeout_s are not")
    max_bytes = _whole_number(options, "max_bytes", 0) or None
    busy_timeout_s = _whole_number(options, "busy_timeout_s", int(BUSY_TIMEOUT_S))
    return SqliteLog(Path(unquote(place[1:])), clock, busy_timeout_s=float(busy_timeout_s), max_bytes=max_bytes)


def _bootstrap(place: str) -> str:
    if "@" in place:
        raise LogConfigError("the log URL has a user before @: give sasl.username and sasl.password as options instead")
    addresses = place.rstrip("/").split(",")
    for number, address in enumerate(addresses, start=1):
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[1]) < 65_536:
            raise LogConfigError(f"address {number} of the log URL, {address!r}, is not host:port")
    return ",".join(addresses)


def _whole_number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise LogConfigError(f"the option {name} of the log URL is not a whole number")
    return int(text)
