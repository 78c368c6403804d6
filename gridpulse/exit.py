"""Exit codes and the one place where errors become sentences for the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from projections.migrate import MigrationError

from gridpulse.settings import SettingsError
from projections.client import StoreError, StoreUnavailableError, StoreUrlError
from projections.store.config import StoreStartError
from streams.log import LogConfigError, LogUnavailableError, OffsetOutOfRangeError
from streams.supervise import EXIT_CONFIG, ChildFailedError

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: a dependency is not there; worth trying again
CONFIG_ERRORS = (LogConfigError, StoreStartError, ChildFailedError, MigrationError, OffsetOutOfRangeError)
UNAVAILABLE_ERRORS = (LogUnavailableError, StoreUnavailableError)


class StartError(Exception):
    """This can't start as things are; the message says what to change."""


@contextmanager
def sentences() -> Iterator[None]:
    """Known failures end the process with one sentence and an exit code; a defect keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        _say(error, EXIT_USAGE)
    except StoreUrlError as error:
        _say(SettingsError(f"GRIDPULSE_CLICKHOUSE_URL: {error}"), EXIT_USAGE)
    except (*CONFIG_ERRORS, StartError) as error:
        _say(error, EXIT_CONFIG)
    except UNAVAILABLE_ERRORS as error:
        _say(error, EXIT_UNAVAILABLE)
    except StoreError as error:
        _say(error, 1)


def _say(error: Exception, code: int) -> None:
    sys.stderr.write(f"gridpulse: {error}\n")
    raise SystemExit(code) from None
