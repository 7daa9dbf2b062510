"""What a command costs, all of its processes together, on one core: `watched(command, ...)` returns a `Usage`.

Processes are sampled from another core. A process that nobody waits for is in no parent's account, so CPU time is the
larger of what the system accounts to the command and what the samples add up to.
"""

import contextlib
import os
import resource
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SAMPLE, MEMORY_EVERY = 0.05, 4  # seconds between samples of CPU time; memory at every fourth of them


@dataclass
class Usage:
    """seconds by the clock, cpu seconds, peak of the tree's PSS in MB; what was seen of each process that it had."""

    seconds: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    processes: list = field(default_factory=list)

    def __add__(self, other):
        return Usage(
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            max(self.peak, other.peak),
            self.processes + other.processes,
        )


@dataclass
class Seen:
    """One process: its name and arguments, and what it used so far."""

    process: psutil.Process
    command: str = ""
    cpu: float = 0.0  # seconds
    own: float = 0.0  # MB that it wrote and shares with nobody, at their peak: what one more like it would take
    resident: list = field(default_factory=list)  # [(seconds since the command began, MB)]
    ended: bool = False


class Failed(Exception):
    """A command ended badly, or took longer than it may and was killed; with the end of its output."""


def one_thread(**more):
    """The environment of every command: this one's, one thread for arithmetic, the course on the import path."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {**os.environ, **threads, "COURSE_BUDGET": "cpu", "COURSE_DEVICE": "cpu", **more}


def watched(command, *, cwd, env, timeout, log, label):
    """Run a command on one core until it ends. Output goes to the file `log`; a line every minute says how it goes."""
    cores = os.sched_getaffinity(0)
    core = min(cores)
    os.sched_setaffinity(0, cores - {core} or cores)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    usage, seen, told = Usage(), {}, start
    try:
        with open(log, "ab") as output:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            )
        round_ = 0
        while child.poll() is None:
            now = time.monotonic()
            if now - start > timeout:
                raise Failed(f"{label}: not done after {timeout:.0f} s\n{_tail(log)}")
            usage.peak = max(usage.peak, _sample(child.pid, seen, now - start, memory=round_ % MEMORY_EVERY == 0))
            round_ += 1
            if now - told > 60:
                told = now
                print(f"  {label}: {now - start:.0f} s, peak {usage.peak:.0f} MB so far", flush=True)
            time.sleep(SAMPLE)
        usage.seconds = time.monotonic() - start
    finally:
        os.sched_setaffinity(0, cores)
        _kill(seen)
    if child.returncode:
        raise Failed(f"{label} ended with exit status {child.returncode}\n{_tail(log)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    accounted = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    usage.cpu = max(accounted, sum(s.cpu for s in seen.values()))
    usage.processes = list(seen.values())
    return usage


def _sample(pid, seen, now, *, memory):
    """Look at all processes of a tree, those too that have left it. Returns its PSS in MB, 0 when memory is not due."""
    try:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            seen.setdefault((process.pid, process.create_time()), Seen(process))
    except psutil.NoSuchProcess:
        pass
    total = 0.0
    for item in seen.values():
        if item.ended:
            continue
        try:
            times = item.process.cpu_times()
            item.cpu = max(item.cpu, times.user + times.system)
            if memory:
                if arguments := item.process.cmdline():  # one that is ending has none left
                    item.command = " ".join([item.process.name(), *arguments])
                held = _memory(item.process.pid)
                total += held["Pss"]
                item.own = max(item.own, held["Private_Dirty"])
                item.resident.append((now, held["Rss"]))
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            item.ended = True
    return total


def _memory(pid):
    """What the system tells of a process's memory, in MB: resident, its share of that (Pss), its private part, ..."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) / 1024 for name, size in (line.split(":") for line in lines)}


def _tail(log):
    return Path(log).read_text(errors="replace")[-3000:]


def _kill(seen):
    for item in seen.values():
        with contextlib.suppress(psutil.Error):
            item.process.kill()
