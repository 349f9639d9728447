"""What a submission gets back in each mode, in real containers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.contract import Ended, Limits, Mode, Outcome, Output, Submission, TestInput
from sandbox.pool import Pool
from tests.sandbox.running import QUICK, Record, Runs


async def test_a_function_gets_its_arguments_and_its_value_comes_back(runs: Runs) -> None:
    record = await runs.call("def f(a, b):\n    return {'sum': a + b, 'both': (a, b)}", [1, 2])
    assert record.outcome.ended is Ended.RETURNED
    assert record.value == {"sum": 3, "both": [1, 2]}


async def test_every_test_gets_its_own_arguments_globals_and_files(runs: Runs) -> None:
    source = """
import os
seen = []
def f(items):
    seen.append(1)
    items.append(4)
    before = os.listdir('/tmp')
    open('/tmp/left', 'w').close()
    os.makedirs('/tmp/a/b', mode=0o000)
    open('/dev/shm/left', 'w').close()
    return [items, seen, before]
"""
    record = await runs.call(source, [[1]], [[1]], [[1]])
    values = [json.loads(outcome.value or "") for outcome in record.outcomes]
    assert values == [[[1, 4], [1], []]] * 3


async def test_what_a_function_prints_is_streamed_beside_its_value(runs: Runs) -> None:
    record = await runs.call("def f():\n    print('debug é')\n    return None")
    assert record.text() == "debug é\n"
    assert record.value is None


async def test_a_main_guard_does_not_run_in_function_mode(runs: Runs) -> None:
    source = "def f():\n    return __name__\nif __name__ == '__main__':\n    raise SystemExit(3)"
    assert (await runs.call(source)).value == "main"


async def test_a_program_runs_as_main_and_reads_its_input(runs: Runs) -> None:
    source = "import sys\nif __name__ == '__main__':\n    print(sum(map(int, sys.stdin)), sys.argv)"
    record = await runs.program(source, "1\n2\n", "30\n40\n")
    assert [outcome.stdout for outcome in record.outcomes] == [
        "3 ['main.py']\n",
        "70 ['main.py']\n",
    ]
    assert {outcome.ended for outcome in record.outcomes} == {Ended.EXITED}
    tests = [event.test for event in record.events if isinstance(event, Output)]
    assert list(dict.fromkeys(tests)) == ["0", "1"]


async def test_a_programs_input_may_be_longer_than_a_pipe(runs: Runs) -> None:
    record = await runs.program("print(len(input()), len(input()))", f"{'a' * 300_000}\nb\n")
    assert record.outcome.stdout == "300000 1\n"


async def test_input_at_its_end_is_an_eof_error(runs: Runs) -> None:
    record = await runs.program("input()")
    assert record.outcome.error is not None
    assert record.outcome.error.type == "EOFError"


async def test_exit_statuses_are_those_of_the_interpreter(runs: Runs) -> None:
    statuses = {
        "sys.exit()": 0,
        "sys.exit(7)": 7,
        "sys.exit(-1)": 255,
        "sys.exit('no')": 1,
        "exit(5)": 5,
        "os._exit(9)": 9,
        "pass": 0,
    }
    record = await runs.program("import os, sys\nprint('before')\nexec(input())", *statuses)
    assert [outcome.exit_code for outcome in record.outcomes] == list(statuses.values())
    assert {outcome.ended for outcome in record.outcomes} == {Ended.EXITED}
    assert {outcome.stdout for outcome in record.outcomes} == {"before\n"}
    assert record.text("stderr") == "no\n"


async def test_a_program_ends_with_its_threads_and_exit_handlers(runs: Runs) -> None:
    source = """
import atexit, threading
atexit.register(print, 'last')
gate = threading.Event()
threading.Thread(target=lambda: (gate.wait(), print('thread'))).start()
gate.set()
"""
    assert (await runs.program(source)).outcome.stdout == "thread\nlast\n"


async def test_output_comes_while_the_program_runs_and_typed_lines_go_in(pool: Pool) -> None:
    """Each answer is typed only after its question was read: neither can have been buffered."""
    source = """
