# %% [markdown]
# Ways out of the sandbox. Each tries what should be refused; the answer is wrong as soon as one thing was not, so that a
# hole costs the submission the points that it is expected to have.
# ruff: noqa

# %% attack="system_calls" task="double" lost=""
# Asks the system for what ways out have begun with: tracing, mounts, namespaces, keys, BPF, io_uring, modules, clocks.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "ptrace": (101, 16, 1, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0), "pidfd_getfd": (438, 3, 0, 0),
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount2": (166, b"/proc", 2), "pivot_root": (155, b"/", b"/"),
    "chroot": (161, b"/"), "setns": (308, 3, 0), "unshare user": (272, 0x10000000), "unshare mount": (272, 0x20000),
    "unshare net": (272, 0x40000000), "fsopen": (430, b"tmpfs", 0), "open_tree": (428, -100, b"/", 1),
    "bpf": (321, 0, 0, 0), "keyctl": (250, 0, -3, 0), "add_key": (248, b"user", b"a", b"b", 1, -3),
    "io_uring": (425, 1, ctypes.create_string_buffer(256)), "perf_event_open": (298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "userfaultfd": (323, 1), "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, b"", 0, b""),
    "open_by_handle_at": (304, -100, ctypes.create_string_buffer(64), 0), "personality": (135, 0xFFFFFFFF),
    "swapoff": (168, b"/none"), "reboot": (169, 0, 0, 0, 0), "syslog": (103, 10, 0, 0), "sethostname": (170, b"x", 1),
    "iopl": (172, 3), "modify_ldt": (154, 0, ctypes.create_string_buffer(64), 64), "fanotify_init": (300, 0, 0),
    "clone3": (435, ctypes.create_string_buffer(88), 88), "x32": (0x40000000 + 39,), "quotactl": (179, 0, 0, 0, 0),
    "setuid": (105, 0), "setgid": (106, 0), "setgroups": (116, 1, (ctypes.c_uint * 1)(0)), "capset": (126, 0, 0),
    "sched_fifo": (144, 0, 1, (ctypes.c_int * 1)(50)), "nice": (141, 0, 0, -10), "chown root": (92, b".", 0, 0),
    "vsock": (41, 40, 1, 0), "alg": (41, 38, 5, 0), "packet": (41, 17, 3, 0), "netlink audit": (41, 16, 3, 9),
    "raw": (41, 2, 3, 1), "bluetooth": (41, 31, 3, 1), "key": (41, 15, 3, 2), "acct": (163, 0), "mq_open": (240, b"/a", 0o102, 0o600, 0),
}
granted = []
if os.uname().machine == "x86_64":
    for name, arguments in calls.items():
        if libc.syscall(*arguments) != -1:
            granted.append(name)
    for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000):
        child = libc.syscall(56, flag | 17, 0, 0, 0, 0)  # clone
        if child == 0:
            os._exit(0)
        granted += ["clone"] * (child > 0)
granted += ["prctl"] * (libc.prctl(39, 0, 0, 0, 0) != 1)  # PR_GET_NO_NEW_PRIVS
def double(x):
    if granted:
        raise PermissionError(f"granted: {granted}")
    return 2 * x

# %% attack="calls_of_another_architecture" task="double" lost=""
# Asks through the 32-bit door of x86-64, where calls have other numbers: the process that does so dies.
import ctypes, mmap, os, signal
def ended_by():
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=rights)
    page.write(code)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    child = os.fork()
    if child == 0:
        try:
            call()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
status = ended_by() if os.uname().machine == "x86_64" else -signal.SIGSYS
def double(x):
    if status >= 0:
        raise PermissionError("the 32-bit call was answered")
    return 2 * x

# %% attack="rights" task="double" lost=""
# Looks for rights that it should not have, and asks programs that have some: su, mount, newuidmap, and one of its own.
import os, shutil, stat, subprocess
facts = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
odd = [name for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb") if int(facts[name], 16)]
odd += [name for name, value in (("NoNewPrivs", "1"), ("Seccomp", "2")) if facts[name] != value]
odd += [f"uid {facts['Uid']}"] if "0" in facts["Uid"].split() else []
for command in (["su", "-c", "id -u"], ["mount", "-t", "tmpfs", "none", "/tmp"], ["newuidmap", str(os.getpid()), "0", "0", "1"],
                ["unshare", "-r", "id", "-u"], ["sudo", "-n", "id"], ["bwrap", "--ro-bind", "/", "/", "id"], ["passwd", "-d", "root"]):
    if shutil.which(command[0]):
        done = subprocess.run(command, input=b"\n", capture_output=True, timeout=3)
        if done.returncode == 0:
            odd.append(" ".join(command))
shutil.copy("/bin/sh", "mysh")
os.chmod("mysh", 0o6755)
if subprocess.run(["./mysh", "-c", "id -u"], capture_output=True).stdout.strip() == b"0":
    odd.append("set-uid")
def double(x):
    if odd:
        raise PermissionError(f"{odd}")
    return 2 * x

# %% attack="proc_and_sys" task="double" lost=""
# Reads and writes what /proc and /sys offer: the first process's memory, environment and files, the system's settings.
import glob, os
opened = []
def reads(path):
    try:
        with open(path, "rb") as file:
            file.read(100)
        opened.append(path)
    except OSError:
        pass
def writes(path):
    try:
        os.close(os.open(path, os.O_WRONLY))
        opened.append(f"w {path}")
    except OSError:
        pass
for path in ("/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/kcore", "/proc/kmsg", "/proc/1/syscall", "/proc/1/stack",
             "/proc/1/fd/0", "/proc/1/fd/2", "/proc/1/root/etc/passwd", "/proc/1/cwd/etc/passwd", "/dev/mem", "/dev/kmsg", "/dev/port"):
    reads(path)
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
             "/proc/self/oom_score_adj", "/proc/1/oom_score_adj", "/proc/self/uid_map", "/proc/self/mem", "/proc/self/attr/current",
             "/proc/sys/user/max_user_namespaces", "/proc/sys/fs/binfmt_misc/register", "/proc/irq/0/smp_affinity",
             "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state",
             "/sys/devices/system/cpu/cpu1/online"):
    writes(path)
