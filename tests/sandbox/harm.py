"""Hostile programs, by the kinds that the sandbox's design lists, with the verdict that each gets.

A program is the text that a test's function executes: `answer` is what it returns, and `SECRET` is
expected of it unless the verdict is *accepted*, which says that all it tried was refused: then the
answer, the list of what was not, is expected to be empty.
"""

from __future__ import annotations

from typing import NamedTuple

from server.core.judge import Verdict

SECRET = "the-" + "expected-" + "answer"
"""What a program would have to return, and cannot know."""


class Harm(NamedTuple):
    """A program that means harm, and what it gets."""

    code: str
    verdict: Verdict
    time_s: float = 5.0


A, W, R = Verdict.ACCEPTED, Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR
T, M, O = Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.OUTPUT_LIMIT  # noqa: E741

TRIED = """
import ctypes, os
libc = ctypes.CDLL(None)
answer = []
def tried(name, attempt, *args):
    try:
        attempt(*args)
    except (OSError, ValueError, PermissionError):
        return
    answer.append(name)
def call(number, other, *args):
    number = {'x86_64': number, 'aarch64': other}[os.uname().machine]
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args)) < 0:
        raise OSError
"""

FRAMES = """
import os, struct
def frame(kind, body): return struct.pack('>BI', kind, len(body)) + body
def everywhere(data):
    for number in range(1024):
        try: os.write(number, data)
        except OSError: pass
"""

UNCHARGED = """
import os
open('/proc/self/oom_score_adj', 'w').write('0')
"""