name = input('name? ')
age = input(f'{name}, age? ')
print(name, age, 'end:', __import__('sys').stdin.read())
"""
    typed = iter(["Zoë\n", "7\n", None])
    heard = ""
    submission = Submission(source, Mode.INTERACTIVE, (TestInput("only"),), QUICK)
    async with pool.run(submission) as run:
        async for event in run:
            if isinstance(event, Outcome):
                outcome = event
                continue
            if isinstance(event, Output):
                heard += event.text
            else:
                text = next(typed)  # it is told once for each wait, or this ends
                if text is None:
                    await run.close_stdin()
                else:
                    assert heard.endswith("? "), "it waits once it has asked, and not before"
                    await run.write_stdin(text)
    assert heard == "name? Zoë, age? Zoë 7 end: \n"
    assert outcome.ended is Ended.EXITED


async def test_what_an_interactive_test_holds_is_typed_first(pool: Pool) -> None:
    submission = Submission(
        "print(input(), input())", Mode.INTERACTIVE, (TestInput("only", stdin="a\n"),), QUICK
    )
    async with pool.run(submission) as run:
        await run.write_stdin("b\n")
        events = [event async for event in run]
    assert isinstance(events[-1], Outcome)
    assert events[-1].stdout in ("a b\n", "b a\n")  # typed before the test began: either order


async def test_typing_to_a_program_that_has_ended_is_ignored(pool: Pool) -> None:
    submission = Submission("print(1)", Mode.INTERACTIVE, (TestInput("only"),), QUICK)
    async with pool.run(submission) as run:
        events = [event async for event in run]
        await run.write_stdin("late\n")
        await run.close_stdin()
        await run.stop()
    assert isinstance(events[-1], Outcome)
    assert events[-1].ended is Ended.EXITED


async def test_a_program_that_closed_its_input_can_still_be_typed_to(pool: Pool) -> None:
    source = "import os\nos.close(0)\nprint('closed')\nimport time\ntime.sleep(0.2)\nprint('end')"
    submission = Submission(source, Mode.INTERACTIVE, (TestInput("only"),), QUICK)
    async with pool.run(submission) as run:
        events = []
        async for event in run:
            events.append(event)
            await run.write_stdin("anybody?\n")
    assert isinstance(events[-1], Outcome)
    assert events[-1].stdout == "closed\nend\n"


async def test_stop_kills_the_program_and_no_further_test_starts(pool: Pool) -> None:
    tests = (TestInput("spins"), TestInput("never"))
    source = "print('on', flush=True)\nwhile True: pass"
    submission = Submission(source, Mode.PROGRAM, tests, Limits(time_s=60))
    async with pool.run(submission) as run:
        outcomes = []
        async for event in run:
            if isinstance(event, Outcome):
                outcomes.append(event)
            else:
                await run.stop()
    assert [(outcome.test, outcome.ended) for outcome in outcomes] == [("spins", Ended.STOPPED)]
    assert outcomes[0].stdout.rstrip() == "on"  # it may be stopped before the end of the line


async def test_stop_ends_a_run_whose_harness_does_not_listen(pool: Pool) -> None:
    """A program cannot keep Stop from working by keeping the harness busy."""
    source = """
import os
for _ in range(40):
    if os.fork() == 0:
        break
print('on', flush=True)
while True:
    os.write(1, b'x' * 65536)
"""
    submission = Submission(source, Mode.PROGRAM, (TestInput("busy"),), Limits(time_s=60))
    async with pool.run(submission) as run:
        events = []
        async for event in run:
            events.append(event)
            if isinstance(event, Output) and "on" in event.text:
                await run.stop()
    assert isinstance(events[-1], Outcome)
    assert events[-1].ended in (Ended.STOPPED, Ended.OUTPUT_LIMIT)


async def test_waiting_for_input_is_told_apart_from_computing(runs: Runs) -> None:
    brief = Limits(time_s=0.4)
    waiting = await runs.program("input()", mode=Mode.INTERACTIVE, limits=brief)
    spinning = await runs.program("while True: pass", mode=Mode.INTERACTIVE, limits=brief)
    asleep = await runs.program("import time\ntime.sleep(9)", mode=Mode.INTERACTIVE, limits=brief)
    told = [record.outcome.waited_for_input for record in (waiting, spinning, asleep)]
    assert told == [True, False, False]
    assert {r.outcome.ended for r in (waiting, spinning, asleep)} == {Ended.TIME_LIMIT}


async def test_a_test_may_have_limits_of_its_own(pool: Pool) -> None:
    tests = (TestInput("brief", limits=Limits(time_s=0.3)), TestInput("quick", stdin="go"))
    source = "import sys\nwhile not sys.stdin.read(): pass\nprint('done')"
    async with pool.run(Submission(source, Mode.PROGRAM, tests, QUICK)) as run:
        ended = {event.test: event.ended async for event in run if isinstance(event, Outcome)}
    assert ended == {"brief": Ended.TIME_LIMIT, "quick": Ended.EXITED}


async def test_time_processor_time_and_memory_are_measured(runs: Runs) -> None:
    source = """
import time
block = bytearray(50_000_000)
end = time.process_time() + 0.2
while time.process_time() < end: pass
time.sleep(0.2)
"""
    outcome = (await runs.program(source)).outcome
    assert outcome.cpu_ms >= 200
    assert outcome.time_ms >= 400
    assert outcome.time_ms > outcome.cpu_ms
    assert 50_000_000 < outcome.memory_bytes < 100_000_000


async def test_usual_modules_can_be_imported_and_the_harness_cannot(runs: Runs) -> None:
    usual = (
        "asyncio bisect collections csv dataclasses datetime decimal enum fractions functools "
        "heapq io itertools json math multiprocessing operator queue random re sqlite3 statistics "
        "string subprocess threading time typing unittest uuid zoneinfo"
    )
    source = f"""
