"""One test in a process of its own, forked from the harness: the only place where a source is run.

The test's input is read here, straight from the host's stream, so that the harness never holds it
and later tests cannot find it in inherited memory. Only then does the process give up what it
inherited: its descriptors, its limits, the harness's modules.
"""

from __future__ import annotations

import _sitebuiltins
import atexit
import builtins
import io
import json
import os
import resource
import signal
import struct
import sys
import threading
import traceback
from types import CodeType, ModuleType
from typing import Any, NamedTuple, NoReturn

from sandbox import wire
from sandbox.harness import calling, kernel, telling
from sandbox.harness.telling import PlainError

MIB = 1024 * 1024
READ_BYTES = 64 * 1024
FILE_BYTES = 16 * MIB
OPEN_FILES = 128
PROCESSES = 64
NICENESS = 10
"""The harness goes first where both want the processor: it has to keep the time."""
ROOM_TO_TELL_BYTES = 16 * MIB
"""What a process that ran out of memory gets on top, to say so."""
PACKAGES = f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/dist-packages"
"""What programs may import beyond the standard library. Nothing of it is loaded ahead of them."""
TAKEN = b"\x06"
"""The first byte on the report's pipe: the input is read, the host's stream is left alone."""


class Job(NamedTuple):
    """What every test of a container shares."""

    source: str
    mode: str
    entry: str
    signature: str
    filename: str


def is_called(mode: str) -> bool:
    """Whether the tests call something in the program, and its value counts."""
    return mode in ("function", "class")


class Order(NamedTuple):
    """What a waiting process is to do: one test, or several together."""

    job: bytes
    """A `Job`, as the host's JSON."""
    record: wire.TestRecord
    length: int
    """How many bytes of input stand on the host's stream."""
    is_batch: bool

    def pack(self) -> bytes:
        """The order's bytes; its end is where its pipe ends."""
        return _ORDER.pack(self.length, self.is_batch) + self.record.pack() + self.job

    @classmethod
    def unpack(cls, data: bytes) -> Order:
        """The order in exactly these bytes."""
        length, is_batch = _ORDER.unpack_from(data)
        end = _ORDER.size + wire.TEST_SIZE
        record = wire.TestRecord.unpack(data[_ORDER.size : end])
        return cls(data[end:], record, length, is_batch)


_ORDER = struct.Struct(">I?")


class Ends(NamedTuple):
    """The descriptors that a test's process begins with."""

    order: int
    stdin: int
    stdout: int
    stderr: int
    report: int


class Reporter(NamedTuple):
    """The way back to the harness, for the test's own process; its children have only stderr."""

    descriptor: int
    pid: int

    def value(self, text: bytes) -> None:
        """Report a function's return value."""
        if os.getpid() == self.pid:
            _write(self.descriptor, wire.encode(wire.VALUE, text))

    def error(self, kind: int, report: wire.ErrorReport) -> None:
        """Report an exception that nobody caught."""
        if os.getpid() == self.pid:
            _write(self.descriptor, wire.encode(kind, report.pack()))
        else:
            print(report.traceback, file=sys.stderr)


def main(ends: Ends) -> NoReturn:
    """Get everything ready, wait for an `Order`, obey it, report, and exit."""
    status = os.EX_SOFTWARE
    try:
        _prepare(ends)
        if order := _awaited(ends.order):
            job = Job(**json.loads(order.job))
            given = _begin(job, order, ends)
            reporter = Reporter(ends.report, os.getpid())
            if order.is_batch:
                _run_batch(job, given, reporter)
            status = _run(job, given, reporter)
            _wind_up(job)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # whatever happens, this process never returns into the harness's code


def _prepare(ends: Ends) -> None:
    """Give up all that was inherited but the host's stream, from which the input will come."""
    os.setsid()
    os.dup2(ends.stdout, 1)
    os.dup2(ends.stderr, 2)
    first = 3
    for kept in sorted((ends.order, ends.stdin, ends.report)):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, OPEN_FILES)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kernel.set_dumpable(True)
    kernel.volunteer_for_oom_kill()
    os.nice(NICENESS)
    _take_fixed_limits()
    _forget_harness()
    _open_streams()


def _awaited(descriptor: int) -> Order | None:
    """The order, once it comes; None where the harness ended without one."""
    data = bytearray()
    while piece := os.read(descriptor, READ_BYTES):
        data += piece
    os.close(descriptor)
    return Order.unpack(bytes(data)) if data else None


def _begin(job: Job, order: Order, ends: Ends) -> bytes:
    """Read the input, which is the last thing that the host's stream is needed for."""
    given = read_exactly(0, order.length)
    os.write(ends.report, TAKEN)
    os.dup2(ends.stdin if job.mode == "interactive" else _file_of(job, given), 0)
    os.closerange(3, ends.report)
    os.closerange(ends.report + 1, OPEN_FILES)
    _take_limits(order.record)
    telling.remember_source(job.source, job.filename)
    return given


