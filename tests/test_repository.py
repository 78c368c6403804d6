"""The repository as a whole: locks, licence, and nothing in it that belongs to somebody's machine."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("schemas", "detectors", "projections", "streams", "replay", "api", "benchmarks", "gridpulse")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("run", "dev", "uv", "node")
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)( ; [^\\]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
# Written in parts, so that this file does not name what it looks for.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("maven", "org"), ("npmjs", "org"))]
PATHS = [
    "/" + "/".join(parts) for parts in (("home", ""), ("root", ""), ("work", ""), ("Users", ""), ("opt", "wheels"))
]
NOT_OURS = re.compile(
    "|".join(rf"(?<![\w.-]){re.escape(text)}" for text in PATHS) + "|" + "|".join(map(re.escape, HOSTS))
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file of the repository; of an unpacked archive, everything but what tools leave behind."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        return tuple(ROOT / name for name in listed if name and (ROOT / name).is_file())
    except (FileNotFoundError, subprocess.CalledProcessError):
        left_behind = re.compile(
            r"(^|/)(\.venv|\.git|\.[a-z_]+_cache|\.hypothesis|__pycache__|build|data|.*\.egg-info)/"
        )
        found = (path for path in ROOT.rglob("*") if path.is_file())
        return tuple(path for path in found if not left_behind.search(f"{path.relative_to(ROOT)}"))


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # a picture or an archive


@cache
def pins(lock: str) -> dict[str, set[str]]:
    """Name → versions (one per Python version where they differ)."""
    found: dict[str, set[str]] = {}
    for name, version, _, _ in PIN.findall((ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")):
        found.setdefault(name, set()).add(version)
    return found


def canonical(requirement: str) -> tuple[str, list[tuple[str, str]]]:
    """``PyYAML>=6.0,<7`` → ``pyyaml`` and its bounds."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", requirement)
    assert match
    bounds = re.findall(r"(==|>=|<=|<|>)\s*([0-9.]+)", match[2])
    return re.sub(r"[-_.]+", "-", match[1]).lower(), bounds


def holds(version: str, operator: str, bound: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)]

    ours, theirs = numbers(version), numbers(bound)
    width = max(len(ours), len(theirs))
    ours, theirs = ours + [0] * (width - len(ours)), theirs + [0] * (width - len(theirs))
    return {
        "==": ours == theirs,
        ">=": ours >= theirs,
        "<=": ours <= theirs,
        "<": ours < theirs,
        ">": ours > theirs,
    }[operator]


def test_nothing_belongs_to_somebodys_machine() -> None:
    found = []
    for path in tracked_files():
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if NOT_OURS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_pins_with_hashes_and_nothing_else(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    assert pins(lock)
    assert PIN.sub("", text).strip() == ""


def test_the_development_lock_holds_the_other_one() -> None:
    assert {name: pins("dev").get(name) for name in pins("run")} == pins("run")


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("run", PROJECT["project"]["dependencies"]),
        ("dev", PROJECT["project"]["optional-dependencies"]["dev"]),
        ("run", PROJECT["build-system"]["requires"]),
    ],
)
def test_every_dependency_is_locked_at_a_version_that_fits(lock: str, requirements: list[str]) -> None:
    for requirement in requirements:
        name, bounds = canonical(requirement)
        assert name in pins(lock), f"{requirement} is not in requirements/{lock}.lock: run make lock"
        for version in pins(lock)[name]:
            assert all(holds(version, *bound) for bound in bounds), f"{requirement}, locked {version}: run make lock"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_it_is_for(room: str) -> None:
    source = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
    assert len(ast.get_docstring(ast.parse(source)) or "") > 20


def test_the_licence_is_there_and_is_the_one_declared() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name[:5] for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == [f"{number:04d}-" for number in range(1, len(numbers) + 1)]


def test_the_wheel_holds_every_file_of_the_rooms(tmp_path: Path) -> None:
    """What is installed outside a checkout, as in the image, has its SQL, schemas and lists too."""
    source = tmp_path / "source"
    tracked = [path.relative_to(ROOT) for path in tracked_files()]
    inside = [path for path in tracked if path.parts[0] in ROOMS]
    for path in [*inside, *(path for path in tracked if len(path.parts) == 1)]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes((ROOT / path).read_bytes())
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert sorted(map(str, inside)) == sorted(
        name for name in zipfile.ZipFile(wheel).namelist() if name.split("/")[0] in ROOMS
    )