import importlib, sys
def f():
    for name in {usual.split()!r}:
        importlib.import_module(name)
    try:
        import sandbox
    except ImportError:
        return [sys.version_info[:2], sorted(n for n in sys.modules if 'sandbox' in n)]
"""
    assert (await runs.call(source)).value == [[3, 13], []]


async def test_processes_threads_and_locks_work(runs: Runs) -> None:
    source = """
from multiprocessing import Pool
from concurrent.futures import ThreadPoolExecutor
def square(n): return n * n
def f():
    with Pool(2) as pool, ThreadPoolExecutor(16) as threads:
        return [pool.map(square, range(4)), list(threads.map(square, range(4)))]
"""
    assert (await runs.call(source)).value == [[0, 1, 4, 9]] * 2


LIMITER = """
class Limiter:
    def __init__(self, most):
        self.most, self.taken = most, []

    def allow(self, shop):
        self.taken.append(shop)
        return self.taken.count(shop) <= self.most

    def shops(self):
        return self.taken
"""


async def _calls(runs: Runs, source: str, *calls: list[list[Any]]) -> Record:
    tests = tuple(TestInput(str(i), args=list(args)) for i, args in enumerate(calls))
    return await runs.submit(
        Submission(source, Mode.CLASS, tests, QUICK, "Limiter", "Limiter(most)")
    )


async def test_an_object_is_made_and_its_methods_are_called(runs: Runs) -> None:
    """Each test makes an object of its own; what a method returned counts as it was then."""
    calls: list[list[Any]] = [["new", 1], ["allow", "a"], ["shops"], ["allow", "a"], ["allow", "b"]]
    record = await _calls(runs, LIMITER, calls, [["new", 2], ["allow", "a"]])
    values = [json.loads(outcome.value or "") for outcome in record.outcomes]
    assert values == [[None, True, ["a"], False, True], [None, True]]


@pytest.mark.parametrize(
    ("source", "calls", "kind", "message"),
    [
        ("", [["new", 1]], "NameError", "`Limiter` is not defined; the tests make `Limiter(most)`"),
        (
            "Limiter = 3",
            [["new", 1]],
            "TypeError",
            "`Limiter` is of type int, not a class; the tests make `Limiter(most)`",
        ),
        (
            LIMITER,
            [["new"]],
            "TypeError",
            "Limiter.__init__() missing 1 required positional argument: 'most'; the tests make "
            "`Limiter(most)`",
        ),
        (
            LIMITER,
            [["new", 1], ["refuse", "a"]],
            "AttributeError",
            "`Limiter.refuse` is not defined; the tests call `refuse` with 1 argument",
        ),
        (
            LIMITER,
            [["new", 1], ["allow", "a", 2]],
            "TypeError",
            "Limiter.allow() takes 2 positional arguments but 3 were given; the tests call `allow` "
            "with 2 arguments",
        ),
        (
            LIMITER + "    def open(self): return {1}\n",
            [["new", 1], ["open"]],
            "TypeError",
            "`Limiter.open` returned a set, which the tests cannot compare; return a list",
        ),
    ],
)
async def test_what_does_not_fit_a_class_is_told_in_plain_words(
    runs: Runs, source: str, calls: list[list[Any]], kind: str, message: str
) -> None:
    error = (await _calls(runs, source, calls)).outcome.error
    assert error is not None
    assert (error.type, error.message) == (kind, message)


async def test_an_exception_in_a_method_is_told_with_its_line(runs: Runs) -> None:
    source = LIMITER + "    def fail(self):\n        return 1 / 0\n"
    calls: list[list[Any]] = [["new", 1], ["fail"]]
    outcome = (await _calls(runs, source, calls)).outcome
    assert outcome.error is not None
    assert outcome.error.type == "ZeroDivisionError"
    assert outcome.error.line == len(source.splitlines())
    assert outcome.error.traceback == (
        "Traceback (most recent call last):\n"
        f'  File "main.py", line {outcome.error.line}, in fail\n'
        "    return 1 / 0\n"
        "           ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
        "in call 2, `fail`"
    )


async def test_an_exception_in_a_constructor_is_told_by_its_class(runs: Runs) -> None:
    refusing = "class Limiter:\n    def __init__(self, most): raise KeyError(most)\n"
    error = (await _calls(runs, refusing, [["new", 1]])).outcome.error
    assert error is not None
    assert (error.type, error.message) == ("KeyError", "1\nin call 1, `Limiter`")
