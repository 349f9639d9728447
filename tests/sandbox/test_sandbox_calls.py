"""The kernel as a program in a container finds it: what it may not call, tried from inside."""

from __future__ import annotations

from sandbox.contract import Ended
from tests.sandbox.running import Runs

EPERM, ENOSYS = 1, 38

# Numbers of x86-64 and of AArch64; None where an architecture has no such call.
FORBIDDEN = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "memfd_secret": (447, 447),
    "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "fspick": (433, 433),
    "quotactl_fd": (443, 443),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
    "process_mrelease": (448, 448),
    "kexec_file_load": (320, 294),
    "swapoff": (168, 225),
    "setdomainname": (171, 162),
    "fanotify_mark": (301, 263),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "acct": (163, 89),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "shmdt": (67, 197),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "vmsplice": (278, 75),
    "remap_file_pages": (216, 234),
    "setxattr": (188, 5),
    "lookup_dcookie": (212, 18),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "vhangup": (153, 58),
}

CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
column = {'x86_64': 0, 'aarch64': 1}[os.uname().machine]
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args))
    return 0 if result >= 0 else ctypes.get_errno()
"""


async def test_calls_that_no_program_needs_are_refused(runs: Runs) -> None:
    """With arguments that are nonsense, each would fail otherwise with another error than EPERM."""
    source = f"{CALL}def f(calls):\n    return [[n, call(c[column], -1, -1, -1, -1, -1, -1)]"
    source += " for n, c in calls if c[column] is not None]"
    answers = (await runs.call(source, [list(FORBIDDEN.items())])).value
    assert len(answers) > 60
    assert [answer for answer in answers if answer[1] != EPERM] == []


async def test_no_other_numbering_of_the_calls_is_a_way_around(runs: Runs) -> None:
    """The 32-bit numbers of x86, by its old interrupt: the profile is of one architecture."""
    source = """
import ctypes, mmap, os
def f():
    if os.uname().machine != 'x86_64':
        return 'refused'
    # mov eax, 359; mov ebx, 16; mov ecx, 3; xor edx, edx; int 0x80; ret: socket(AF_NETLINK, 3, 0)
    code = bytes.fromhex('53b867010000bb10000000b90300000031d2cd805bc3')
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    made = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return 'refused' if made < 0 else made
"""
    outcome = (await runs.call(source)).outcome
    assert outcome.value == '"refused"' or outcome.ended is Ended.SIGNALLED


async def test_of_socket_families_there_is_only_the_local_one(runs: Runs) -> None:
    source = """
import socket
def f():
    made = []
    for family in range(64):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind).close()
                made.append(family)
            except OSError:
                pass
    left, right = socket.socketpair()
    left.send(b'x')
    return [sorted(set(made)), right.recv(1).decode()]
"""
    assert (await runs.call(source)).value == [[1], "x"]


async def test_no_namespace_can_be_made(runs: Runs) -> None:
    setup = f"{CALL}\nnumber = (56, 220)[column]\nnew_process = (435, 435)[column]"
    flags = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]
    found = await runs.answer(
        f"[[call(number, flag | 17, 0, 0, 0, 0) for flag in {flags}], call(new_process, 0, 0)]",
        setup,
    )
    assert found == [[EPERM] * len(flags), ENOSYS]


async def test_devices_cannot_be_made_and_special_files_not_be_written(runs: Runs) -> None:
    source = """
import os, stat
def f():
    written = []
    for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/1/oom_score_adj',
                 '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max',
                 '/sys/fs/cgroup/cgroup.procs', '/dev/kmsg', '/dev/mem'):
        try:
            with open(path, 'w') as file: file.write('1')
            written.append(path)
        except OSError:
            pass
    try:
        os.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))
        written.append('mknod')
    except OSError:
        pass
    return written
"""
    assert (await runs.call(source)).value == []