for name in ("fd/0", "fd/2", "root", "cwd", "exe", "task/1/fd/0", "ns/pid"):
    try:
        opened.append(os.readlink(f"/proc/1/{name}"))
    except OSError:
        pass
numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
if len(numbers) > 3:
    opened.append(f"{len(numbers)} processes")
def double(x):
    if opened:
        raise PermissionError(f"{opened}")
    return 2 * x

# %% attack="devices" task="double" lost=""
# Makes device nodes, opens those of the machine, and types into the terminal of who grades.
import fcntl, os, stat, struct
opened = []
for kind, number in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(10, 229))):
    try:
        os.mknod(f"node{number}", kind | 0o600, number)
        os.close(os.open(f"node{number}", os.O_RDWR))
        opened.append(f"node {number}")
    except OSError:
        pass
for name in ("mem", "kmsg", "port", "sda", "vda", "nvme0n1", "kvm", "fuse", "net/tun", "loop-control", "mapper/control", "ptmx",
             "tty", "console", "tty0", "snapshot", "vhost-net", "uinput", "dri/card0", "nvidia0"):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NOCTTY))
        opened.append(name)
    except OSError:
        pass
for fd in range(3):
    try:
        fcntl.ioctl(fd, 0x5412, struct.pack("c", b"x"))  # TIOCSTI
        opened.append(f"terminal {fd}")
    except OSError:
        pass
def double(x):
    if opened:
        raise PermissionError(f"{opened}")
    return 2 * x

# %% attack="writes_elsewhere" task="double" lost=""
# Writes where another kernel, another student or the grader would find it: next to Python's files, the course, the system's.
import os, site, sys, sysconfig
written = []
places = ["/", "/etc", "/usr", "/usr/lib", "/usr/local", "/var", "/run", "/mnt", "/root", "/home", "/opt", "/kernel", "/proc", "/sys", "/dev",
          sys.prefix, sys.base_prefix, *sys.path, *site.getsitepackages(), sysconfig.get_path("scripts"), "COURSE", "SUBMISSIONS", "OUT"]
import utils.checks, IPython
places += [os.path.dirname(module.__file__) for module in (utils.checks, IPython, torch, os)]
for place in sorted({os.path.abspath(place) for place in places if not os.path.abspath(place).startswith("/kernel/home")}):
    for name in ("sitecustomize.py", "4242.pth"):
        try:
            with open(os.path.join(place, name), "x") as file:
                file.write("x")
            written.append(place)
        except OSError:
            pass
for path in (utils.checks.__file__, sys.executable, "/etc/passwd"):
    for change in (lambda: os.chmod(path, 0o777), lambda: os.utime(path), lambda: os.truncate(path, 0), lambda: os.setxattr(path, "user.a", b"b"),
                   lambda: os.rename(path, path + "x"), lambda: os.link(path, "/usr/4242"), lambda: os.unlink(path)):
        try:
            change()
            written.append(path)
        except OSError:
            pass
def double(x):
    if written:
        raise PermissionError(f"{written}")
    return 2 * x

# %% attack="link_for_a_socket" task="draw" lost="draw-1 error/flood/timeout/died"
# Puts a link to somebody's socket in the place of its own and hangs up: the grader, who calls again, would call that one.
import os, socket, time
def draw(n, *, generator=None):
    mine = "/kernel/sockets/s-2"
    for trick in (lambda: os.symlink("UNIX_PATH", "/kernel/home/link"), lambda: os.rename("/kernel/home/link", mine),
                  lambda: os.symlink("UNIX_PATH", "/kernel/home/link"), lambda: os.unlink(mine),
                  lambda: os.link("/kernel/home/link", mine, follow_symlinks=False), lambda: os.symlink("UNIX_PATH", mine)):
        try:
            trick()
        except OSError:
            pass
    if not os.path.islink(mine):
        try:
            os.rename("/kernel/sockets", "/kernel/old")
            os.mkdir("/kernel/sockets")
            os.symlink("UNIX_PATH", mine)
        except OSError:
            pass
    for fd in range(3, 200):
        try:
            peer = socket.socket(fileno=os.dup(fd))
            if peer.getsockname() == mine and not peer.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                peer.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            continue
    time.sleep(3)
    raise OSError("hung up")

# %% attack="links" before="total" lost=""
# Links in the place of its folders to those of others, hoping that who cleans up follows them.
import os, shutil
for target in ("/", "/etc", "/usr", "SUBMISSIONS", "OUT", "/proc/1/root", "/proc/self/root"):
    os.symlink(target, f"link{target.replace('/', '_')}")
os.mkfifo("fifo")
os.mkdir("deep")
os.chdir("deep")
for _ in range(300):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
os.chdir("/")
