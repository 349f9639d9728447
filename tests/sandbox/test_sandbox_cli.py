"""`viva sandbox run` as a process of its own, over the real engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
from typer.testing import CliRunner

from sandbox.contract import Ended, Outcome
from sandbox.engine import LABEL
from server.sandbox_cli import commands
from server.terminal import exit_status, harmless

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 60
SPIN = "print('on', flush=True)\nwhile True: pass"


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "server", "sandbox", *map(str, arguments)]


def _run(
    *arguments: str | Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `viva sandbox ...` to its end, `stdin` coming by a pipe."""
    return subprocess.run(
        _command(*arguments),
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env={**os.environ, **environment},
    )


async def _start(*arguments: str | Path, stdin: int = PIPE, stdout: int = PIPE) -> Process:
    return await asyncio.create_subprocess_exec(
        *_command(*arguments), cwd=ROOT, stdin=stdin, stdout=stdout, stderr=PIPE
    )


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], Path]:
    """Saves a source; its file."""

    def save(source: str) -> Path:
        path = tmp_path / "program.py"
        path.write_text(source)
        return path

    return save


def test_streams_and_the_exit_status_are_the_programs(saved: Callable[[str], Path]) -> None:
    program = saved(
        "import sys\nprint('out', input())\nprint('error', file=sys.stderr)\nsys.exit(7)"
    )
    done = _run("run", program, stdin="é\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out é\n", "error\n")


async def test_output_comes_and_lines_go_in_while_it_runs(saved: Callable[[str], Path]) -> None:
    """Each line is answered before the next is typed; the end of the pipe is an end of file."""
    program = saved("import sys\nprint('on')\nfor line in sys.stdin: print('got', line.strip())")
    process = await _start("run", program)
    assert process.stdin
    assert process.stdout
    async with asyncio.timeout(WITHIN_S):
        assert await process.stdout.readline() == b"on\n"
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            assert await process.stdout.readline() == b"got " + word + b"\n"
        process.stdin.close()
        assert await process.wait() == 0


async def test_input_that_stays_open_keeps_nothing_from_ending(
    saved: Callable[[str], Path],
) -> None:
    program = saved("print('over')")
    process = await _start("run", program)
    async with asyncio.timeout(WITHIN_S):
        assert await process.wait() == 0
    assert process.stdin
    process.stdin.close()


async def test_a_terminal_is_typed_to_and_its_ctrl_c_stops(saved: Callable[[str], Path]) -> None:
    """What a program prints there cannot command it; a pipe gets it as it was."""
    program = saved("print('\\x1b]0;title\\x07ready')\nprint('got', input())\nwhile True: pass")
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    process = await asyncio.create_subprocess_exec(
        *_command("run", program), cwd=ROOT, preexec_fn=lambda: os.login_tty(theirs)
    )
    os.close(theirs)
    try:
        shown = await _shown_until(ours, "ready")
        assert "\x1b" not in shown
        assert "^[]0;title^Gready" in shown
        os.write(ours, b"word\n")
        await _shown_until(ours, "got word")
        os.write(ours, b"\x03")
        assert "stopped" in await _shown_until(ours, "stopped")
        async with asyncio.timeout(WITHIN_S):
            assert await process.wait() == 130
    finally:
        if process.returncode is None:
            process.kill()
        os.close(ours)


async def _shown_until(terminal: int, wanted: str) -> str:
    shown = ""
    async with asyncio.timeout(WITHIN_S):
        while wanted not in shown:
            shown += (await asyncio.to_thread(os.read, terminal, 4096)).decode()
    return shown


async def test_ctrl_c_stops_it_and_leaves_no_container(saved: Callable[[str], Path]) -> None:
    program = saved(SPIN)
    process = await _start("run", program, "--time", "600")
    assert process.stdout
    async with asyncio.timeout(WITHIN_S):
        assert await process.stdout.readline() == b"on\n"
        process.send_signal(signal.SIGINT)
        _, error = await process.communicate()
    assert (process.returncode, error) == (130, b"viva: stopped\n")
    client = docker.APIClient()
    left = client.containers(all=True, filters={"label": LABEL})
    client.close()
    assert [c for c in left if c["Labels"]["viva.owner"].split()[1] == str(process.pid)] == []


@pytest.mark.parametrize(
    ("source", "options", "status", "told"),
    [
        ("while True: pass", ["--time", "0.5"], 124, "stopped after 0.5 s (time limit)"),
        ("import time\ntime.sleep(60)", ["--time", "0.5"], 124, "stopped after 0.5 s (time limit)"),
        ("input()", [], 1, "EOFError"),
        ("x = bytearray(10**9)", ["--memory", "64"], 137, "more than 64 MiB (memory limit)"),
        ("while True: print('x' * 10_000)", [], 153, "more than 64 KiB (output limit)"),
        ("1 / 0", [], 1, 'File "stdin", line 1'),
        ("def", [], 1, "SyntaxError"),
        ("import os\nos.kill(os.getpid(), 11)", [], 139, "ended by SIGSEGV"),
    ],
)
def test_each_end_has_its_status_and_is_told(
    source: str, options: list[str], status: int, told: str
) -> None:
    done = _run("run", "-", *options, stdin=source)
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr


