"""``gridpulse import``: files through ingest into the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gridpulse import adapters
from gridpulse.exit import StartError
from gridpulse.settings import Settings
from streams.file_import import ImportFileError, import_file, load_mapping

CSV_SUFFIXES = (".csv", ".csv.gz")


def import_all(
    settings: Settings, files: Sequence[Path], mapping_path: Path | None, progress: Callable[[int], None]
) -> dict[str, int]:
    """Import every file; the sums of what became of the rows. :raises StartError: a file or mapping can't be used."""
    total = {"accepted": 0, "duplicate": 0, "rejected": 0}
    try:
        mapping = None if mapping_path is None else load_mapping(mapping_path)
        with adapters.the_log(settings) as log:
            clock = adapters.the_clock(settings, log)
            ingest = adapters.the_ingest(settings, log, clock)
            for path in files:
                is_csv = path.name.endswith(CSV_SUFFIXES)
                if is_csv and mapping is None:
                    raise StartError(f"{path.name} is CSV: say with --mapping how a row becomes an event")
                report = import_file(path, mapping if is_csv else None, ingest, log, clock, progress)
                total["accepted"] += report.accepted
                total["duplicate"] += report.duplicate
                total["rejected"] += report.rejected
    except ImportFileError as error:
        raise StartError(str(error)) from error
    return total
