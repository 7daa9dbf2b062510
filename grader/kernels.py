"""Kernels for grading: a cold one is a new process, a warm one is forked from a process that has imported everything.

    with Kernels() as kernels:
        kernel = kernels.start()

Both run in the sandbox (grader/sandbox.py around them, grader/harden.py within), talk over ipc sockets in a folder of
their own, see nothing of the grader's environment, and run one thread, so that the reference and a submission do the
same arithmetic. Their folders, sockets and processes end with them: nothing of a kernel is on this machine's disk.
"""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zmq
from jupyter_client import BlockingKernelClient
from nbval.kernel import RunningKernel

from grader import harden, sandbox
from grader.course import ROOT, CourseError

CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
MAX_MESSAGE = 8_000_000  # bytes; the connection to a kernel that sends a longer one is closed
START = 60  # seconds that a process may take until it answers


def environment(home, *, gpu=False):
    """All that a kernel gets to see of the environment."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {
        **threads,
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "USER": "student",
        "HOME": str(home),
        "TMPDIR": str(home),
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "MPLBACKEND": "agg",  # figures are made and not drawn: nobody looks at them here
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(ROOT), str(sandbox.CODE)])),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "COURSE_BUDGET": "cpu",
        "COURSE_DEVICE": "cuda" if gpu else "cpu",
    }


def arguments(connection_file):
    """Of a kernel that keeps no history, and spends no time on tracebacks that nobody reads."""
    quiet = ["--HistoryManager.enabled=False", "--InteractiveShell.xmode=Minimal", "--log-level=CRITICAL"]
    return ["-f", str(connection_file), *quiet]


class Process:
    """A kernel's process by a handle (pidfd) on it: alive or not, whoever its parent is, whatever it calls itself."""

    def __init__(self, handle):
        self.handle = handle
        facts = Path(f"/proc/self/fdinfo/{handle}").read_text().split()
        self.pid = int(facts[facts.index("Pid:") + 1])  # as this process sees it

    def alive(self):
        return self.handle is not None and not self.ends(0)

    def ends(self, timeout):
        """Has it ended, or does it within `timeout` seconds?"""
        return bool(select.select([self.handle], [], [], timeout)[0])

    def memory(self, enough):
        """Bytes of memory that are this kernel's own, with all processes that it started.

        enough: up to here a bound from above will do, which counts pages that processes share once for each.
        """
        most = self._fields("status", ("RssAnon", "RssShmem"))
        return most if most <= enough else self._fields("smaps_rollup", ("Pss_Anon", "Pss_Shmem"))

    def _fields(self, name, fields):
        """The sum of fields given in kB over the kernel's processes, in bytes."""
        total = 0
        for path in Path(f"/proc/{self.pid}/root/proc").glob(f"[0-9]*/{name}"):
            with contextlib.suppress(OSError):
                lines = path.read_text(errors="replace").splitlines()  # a process may call itself what is no UTF-8
                total += 1024 * sum(int(line.split()[1]) for line in lines if line.split(":")[0] in fields)
        return total

    def kill(self):
        if self.handle is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        self.ends(10)
        os.close(self.handle)
        self.handle = None


class GroupProcess(Process):
    """The process of a kernel that runs outside a sandbox, with what it started in its process group."""

    def memory(self, enough):
        return 0  # its processes can't be told from others: the limit of each process has to do

    def kill(self):
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        super().kill()


class ChildProcess:
    """The process of a kernel where the platform knows no handles: our child."""

    def __init__(self, connection_file, home):
        self.child = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", *arguments(connection_file)],
            cwd=home,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=harden.limit if os.name == "posix" else None,
        )

    def alive(self):
        return self.child.poll() is None

    def ends(self, timeout):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout)
        return not self.alive()

    def memory(self, enough):
        return 0

    def kill(self):
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        self.child.kill()
        self.child.wait()


