"""Kernels for grading: a cold one is a new process, a warm one is forked from a process that has imported everything.

Both talk over ipc sockets in a folder of their own, start in an empty home, see nothing of the grader's environment,
and run one thread, so that the reference and a submission do the same arithmetic.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from nbval.kernel import RunningKernel

from grader.course import ROOT

MEMORY = 4 * 2**30  # bytes of address space: torch wants 800 MiB to import
CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")


def environment(home):
    """All that a kernel gets to see of the environment."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {
        **threads,
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "IPYTHONDIR": str(Path(home) / ".ipython"),
        "MPLCONFIGDIR": str(Path(home) / ".matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "COURSE_BUDGET": "cpu",
        "COURSE_DEVICE": "cpu",
    }


def arguments(connection):
    return ["-f", str(connection), "--HistoryManager.hist_file=:memory:", "--log-level=CRITICAL"]


class Process:
    """A kernel's process by its pid: alive or not, whoever its parent is."""

    def __init__(self, pid):
        self.pid = pid
        try:
            self.fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.fd = None

    def alive(self):
        return self.fd is not None and not select.select([self.fd], [], [], 0)[0]

    def kill(self):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.fd is not None:
            select.select([self.fd], [], [], 5)
            os.close(self.fd)
            self.fd = None


class ColdProcess:
    """A kernel's process that is our child."""

    def __init__(self, connection, home):
        self.child = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", *arguments(connection)],
            cwd=home,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=limit if os.name == "posix" else None,
        )

    def alive(self):
        return self.child.poll() is None

    def kill(self):
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        self.child.kill()
        self.child.wait()


def limit():
    """Memory, core files and file size of a kernel, where the platform has limits."""
    import resource

    with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))


class CourseKernel(RunningKernel):
    """nbval's kernel, with a process that we start and can kill. folder: where its cells run, its home."""

    def __init__(self, launch, folder):
        short = len(tempfile.gettempdir()) < 80 or os.name != "posix"  # a socket's path has at most 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="k-", dir=None if short else "/tmp"))
        connection = self.folder / "c.json"
        transport = "ipc" if os.name == "posix" else "tcp"
        ip = str(self.folder / "s") if transport == "ipc" else "127.0.0.1"
        write_connection_file(str(connection), transport=transport, ip=ip)
        home = self.folder / "home"
        home.mkdir()
        self.process = launch(connection, home)
        self.kc = BlockingKernelClient(connection_file=str(connection))
        self.kc.load_connection_file()
        self.kc.start_channels()
        try:
            self._wait(60)
        except BaseException:
            self.stop()
            raise

    def _wait(self, timeout):
        """Until the kernel answers on shell and its output channel is up; RuntimeError if it dies or stays silent."""
        from queue import Empty

        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            msg_id = self.kc.kernel_info()
            with contextlib.suppress(Empty):
                while True:
                    message = self.kc.get_iopub_msg(timeout=0.3)
                    if message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == "status":
                        return
            if not self.is_alive():
                raise RuntimeError("the kernel died while it started")
        raise RuntimeError(f"the kernel did not answer within {timeout} seconds")

    def is_alive(self):
        return self.process.alive()

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.kill()
        self.kc.stop_channels()
        shutil.rmtree(self.folder, ignore_errors=True)


class Kernels:
    """Starts kernels of one kind, "warm" or "cold"; a context manager that leaves no process behind."""

    def __init__(self, kind=None):
        kind = kind or ("warm" if CAN_FORK else "cold")
        if kind not in ("warm", "cold") or (kind == "warm" and not CAN_FORK):
            raise ValueError(f"kernels are 'cold' or, on Linux, 'warm'; got {kind!r}")
        self.kind, self.nursery = kind, None
        if kind == "warm":
            self._open_nursery()

    def _open_nursery(self):
        self.home = tempfile.mkdtemp(prefix="n-")
        self.nursery = subprocess.Popen(
            [sys.executable, "-m", "grader.nursery"],
            env=environment(self.home),
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, folder):
        return CourseKernel(self._fork if self.kind == "warm" else ColdProcess, folder)

    def _fork(self, connection, home):
        request = {"arguments": arguments(connection), "environment": environment(home), "home": str(home)}
        self.nursery.stdin.write(json.dumps(request) + "\n")
        self.nursery.stdin.flush()
        answer = self.nursery.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that kernels are forked from has ended ({self.nursery.wait()})")
        return Process(json.loads(answer)["pid"])

    def close(self):
        if self.nursery is not None:
            self.nursery.stdin.close()
            self.nursery.wait(10)
            self.nursery.stdout.close()
            shutil.rmtree(self.home, ignore_errors=True)
            self.nursery = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
