# %% [markdown]
# Takes all it can get: processes, threads, memory, disk, files, output. Each is bounded by itself too, so that a hole in the
# sandbox costs the machine that tests it no more than seconds and a few gigabytes. Where a hog is stopped by a limit that
# it can live with, its answer counts; `double` or `draw` is wrong if the limit did not hold.
# ruff: noqa

# %% attack="processes" task="draw" lost=""
# 600 processes for 3 seconds: a kernel may have 128.
import subprocess, time
def draw(n, *, generator=None):
    made = []
    for _ in range(600):
        try:
            made.append(subprocess.Popen(["/bin/sleep", "3.4242"], start_new_session=True))
        except OSError:
            break
    time.sleep(0.5)
    return torch.rand(n, generator=generator) if len(made) < 130 else torch.zeros(n)

# %% attack="fork_bomb" task="draw" lost="draw-1 memory/died/timeout/error"
# Children that have children, until there is no room: at most 2,000 of them, for 4 seconds.
import mmap, os, time
def draw(n, *, generator=None):
    with open("count", "wb") as file:
        file.write(bytes(4096))
    until, count = time.monotonic() + 4, mmap.mmap(os.open("count", os.O_RDWR), 4096)
    while time.monotonic() < until and int.from_bytes(count[:4], "little") < 2_000:
        try:
            os.fork()
        except OSError:
            time.sleep(0.05)
        count[:4] = (int.from_bytes(count[:4], "little") + 1).to_bytes(4, "little")
    os._exit(0)

# %% attack="threads" task="draw" lost=""
# Ten thousand threads; a thread counts as a process.
import threading, time
def draw(n, *, generator=None):
    made = 0
    for _ in range(10_000):
        try:
            threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
        except RuntimeError:
            break
        made += 1
    return torch.rand(n, generator=generator) if made < 130 else torch.zeros(n)

# %% attack="memory_at_once" task="draw" lost="draw-1 memory"
# 64 GiB in one piece.
def draw(n, *, generator=None):
    return bytearray(2**36)

# %% attack="memory_refused_and_swallowed" task="draw" lost=""
# The same, and goes on.
def draw(n, *, generator=None):
    try:
        hog = bytearray(2**36)
    except MemoryError:
        return torch.rand(n, generator=generator)
    return torch.zeros(n)

# %% attack="memory_of_many" task="draw" lost="draw-1 memory/timeout"
# Six processes with 900 MB each: every one of them below the limit of a process.
import os, time
def draw(n, *, generator=None):
    for _ in range(6):
        if os.fork() == 0:
            hog = bytearray(b"x") * 900_000_000
            time.sleep(4)
            os._exit(0)
    time.sleep(30)
    return torch.rand(n, generator=generator)

# %% attack="memory_without_a_file" task="draw" lost=""
# Memory that no process seems to hold: memfd, System V segments, and shared pages that are given back at once.
import ctypes, mmap
def draw(n, *, generator=None):
    libc = ctypes.CDLL(None, use_errno=True)
    got = [libc.memfd_create(b"hog", 0), libc.shmget(0, 2**20, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600)]
    for hog in (lambda: mmap.mmap(-1, 2**30), lambda: mmap.mmap(open("/dev/zero", "r+b").fileno(), 2**30)):
        try:
            kept = hog()
            kept[:] = bytes(2**30)
            kept.madvise(mmap.MADV_DONTNEED)
            got.append(kept)
        except OSError:
            pass
    return torch.rand(n, generator=generator) if got == [-1] * 4 else torch.zeros(n)

# %% attack="disk" task="draw" lost=""
# Fills every folder that it can write to, up to 2 GB: none holds more than 256 MiB.
import os, tempfile
def draw(n, *, generator=None):
    total = 0
    for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", "/kernel", "/kernel/sockets", "/"):
        for number in range(3):
            try:
                with open(f"{folder}/fill{number}", "wb") as file:
                    while total < 2_000_000_000:
                        total += file.write(bytes(10_000_000))
            except OSError:
                continue
    return torch.rand(n, generator=generator) if total < 900_000_000 else torch.zeros(n)

# %% attack="sparse_and_many_files" task="draw" lost=""
# A file of a terabyte that holds nothing, and files without end: sizes and numbers have a limit.
import os
def draw(n, *, generator=None):
    made = 0
    for folder in (".", "/dev/shm"):
        try:
            with open(f"{folder}/sparse", "wb") as file:
                file.truncate(10**12)
            return torch.zeros(n)
        except OSError:
            pass
        try:
            for number in range(30_000):
                os.mkdir(f"{folder}/{number}")
                made += 1
        except OSError:
            pass
    return torch.rand(n, generator=generator) if made < 50_000 else torch.zeros(n)

# %% attack="open_files" task="draw" lost="draw-1 died/error/timeout/flood/pass"
# Opens files until it may open none, and keeps them: a kernel without a free handle may fail, and its neighbours not.
import os
kept = []
def draw(n, *, generator=None):
    try:
        while len(kept) < 5_000:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    return torch.rand(n, generator=generator) if len(kept) < 1_100 else torch.zeros(n)

# %% attack="pipes_and_sockets" task="draw" lost=""
# Fills pipes and sockets with 40 MB that no process counts as its own.
import os, socket
kept = []
def draw(n, *, generator=None):
    for _ in range(150):
        a, b = socket.socketpair()
        r, w = os.pipe()
        a.setblocking(False)
        os.set_blocking(w, False)
        kept.extend((a, b, r, w))
        try:
            while True:
                a.send(bytes(65_536))
        except OSError:
            pass
        try:
            while True:
                os.write(w, bytes(65_536))
        except OSError:
            pass
    return torch.rand(n, generator=generator)

# %% attack="figure" task="draw" lost="draw-1 memory/error/pass"
# A figure of ten billion pixels.
def draw(n, *, generator=None):
    import matplotlib.pyplot as plt
    plt.figure(figsize=(1000, 1000), dpi=100).add_subplot().plot([0, 1])
    return torch.rand(n, generator=generator)

# %% attack="deep_pickle" task="draw" lost="draw-1 error"
# A pickle that runs a command when read, handed in as an answer; nobody unpickles anything.
import os, pickle
class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/4242-pickle",)
def draw(n, *, generator=None):
    return pickle.dumps(Bomb())
