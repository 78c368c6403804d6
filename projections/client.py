"""The only door to ClickHouse: HTTP, through clickhouse-connect, to a server or to the embedded store alike.

Guarantees: one :class:`Client` may be shared by threads (no session id); nothing is retried behind the caller's back;
times come back as aware UTC datetimes; every failure is a :class:`StoreError`, and a :class:`StoreUnavailableError`
when trying again later can help. Values reach SQL as bound parameters: ``{name:Type}``, never by formatting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver import exceptions as driver_errors
from clickhouse_connect.driver.summary import QuerySummary
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

DEFAULT_DATABASE = "gridpulse"
DEFAULT_PORT = 8123
T = TypeVar("T")

# ClickHouse codes after which the same statement may succeed later (ClickHouse src/Common/ErrorCodes.cpp).
RETRYABLE_CODES: Mapping[int, str] = {
    159: "TIMEOUT_EXCEEDED",
    198: "DNS_ERROR",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    439: "CANNOT_SCHEDULE_TASK",
    999: "KEEPER_EXCEPTION",
}


class StoreError(Exception):
    """ClickHouse refused; ``code`` is its error code, None when there is none."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class StoreUnavailableError(StoreError):
    """ClickHouse cannot be reached or is overloaded: trying again later can help."""


class StoreUrlError(ValueError):
    """The URL of the store cannot be used; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store URL taken apart: ``http[s]://user@host:port/database``. Never holds a password."""

    host: str
    port: int
    user: str
    database: str
    secure: bool

    @staticmethod
    def parse(url: str) -> StoreAddress:
        """:raises StoreUrlError: not such a URL, or it carries a password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StoreUrlError("store URL must be http://user@host:port/database")
        if parts.password is not None:
            raise StoreUrlError("store URL must not carry a password: give the password as a setting of its own")
        try:
            port = parts.port
        except ValueError as error:
            raise StoreUrlError("store URL has a port that is no number from 1 to 65535") from error
        database = unquote(parts.path.strip("/")) or DEFAULT_DATABASE
        if not database.replace("_", "a").isalnum() or not database.isascii() or database[0].isdigit():
            raise StoreUrlError(f"store URL names the database {database!r}: letters, digits and _ are allowed")
        return StoreAddress(
            parts.hostname,
            port or DEFAULT_PORT,
            unquote(parts.username or "default"),
            database,
            parts.scheme == "https",
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of an answer, with the names of their columns."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Client:
    """Statements to one database. Share it between threads; close it once."""

    def __init__(self, driver: Any, address: StoreAddress) -> None:
        self._driver = driver
        self.address = address

    @property
    def database(self) -> str:
        return self.address.database

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Result:
        """Rows in Python values. :raises StoreError:"""
        answer = self._guarded(
            lambda: self._driver.query(sql, parameters=_dict(parameters), settings=_dict(settings), tz_mode="aware")
        )
        return Result(tuple(answer.column_names), answer.result_rows)

    def query_arrow(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> pa.Table:
        """Rows as an Arrow table. :raises StoreError:"""
        return self._guarded(
            lambda: self._driver.query_arrow(
                sql, parameters=_dict(parameters), settings=_dict(settings), use_strings=True
            )
        )

    def query_bytes(self, sql: str, output_format: str) -> bytes:
        """The answer in one of ClickHouse's own formats, to be passed on as it is. :raises StoreError:"""
        answer: bytes = self._guarded(lambda: self._driver.raw_query(sql, fmt=output_format))
        return answer

    def command(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> int:
        """Run a statement that answers no rows (DDL, INSERT … SELECT); the rows written. :raises StoreError:"""
        answer = self._guarded(
            lambda: self._driver.command(sql, parameters=_dict(parameters), settings=_dict(settings))
        )
        return int(answer.written_rows) if isinstance(answer, QuerySummary) else 0

    def insert_arrow(self, table: str, rows: pa.Table, settings: Mapping[str, Any] | None = None) -> None:
        """Insert rows; returns once they can be read. :raises StoreError:"""
        self._guarded(lambda: self._driver.insert_arrow(table, rows, database=self.database, settings=_dict(settings)))

    def insert_rows(self, table: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert a few rows of Python values. :raises StoreError:"""
        self._guarded(lambda: self._driver.insert(table, rows, column_names=list(columns), database=self.database))

    def close(self) -> None:
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except driver_errors.Error as error:
            raise mapped(error, self.address) from error


def connect(
    url: str,
    *,
    password: str | None = None,
    connect_timeout_s: int = 10,
    send_receive_timeout_s: int = 300,
    create_database: bool = False,
    compress: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Client:
    """Connect to ``http[s]://user@host:port/database`` (database: ``gridpulse`` unless named).

    ``create_database`` makes the database where it is missing. ``settings`` go with every statement.

    :raises StoreUrlError: the URL is none of these.
    :raises StoreUnavailableError: nobody answers there, in one sentence that names host and port.
    :raises StoreError: it answers and refuses, e.g. the password or the database.
    """
    address = StoreAddress.parse(url)
    options = {
        **_driver_options(address, password),
        "connect_timeout": connect_timeout_s,
        "send_receive_timeout": send_receive_timeout_s,
        "compress": compress,
        "settings": dict(settings or {}),
    }
    try:
        if create_database:
            with clickhouse_connect.get_client(database="default", **options) as bootstrap:
                bootstrap.command(f"CREATE DATABASE IF NOT EXISTS {address.database}")
        driver = clickhouse_connect.get_client(database=address.database, **options)
    except driver_errors.Error as error:
        raise mapped(error, address) from error
    return Client(driver, address)


def connect_later(url: str, *, password: str | None = None, connect_timeout_s: int = 10) -> Client:
    """A client that connects with its first statement: for who has other work to do while the store is away.

    :raises StoreUrlError: the URL is none. Everything else is raised by the statements.
    """
    address = StoreAddress.parse(url)
    options = {**_driver_options(address, password), "connect_timeout": connect_timeout_s, "compress": False}
    return Client(_LaterDriver(lambda: clickhouse_connect.get_client(database=address.database, **options)), address)


class _LaterDriver:
    """Stands for a driver until there is one; an attempt that failed is made again with the next statement."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connecting = threading.Lock()
        self._driver: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._connecting:
            if self._driver is None:
                self._driver = self._connect()
        return getattr(self._driver, name)

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()


def _driver_options(address: StoreAddress, password: str | None) -> dict[str, Any]:
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # a traceback for each refused connection
    return {
        "host": address.host,
        "port": address.port,
        "username": address.user,
        "password": password or "",
        "secure": address.secure,
        "query_retries": 0,
        "autogenerate_session_id": False,  # threads may share the client: no session, no temporary state
        "autogenerate_query_id": False,
        "show_clickhouse_errors": "scrub",
        "tz_mode": "aware",
        "query_limit": 0,
    }


def mapped(error: driver_errors.Error, address: StoreAddress) -> StoreError:
    """The driver's error as ours: unavailable (try again) or refused."""
    code: int | None = error.code
    first_line = str(error).splitlines()[0][:500] if str(error) else type(error).__name__
    if code in RETRYABLE_CODES:
        return StoreUnavailableError(f"ClickHouse at {address} is busy or unwell: {first_line}", code)
    if code is None and isinstance(error, driver_errors.OperationalError):
        return StoreUnavailableError(f"ClickHouse at {address} cannot be reached.")
    return StoreError(f"ClickHouse at {address} refused: {first_line}", code)


def with_retries(
    call: Callable[[], T],
    *,
    attempts: int = 6,
    first_wait_s: float = 0.2,
    max_wait_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
    on_retry: Callable[[int, BaseException], None] | None = None,
) -> T:
    """Run ``call`` until it succeeds, at most ``attempts`` times; only :class:`StoreUnavailableError` is tried again.

    Waits grow and are jittered, so that many processes do not come back at once. The last error is raised as it is.
    """

    def tell(state: RetryCallState) -> None:
        if on_retry is not None and state.outcome is not None and (error := state.outcome.exception()) is not None:
            on_retry(state.attempt_number, error)

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=first_wait_s, max=max_wait_s),
        retry=retry_if_exception_type(StoreUnavailableError),
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
    return retrying(call)


def _dict(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(values) if values else None
