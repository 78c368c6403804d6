"""``python -m benchmarks.query_feed``: appends a city's events to the log at a steady rate, in a process of its own.

Settings come from the environment, the order from the command line: devices, first event, events, rate. All events are
made beforehand; then one line says so, and the feeding begins with a line on stdin. The last line says what was done.
"""

from __future__ import annotations

import sys
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
        while at < len(records):
            piece: list[NewRecord] = records[at : at + size]
            time.sleep(max(0.0, began_s + at / size * SLICE_S - time.monotonic()))
            log.append(piece)
            at += len(piece)
        took_s = time.monotonic() - began_s
    sys.stdout.write(orjson.dumps({"events": events, "seconds": round(took_s, 3)}).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
