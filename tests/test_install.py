"""Finding a Python and knowing when there is something to install; the installation itself is what runs these tests."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIND_PYTHON = ROOT / "requirements" / "find-python.sh"
SHELL = shutil.which("sh") or "/bin/sh"


def put_python(folder: Path, name: str, version: str | None) -> Path:
    """An interpreter that only knows its version; None: one that does not run, as a version manager's empty shell."""
    path = folder / name
    path.write_text(f"#!{SHELL}\n" + (f"echo {version}\n" if version else "exit 127\n"))
    path.chmod(0o755)
    return path


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SHELL, str(FIND_PYTHON)],
        cwd=folder,
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3": "3.11"}, "python3"),
        ({"python3": "3.12", "python3.11": "3.11"}, "python3.11"),
        ({"python3": "3.13", "python3.11": "3.11", "python3.12": "3.12"}, "python3.12"),
        ({"python3": "3.13", "python3.11": "3.11", "python3.12": None}, "python3.11"),
    ],
)
def test_a_suitable_python_is_found(tmp_path: Path, there: dict[str, str | None], chosen: str) -> None:
    for name, version in there.items():
        put_python(tmp_path, name, version)
    found = find_python(tmp_path)
    assert found.stdout.strip() == str(tmp_path / chosen)
    assert found.returncode == 0


def test_the_python_of_the_environment_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    put_python(tmp_path / ".venv" / "bin", "python", "3.11")
    put_python(tmp_path, "python3.12", "3.12")
    assert find_python(tmp_path).stdout.strip() == ".venv/bin/python"


@pytest.mark.parametrize(
    ("there", "environment", "said"),
    [
        ({"python3": "3.13"}, {}, "this machine has 3.13"),
        ({"python3": "3.9"}, {}, "this machine has 3.9"),
        ({}, {}, "this machine has none"),
        ({"python3": "3.11", "other": "3.10"}, {"PYTHON": "other"}, "PYTHON=other is 3.10"),
        ({"python3": "3.11"}, {"PYTHON": "missing"}, "PYTHON=missing is no working Python"),
    ],
)
def test_any_other_version_gets_one_sentence(
    tmp_path: Path, there: dict[str, str], environment: dict[str, str], said: str
) -> None:
    for name, version in there.items():
        put_python(tmp_path, name, version)
    found = find_python(tmp_path, **environment)
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "needs Python 3.11 or 3.12" in found.stderr
    assert said in found.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the installation reads, with an environment that is this one's Python."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def bootstrap(checkout: Path) -> dict[str, Any]:
    return runpy.run_path(str(checkout / "requirements" / "bootstrap.py"))


def mark_installed(checkout: Path, level: str) -> None:
    functions = bootstrap(checkout)
    functions["stamp_path"](level).write_text(functions["stamp"](level))


def test_the_development_packages_are_enough_to_run(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mark_installed(checkout, "dev")
    bootstrap(checkout)["main"]("run")
    bootstrap(checkout)["main"]("dev")
    assert capfd.readouterr().err == ""
    assert not bootstrap(checkout)["is_installed"]("run")  # not by itself: the development lock vouches for it


def test_the_run_packages_are_not_enough_to_develop(checkout: Path) -> None:
    mark_installed(checkout, "run")
    assert bootstrap(checkout)["is_installed"]("run")
    assert not bootstrap(checkout)["is_installed"]("dev")


@pytest.mark.parametrize("changed", ["requirements/run.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed_again(checkout: Path, changed: str) -> None:
    mark_installed(checkout, "run")
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert not bootstrap(checkout)["is_installed"]("run")


def test_a_moved_checkout_is_installed_again(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    mark_installed(checkout, "run")
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.move(checkout, moved)
    assert not bootstrap(moved)["is_installed"]("run")


def test_an_incomplete_python_is_told_what_to_install(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    without_ensurepip = f"""
import importlib.util, runpy
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ensurepip" else find(name, *rest)
runpy.run_path({str(checkout / "requirements" / "bootstrap.py")!r})["main"]("run")
"""
    done = subprocess.run([sys.executable, "-c", without_ensurepip], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run 'apt install python3-venv'" in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_unknown_level_is_refused(checkout: Path) -> None:
    command = [sys.executable, str(checkout / "requirements" / "bootstrap.py"), "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "unknown level 'all': choose one of run, dev\n"
