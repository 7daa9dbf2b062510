# %% [markdown]
# Ends, and refusals to end. A kernel that is gone costs the task that took it along; the grader is no process that a kernel
# sees, and kills by a handle, whatever a process ignores.
# ruff: noqa

# %% attack="exit_in_a_check" task="draw" lost="draw-1 died"
# Leaves while the check runs.
import os
def draw(n, *, generator=None):
    os._exit(0)

# %% attack="exit_in_a_cell" before="total" lost=""
# A cell of its own that leaves: the next run does without it.
import os
os._exit(0)

# %% attack="exit_in_another_tasks_check" task="double" lost="double-1 fail, double-2 fail"
# Leaves when the check of another task comes, to cost that one its point; alone, that task has it.
import os
def hook(info):
    if 'begin_check("draw-1"' in info.raw_cell:
        os._exit(1)
get_ipython().events.register("pre_run_cell", hook)
def double(x):
    return 3 * x

# %% attack="sys_exit" task="draw" lost="draw-1 error"
# SystemExit from the middle of a check.
import sys
def draw(n, *, generator=None):
    sys.exit("done, 6 of 6 points")

# %% attack="shutdown" task="draw" lost="draw-1 died"
# Shuts its own kernel down, by all the ways that IPython has.
def draw(n, *, generator=None):
    import asyncio, time
    kernel = get_ipython().kernel
    get_ipython().ask_exit()
    asyncio.ensure_future(kernel.shutdown_request(None, [b""], {"content": {"restart": False}}))
    kernel.do_shutdown(False)
    time.sleep(0.5)
    import os
    os._exit(0)

# %% attack="kills_itself" task="draw" lost="draw-1 died"
# SIGKILL to itself, in the shape of a crash.
import os, signal
def draw(n, *, generator=None):
    os.kill(os.getpid(), signal.SIGKILL)

# %% attack="kills_everybody" task="draw" lost="draw-1 died"
# SIGKILL and SIGSTOP to its parent, to the first process, to every process it may signal and to the groups of others.
import os, signal
def draw(n, *, generator=None):
    for number in (signal.SIGKILL, signal.SIGSTOP):
        for pid in (os.getppid(), 1, -1, *range(2, 400)):
            if pid != os.getpid():
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
        for group in range(2, 400):
            try:
                if group != os.getpgrp():
                    os.killpg(group, number)
            except OSError:
                pass
    os._exit(0)

# %% attack="stops_itself" task="draw" lost="draw-1 timeout"
# Stops, and never answers again.
import os, signal
def draw(n, *, generator=None):
    os.kill(os.getpid(), signal.SIGSTOP)

# %% attack="segfault" task="draw" lost="draw-1 died"
# A crash, with a core file wanted.
import ctypes, resource
def draw(n, *, generator=None):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        pass
    ctypes.string_at(0)

# %% attack="stack_overflow" task="draw" lost="draw-1 died"
# Runs out of stack.
import sys
def draw(n, *, generator=None):
    sys.setrecursionlimit(10**9)
    class Bottomless:
        def __repr__(self):
            return repr(self)
    return repr(Bottomless())

# %% attack="other_ends_of_an_exception" task="double" lost="double-1 error, double-2 error, total-1 error"
# Exceptions that are no Exception, that raise when printed, that print when raised.
class Rude(BaseException):
    def __str__(self):
        print("6 of 6 points")
        raise KeyError("no text")
    __repr__ = __str__
def double(x):
    raise Rude() from Rude()
# %% task="total"
def total(x):
    raise KeyboardInterrupt("6 of 6 points")

# %% attack="exception_with_a_long_text" task="double" lost="double-1 error, double-2 error"
# A message of 200 KB with all that a page or a terminal could take for its own.
class Long(Exception):
    pass
Long.__name__ = "<b>Long\x1b[1m\n"
def double(x):
    raise Long("<script>alert(4)</script>\u202e\x07\x00" * 6_000)

# %% attack="ignores_every_signal" task="draw" lost=""
# Ignores every signal that can be ignored, and is in no hurry to leave: threads, atexit and __del__ sleep for two minutes.
import atexit, signal, threading, time
for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
class Slow:
    def __del__(self):
        time.sleep(120)
slow = Slow()
atexit.register(time.sleep, 120)
threading.Thread(target=time.sleep, args=(120,)).start()
def draw(n, *, generator=None):
    return torch.rand(n, generator=generator)

# %% attack="sleeps_past_the_end" task="draw" lost="draw-1 timeout"
# Sleeps past the end of its time, through interrupts.
import time
def draw(n, *, generator=None):
    until = time.monotonic() + 100
    while time.monotonic() < until:
        try:
            time.sleep(100)
        except BaseException:
            continue

# %% attack="daemons" task="draw" lost=""
# Leaves processes behind that nobody is the parent of, in sessions of their own, under other names, one burning the CPU.
import os, signal, time
def leave(work):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            work()
            os._exit(0)
        os._exit(0)
def burn():
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass
def draw(n, *, generator=None):
    leave(lambda: os.execv("/bin/sleep", ["[kworker/0:1]", "119.4242"]))
    leave(lambda: os.execv("/bin/sleep", ["sleep", "118.4242"]))
    leave(burn)
    return torch.rand(n, generator=generator)

# %% attack="name_that_is_no_text" task="draw" lost=""
# Processes with names that are no UTF-8, or look like lines of /proc/PID/status.
import ctypes, os, time
def draw(n, *, generator=None):
    libc = ctypes.CDLL(None)
    for name in (b"\xff\xfe\xfd", b"x\nRssAnon:\t9 kB", b"a) R 1 1 ("):
        if os.fork() == 0:
            libc.prctl(15, name, 0, 0, 0)
            time.sleep(3)
            os._exit(0)
    libc.prctl(15, b"\xff\xff", 0, 0, 0)
    time.sleep(0.6)
    return torch.rand(n, generator=generator)

# %% attack="limits_of_its_own" task="draw" lost="draw-1 died/error/timeout/flood/memory"
# Takes from itself files, memory and time, so that something in the kernel breaks.
import os, resource, time
def draw(n, *, generator=None):
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    until = time.monotonic() + 3
    while time.monotonic() < until:
        pass
    raise OSError("still here")
