"""Every limit on a container, seen from inside it, and what a program gets that runs into one."""

from __future__ import annotations

import json

from sandbox.contract import KIB, MIB, Ended, Limits, Outcome, Output
from tests.sandbox.running import Runs

STATUS = """
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
status = {key: value.split() for key, value in status.items()}
"""


async def test_it_has_no_capability_and_can_gain_no_privilege(runs: Runs) -> None:
    names = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"]
    found = await runs.answer(f"[status[name][0] for name in {names}]", STATUS)
    assert found == ["0" * 16] * 5 + ["1", "2"]


async def test_it_runs_as_nobody_known_and_each_container_as_somebody_else(runs: Runs) -> None:
    users = [await runs.answer("[os.getuid(), os.getgid()]", "import os") for _ in range(2)]
    assert users[0][0] != users[1][0]
    assert all(user >= 1_000_000 for user, _ in users)


async def test_no_file_of_the_image_runs_as_somebody_else(runs: Runs) -> None:
    setup = """
import os, stat
found = []
for place, _, names in os.walk('/', onerror=None):
    if place.startswith(('/proc', '/sys')): continue
    for name in names:
        path = os.path.join(place, name)
        if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID): found.append(path)
"""
    assert await runs.answer("found", setup) == []


async def test_there_is_no_network_but_loopback(runs: Runs) -> None:
    setup = """
import os, socket
failed = []
for address in (('1.1.1.1', 53), ('172.17.0.1', 80), ('169.254.169.254', 80)):
    try:
        socket.create_connection(address, timeout=1)
    except OSError as error:
        failed.append(error.errno)
"""
    assert await runs.answer("[os.listdir('/sys/class/net'), failed]", setup) == [
        ["lo"],
        [1] * 3,  # EPERM: no such socket can be made at all
    ]


async def test_nothing_can_be_written_but_a_small_tmp_that_runs_nothing(runs: Runs) -> None:
    setup = """
import os, errno
mounts = [line.split() for line in open('/proc/mounts')]
options = {place: opts.split(',') for _, place, _, opts, *_ in mounts}
refused = {}
for place in ('/', '/etc', '/opt/viva', '/var/tmp', '/home', '/dev', '/proc', '/sys', '/usr/bin'):
    try:
        open(os.path.join(place, 'file'), 'w')
    except OSError as error:
        refused[place] = error.errno in (errno.EROFS, errno.EACCES, errno.ENOENT, errno.EPERM)
size = os.statvfs('/tmp')
shm = os.statvfs('/dev/shm')
"""
    found = await runs.answer(
        "[options['/'][0], options['/tmp'], list(refused.values()),"
        " [size.f_blocks * size.f_frsize, size.f_files], shm.f_blocks * shm.f_frsize]",
        setup,
    )
    root, tmp, refused, size, shared = found
    assert root == "ro"
    assert {"noexec", "nosuid", "nodev"} <= set(tmp)
    assert refused == [True] * 9
    assert size == [16 * MIB, 2000]
    assert shared <= MIB


