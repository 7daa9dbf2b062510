"""`python -m grader.nursery KIND`: forks a kernel for each request that comes through the socket on its input.

KIND warm: imports first what a kernel needs; cold: imports nothing, so that a kernel may use CUDA. A fork copies memory
but only one thread, so nothing here may start a second one: import only, compute nothing. What is in this process every
kernel can read: no seed, no solution, no expected value ever comes here.
"""

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys

from grader import harden

WARM = [
    "numpy",
    "torch",
    "torch.nn.functional",
    "torch._dynamo",  # what the first optimiser of a process imports: two seconds
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib_inline.backend_inline",
    "PIL.PngImagePlugin",
    "einops",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "IPython.core.completer",
    "jedi",
    "sqlite3",
    "utils.checks",
]


def serve(kind, sandboxed):
    """Answer "ready" with the layers that this system has, then every request with a handle (pidfd) on its kernel."""
    lead = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    for name in WARM if kind == "warm" else ():
        try:
            importlib.import_module(name)
        except ImportError:  # one kernel imports it later, or does without
            continue
    if os.path.isdir("/proc/self/task") and len(os.listdir("/proc/self/task")) > 1:
        raise SystemExit("an import started a thread: a kernel forked from here would hang")
    layers = probe() if sandboxed else []
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries our children
    gc.collect()
    gc.freeze()
    with lead.makefile("r") as requests:
        lead.sendall(json.dumps({"layers": layers}).encode() + b"\n")
        for line in requests:
            request = json.loads(line)
            child = os.fork()
            if child == 0:
                with ending(1):
                    if "userns" in layers:
                        bear(request, lead)
                    else:
                        harden.die_with_parent()
                        become_kernel(request, sandboxed)
            elif "userns" not in layers:
                hand_over(lead, child)


def hand_over(lead, child):
    """Send the lead a handle on a child of this process; a dead child is told as such."""
    try:
        socket.send_fds(lead, [b"."], [os.pidfd_open(child)])
    except ProcessLookupError:
        lead.sendall(b"!")


@contextlib.contextmanager
def ending(status):
    """This process ends here, whatever happens inside; exceptions are shown on stderr."""
    try:
        yield
        status = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(status)


def probe():
    """Which layers work here, tried on children: ["userns", "landlock", "seccomp"], or less."""
    return _tried(nested=True) or _tried(nested=False)


def _tried(*, nested):
    read, write = os.pipe()
    if os.fork() == 0:
        with ending(1):
            if nested:
                harden.own_namespaces()
            if os.fork() == 0:
                with ending(1):
                    if nested:
                        harden.private_folders()
                    os.write(write, json.dumps(["userns"] * nested + harden.restrict()).encode())
    os.close(write)
    with open(read, "rb") as answer:
        return json.loads(answer.read() or b"[]")


def bear(request, lead):
    """In a child of the warm process: a kernel in namespaces of its own, whose handle goes to the lead."""
    os.setsid()
    try:
        harden.own_namespaces()
        child = os.fork()
    except OSError:
        lead.sendall(b"!")
        raise
    if child:  # init of the new PID namespace: when it ends, all that runs there ends
        return hand_over(lead, child)
    lead.close()
    with ending(1):
        harden.private_folders()
        kernel = os.fork()
        if kernel == 0:
            with ending(1):
                become_kernel(request, True)
        harden.no_rights()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        while os.wait()[0] != kernel:  # buries what the student's processes leave behind
            continue


def become_kernel(request, sandboxed):
    """Leave the warm process behind and run a kernel until it is killed."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.closerange(3, harden.FILES)
    os.environ.clear()
    os.environ.update(request["environment"])
    for folder in (request["home"], os.path.dirname(request["connection_file"])):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(request["connection_file"], "w") as file:
        json.dump(request["connection"], file)
    os.chdir(request["home"])
    sys.argv = ["kernel"]
    sys.path[:] = [entry for entry in sys.path if entry]
    sys.modules.pop("__main__", None)
    if sandboxed:
        harden.restrict(gpu=request["gpu"])
    else:
        harden.limit(gpu=request["gpu"])
    from ipykernel.kernelapp import IPKernelApp

    random.seed()
    for name in {"numpy.random", "torch"} & set(sys.modules):
        sys.modules[name].seed()
    IPKernelApp.launch_instance(argv=request["arguments"])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2] == "sandboxed")
