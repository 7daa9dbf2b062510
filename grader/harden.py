"""Inside the sandbox: takes from a process what a student's code must not have. Linux; the standard library only.

    own_namespaces(); ...; private_folders(); restrict()     # in a child of the warm process, before its kernel starts

Three layers that do not lean on one another: namespaces (it sees nobody else), Landlock (it writes only in its own
folders), seccomp (it cannot ask the system for what kernels of notebooks never need). See landlock(7), seccomp(2).
"""

import contextlib
import ctypes
import os
import socket
import struct

try:
    import fcntl
    import resource
except ImportError:  # Windows imports this module for its numbers; nothing in it is called there
    fcntl = resource = None

PRIVATE = "/kernel"  # the one folder that a kernel may write to, beside /tmp and /dev/shm
HOME = f"{PRIVATE}/home"  # where its cells run
SOCKETS = f"{PRIVATE}/sockets"  # its connection file and its sockets
MEMORY = 4 * 2**30  # bytes of address space a process, and of memory a kernel: torch wants 800 MiB to import
DISK = 256 * 2**20  # bytes of each folder that a kernel may write to, and of a file
PROCESSES = 128  # threads count
FILES = 1024
UID = 1000  # of every kernel in its own user namespace

_libc = ctypes.CDLL(None, use_errno=True) if resource else None

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_ANY_NAMESPACE = NEWNS | NEWIPC | NEWUSER | NEWPID | NEWNET | 0x02000000 | 0x04000000  # cgroup, uts
_BIND, _REC, _PRIVATE, _NOSUID, _NODEV, _NOEXEC = 0x1000, 0x4000, 1 << 18, 2, 4, 8


def _call(name, *arguments):
    """A function of the C library that returns -1 for failure; OSError then."""
    result = getattr(_libc, name)(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def _mount(source, target, kind, flags, data=""):
    texts = [text.encode() if text else None for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), data.encode())


def as_user(uid, sources, folder):
    """As root: be user `uid` for good, with each of `sources` bound to folder/0, folder/1, ... for this process alone.

    So that user reads what lies in folders that only root may enter, and nothing else there.
    """
    _call("unshare", NEWNS)
    _mount("none", "/", "", _REC | _PRIVATE)
    opened = [os.open(source, os.O_PATH) for source in sources]
    _mount("none", folder, "tmpfs", _NOSUID, "mode=755,size=1m")
    for n, fd in enumerate(opened):
        place = os.path.join(folder, str(n))
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT))
        _mount(f"/proc/self/fd/{fd}", place, "", _BIND | _REC)
        os.close(fd)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def die_with_parent():
    _call("prctl", 1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL


def own_namespaces():
    """New user, mount, IPC, network and, for the children, PID namespaces. One user only: UID, without rights outside.

    The network is each kernel's own: ports that were closed a minute ago and counters would tell the next one things.
    """
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", NEWUSER | NEWNS | NEWIPC | NEWPID | NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{UID} {uid} 1"), ("gid_map", f"{UID} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))  # SIOCSIFFLAGS: loopback is up


def private_folders():
    """In the new PID namespace: its own /proc, and empty folders of bounded size that end with it.

    /tmp is one of them unless the course itself lies there.
    """
    _mount("none", "/", "", _REC | _PRIVATE)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    for folder in (PRIVATE, "/dev/shm", *(() if os.listdir("/tmp") else ("/tmp",))):
        _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, f"mode=700,size={DISK},nr_inodes=20000")


