"""The connectors that PyFlink's wheel leaves out: ``python jars.py DIRECTORY [--lock]`` fetches them by jgo from Maven.

Every jar must have exactly the bytes that ``jars.lock`` names; ``--lock`` writes that file anew.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import jgo

COORDINATES = ("org.apache.flink:flink-sql-connector-kafka:3.2.0-1.19", "com.getindata:flink-http-connector:0.25.0")
LOCK = Path(__file__).with_name("jars.lock")


def main(directory: Path, lock: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("M2_REPO", f"{scratch}/repository")
        found = {}
        for number, coordinate in enumerate(COORDINATES):
            for jar in jgo.build(coordinate, cache_dir=Path(scratch) / str(number)).all_jars:
                if not Path(jar).name.startswith("slf4j"):  # Flink brings its own
                    found[Path(jar).name] = Path(jar)
        sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(found.items())}
        if lock:
            LOCK.write_text("".join(f"{name} {digest}\n" for name, digest in sums.items()), "utf-8")
        wanted = dict(line.split() for line in LOCK.read_text("utf-8").splitlines())
        if sums != wanted:
            raise SystemExit(f"error: the jars are not those of {LOCK.name}: {sorted(sums)}")
        for name, path in found.items():
            shutil.copyfile(path, directory / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--lock" in sys.argv)
