"""``python -m benchmarks.query_feed``: appends a city's events to the log at a steady rate, in a process of its own.

Settings come from the environment, the order from the command line: devices, first event, events, rate. All events are
made beforehand; then one line says so, and the feeding begins with a line on stdin and ends with the next, or with the
events. The last line says what was done.
"""

from __future__ import annotations

import sys
import threading
import time

import orjson

from benchmarks.city import city_records
from gridpulse import adapters
from gridpulse.settings import load_settings
from schemas.records import NewRecord

SLICE_S = 0.05


def main(arguments: list[str]) -> int:
    devices, first, events, rate = (int(argument) for argument in arguments)
    settings = load_settings()
    records = city_records(devices, events, settings.partitions, first=first)
    with adapters.the_log(settings) as log:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        began_s, at, size = time.monotonic(), 0, max(1, round(len(records) / events * rate * SLICE_S))
        told_to_end = threading.Event()
        threading.Thread(target=_wait_for_the_end, args=(told_to_end,), daemon=True).start()
        while at < len(records) and not told_to_end.is_set():
            piece: list[NewRecord] = records[at : at + size]
            time.sleep(max(0.0, began_s + at / size * SLICE_S - time.monotonic()))
            log.append(piece)
            at += len(piece)
        took_s = time.monotonic() - began_s
    sys.stdout.write(
        orjson.dumps({"events": round(events * at / len(records)), "seconds": round(took_s, 3)}).decode() + "\n"
    )
    return 0


def _wait_for_the_end(told_to_end: threading.Event) -> None:
    sys.stdin.readline()
    told_to_end.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
