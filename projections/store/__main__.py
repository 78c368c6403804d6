"""``python -m projections.store``: the store process; configured by JSON on stdin, which no list of processes shows."""

from __future__ import annotations

import logging
import os
import sys

from projections.store.config import StoreConfig, StoreStartError

START_FAILED = 3
NICENESS = 5
"""The engine has as many threads at work as it likes; who answers from memory beside it should not wait for them."""


def main() -> int:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    try:
        config = StoreConfig.from_json(sys.stdin.read())
        os.nice(NICENESS)
        from projections.store.server import run_store

        run_store(config)
    except StoreStartError as error:
        sys.stderr.write(f"{error}\n")
        return START_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