TABLE: dict[str, dict[str, Harm]] = {
    "fork and thread bombs": {
        "forks": Harm("import os\nwhile True:\n try: os.fork()\n except OSError: pass", T, 0.6),
        "forks, then gives up": Harm("import os\nos.close(2)\nwhile True: os.fork()", R),
        "threads": Harm(
            "import threading\ndef spin():\n while True: pass\n"
            "while True:\n try: threading.Thread(target=spin).start()\n except RuntimeError: pass",
            T,
            0.6,
        ),
    },
    "memory bombs, in children too, with oom-score games": {
        "a list": Harm("keep = [0] * 10**9", M),
        "a list in children": Harm(
            "import os, signal\nfor _ in range(4):\n if os.fork() == 0:\n"
            "  keep = bytearray(150_000_000)\n  signal.pause()\nos.wait()",
            M,
        ),
        "files in memory, as dear as the harness": Harm(
            f"{UNCHARGED}\nfor _ in range(60):\n file = os.memfd_create('x')\n"
            " for _ in range(15): os.write(file, bytes(1 << 20))",
            M,
        ),
        "what waits in sockets, as dear as the harness": Harm(
            f"""{UNCHARGED}
import signal, socket
keep = []
for _ in range(40):
    if os.fork() == 0:
        while True:
            try:
                keep += socket.socketpair()
                keep[-1].setblocking(False)
                while True: keep[-1].send(bytes(60_000))
            except BlockingIOError: pass
            except OSError: signal.pause()
os.wait()
""",
            M,
            8.0,
        ),
    },
    "bytes in /tmp and a million inodes": {
        "bytes": Harm("with open('/tmp/a', 'wb') as f:\n while True: f.write(bytes(10**6))", R),
        "bytes in many files": Harm(
            "for n in range(1000):\n open(f'/tmp/{n}', 'wb').write(bytes(10**6))", R
        ),
        "files": Harm("for n in range(10**6): open(f'/tmp/{n}', 'w').close()", R),
        "directories": Harm("import os\nfor n in range(10**6): os.mkdir(f'/tmp/{n}')", R),
    },
    "descriptors, rlimits raised": {
        "descriptors": Harm("import os\nwhile True: os.dup(0)", R),
        "rlimits": Harm(
            f"""{TRIED}
import resource
for name in ('NOFILE', 'NPROC', 'FSIZE', 'CORE', 'CPU', 'DATA', 'MEMLOCK', 'MSGQUEUE'):
    kind = getattr(resource, f'RLIMIT_{{name}}')
    hard = resource.getrlimit(kind)[1]
    tried(name, resource.setrlimit, kind, (hard + 1, hard + 1))
    tried(name, resource.setrlimit, kind, (-1, -1))
tried('nice', os.nice, -1)
tried('realtime', os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
""",
            A,
        ),
    },
    "endless stdout, stderr, one 200 MB line, a byte at a time": {
        "stdout": Harm("while True: print('x' * 10_000)", O),
        "stderr": Harm("import sys\nwhile True: print('x' * 10_000, file=sys.stderr)", O),
        "one line": Harm(
            "import os\nline = memoryview(bytes(200_000_000))\n"
            "while line: line = line[os.write(1, line) :]",
            O,
        ),
        "one line, which has to be encoded": Harm("print('x' * 200_000_000)", M),
        "bytes": Harm("import os\nwhile True: os.write(1, b'x')", T, 0.6),
    },
    "setsid daemons, daemons holding the pipe, orphans": {
        "a daemon that holds every pipe": Harm(
            "import os\nanswer = []\nif os.fork() == 0:\n os.setsid()\n while True: pass", A
        ),
        "an orphan": Harm(
            "import os, time\nanswer = []\nif os.fork() == 0:\n if os.fork() == 0: time.sleep(60)\n"
            " os._exit(0)\nos.wait()",
            A,
        ),
        "orphans without end": Harm(
            "import os\nwhile True:\n if os.fork() == 0:\n  os.fork()\n  os._exit(0)\n os.wait()",
            T,
            0.6,
        ),
    },
    "closed stdio": {
        "streams": Harm("import os\nanswer = []\nos.closerange(0, 3)", A),
        "everything": Harm("import os\nanswer = []\nos.closerange(0, 1024)", R),
    },
    "os._exit(0), sys.exit": {
        "os._exit": Harm("import os\nos._exit(0)", R),
        "sys.exit": Harm("import sys\nsys.exit()", R),
        "killed by itself": Harm("import os\nos.kill(os.getpid(), 9)", R),
        "stopped by itself": Harm("import os\nos.kill(os.getpid(), 19)", T, 0.5),
    },
    "signals to PID 1, every signal masked, SIGXCPU caught": {
        "signals": Harm(
            "import os\nanswer = []\nfor n in range(1, 65):\n try: os.kill(1, n)\n"
            " except OSError: pass",
            A,
        ),
        "masked": Harm(
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
            "while True: pass",
            T,
            0.5,
        ),
        "SIGXCPU": Harm(
            "import signal\nsignal.signal(signal.SIGXCPU, lambda *_: None)\nwhile True: pass",
            T,
            0.5,
        ),
    },
    "sleeps": {
        "sleep": Harm("import time\ntime.sleep(60)", T, 0.4),
        "a lock": Harm("import threading\nthreading.Event().wait()", T, 0.4),
    },
    "recursion in Python and in C, segfault, constant-folding bombs": {
        "recursion": Harm("def g(): g()\ng()", R),
        "recursion without a limit": Harm(
            "import sys\nsys.setrecursionlimit(10**9)\ndef g():\n keep = [0] * 10**6\n g()\ng()",
            M,
        ),
        "recursion in C": Harm(
            "a = None\nfor _ in range(10**6): a = [a]\nimport sys\n"
            "sys.setrecursionlimit(10**9)\nrepr(a)",
            R,
        ),
        "segfault": Harm("import ctypes\nctypes.string_at(0)", R),
        "folding": Harm("exec('a = ' + '9' * 4000 + '**' + '9' * 7)", T, 0.5),
        "brackets": Harm("exec('(' * 10**6)", R),
        "a long number": Harm("int('9' * 10**7)", R),
    },
    "/proc/1/mem, ptrace, process_vm_readv, pidfd_getfd": {
        "files": Harm(
            f"{TRIED}\nfor name in ('mem', 'environ', 'maps', 'fd/0', 'fd/1', 'root', 'cwd', 'exe',"
            " 'task/1/mem', 'oom_score_adj', 'ns/pid', 'stack', 'syscall'):\n"
            " tried(name, os.open, f'/proc/1/{name}', os.O_RDONLY if '_' not in name else 1)",
            A,
        ),
        "calls": Harm(
            f"{TRIED}\ntried('ptrace', call, 101, 117, 16, 1, 0, 0)\n"
            "tried('readv', call, 310, 270, 1, 0, 0, 0, 0, 0)\n"
            "tried('writev', call, 311, 271, 1, 0, 0, 0, 0, 0)\n"
            "tried('pidfd_getfd', call, 438, 438, os.pidfd_open(1), 0, 0)\n"
            "tried('kcmp', call, 312, 272, 1, os.getpid(), 0, 0, 0)",
            A,
        ),
    },
    "json, builtins, os, sys.modules patched": {
        "json": Harm("import json\njson.JSONEncoder.encode = lambda *_: '\"forged\"'", W),
        "len": Harm("import builtins\nbuiltins.len = None", R),
        "os.write": Harm("import os\nos.write = None", R),
        "os._exit": Harm("import os\nos._exit = lambda *_: None\nraise KeyError", R),
        "sys.modules": Harm("import sys\nanswer = []\nsys.modules.clear()", A),
        "audit hooks": Harm("import sys\nanswer = []\nsys.addaudithook(lambda *_: None)", A),
    },
    "frames, gc and own memory hunted for answers": {
        "frames": Harm(
            """
import re, sys
seen = ''
frame = sys._getframe()
while frame:
    seen += repr(frame.f_locals) + repr(frame.f_globals)
    frame = frame.f_back
answer = (re.findall('the-expected-[a-z]+', seen) or [None])[0]
""",
            W,
        ),
        "gc": Harm(
            "import gc, re\nfound = re.findall('the-expected-[a-z]+', repr(gc.get_objects()))\n"
            "answer = (found or [None])[0]",
            W,
        ),
        "memory": Harm(
            """
import re
answer = None
for line in open('/proc/self/maps'):
    start, end = (int(n, 16) for n in line.split()[0].split('-'))
    if 'rw' not in line: continue
    with open('/proc/self/mem', 'rb', 0) as memory:
        memory.seek(start)
        for found in re.findall(rb'the-expected-[a-z]+', memory.read(end - start)):
            answer = found.decode()
""",
            W,
        ),
    },
    "forged results on every descriptor": {
        "values": Harm(f"{FRAMES}\neverywhere(frame(33, b'\"forged\"'))\nos._exit(0)", W),
        "outcomes": Harm(f"{FRAMES}\neverywhere(frame(19, bytes(44)))\nos._exit(0)", R),
        "errors": Harm(f"{FRAMES}\neverywhere(frame(34, b'x'))\nos._exit(1)", R),
        "noise": Harm(f"{FRAMES}\neverywhere(os.urandom(5000))\nos._exit(0)", R),
        "noise before an answer": Harm(f"{FRAMES}\neverywhere(os.urandom(50))\nanswer = 1", R),
        "a length without end": Harm(f"{FRAMES}\neverywhere(b'!' + b'\\xff' * 4)\nos._exit(0)", R),
    },
    "results that are huge, deep, NaN, cyclic, lying about equality": {
        "huge": Harm("answer = 'x' * 2_000_000", R),
        "deep": Harm("answer = None\nfor _ in range(200): answer = [answer]", W),
        "deeper": Harm("answer = None\nfor _ in range(10**6): answer = [answer]", R),
        "NaN": Harm("answer = float('nan')", R),
        "cyclic": Harm("answer = []\nanswer.append(answer)", R),
        "lying": Harm(
            "class Same(str):\n __eq__ = lambda *_: True\n __hash__ = str.__hash__\n"
            "answer = Same('anything')",
            W,
        ),
        "digits": Harm("answer = 10 ** 5000", R),
    },
    "not UTF-8, NUL, ANSI, OSC, bidi, HTML, pickles": {
        "printed": Harm(
            "import os, pickle\nanswer = []\nfor data in (b'\\xff\\xfe', b'\\0',"
            " b'\\x1b[2J\\x1b]0;x\\a', '\\u202e'.encode(),"
            " b'<script>', pickle.dumps(print)): os.write(1, data)",
            A,
        ),
        "returned": Harm("answer = '\\0\\x1b]0;x\\a\\u202e<script>\\ud800'", W),
        "a pickle": Harm("import pickle\nanswer = pickle.dumps(print)", R),
        "a pickle reported": Harm(
            f"{FRAMES}\nimport pickle\neverywhere(frame(33, pickle.dumps(print)))\nos._exit(0)", W
        ),
    },
    "mounts, namespaces, setns, mknod, /proc/sys, cgroup files, devices": {
        "calls": Harm(
            f"""{TRIED}
import stat
tried('mount', call, 165, 40, 0, 0, 0, 0, 0)
tried('open_tree', call, 428, 428, -100, 0, 1)
tried('fsopen', call, 430, 430, 0, 0)
tried('unshare', call, 272, 97, 0x10000000)
tried('chroot', os.chroot, '/tmp')
tried('setns', call, 308, 268, os.open('/proc/self/ns/user', os.O_RDONLY), 0)
tried('mknod', os.mknod, '/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))
tried('character device', os.mknod, '/tmp/mem', 0o600 | stat.S_IFCHR, os.makedev(1, 1))
""",
            A,
        ),
        "files": Harm(
            f"""{TRIED}
def write(place):
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if folder != '/dev' or name in ('mem', 'kmsg', 'sda', 'fuse', 'kvm'):
                tried(path, os.open, path, os.O_WRONLY)
for place in ('/proc/sys', '/sys/fs/cgroup', '/sys/kernel', '/dev'): write(place)
tried('sysrq', os.open, '/proc/sysrq-trigger', os.O_WRONLY)
answer = [name for name in answer if not name.startswith('/dev/pts/')]
""",
            A,
        ),
    },
    "sockets of every family": {
        "all but the local one": Harm(
            f"{TRIED}\nimport socket\nfor family in range(64):\n for kind in (1, 2, 3, 5):\n"
            "  if family != 1: tried(family, socket.socket, family, kind)",
            A,
        ),
    },
    "io_uring, keyctl, bpf, perf, memfd_secret, SysV IPC left behind": {
        "calls": Harm(
            f"""{TRIED}
calls = dict(io_uring=(425, 425, 1, 0), keyctl=(250, 219, 0, -3, 1), add_key=(248, 217),
    bpf=(321, 280, 0, 0, 0), perf=(298, 241, 0, 0, -1, -1, 0), memfd_secret=(447, 447, 0),
    shmget=(29, 194, 1, 4096, 0o1666), msgget=(68, 186, 1, 0o1666), semget=(64, 190, 1, 1, 0o1666),
    userfaultfd=(323, 282, 1))
for name, numbers in calls.items(): tried(name, call, *numbers)
""",
            A,
        ),
        "POSIX shared memory": Harm(
            "import _posixshmem, os\nanswer = []\n"
            "_posixshmem.shm_open('/left', os.O_CREAT | os.O_RDWR, 0o600)",
            A,
        ),
    },
    "files of the test before, which are hard to remove": {
        "closed directories, links, pipes": Harm(
            """
import os
answer, place = [], '/tmp'
for n in range(60):
    place += '/d'
    os.mkdir(place)
os.symlink('/proc/1', '/tmp/link')
os.mkfifo('/tmp/fifo')
for place, _, _ in os.walk('/tmp', topdown=False):
    if place != '/tmp': os.chmod(place, 0)
""",
            A,
        ),
        "a tree too deep for a path": Harm(
            "import os\nanswer = []\nos.chdir('/tmp')\n"
            "for n in range(1500):\n os.mkdir('dddd')\n os.chdir('dddd')",
            A,
        ),
    },
}
"""The kinds of harm. What stands in a source rather than in what it does, and quotas that might be
shared by containers, have tests of their own."""