async def test_no_mount_of_the_host_is_in_it(runs: Runs) -> None:
    """But for the three files that the engine writes for every container, read-only here."""
    setup = "mounts = [line.split() for line in open('/proc/mounts')]"
    mounts = await runs.answer("[m[1:4] for m in mounts if m[1] != '/']", setup)
    kernels = {"cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs", "tmpfs"}
    files = {place: options for place, kind, options in mounts if kind not in kernels}
    assert set(files) <= {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
    assert all(options.startswith("ro,") for options in files.values())


async def test_the_kernels_limits_on_the_process_are_hard(runs: Runs) -> None:
    setup = """
import resource as r
names = ('RLIMIT_CORE', 'RLIMIT_NOFILE', 'RLIMIT_NPROC', 'RLIMIT_FSIZE', 'RLIMIT_CPU',
    'RLIMIT_MEMLOCK', 'RLIMIT_MSGQUEUE')
"""
    limits = await runs.answer("{n: r.getrlimit(getattr(r, n)) for n in names}", setup)
    assert limits == {
        "RLIMIT_CORE": [0, 0],
        "RLIMIT_NOFILE": [128, 128],
        "RLIMIT_NPROC": [64, 64],
        "RLIMIT_FSIZE": [16 * MIB, 16 * MIB],
        "RLIMIT_CPU": [7, 7],
        "RLIMIT_MEMLOCK": [0, 0],
        "RLIMIT_MSGQUEUE": [0, 0],
    }


async def test_the_containers_own_limits_are_set(runs: Runs) -> None:
    """The cgroup as the container sees it, in either version."""
    setup = """
from pathlib import Path
base = Path('/sys/fs/cgroup')
def read(*names):
    return next((base / n).read_text().split() for n in names if (base / n).exists())
memory = read('memory.max', 'memory/memory.limit_in_bytes')
pids = read('pids.max', 'pids/pids.max')
cpu = read('cpu.max', 'cpu/cpu.cfs_quota_us')
# Version 1 counts memory and swap together, version 2 the swap alone.
swap = next(int(read(n)[0]) - more for n, more in (
    ('memory.swap.max', 0), ('memory/memory.memsw.limit_in_bytes', int(memory[0]))
) if (base / n).exists())
"""
    memory, pids, cpu, swap = await runs.answer("[memory, pids, cpu, swap]", setup)
    assert int(memory[0]) == (256 + 64) * MIB
    assert swap == 0
    assert pids == ["64"]
    assert cpu[0] == "100000"


async def test_the_limits_hold_on_the_container_as_well(runs: Runs) -> None:
    """Its first process has them from the engine, before any that are set inside."""
    setup = """
limits = {}
for line in open('/proc/1/limits').read().splitlines()[1:]:
    name, soft, hard = line[:26].strip(), *line[26:].split()[:2]
    limits[name] = [soft, hard]
names = ('Max open files', 'Max file size', 'Max core file size')
"""
    assert await runs.answer("[limits[name] for name in names]", setup) == [
        ["128", "128"],
        [str(16 * MIB)] * 2,
        ["0", "0"],
    ]


async def test_what_is_written_to_tmp_cannot_be_started(runs: Runs) -> None:
    setup = """
import ctypes, os, shutil, subprocess
refused = []
shutil.copy('/bin/true', '/tmp/true')
os.chmod('/tmp/true', 0o755)
try:
    subprocess.run(['/tmp/true'])
except PermissionError:
    refused.append('program')
maps = open('/proc/self/maps').read().split()
shutil.copy(next(word for word in maps if 'libc.so' in word), '/tmp/lib')
try:
    ctypes.CDLL('/tmp/lib')
except OSError:
    refused.append('library')
subprocess.run(['/bin/true'], check=True)
"""
    assert await runs.answer("refused", setup) == ["program", "library"]


async def test_a_fork_bomb_is_stopped_by_the_number_of_processes(runs: Runs) -> None:
    source = """
import os, signal
def f():
    children = 0
    try:
        while children < 200:
            if os.fork() == 0:
                signal.pause()
            children += 1
    except BlockingIOError:
        pass
    return children
"""
    record = await runs.call(source)
    assert 50 < record.value < 64


async def test_threads_are_counted_as_well(runs: Runs) -> None:
    source = """
import threading
def f():
    gate = threading.Event()
    threading.stack_size(65536)
    for n in range(500):
        try:
            threading.Thread(target=gate.wait, daemon=True).start()
        except RuntimeError:
            return n
"""
    assert 50 < (await runs.call(source)).value < 64


async def test_too_much_memory_is_the_memory_limit(runs: Runs) -> None:
    source = """
def f(kind):
    if kind == 0: [0] * 10**9
    if kind == 1: [bytearray(10**6) for _ in range(10**6)]
    if kind == 2: b''.join(iter(lambda: b'x' * 10**6, b''))
    if kind == 3: 'x' * 10**12
"""
    record = await runs.call(source, *[[kind] for kind in range(4)])
    assert {outcome.ended for outcome in record.outcomes} == {Ended.MEMORY_LIMIT}
    errors = [outcome.error for outcome in record.outcomes if outcome.error]
    assert [(error.type, error.line) for error in errors] == [
        ("MemoryError", n) for n in (3, 4, 5, 6)
    ]


async def test_too_much_memory_in_children_is_the_memory_limit(runs: Runs) -> None:
    source = """
import os, signal
def f():
    for _ in range(4):
        if os.fork() == 0:
            keep = bytearray(150_000_000)
            signal.pause()
    os.wait()  # one of them is killed for want of memory; the others would pause for ever
"""
    outcome = (await runs.call(source)).outcome
    assert outcome.ended is Ended.MEMORY_LIMIT


async def test_raising_ones_own_memory_limit_does_not_help(runs: Runs) -> None:
    source = """
import resource
def f():
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))
    except ValueError:
        return len(bytearray(500_000_000))
"""
    assert (await runs.call(source)).outcome.ended is Ended.MEMORY_LIMIT


async def test_a_program_may_use_the_memory_that_its_limits_allow(runs: Runs) -> None:
    limits = Limits(time_s=10, memory_bytes=300 * MIB)
    record = await runs.call("def f():\n    return len(bytearray(280 << 20))", limits=limits)
    assert record.value == 280 * MIB


async def test_a_memory_error_that_is_caught_is_no_end(runs: Runs) -> None:
    source = (
        "def f():\n    try:\n        [0] * 10**9\n    except MemoryError:\n        return 'caught'"
    )
    assert (await runs.call(source)).value == "caught"


async def test_the_disk_is_small_in_bytes_and_in_files(runs: Runs) -> None:
    source = """
import os
def f(kind):
    try:
        if kind == 'bytes':
            for n in range(40):
                with open(f'/tmp/{n}', 'wb') as file: file.write(bytes(1 << 20))
        else:
            for n in range(5000): open(f'/tmp/{n}', 'w').close()
    except OSError as error:
        return [n, error.strerror]
"""
    record = await runs.call(source, ["bytes"], ["files"], ["bytes"])
    values = [json.loads(outcome.value or "") for outcome in record.outcomes]
    assert [reason for _, reason in values] == ["No space left on device"] * 3
    assert values[0] == values[2]
    assert values[0][0] in (15, 16)
    assert 1900 < values[1][0] < 2000


async def test_one_file_and_the_open_ones_are_bounded(runs: Runs) -> None:
    source = """
import os
def f():
    memory = os.memfd_create('big')
    reached = []
    try:
        for n in range(40): os.write(memory, bytes(1 << 20))
    except OSError as error:
        reached.append([n, error.strerror])
    try:
        for n in range(500): os.dup(0)
    except OSError as error:
        reached.append(error.strerror)
    return reached
"""
    assert (await runs.call(source)).value == [[16, "File too large"], "Too many open files"]


async def test_the_time_limit_is_of_the_clock(runs: Runs) -> None:
    source = "import time\nif input():\n    time.sleep(60)\nwhile True: pass"
    record = await runs.program(source, "spin\n", "sleep\n", limits=Limits(time_s=0.5))
    for outcome in record.outcomes:
        assert outcome.ended is Ended.TIME_LIMIT
        assert outcome.time_ms >= 500
        assert not outcome.waited_for_input


async def test_one_processor_is_all_there_is(runs: Runs) -> None:
    """Four spinning processes get no more of the processor than one does."""
    source = """
import os
for _ in range(3):
    if os.fork() == 0: break
while True: pass
"""
    outcome = (await runs.program(source, limits=Limits(time_s=1.0))).outcome
    assert outcome.ended is Ended.TIME_LIMIT
    assert outcome.cpu_ms < 1.4 * outcome.time_ms


async def test_output_past_its_cap_is_counted_and_dropped(runs: Runs) -> None:
    source = "import sys\nprint('x' * 50_000)\nprint('y' * 50_000, file=sys.stderr)\nprint('end')"
    record = await runs.program(source)
    printed = 50_001 + 50_001 + 4
    assert record.outcome.ended is Ended.OUTPUT_LIMIT
    assert len(record.text()) + len(record.text("stderr")) == 64 * KIB
    assert record.outcome.output_dropped_bytes == printed - 64 * KIB
    assert record.outcome.stdout == record.text()


async def test_a_flood_is_ended_early(runs: Runs) -> None:
    """One endless line, or endlessly many: long before the time is up."""
    source = "if input() == 'line':\n    print('x' * 100_000_000)\nwhile True: print('x' * 100_000)"
    record = await runs.program(source, "line\n", "lines\n", limits=Limits(time_s=60))
    for outcome in record.outcomes:
        assert outcome.ended is Ended.OUTPUT_LIMIT
        assert len(outcome.stdout) == 64 * KIB
        assert outcome.output_dropped_bytes > 16 * MIB


async def test_a_whole_runs_output_is_capped_without_changing_any_verdict(runs: Runs) -> None:
    record = await runs.program("print('x' * 60_000)", *[""] * 20)
    shown = sum(len(event.text) for event in record.events if isinstance(event, Output))
    assert shown == MIB
    assert {outcome.ended for outcome in record.outcomes} == {Ended.EXITED}
    assert {len(outcome.stdout) for outcome in record.outcomes} == {60_001}
    assert sum(outcome.output_dropped_bytes for outcome in record.outcomes) == 20 * 60_001 - MIB


async def test_bytes_that_are_no_text_come_as_replacement_characters(runs: Runs) -> None:
    source = """
import os, sys
os.write(1, 'é'.encode()[:1]); os.write(1, 'é'.encode()[1:]); os.write(1, b'\\xff\\0\\x1b[31m')
os.write(1, '🙂'.encode()[:3])
"""
    record = await runs.program(source)
    assert record.text() == record.outcome.stdout == "é\ufffd\0\x1b[31m\ufffd"
    assert isinstance(record.events[-1], Outcome)


async def test_nothing_can_be_left_in_system_v_ipc(runs: Runs) -> None:
    """Segments, queues and semaphores would outlive a test; locks of processes still work."""
    setup = """
import ctypes, multiprocessing
libc = ctypes.CDLL(None)
made = [libc.shmget(1, 4096, 0o1666), libc.msgget(1, 0o1666), libc.semget(1, 1, 0o1666)]
"""
    assert await runs.answer("[made, multiprocessing.Lock().acquire()]", setup) == [
        [-1, -1, -1],
        True,
    ]
