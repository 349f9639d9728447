"""What programs may import, in real containers under their usual limits, from both images."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.container import EngineSettings
from sandbox.contract import (
    MIB,
    Ended,
    ImageMissingError,
    ImageName,
    Limits,
    Mode,
    Outcome,
    Output,
    Submission,
    TestInput,
)
from sandbox.pool import Pool
from tests.sandbox.running import Runs

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "sandbox" / "image"
SLOW_IMPORT = Limits(time_s=20.0)
LINALG = """
import numpy
table = numpy.arange(160_000.0).reshape(400, 400)
print(numpy.__version__, int((table @ numpy.ones((400, 400)))[0, 0]), table.sum())
print(numpy.linalg.solve(numpy.array([[2.0, 0.0], [0.0, 4.0]]), numpy.array([2.0, 8.0])))
"""
OWN_TESTS = """
import linecache, pytest
def double(n): return n + n
def test_double(): assert double(2) == 4
def test_triple(tmp_path, capsys): assert double(3) == 9
if __name__ == "__main__":
    with open(__file__, "w") as file:
        file.writelines(linecache.getlines(__file__))
    raise SystemExit(pytest.main(["-q", __file__]))
"""


def pinned(name: str) -> dict[str, str]:
    """Package to version, of one of the lists."""
    return dict(re.findall(r"(?m)^([\w-]+)==(\S+)", (IMAGE / name).read_text()))


def wanted(name: str) -> list[str]:
    """The packages that a list is made for."""
    return re.findall(r"(?m)^[\w-]+", (IMAGE / name).read_text())


def submission(source: str, image: ImageName = "", limits: Limits = SLOW_IMPORT) -> Submission:
    return Submission(source, Mode.PROGRAM, (TestInput("only"),), limits, image=image)


@pytest.fixture
async def without_data() -> AsyncIterator[Pool]:
    """A pool on an engine where the larger image was never built."""
    settings = EngineSettings(data_image="viva-sandbox-data:never-built")
    async with Pool(settings, size=1, warm=1) as pool:
        yield pool


async def test_numpy_computes_in_one_thread(runs: Runs) -> None:
    threads = "print(*(line for line in open('/proc/self/status') if line.startswith('Threads')))"
    record = await runs.program(LINALG + threads, limits=SLOW_IMPORT)
    assert record.outcome.ended is Ended.EXITED, record
    version = pinned("packages.txt")["numpy"]
    expected = [f"{version} 79800 12799920000.0", "[1. 2.]", "Threads:\t1"]
    assert record.text().splitlines()[:3] == expected


@pytest.mark.parametrize(
    "bomb",
    ["numpy.ones(10**9)", "[numpy.ones(10**6) for _ in range(10**4)]"],
    ids=["at once", "piece by piece"],
)
async def test_a_memory_bomb_of_arrays_is_a_memory_limit(runs: Runs, bomb: str) -> None:
    outcome = (await runs.program(f"import numpy\n{bomb}", limits=SLOW_IMPORT)).outcome
    assert outcome.ended is Ended.MEMORY_LIMIT
    assert outcome.error is not None
    assert outcome.error.type == "MemoryError"


async def test_arrays_up_to_the_limit_are_no_memory_limit(runs: Runs) -> None:
    source = "import numpy\nprint(int(numpy.ones(25 * 10**6).sum()))"  # 191 MiB of 256
    record = await runs.program(source, limits=SLOW_IMPORT)
    assert (record.outcome.ended, record.text()) == (Ended.EXITED, "25000000\n")
    assert record.outcome.memory_bytes > 190 * MIB


async def test_a_sorted_list_dict_and_set_are_there(runs: Runs) -> None:
    setup = "from sortedcontainers import SortedDict, SortedList, SortedSet"
    expression = "[list(SortedList([3, 1, 2])), list(SortedDict(b=1, a=2)), list(SortedSet('cab'))]"
    assert await runs.answer(expression, setup) == [[1, 2, 3], ["a", "b"], ["a", "b", "c"]]


async def test_pytest_runs_a_program_s_own_tests(runs: Runs) -> None:
    record = await runs.program(OWN_TESTS, limits=SLOW_IMPORT)
    assert record.outcome.exit_code == 1
    assert "assert 6 == 9" in record.text()
    assert "1 failed, 1 passed" in record.text()


async def test_a_program_s_own_interpreter_has_them_too(runs: Runs) -> None:
    setup = """
