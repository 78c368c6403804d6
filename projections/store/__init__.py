"""The embedded store: chDB behind ClickHouse's HTTP interface, for one process and one data directory.

Importing this package does not load the engine; only :mod:`projections.store.server` does.
"""

from projections.store.config import StoreConfig, StoreStartError, StoreUser, password_hash
from projections.store.ready import wait_until_ready

__all__ = ["StoreConfig", "StoreStartError", "StoreUser", "password_hash", "wait_until_ready"]
