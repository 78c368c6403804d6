"""Exit codes and the one place where errors become sentences for the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gridpulse.settings import SettingsError
from streams.supervise import EXIT_CONFIG, EXIT_UNAVAILABLE, ChildFailedError

EXIT_FAILED = 1
EXIT_USAGE = 2


class StartError(Exception):
    """This can't start as things are; the message says what to change."""


@contextmanager
def sentences() -> Iterator[None]:
    """Known failures end the process with one sentence and an exit code; a defect keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        _say(f"{error}", EXIT_USAGE)
    except (StartError, ChildFailedError) as error:
        _say(f"{error}", EXIT_CONFIG)
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        _say(*known)


def _known(error: Exception) -> tuple[str, int] | None:
    """Sentence and exit code of what the rooms raise; imported only now, so that commands start without them."""
    from projections.client import StoreError, StoreUnavailableError, StoreUrlError
    from projections.migrate import MigrationError
    from projections.store.config import StoreStartError
    from replay.run_errors import RunError, RunUsageError
    from streams.cluster import PeerLostError
    from streams.dead_letter_limit import DeadLetterLimitError
    from streams.log import LogConfigError, LogUnavailableError, OffsetOutOfRangeError

    match error:
        case StoreUrlError():
            return f"GRIDPULSE_CLICKHOUSE_URL: {error}", EXIT_USAGE
        case DeadLetterLimitError():
            return f"{error}", EXIT_CONFIG  # the same records would stop it again: somebody must decide
        case RunUsageError():
            return f"{error}", EXIT_USAGE
        case RunError():
            return f"{error}", EXIT_CONFIG
        case LogConfigError() | StoreStartError() | MigrationError() | OffsetOutOfRangeError():
            return f"{error}", EXIT_CONFIG
        case LogUnavailableError() | StoreUnavailableError() | PeerLostError():
            return f"{error}", EXIT_UNAVAILABLE
        case StoreError():
            return f"{error}", EXIT_FAILED
    return None


def _say(sentence: str, code: int) -> None:
    sys.stderr.write(f"gridpulse: {sentence}\n")
    raise SystemExit(code) from None