class Nursery:
    """The process that kernels are forked from, see grader/nursery.py. layers: what isolates them, besides the sandbox.

    RuntimeError with what the process said where it does not come up.
    """

    def __init__(self, kind, *, sandboxed, gpu=False):
        self.sandboxed, self.gpu = sandboxed, gpu
        self.home = tempfile.mkdtemp(prefix="nursery-") if not sandboxed else None
        command = [sys.executable, "-m", "grader.nursery", kind, "sandboxed" if sandboxed else "open"]
        self.lead, theirs = socket.socketpair()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self.process = subprocess.Popen(
            sandbox.command(command, gpu=gpu) if sandboxed else command,
            env=environment(self.home or harden.HOME, gpu=gpu),
            cwd=self.home or "/",
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=self.errors,
        )
        theirs.close()
        self.lead.settimeout(START)
        try:
            self.layers = json.loads(self._line())["layers"]
        except BaseException:
            self.close()
            raise

    def _line(self):
        text = b""
        while not text.endswith(b"\n"):
            try:
                part = self.lead.recv(4096)
            except TimeoutError:
                part = b""
            if not part:
                raise RuntimeError(self._why())
            text += part
        return text

    def _why(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        self.errors.seek(0)
        told = self.errors.read(20_000).decode(errors="replace").strip()
        return told.splitlines()[-1][:500] if told else f"no answer, exit status {self.process.poll()}"

    def start(self, connection, connection_file, home):
        """Fork a kernel. Returns its Process."""
        request = {
            "connection": connection,
            "connection_file": str(connection_file),
            "home": str(home),
            "arguments": arguments(connection_file),
            "environment": environment(home, gpu=self.gpu),
            "gpu": self.gpu,
        }
        self.lead.sendall(json.dumps(request).encode() + b"\n")
        told, handles, *_ = socket.recv_fds(self.lead, 1, 1)
        if not handles:
            raise RuntimeError(f"no kernel could be started: {self._why() if not told else 'it ended at once'}")
        return Process(handles[0]) if self.sandboxed else GroupProcess(handles[0])

    def close(self):
        self.lead.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()
        if self.home:
            shutil.rmtree(self.home, ignore_errors=True)


class CourseKernel(RunningKernel):
    """nbval's kernel, with a process that we start and can kill.

    close: what to call when it has ended. look: when to look at its memory again, on the monotonic clock.
    """

    def __init__(self, process, connection, close):
        self.process, self.close, self.look = process, close, 0.0
        self.kc = BlockingKernelClient(context=zmq.Context())  # of its own: what a kernel sent ends with it
        for option, value in (
            (zmq.MAXMSGSIZE, MAX_MESSAGE),
            (zmq.RCVHWM, 200),
            (zmq.LINGER, 0),
            (zmq.RECONNECT_IVL, 5),
        ):
            self.kc.context.setsockopt(option, value)
        self.kc.load_connection_info(connection)
        self.kc.start_channels(stdin=False, hb=False, control=False)
        self.monitor = self.kc.iopub_channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        try:
            self._wait(START)
        except BaseException:
            self.stop()
            raise

    def _wait(self, timeout):
        """Until the kernel answers on shell and its output channel is up; RuntimeError if it dies or stays silent."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            msg_id, message = self.kc.kernel_info(), {}
            while message is not None:
                message, _ = self.receive(0.3)
                if message and message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == "status":
                    return
            if not self.is_alive():
                raise RuntimeError("the kernel died while it started")
        raise RuntimeError(f"the kernel did not answer within {timeout} seconds")

    def is_alive(self):
        return self.process.alive()

    def receive(self, timeout):
        """The next message on the output channel and its length in bytes; (None, 0) after `timeout` seconds without.

        What is not signed, or no message at all, comes as one without content: the student's process can send anything.
        """
        channel = self.kc.iopub_channel.socket
        if not channel.poll(1000 * timeout):
            return None, 0
        frames = channel.recv_multipart()
        try:
            session = self.kc.session
            message = session.deserialize(session.feed_identities(frames)[1])
            facts = {name: message[name] for name in ("parent_header", "msg_type", "content")}
        except Exception:
            facts = {}
        if not isinstance(facts.get("parent_header"), dict) or not isinstance(facts.get("content"), dict):
            facts = {"parent_header": {}, "msg_type": "", "content": {}}
        return facts, sum(map(len, frames))

    def hangs_up(self):
        """Has a living kernel's connection been closed? So ZeroMQ answers a message longer than MAX_MESSAGE."""
        return bool(self.monitor.poll(0)) and not self.process.ends(1)

    def memory(self, enough):
        return self.process.memory(enough)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.kill()
        self.kc.iopub_channel.socket.disable_monitor()
        self.kc.stop_channels()
        self.kc.context.destroy(linger=0)
        self.close()


class Kernels:
    """Starts kernels; a context manager that leaves no process and no file behind.

    kind: "warm", "cold", or None for the faster one that is to be had. sandboxed: False runs them with the rights of
    who calls. gpu: cold ones that see this machine's NVIDIA devices. tier: what isolates them, by name.
    CourseError where no sandbox, or no such device, is to be had.
    """

    def __init__(self, kind=None, *, sandboxed=True, gpu=False):
        if kind not in (None, "warm", "cold"):
            raise ValueError(f"kernels are 'warm' or 'cold', got {kind!r}")
        if gpu and not sandbox.devices():
            raise CourseError("--gpu: there is no /dev/nvidia* on this machine")
        if gpu and kind == "warm":
            raise CourseError("--gpu needs cold kernels: CUDA does not survive a fork")
        self.sandboxed, self.gpu, self.nursery = sandboxed, gpu, None
        if sandboxed and (why := sandbox.missing()):
            raise sandbox.refusal(why)
        self.kind = kind or ("warm" if CAN_FORK and not gpu else "cold")
        self.tier = "none"
        if sandboxed or self.kind == "warm":
            self._open()

    def _open(self):
        try:
            self.nursery = Nursery(self.kind, sandboxed=self.sandboxed, gpu=self.gpu)
        except RuntimeError as error:
            raise sandbox.refusal(sandbox.explain(str(error))) from None
        layers = self.nursery.layers
        if self.sandboxed:
            self.tier = "+".join(["bwrap", *layers])
        if self.sandboxed and self.kind == "warm" and "userns" not in layers:  # kernels would see one another
            self.close()
            self.kind = "cold"
            self._open()

    def start(self):
        """A kernel that is ready to execute cells."""
        connection = {"transport": "ipc", "signature_scheme": "hmac-sha256", "key": secrets.token_hex(16)}
        connection |= {f"{channel}_port": n for n, channel in enumerate(CHANNELS, 1)}
        return self._inside(connection) if self.sandboxed else self._outside(connection)

    def _inside(self, connection):
        nursery = self.nursery or Nursery("cold", sandboxed=True, gpu=self.gpu)
        if self.kind == "cold":
            self.nursery = None
        close = nursery.close if self.kind == "cold" else lambda: None
        inside = {**connection, "ip": f"{harden.SOCKETS}/s"}
        try:
            process = nursery.start(inside, f"{harden.SOCKETS}/c.json", harden.HOME)
        except BaseException:
            close()
            raise
        return CourseKernel(process, {**connection, "ip": f"/proc/{process.pid}/root{harden.SOCKETS}/s"}, close)

    def _outside(self, connection):
        short = len(tempfile.gettempdir()) < 80 or os.name != "posix"  # a socket's path has at most 107 bytes
        folder = Path(tempfile.mkdtemp(prefix="k-", dir=None if short else "/tmp"))
        home = folder / "home"
        home.mkdir()
        connection["ip"] = str(folder / "s")
        if os.name != "posix":
            connection |= {"transport": "tcp", "ip": "127.0.0.1", **_free_ports()}
        if self.nursery:
            process = self.nursery.start(connection, folder / "c.json", home)
        else:
            (folder / "c.json").write_text(json.dumps(connection))
            process = ChildProcess(folder / "c.json", home)
        return CourseKernel(process, connection, lambda: shutil.rmtree(folder, ignore_errors=True))

    def close(self):
        if self.nursery is not None:
            self.nursery.close()
            self.nursery = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _free_ports():
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in CHANNELS]
        return {f"{channel}_port": s.getsockname()[1] for channel, s in zip(CHANNELS, held, strict=True)}