import subprocess, sys
command = [sys.executable, "-c", "import sortedcontainers; print(sortedcontainers.__version__)"]
found = subprocess.run(command, capture_output=True, text=True)
"""
    version = pinned("packages.txt")["sortedcontainers"]
    assert await runs.answer("found.stdout", setup) == f"{version}\n"


async def test_nothing_is_loaded_before_a_program_imports_it(runs: Runs) -> None:
    loaded = "sorted(name for name, module in sys.modules.items() if of_packages(module))"
    setup = """
import sys
def of_packages(module): return 'dist-packages' in (getattr(module, '__file__', None) or '')
"""
    assert await runs.answer(loaded, setup) == []
    assert "sortedcontainers" in await runs.answer(loaded, setup + "import sortedcontainers")


async def test_the_standard_library_goes_first(runs: Runs) -> None:
    found = await runs.answer("sys.path", "import sys")
    assert found[-1] == "/usr/local/lib/python3.13/dist-packages"
    assert all(place.startswith("/usr/lib/") for place in found[:-1])


async def test_there_is_nothing_to_install_or_compile_with(runs: Runs) -> None:
    setup = """
import importlib.util, shutil
modules = [n for n in ('pip', 'setuptools', 'wheel', 'ensurepip') if importlib.util.find_spec(n)]
commands = [n for n in ('pip', 'pip3', 'gcc', 'cc', 'ld', 'curl', 'wget') if shutil.which(n)]
"""
    assert await runs.answer("[modules, commands]", setup) == [[], []]


async def test_the_larger_image_has_its_packages_and_the_usual_ones(runs: Runs) -> None:
    both = pinned("packages.txt") | pinned("packages-data.txt")
    names = [*wanted("packages.in"), *wanted("packages-data.in")]
    source = f"""
import importlib
for name in {names}: print(name, importlib.import_module(name).__version__)
import networkx, pandas
frame = pandas.DataFrame({{"shop": ["a", "b", "a"], "sold": [1, 2, 4]}})
print(frame.groupby("shop")["sold"].sum().to_dict())
print(networkx.shortest_path(networkx.path_graph(4), 0, 3))
"""
    record = await runs.submit(submission(source, "data"))
    assert record.outcome.ended is Ended.EXITED, record
    assert record.text().splitlines() == [
        *(f"{name} {both[name]}" for name in names),
        "{'a': 5, 'b': 2}",
        "[0, 1, 2, 3]",
    ]


async def test_the_usual_image_has_nothing_of_the_larger_one(runs: Runs) -> None:
    record = await runs.submit(submission("import pandas"))
    assert record.outcome.error is not None
    assert record.outcome.error.message == "No module named 'pandas'"


async def test_a_container_that_is_replaced_is_of_the_same_image(pool: Pool) -> None:
    """The first test's container is ended from here, and the second one gets another."""
    tests = (TestInput("0"), TestInput("1"))
    source = "import networkx\nprint(networkx.__version__)"
    printed = ""
    names = set()
    async with pool.run(Submission(source, Mode.PROGRAM, tests, SLOW_IMPORT, image="data")) as run:
        async for event in run:
            if isinstance(event, Output):
                printed += event.text
            elif isinstance(event, Outcome):
                names.add(run.container_name)
                run.leave()
    assert printed == f"{pinned('packages-data.txt')['networkx']}\n" * 2
    assert len(names) == 2


async def test_a_missing_image_is_told_with_its_cure_for_that_run_alone(
    without_data: Pool,
) -> None:
    cure = r"viva-sandbox-data:never-built is not there; .*sandbox/image/build\.sh data$"
    with pytest.raises(ImageMissingError, match=cure):
        async with without_data.run(submission("print('hi')", "data")):
            raise AssertionError("never reached")
    assert without_data.available, without_data.why_unavailable
    record = await Runs(without_data).submit(submission("print('hi')"))
    assert record.text() == "hi\n"


def test_no_package_is_pinned_in_both_lists() -> None:
    assert not set(pinned("packages.txt")) & set(pinned("packages-data.txt"))


def test_every_package_is_pinned_and_told_to_authors_and_candidates() -> None:
    told = (ROOT / "docs" / "sandbox.md").read_text("utf-8")
    page = (ROOT / "web" / "src" / "results.ts").read_text("utf-8")
    for name in wanted("packages.in"):
        assert f"{name} {pinned('packages.txt')[name]}" in told
        assert name in page
    for name in wanted("packages-data.in"):
        assert f"{name} {pinned('packages-data.txt')[name]}" in told
