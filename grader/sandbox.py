"""The outer wall: a command line that runs a program inside bubblewrap, seeing Python, the course's `utils`, no more.

    argv = sandbox.command([sys.executable, "-m", "grader.nursery", "warm", "sandboxed"])

User, mount, PID, network, IPC and UTS namespaces of its own, user nobody, no capabilities, nothing writable but /tmp.
Started by root it first leaves root, for a user that exists nowhere else.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from grader.course import ROOT, CourseError
from grader.harden import DISK, PRIVATE

CODE = Path(__file__).resolve().parent.parent
ETC = ["ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime", "ssl/certs"]
SYSTEM = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", *(f"/etc/{name}" for name in ETC)]
STAGE = "/mnt"  # where root puts what nobody may not enter, in a mount namespace of its own
LEAVE_ROOT = (
    "import json, os, sys; sys.path.insert(0, sys.argv[1]); from grader.harden import as_user; "
    "as_user(**json.loads(sys.argv[2])); os.execv(sys.argv[3], sys.argv[3:])"
)


def missing():
    """Why there can be no sandbox on this machine, and how to get one; "" where it is worth a try."""
    if sys.platform != "linux":
        return "submissions are isolated on Linux only: grade there, in a virtual machine (on Windows: WSL 2)"
    if not hasattr(os, "pidfd_open"):
        return "this Python knows no pidfd_open, which needs Linux 5.3 or newer"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: apt install bubblewrap, dnf install bubblewrap, pacman -S bubblewrap"
    return ""


def refusal(why):
    """The error that `grade run` ends with where submissions would run with the rights of who grades."""
    return CourseError(
        f"submissions cannot be isolated here: {why}. --allow-unsandboxed grades all the same: "
        "then a submission's code runs as you, with your files and your network"
    )


def explain(told):
    """What to do about bubblewrap's own message `told`."""
    if any(word in told for word in ("uid map", "namespace", "Operation not permitted", "Permission denied")):
        return (
            f"bubblewrap says {told!r}. User namespaces seem to be forbidden: on Ubuntu 24.04, sudo sysctl "
            "kernel.apparmor_restrict_unprivileged_userns=0; on Debian 10, sudo sysctl "
            "kernel.unprivileged_userns_clone=1; in Docker, --security-opt seccomp=unconfined --security-opt "
            "apparmor=unconfined, or --privileged"
        )
    return f"bubblewrap says {told!r}"


def command(program, *, gpu=False):
    """The argument vector that runs `program` in the sandbox. gpu: with the NVIDIA devices of this machine."""
    visible = _visible()
    sources = [path for path, real in visible if real]
    options = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    options += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--chdir", "/"]
    staged = {}
    if os.getuid() == 0:
        staged = {source: f"{STAGE}/{n}" for n, source in enumerate(sources)}
    for path, real in visible:
        if not real:
            options += ["--tmpfs", path]
        elif os.path.islink(path):
            options += ["--symlink", os.readlink(path), path]
        else:
            options += ["--ro-bind", staged.get(path, path), path]
    options += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp", *_size(), "--tmpfs", PRIVATE]
    for path in ["/", *(path for path, real in visible if not real)]:
        options += ["--remount-ro", path]
    for device in devices() if gpu else ():
        options += ["--dev-bind", device, device]
    argv = [shutil.which("bwrap"), *options, "--", *map(str, program)]
    if os.getuid() == 0:
        user = 61184 + os.getpid() % 4000  # of the range that systemd draws its own one-time users from
        facts = json.dumps({"uid": user, "sources": sources, "folder": STAGE})
        argv = [sys.executable, "-S", "-c", LEAVE_ROOT, str(CODE), facts, *argv]
    return argv


@cache
def _size():
    """A bound for the next --tmpfs, from bubblewrap 0.7 on."""
    told = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout
    version = tuple(int(part) for part in told.split()[-1].split(".")[:2])
    return ["--size", str(DISK)] if version >= (0, 7) else []


def devices():
    return [str(path) for path in sorted(Path("/dev").glob("nvidia*"))]


def _visible():
    """[(path, True: shown read-only | False: an empty folder)], parents first: what lies in a hidden one is hidden."""
    course = {str(folder / "utils") for folder in {ROOT, CODE}}
    course |= {str(CODE / "grader" / name) for name in ("__init__.py", "nursery.py", "harden.py")}
    python = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    shown = {path for path in {*SYSTEM, *python, *course, "/sys/devices/system/cpu"} if os.path.lexists(path)}
    hidden = {str(ROOT), str(CODE)}
    return sorted([(path, True) for path in shown] + [(path, False) for path in hidden - shown])
