"""The problems folder: what is loaded, what is left out, and that nothing leaves its folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from server.library import Library
from tests.problems.making import MINIMAL, changed

CODE = MINIMAL[MINIMAL.index("code: |") :].rstrip()


def write(root: Path, name: str, text: str) -> Path:
    path = root / "problems" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def library(root: Path) -> Library:
    return Library(root / "problems")


def told(root: Path) -> list[str]:
    return [str(error).partition("\n")[0] for error in library(root).errors]


def test_both_forms_are_loaded(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", MINIMAL)
    write(tmp_path, "twice/problem.yaml", changed(("id: doubles", "id: twice")))
    write(tmp_path, "schema/problem-1.json", "{}")
    write(tmp_path, "notes.txt", "not a problem")
    assert list(library(tmp_path).problems) == ["doubles", "twice"]
    assert library(tmp_path).errors == ()


def test_a_broken_file_is_left_out_and_told_about(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", MINIMAL)
    write(tmp_path, "bad.yaml", "a: b: c")
    write(tmp_path, "worse/problem.yaml", changed(("id: doubles", "id: worse"), ("[4]", "[x]")))
    found = library(tmp_path)
    assert list(found.problems) == ["doubles"]
    assert told(tmp_path) == [
        "problems/bad.yaml:1:5: error: not YAML: mapping values are not allowed here",
        'problems/worse/problem.yaml:19:9: error: case "one item": expect, item 1: '
        'should be int, got str "x"',
    ]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"", b"\x00", b"\xef\xbb\xbf", b"- 1", b"3"])
def test_a_file_of_any_bytes_is_an_error_and_no_crash(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, "odd.yaml", "").write_bytes(data)
    found = library(tmp_path)
    assert not found.problems
    assert found.errors


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", "\ufeff" + MINIMAL)
    assert list(library(tmp_path).problems) == ["doubles"]


def test_no_folder_is_no_problems(tmp_path: Path) -> None:
    assert not library(tmp_path).problems


def test_one_slug_in_both_forms_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", MINIMAL)
    write(tmp_path, "doubles/problem.yaml", MINIMAL)
    assert list(library(tmp_path).problems) == ["doubles"]
    (message,) = told(tmp_path)
    assert 'error: the problem "doubles" is also in problems/doubles' in message


def folder_with(root: Path, reference: str) -> None:
    write(root, "doubles/problem.yaml", changed((CODE, f"code: {{file: '{reference}'}}")))


def test_code_may_stand_in_the_folder_and_below_it(tmp_path: Path) -> None:
    folder_with(tmp_path, "code/a.py")
    write(tmp_path, "doubles/code/a.py", "x = 1\n")
    solutions = library(tmp_path).problems["doubles"].parts[0].solutions
    assert solutions[0].code == "x = 1\n"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("../secret.py", "should stand inside the problem's folder"),
        ("code/../../secret.py", "should stand inside the problem's folder"),
        ("/etc/passwd", "should stand inside the problem's folder"),
        ("", "should stand inside the problem's folder"),
        (".", "should stand inside the problem's folder"),
        ("nowhere.py", "is not there"),
        ("code", "is not there"),
        ("link.py", "is, or is behind, a symbolic link"),
        ("linked/secret.py", "is, or is behind, a symbolic link"),
        ("big.py", "is larger than 1024 KiB"),
        ("binary.py", "is not UTF-8 (byte 3)"),
        ("pipe", "is not there"),
    ],
)
def test_no_reference_leaves_the_folder_or_harms(
    tmp_path: Path, reference: str, reason: str
) -> None:
    write(tmp_path, "secret.py", "x = 1\n")
    folder_with(tmp_path, reference)
    folder = tmp_path / "problems" / "doubles"
    (folder / "code").mkdir()
    (folder / "link.py").symlink_to("../secret.py")
    (folder / "linked").symlink_to("..")
    (folder / "big.py").write_text("#" * 2**20 + "#")
    (folder / "binary.py").write_bytes(b"# \xff")
    os.mkfifo(folder / "pipe")
    message = f'problems/doubles/problem.yaml:30:18: error: file "{reference}" {reason}'
    assert told(tmp_path) == [message]


def test_the_flat_form_has_no_files(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", changed((CODE, "code: {file: a.py}")))
    write(tmp_path, "a.py", "x = 1\n")
    (message,) = told(tmp_path)
    assert 'file "a.py" needs the folder form' in message


async def test_a_change_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, "doubles.yaml", MINIMAL)
    found = library(tmp_path)
    watch = found.watch()
    noticed = asyncio.ensure_future(anext(watch))
    versions = iter(range(2, 1_000))
    while not noticed.done():  # the first writes may come before the watch has begun
        write(tmp_path, "doubles.yaml", changed(("version: 1", f"version: {next(versions)}")))
        await asyncio.wait({noticed}, timeout=0.2)
    await noticed
    await watch.aclose()
    assert found.problems["doubles"].version >= 2


async def test_watching_no_folder_ends_at_once(tmp_path: Path) -> None:
    assert [change async for change in library(tmp_path).watch()] == []