def test_an_exception_is_told_with_the_files_own_name(saved: Callable[[str], Path]) -> None:
    program = saved("def f():\n    return 1 / 0\n\nf()\n")
    done = _run("run", program)
    assert done.returncode == 1
    assert 'File "program.py", line 2, in f' in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_waiting_for_input_is_told(saved: Callable[[str], Path]) -> None:
    program = saved("input()")
    process = subprocess.Popen(
        _command("run", program, "--time", "0.5"), cwd=ROOT, stdin=PIPE, stderr=PIPE
    )
    with process:
        assert process.wait(WITHIN_S) == 124
        assert process.stderr
        assert b"it was waiting for input" in process.stderr.read()


def test_a_file_as_input_may_be_longer_than_what_is_kept_of_a_pipe(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    program = saved("import sys\nimport time\ntime.sleep(0.5)\nprint(len(sys.stdin.read()))")
    given = tmp_path / "input"
    given.write_text("x" * 5_000_000)
    with given.open() as stdin:
        done = subprocess.run(
            _command("run", program), cwd=ROOT, stdin=stdin, capture_output=True, timeout=WITHIN_S
        )
    assert (done.returncode, done.stdout) == (0, b"5000000\n")


async def test_nobody_reading_ends_it_quietly(saved: Callable[[str], Path]) -> None:
    program = saved("import time\nwhile True: print('x' * 1000); time.sleep(0.01)")
    ours, theirs = os.pipe()
    process = await _start("run", program, "--time", "600", stdin=DEVNULL, stdout=theirs)
    os.close(theirs)
    async with asyncio.timeout(WITHIN_S):
        assert await asyncio.to_thread(os.read, ours, 1) == b"x"
        os.close(ours)
        _, error = await process.communicate()
    assert (process.returncode, error) == (141, b"")


def test_an_engine_that_is_away_is_told_with_its_cure(saved: Callable[[str], Path]) -> None:
    program = saved("print(1)")
    done = _run("run", program, DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "The Docker engine does not answer; start it" in done.stderr


def test_a_sandbox_that_is_switched_off_is_told(saved: Callable[[str], Path]) -> None:
    program = saved("print(1)")
    done = _run("run", program, VIVA_SANDBOX="off")
    assert (done.returncode, done.stderr) == (
        3,
        "viva: Running is switched off by VIVA_SANDBOX=off.\n",
    )


def test_a_runtime_that_the_engine_does_not_have_is_told(saved: Callable[[str], Path]) -> None:
    """So the setting reaches the engine."""
    program = saved("print(1)")
    done = _run("run", program, VIVA_SANDBOX_RUNTIME="nonsense")
    assert done.returncode == 3
    assert "nonsense" in done.stderr


def test_what_is_no_program_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"\n# caf\xe9\n")
    (tmp_path / "long.py").write_bytes(b"#" * 2_000_000)
    for name, told in (
        ("", "is a folder"),
        ("missing.py", "No such file or directory"),
        ("latin.py", "not UTF-8 text; see its line 2"),
        ("long.py", "longer than 1024 KiB"),
    ):
        done = CliRunner().invoke(commands, ["run", str(tmp_path / name)])
        words = " ".join(done.stderr.replace("\u2502", " ").split())  # out of the frame around them
        assert (done.exit_code, told in words) == (2, True), done.stderr


def test_every_ending_has_a_status_of_its_own_but_success() -> None:
    for ended in Ended:
        if ended not in (Ended.RETURNED, Ended.EXITED):
            assert exit_status(Outcome("", ended, 0, 0, 0)) != 0
    assert exit_status(Outcome("", Ended.EXITED, 0, 0, 0, exit_code=5)) == 5


def test_only_layout_passes_to_a_terminal_of_the_controls() -> None:
    assert harmless("a\tb\nc\r\bd é") == "a\tb\nc\r\bd é"
    assert harmless("\x1b[2J\x00\x7f\x9b1m") == "^[[2J^@^?\\x9b1m"


def test_a_doctor_finds_this_machine_sound() -> None:
    done = _run("doctor", "--json")
    told = json.loads(done.stdout)
    bad = [check for check in told["checks"] if check["state"] == "bad"]
    assert (bad, told["ok"], done.returncode) == ([], True, 0)
    times = told["times"]
    assert 0 < times["first_output_ms"] <= times["run_ms"]
    assert times["making_ms"] > 0


def test_a_doctor_without_an_engine_or_image_says_what_to_do() -> None:
    for environment, cure in (
        ({"DOCKER_HOST": "unix:///nowhere"}, "start it"),
        ({"VIVA_SANDBOX_IMAGE": "viva-nonsense:none"}, "bash sandbox/image/build.sh"),
        ({"VIVA_SANDBOX_RUNTIME": "nonsense"}, "unset VIVA_SANDBOX_RUNTIME"),
    ):
        done = _run("doctor", COLUMNS="400", **environment)
        assert (done.returncode, cure in done.stdout) == (1, True), done.stdout
        assert "Not everything is in force" in done.stdout