def limit(*, gpu=False):
    """Memory, processes, files, file size and core files of a process, where the platform has limits.

    gpu: no limit on the address space, of which CUDA reserves more than any machine has memory.
    """
    limits = {"RLIMIT_AS": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_FSIZE": DISK, "RLIMIT_NOFILE": FILES}
    if gpu:
        del limits["RLIMIT_AS"]
    for name, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
            resource.setrlimit(getattr(resource, name), (most, most))


def restrict(*, gpu=False):
    """Rights, limits, Landlock, seccomp, for good. Returns the names of the layers that this system has."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # should the machine run out of memory, this process goes first
    no_rights()
    limit(gpu=gpu)
    if _processes_are_counted_by_namespace():
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
    return [name for name, layer in (("landlock", landlock), ("seccomp", seccomp)) if layer()]


def _processes_are_counted_by_namespace():
    """Before Linux 5.14 RLIMIT_NPROC counts all processes of the user who grades."""
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (5, 14)


def no_rights():
    """No capabilities, now or after an exec (no_new_privs)."""
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; fails past the last one, and without the right to
    header, data = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _call("capset", header, data)
    _call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def landlock():
    """Read everywhere (the sandbox shows little), write only to the private folders and harmless devices.

    No signal and no abstract socket leaves, from Linux 6.12 on. False where the kernel has no Landlock.
    """
    abi = _libc.syscall(444, None, 0, 1)
    if abi < 1:
        return False
    everything = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    scoped = 0b11 if abi >= 6 else 0
    attributes = struct.pack("QQQ", everything, 0, scoped)
    rules = _call("syscall", 444, attributes, 8 if abi < 4 else 16 if abi < 6 else 24, 0)
    read, write_file = 0b1101, 0b10 | everything & (1 << 14)  # execute, read files and folders; write, truncate
    no_links = everything & ~(1 << 12)  # the grader connects to SOCKETS: a link there would lead it to anybody's
    allowed = {"/": read, HOME: everything, SOCKETS: no_links, "/dev/shm": everything}
    if not os.listdir("/tmp"):
        allowed["/tmp"] = everything
    allowed |= dict.fromkeys(("/dev/null", "/dev/full", "/dev/random", "/dev/urandom"), write_file)
    nvidia = [f"/dev/{name}" for name in os.listdir("/dev") if name.startswith("nvidia")]  # there for GPU labs only
    allowed |= {path: everything if os.path.isdir(path) else 0b110 | everything & (1 << 15) for path in nvidia}
    for path, access in allowed.items():
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _call("syscall", 445, rules, 1, struct.pack("=Qi", access, fd), 0)
            os.close(fd)
    _call("syscall", 446, rules, 0)
    os.close(rules)
    return True


# What no notebook needs and a way out of a sandbox has begun with. x86-64 and AArch64 numbers, 0 where there is none.
_DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268), "unshare": (272, 97), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "open_tree": (428, 428),
    "move_mount": (429, 429), "mount_setattr": (442, 442), "bpf": (321, 280), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    "personality": (135, 92), "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "acct": (163, 89), "syslog": (103, 116),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, 0), "ioperm": (173, 0),
    "modify_ldt": (154, 0), "lookup_dcookie": (212, 18), "fanotify_init": (300, 262), "vhangup": (153, 58),
    "move_pages": (279, 239), "migrate_pages": (256, 238),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180),  # memory that no limit counts
}  # fmt: skip
_ARCHITECTURES = {  # audit, column, clone, socket, mmap
    "x86_64": (0xC000003E, 0, 56, 41, 9),
    "aarch64": (0xC00000B7, 1, 220, 198, 222),
}


def seccomp():
    """Deny the calls of _DENIED, new namespaces, odd kinds of sockets, and memory that is shared without a file.

    The latter stays when its pages are given back, and is then counted nowhere. False on other processors.
    """
    if os.uname().machine not in _ARCHITECTURES:
        return False
    audit, column, clone, new_socket, mmap = _ARCHITECTURES[os.uname().machine]
    load, equal, at_least, any_bit, mask, leave = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
    allow, kill, error = 0x7FFF0000, 0x80000000, 0x00050000
    program = [(load, 0, 0, 4), (equal, 1, 0, audit), (leave, 0, 0, kill), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, 0x40000000), (leave, 0, 0, error | 38)]  # the 32-bit calls of x86-64
    program += [(equal, 0, 1, 435), (leave, 0, 0, error | 38)]  # clone3 hides its flags; without it clone is called
    for numbers in _DENIED.values():
        if numbers[column]:
            program += [(equal, 0, 1, numbers[column]), (leave, 0, 0, error | 1)]
    program += [(equal, 0, 5, mmap), (load, 0, 0, 40), (mask, 0, 0, 0x21), (equal, 0, 1, 0x21)]  # SHARED and ANONYMOUS
    program += [(leave, 0, 0, error | 1), (leave, 0, 0, allow)]
    program += [(equal, 0, 4, clone), (load, 0, 0, 16), (any_bit, 0, 1, _ANY_NAMESPACE)]
    program += [(leave, 0, 0, error | 1), (leave, 0, 0, allow)]
    program += [(equal, 0, 8, new_socket), (load, 0, 0, 16)]
    program += [(equal, 6, 0, 1), (equal, 5, 0, 2), (equal, 4, 0, 10)]  # Unix, IPv4, IPv6
    program += [
        (equal, 0, 2, 16),
        (load, 0, 0, 32),
        (equal, 1, 0, 0),
    ]  # netlink to ask for network devices: ZeroMQ does
    program += [(leave, 0, 0, error | 97), (leave, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    filter = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
    _call("prctl", 38, 1, 0, 0, 0)
    _call("prctl", 22, 2, filter, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    return True
