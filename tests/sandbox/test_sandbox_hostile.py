"""Programs that mean harm: each gets its verdict, and the test after it finds nothing of it."""

from __future__ import annotations

import json

import pytest

from sandbox.contract import Ended, Limits
from tests.sandbox.running import Runs

# Run as the second test of the same container, whatever the first one did to it.
LOOK_AROUND = """
import os
def look():
    mine = {str(os.getpid()), '1'}
    others = [n for n in os.listdir('/proc') if n.isdigit() and n not in mine]
    return [others, os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/dev/mqueue')]
def f(harm):
    if not harm:
        return look()
"""

HARM = {
    "a daemon of its own session, which holds every pipe": """
    if os.fork() == 0:
        os.setsid()
        while True: pass
""",
    "an orphan that ignores all signals": """
    import signal
    if os.fork() == 0:
        if os.fork(): os._exit(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True: pass
    os.wait()
""",
    "many orphans": """
    for _ in range(40):
        if os.fork() == 0: __import__('signal').pause()
""",
    "directories a program cannot remove": """
    place = '/tmp'
    for n in range(60):
        place += '/d'
        os.mkdir(place)
    for place, _, _ in os.walk('/tmp', topdown=False):
        if place != '/tmp': os.chmod(place, 0)
""",
    "a directory tree too deep for a path": """
    os.chdir('/tmp')
    for n in range(1500):
        os.mkdir('dddd')
        os.chdir('dddd')
""",
    "links out of /tmp": """
    os.symlink('/proc/1', '/tmp/link')
    os.symlink('/', '/tmp/root')
    os.link('/tmp/link', '/tmp/again')
    os.mkfifo('/tmp/fifo')
""",
    "signals to the harness": """
    import signal
    for number in range(1, 65):
        try: os.kill(1, number)
        except OSError: pass
""",
    "a shared memory file and a semaphore": """
    from multiprocessing import shared_memory
    from multiprocessing.resource_tracker import unregister
    memory = shared_memory.SharedMemory('left', create=True, size=1000)
    open('/dev/mqueue/left', 'w') if os.access('/dev/mqueue', os.W_OK) else None
""",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
async def test_nothing_of_a_test_is_left_for_the_next(runs: Runs, harm: str) -> None:
    source = f"{LOOK_AROUND}{harm}"
    record = await runs.call(source, [True], [False], limits=Limits(time_s=8))
    first, second = record.outcomes
    assert first.ended in (Ended.RETURNED, Ended.RAISED), first
    assert second.ended is Ended.RETURNED, second
    assert json.loads(second.value or "") == [[], [], [], []]


async def test_killing_everything_kills_only_oneself(runs: Runs) -> None:
    source = """
import os
def f(harm):
    if harm:
        try:
            os.kill(-1, 9)
        except ProcessLookupError:
            os.kill(os.getpid(), 9)
    return 'fine'
"""
    record = await runs.call(source, [True], [False])
    first, second = record.outcomes
    assert (first.ended, first.signal) == (Ended.SIGNALLED, 9)
    assert second.value == '"fine"'


async def test_a_segmentation_fault_is_a_signal(runs: Runs) -> None:
    outcome = (await runs.call("import ctypes\ndef f():\n    ctypes.string_at(0)")).outcome
    assert (outcome.ended, outcome.signal) == (Ended.SIGNALLED, 11)


async def test_a_function_that_exits_returns_no_value(runs: Runs) -> None:
    source = "import os, sys\ndef f(how):\n    os._exit(0) if how else sys.exit()"
    record = await runs.call(source, [0], [1])
    assert [(o.ended, o.exit_code, o.value) for o in record.outcomes] == [
        (Ended.EXITED, 0, None),
        (Ended.EXITED, 0, None),
    ]


async def test_exiting_on_import_returns_no_value(runs: Runs) -> None:
    outcome = (await runs.call("raise SystemExit\ndef f(): return 1")).outcome
    assert (outcome.ended, outcome.value) == (Ended.EXITED, None)


async def test_closed_streams_harm_nobody(runs: Runs) -> None:
    source = """
import os, sys
def f(how):
    if how == 'streams':
        sys.stdout.close(); sys.stderr.close(); sys.stdin.close()
    elif how == 'descriptors':
        os.closerange(0, 128)
    elif how == 'none':
        sys.stdout = sys.stderr = sys.stdin = None
    return how
"""
    record = await runs.call(source, ["streams"], ["descriptors"], ["none"], ["nothing"])
    ended = [outcome.ended for outcome in record.outcomes]
    assert ended[0] in (Ended.RETURNED, Ended.EXITED)
    assert ended[1] in (Ended.RAISED, Ended.EXITED)
    assert record.outcomes[1].value is None
    assert ended[3] is Ended.RETURNED


async def test_the_harness_is_closed_to_the_program(runs: Runs) -> None:
    source = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def f():
    opened = []
    for name in ('mem', 'environ', 'maps', 'fd/0', 'fd/1', 'root', 'cwd', 'exe', 'task/1/mem'):
        try:
            os.close(os.open(f'/proc/1/{name}', os.O_RDONLY))
            opened.append(name)
        except OSError:
            pass
    traced = libc.ptrace(16, 1, 0, 0)
    buffer = ctypes.create_string_buffer(8)
    class Piece(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
    piece = Piece(ctypes.addressof(buffer), 8)
    read = libc.process_vm_readv(1, ctypes.byref(piece), 1, ctypes.byref(piece), 1, 0)
    return [opened, traced, read]
"""
    assert (await runs.call(source)).value == [[], -1, -1]


async def test_no_input_of_another_test_is_in_reach(runs: Runs) -> None:
    """Neither one that came before, nor one that is to come; the needle is put together here."""
    source = """
def f(own, needle):
    found = 0
    for line in open('/proc/self/maps'):
        start, end = (int(n, 16) for n in line.split()[0].split('-'))
        if 'rw' not in line.split()[1]: continue
        with open('/proc/self/mem', 'rb', 0) as memory:
            memory.seek(start)
            found += memory.read(end - start).count(bytes(needle))
    return found
"""
    words = ["first-secret-input", "second-secret-input", "third-secret-input"]
    calls = [[word, list(words[(i + 1) % 3].encode())] for i, word in enumerate(words)]
    record = await runs.call(source, *calls)
    # The needle's own bytes object may be met once or more in the searching process itself; in
    # plain text the word is in none.
    spelled = await runs.call(source, ["only", list(b"only-needle-never-sent")])
    own = json.loads(spelled.outcome.value or "")
    assert [json.loads(outcome.value or "") for outcome in record.outcomes] == [own] * 3


FORGERIES = {
    "a value that it did not return": "frame(33, b'42'); os._exit(0)",
    "a value and another": "frame(33, b'1'); frame(33, b'2'); os._exit(0)",
    "half a value": "os.write(fd, b'\\x21\\0\\0\\0\\x09xx'); os._exit(0)",
    "a length without end": "os.write(fd, b'\\x21\\xff\\xff\\xff\\xff'); os._exit(0)",
    "an unknown kind": "frame(99, b''); os._exit(0)",
    "noise": "os.write(fd, bytes(range(256)) * 100); os._exit(0)",
    "more than anybody reads": "[os.write(fd, bytes(65536)) for _ in range(100)]; os._exit(0)",
    "an error that is none": "frame(34, b'not an error'); os._exit(1)",
    "an error with huge lengths": "frame(34, b'\\x7f\\xff\\xff\\xff' * 4); os._exit(1)",
    "a value that is no JSON": "frame(33, b'\\xff{[nan'); os._exit(0)",
    "nothing": "os.close(fd); os._exit(0)",
}


async def test_a_forged_report_only_ever_claims_values(runs: Runs) -> None:
    source = """
import os, stat, struct
def f(forgery):
    fd = next(n for n in range(3, 128) if is_pipe(n))
    def frame(kind, body): os.write(fd, struct.pack('>BI', kind, len(body)) + body)
    exec(forgery)
    return 'honest'
def is_pipe(n):
    try: return stat.S_ISFIFO(os.fstat(n).st_mode)
    except OSError: return False
"""
    tests = [[text] for forgery in FORGERIES.values() for text in (forgery, "pass")]
    outcomes = (await runs.call(source, *tests)).outcomes
    for name, forged in zip(FORGERIES, outcomes[::2], strict=True):
        assert forged.ended in (Ended.RETURNED, Ended.EXITED, Ended.RAISED), name
        assert forged.value in (None, "42", "\ufffd{[nan"), name
    assert {honest.value for honest in outcomes[1::2]} == {'"honest"'}


async def test_frames_on_standard_output_are_only_text(runs: Runs) -> None:
    source = "import os\nfor fd in (1, 2):\n    os.write(fd, bytes([19, 0, 0, 0, 50]) + bytes(50))"
    outcome = (await runs.program(source)).outcome
    assert outcome.ended is Ended.EXITED
    assert outcome.stdout == "\x13\0\0\0" + "2" + "\0" * 50


async def test_patched_modules_do_not_harm_the_next_test(runs: Runs) -> None:
    source = """
import builtins, json, os, sys
def f(harm):
    if harm:
        json.JSONEncoder.encode = lambda *a: 'patched'
        builtins.len = builtins.isinstance = None
        os.write = os.fork = None
        sys.modules.clear()
    return [1, 2]
"""
    first, second = (await runs.call(source, [True], [False])).outcomes
    assert first.ended in (Ended.RETURNED, Ended.RAISED, Ended.EXITED)
    assert second.value == "[1, 2]"


ENDLESS = {
    "every signal ignored": """
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    "a fork bomb": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "a thread bomb": """
import threading
def spin():
    while True: pass
while True:
    try: threading.Thread(target=spin).start()
    except RuntimeError: pass
""",
    "orphans one after another": """
import os
while True:
    if os.fork() == 0:
        os.fork()
        os._exit(0)
    os.wait()
""",
}


async def test_what_does_not_end_is_ended_on_time(runs: Runs) -> None:
    source = "import sys\nexec(sys.stdin.read())\nprint('fine')"
    programs = [text for harm in ENDLESS.values() for text in (harm, "pass")]
    outcomes = (await runs.program(source, *programs, limits=Limits(time_s=0.6))).outcomes
    assert [outcome.ended for outcome in outcomes[::2]] == [Ended.TIME_LIMIT] * len(ENDLESS)
    assert {outcome.stdout for outcome in outcomes[1::2]} == {"fine\n"}


async def test_a_fork_bomb_that_gives_up_is_told_as_one_exception(runs: Runs) -> None:
    """Its children fail as well; theirs are on stderr, and do not garble its own."""
    outcome = (await runs.program("import os\nwhile True: os.fork()")).outcome
    assert outcome.ended in (Ended.RAISED, Ended.OUTPUT_LIMIT), outcome
    assert outcome.error is None or outcome.error.type == "BlockingIOError"