def read_exactly(descriptor: int, length: int) -> bytes:
    """`length` bytes, no more and no fewer. Raises EOFError where the stream ends before."""
    data = bytearray()
    while len(data) < length:
        piece = os.read(descriptor, length - len(data))
        if not piece:
            raise EOFError("the host is gone")
        data += piece
    return bytes(data)


def _file_of(job: Job, given: bytes) -> int:
    """A program's standard input as a file: no pipe to feed, and it may be longer than a pipe."""
    if job.mode != "program":
        return os.open(os.devnull, os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    _write(descriptor, given)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _take_fixed_limits() -> None:
    for limit, most in (
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        if resource.getrlimit(limit) != (most, most):  # what is in force gVisor may refuse to set
            resource.setrlimit(limit, (most, most))


def _take_limits(record: wire.TestRecord) -> None:
    # The harness ends a test by the clock; the kernel's own limit stands behind it.
    cpu_s = record.time_ms // 1000 + 2
    data = kernel.data_bytes() + record.memory_bytes
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_DATA, (data, data + ROOM_TO_TELL_BYTES))


def _forget_harness() -> None:
    """Leave a program the names that a plain interpreter has. This is tidiness, not a defence."""
    for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
        del sys.modules[name]
    sys.path[:] = [place for place in sys.path if place.startswith("/usr/lib/")]
    sys.path.append(PACKAGES)
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
    builtins.help = _sitebuiltins._Helper()


def _open_streams() -> None:
    """Standard streams over the new descriptors: what is printed leaves at once, as with -u."""
    buffered = io.BufferedReader(io.FileIO(0, closefd=False))
    streams = {
        "stdin": io.TextIOWrapper(buffered, "utf-8", "surrogateescape"),
        "stdout": _unbuffered(1, "surrogateescape"),
        "stderr": _unbuffered(2, "backslashreplace"),
    }
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _unbuffered(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw: Any = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", errors, write_through=True)


def _run(job: Job, given: bytes, reporter: Reporter) -> int:
    """Run the program; its exit status, after a report where there is something to report."""
    module = _module(job)
    args = json.loads(given) if is_called(job.mode) else []
    try:
        exec(_compiled(job), module.__dict__)  # noqa: S102  # this is what the whole container is for
        if is_called(job.mode):
            _call(job, module, args, reporter)
    except SystemExit as error:
        return _exit_status(error)
    except PlainError as error:
        reporter.error(wire.RAISED, telling.plain_error(error.kind, str(error)))
        return 1
    except MemoryError as error:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        reporter.error(wire.OUT_OF_MEMORY, telling.error_report(error, job.filename))
        return 1
    except BaseException as error:
        reporter.error(wire.RAISED, telling.error_report(error, job.filename))
        return 1
    return 0


def _run_batch(job: Job, given: bytes, reporter: Reporter) -> NoReturn:
    """Call for one test after the other and report each value; end at anything but a value.

    What went wrong is not told: that test is run again, alone.
    """
    try:
        module = _module(job)
        arguments = json.loads(given)
        exec(_compiled(job), module.__dict__)  # noqa: S102  # this is what the container is for
        for args in arguments:
            _call(job, module, args, reporter)
            if threading.active_count() > 1:
                break
    finally:
        os._exit(os.EX_OK)


def _module(job: Job) -> ModuleType:
    """Where the program's names will be, in the places where a program's are."""
    module = ModuleType(job.filename.removesuffix(".py") if is_called(job.mode) else "__main__")
    module.__file__ = job.filename
    sys.modules[module.__name__] = sys.modules["__main__"] = module
    sys.argv = [job.filename]
    return module


def _compiled(job: Job) -> CodeType:
    try:
        return compile(job.source, job.filename, "exec", dont_inherit=True)
    except (MemoryError, RecursionError):
        raise PlainError("SyntaxError", "the source is nested too deeply to be compiled") from None
    except UnicodeEncodeError as error:
        raise PlainError(
            "SyntaxError", f"the source is not valid Unicode: {error.reason}"
        ) from None


def _call(job: Job, module: ModuleType, args: list[Any], reporter: Reporter) -> None:
    call = calling.call_function if job.mode == "function" else calling.call_methods
    reporter.value(call(job.entry, job.signature, module, args))


def _exit_status(error: SystemExit) -> int:
    """What the interpreter itself would make of sys.exit(...)."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _wind_up(job: Job) -> None:
    """End as the interpreter would: threads joined, atexit called; what was called just ends."""
    if not is_called(job.mode):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
