"""Runs an assembled notebook with nbval, and reads what its checks published.

    results = run_notebook(notebook, kernels=Kernels(), limits=Limits(timeout=60), expected=reference)

The items are nbval's own, with three things put in their place: a kernel of our making (forced spec, forced folder,
empty home), a message loop that notices a death, a flood and the end of time, and a comparison to tolerance that
happens here, outside the student's process. Only the JSON of one MIME type crosses the boundary.
"""

import contextlib
import io
import math
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from grader.compare import published, score
from grader.harden import MEMORY
from grader.kernels import Kernels

LOOK = 0.25  # seconds between two looks at a kernel's memory
MAX_MESSAGE = 500
# Parts of pytest that a notebook has no use for. Two of them collect garbage, which takes as long as all the rest.
IDLE = (
    *("python", "debugging", "unittest", "monkeypatch", "recwarn", "pastebin", "assertion"),
    *("junitxml", "doctest", "cacheprovider", "setuponly", "setupplan", "stepwise", "unraisableexception"),
    *("threadexception", "warnings", "logging", "faulthandler", "subtests"),
)
MAX_HELD = 300_000_000  # bytes that the grader's own process may grow by during a cell


@dataclass(frozen=True)
class Limits:
    """Per cell: seconds, bytes and messages of output, bytes of memory. At the first one broken the kernel is killed.

    submission: seconds that all runs of one submission may take together.
    """

    timeout: float = 60.0
    output_bytes: int = 5_000_000
    messages: int = 2_000
    memory: int = MEMORY
    submission: float = 900.0


@dataclass
class CellResult:
    """One executed cell. outcome: ok, error, timeout, died, memory, flood, or not_reached."""

    index: int
    outcome: str
    error: str = ""
    values: dict = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def broke(self):
        """Did the cell take its kernel with it?"""
        return self.outcome in ("timeout", "died", "memory", "flood")


class CourseFile(IPyNbFile):
    """An assembled notebook; its cells share one kernel."""

    def setup(self):
        plugin = self.config.pluginmanager.get_plugin("course-grader")
        self.broken = False
        self.kernel = plugin.kernels.start()

    def collect(self):
        self.nb = nbformat.read(self.path, as_version=4)
        for index, cell in enumerate(self.nb.cells):
            options = {"skip": False, "check": True, "check_exception": False}  # never what a submission's tags say
            yield CourseCell.from_parent(self, name=f"cell {index}", cell_num=index, cell=cell, options=options)

    def teardown(self):
        if self.kernel is not None:
            self.kernel.stop()


class CourseCell(IPyNbCell):
    """A cell: executed within limits, and compared by value where it is a check."""

    def setup(self):
        if self.parent.broken:
            pytest.skip("the kernel is gone")

    def runtest(self):
        plugin = self.config.pluginmanager.get_plugin("course-grader")
        plugin.running(self.cell.metadata.get("grade", {}))
        result = watch(self.parent.kernel, self.cell.source, plugin.limits, plugin.until)
        result.index = self.cell_num
        self.parent.broken = result.broke
        self.user_properties.append(("course", vars(result)))  # not asdict, which fails on deeply nested values
        if result.outcome != "ok":
            self.raise_cell_error(f"{result.outcome} {result.error}".strip())
        check = self.cell.metadata.get("grade", {}).get("check")
        if plugin.expected and check and not self.compare_outputs(result.values, plugin.expected[check]["values"]):
            self.raise_cell_error("published values differ from the solution's")

    def compare_outputs(self, test, ref, skip_compare=None):
        return score(test, ref)[0] == 1

    def repr_failure(self, excinfo):
        return str(excinfo.value)


class Grader:
    """The pytest plugin: collects notebooks as ours, and gathers what their cells did."""

    def __init__(self, kernels, limits, expected, until, running):
        self.kernels, self.limits, self.expected, self.until = kernels, limits, expected, until
        self.running = running
        self.results = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path, parent):
        return CourseFile.from_parent(parent, path=file_path) if file_path.suffix == ".ipynb" else None

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            if name == "course" and report.when == "call":
                self.results[value["index"]] = CellResult(**value)


def watch(kernel, source, limits, until=math.inf):
    """Execute `source` and follow its output until the kernel is idle, or dead, or over a limit.

    until: on the monotonic clock, when the submission's time is up.
    """
    start, held = time.monotonic(), _held()
    outputs, size, count, error = [], 0, 0, ""
    outcome = "ok" if kernel.is_alive() else "died"
    msg_id = kernel.execute_cell_input(source, allow_stdin=False) if outcome == "ok" else None
    while outcome in ("ok", "error"):
        now = time.monotonic()
        if now > min(start + limits.timeout, until):
            outcome = "timeout"
            break
        if now >= kernel.look:  # over all its cells: a short one may have taken much
            kernel.look = now + LOOK
            if kernel.memory(limits.memory) > limits.memory:
                outcome = "memory"
                break
            if _held() > held + MAX_HELD:  # ZeroMQ keeps the parts of a message, without a bound, until its last one
                outcome = "flood"
                break
        message, length = kernel.receive(0.25)
        if message is None:
            if not kernel.is_alive():
                outcome = "died"
            elif kernel.hangs_up():
                outcome = "flood"
            continue
        count, size = count + 1, size + length
        if count > limits.messages or size > limits.output_bytes:
            outcome = "flood"
            break
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content.get("execution_state") == "idle":
            break
        if kind in ("display_data", "execute_result"):
            outputs.append({"data": content.get("data")})
        elif kind == "error":
            outcome, error = "error", _error(content)
            if content.get("ename") in ("MemoryError", "OutOfMemoryError"):
                outcome = "memory"
    if outcome not in ("ok", "error"):
        kernel.kill()
    return CellResult(-1, outcome, error, published(outputs), round(time.monotonic() - start, 3))


def _held():
    """Bytes of memory that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _error(content):
    """The error's name and message: plain text, one short paragraph; what is no text is left out."""
    text = ": ".join(part if isinstance(part := content.get(name), str) else "" for name in ("ename", "evalue"))
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]", "", text)[:MAX_MESSAGE]


def run_notebook(notebook, *, kernels: Kernels, limits, expected=None, until=math.inf, running=lambda facts: None):
    """Execute an assembled notebook in a kernel of its own, until `until`. Returns a CellResult a cell, in order.

    running: is told of each cell before it runs, by its metadata's "grade": its task, its check, or neither.
    """
    plugin = Grader(kernels, limits, expected, until, running)
    options = ["-p", "nbval.plugin", "--noconftest", "-q", "-s", "--color=no", "--tb=no", "-c", "/dev/null"]
    options += [part for idle in IDLE for part in ("-p", f"no:{idle}")]
    with tempfile.TemporaryDirectory(prefix="grade-") as folder:
        path = Path(folder) / "submission.ipynb"
        nbformat.write(notebook, path)
        log = io.StringIO()
        alone = mock.patch.dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
        with alone, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            status = pytest.main(
                [*options, f"--rootdir={folder}", f"--confcutdir={folder}", str(path)], plugins=[_Named(plugin)]
            )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest ended with {status!r}:\n{log.getvalue()[-3000:]}")
    if notebook.cells and not plugin.results:
        raise RuntimeError(f"no cell was executed:\n{log.getvalue()[-3000:]}")
    return [plugin.results.get(n, CellResult(n, "not_reached")) for n in range(len(notebook.cells))]


class _Named:
    """Registers the grader's plugin under its name."""

    def __init__(self, plugin):
        self.plugin = plugin

    def pytest_configure(self, config):
        config.pluginmanager.register(self.plugin, "course-grader")
