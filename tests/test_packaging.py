"""What is shipped: locks that serve with any registry, and a wheel that is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON_LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-fuzz.lock"]


def requirements(lock: str) -> dict[str, list[str]]:
    """Each requirement of a lock with the hashes of its files."""
    found: dict[str, list[str]] = {}
    for statement in (ROOT / lock).read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = statement.split(" --hash=")
        found[requirement.strip()] = [value.strip() for value in hashes]
    return found


@pytest.mark.parametrize("lock", [*PYTHON_LOCKS, "web/package-lock.json"])
def test_no_lock_names_a_registry(lock: str) -> None:
    assert "://" not in "".join(
        line
        for line in (ROOT / lock).read_text().splitlines()
        if '"url": "https://' not in line  # where to fund a package's authors
    )


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_every_python_package_is_pinned_by_version_and_hash(lock: str) -> None:
    for requirement, hashes in requirements(lock).items():
        assert "==" in requirement
        assert hashes
        assert all(value.startswith("sha256:") for value in hashes)


def test_every_web_package_is_pinned_by_version_and_hash() -> None:
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    del packages[""]  # this project itself
    assert packages
    for name, package in packages.items():
        assert package["version"], name
        assert package["integrity"].startswith("sha512-"), name


def test_the_lock_for_development_holds_the_whole_runtime_lock() -> None:
    development = requirements("requirements-dev.lock")
    assert requirements("requirements.lock").items() <= development.items()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "--wheel-dir", folder, ROOT], check=True)
    (path,) = folder.glob("viva-*.whl")
    return set(ZipFile(path).namelist())


def test_a_wheel_holds_all_that_a_server_reads(wheel: set[str]) -> None:
    needed = {
        path.relative_to(ROOT).as_posix()
        for folder in ("server", "sandbox", "web/dist", "web/locale", "web/templates", "problems")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "web/dist/manifest.json" in needed
    assert needed <= wheel


def test_a_wheel_holds_nothing_of_the_workshop(wheel: set[str]) -> None:
    product = {name for name in wheel if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in product} == {"server", "sandbox", "web", "problems"}
    assert not [name for name in product if "node_modules" in name or name.endswith(".ts")]
