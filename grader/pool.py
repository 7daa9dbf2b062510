"""Where submissions are graded: in this process, in processes beside it, or on the workers of a Dask cluster.

    grades = grade_class(submissions, master, pool=Pool(jobs=4), done=gradebook.add)

All three run `grade_one` with the same seed and the same expected values, so that the points are the same.
"""

import os
import secrets
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.util import Finalize

from grader.course import CourseError
from grader.execute import Limits
from grader.grade import Lab, grade_one, prepare, ungraded
from grader.kernels import Kernels

TRIES = 2  # alone, of a submission whose process died with it: the machine may have run out of memory
AHEAD = 2  # submissions read for each process before they are asked for


@dataclass(frozen=True)
class Pool:
    """How a class is graded. kind: of kernels, see `Kernels`; scheduler: address of a Dask cluster, "" for none.

    allow_unsandboxed: where no sandbox is to be had, run submissions with the rights of who grades.
    """

    jobs: int = 1
    kind: str | None = None
    gpu: bool = False
    allow_unsandboxed: bool = False
    scheduler: str = ""

    def kernels(self):
        """Kernels of the kind that this pool uses; CourseError where they would need a permission not given."""
        try:
            return Kernels(self.kind, gpu=self.gpu)
        except CourseError:
            if not self.allow_unsandboxed:
                raise
            return Kernels(self.kind, gpu=self.gpu, sandboxed=False)

    def open(self, most):
        """A context manager that grades; most: how many submissions there are."""
        if self.scheduler:
            from grader.cluster import Cluster

            return Cluster(self)
        return Processes(self, min(self.jobs, most)) if min(self.jobs, most) > 1 else Here(self)


class Here:
    """Grades one submission after the other in this process."""

    def __init__(self, pool):
        self.kernels = pool.kernels()

    def prepare(self, master, seed, limits):
        return prepare(master, seed, limits, self.kernels)

    def grade(self, submissions, lab):
        for submission in submissions:
            yield grade_one(submission.loaded(), lab, self.kernels)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kernels.close()


class Processes:
    """Grades in processes with kernels of their own. One that dies is replaced and its submission tried again."""

    def __init__(self, pool, jobs):
        self.pool, self.jobs = pool, jobs
        self._start()

    def _start(self):
        self.executor = ProcessPoolExecutor(self.jobs, get_context("spawn"), initializer=_end_with_parent)

    def prepare(self, master, seed, limits):
        return self.executor.submit(_prepare, self.pool, master, seed, limits).result()

    def grade(self, submissions, lab):
        waiting = {}
        for submission in submissions:
            waiting[self._submit(submission, lab)] = submission
            while len(waiting) >= self.jobs * AHEAD:
                yield from self._finished(waiting, lab)
        while waiting:
            yield from self._finished(waiting, lab)

    def _submit(self, submission, lab):
        return self.executor.submit(_work, self.pool, submission.loaded(), lab)

    def _finished(self, waiting, lab):
        """The entries of what is done; what was in work when a process died is done again, one by one."""
        lost = []
        for work in wait(waiting, return_when=FIRST_COMPLETED).done:
            submission = waiting.pop(work)
            try:
                yield work.result()
            except BrokenProcessPool:
                lost.append(submission)
        if lost:
            lost += waiting.values()  # a broken pool finishes nothing more
            waiting.clear()
            self._restart()
            for submission in lost:
                yield self._again(submission, lab)

    def _again(self, submission, lab):
        """The entry of a submission that is alone in the pool, so that it is the one to blame if a process dies."""
        for _ in range(TRIES):
            try:
                return self._submit(submission, lab).result()
            except BrokenProcessPool:
                self._restart()
        return ungraded(submission, lab, f"its process died {TRIES} times")

    def _restart(self):
        self.executor.shutdown()
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.executor.shutdown(cancel_futures=True)


_kernels = None


def _end_with_parent():
    threading.Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()


def kernels_of(pool):
    """This process's kernels: opened at its first work, closed with the process."""
    global _kernels
    if _kernels is None:
        _kernels = pool.kernels()
        Finalize(None, _kernels.close, exitpriority=10)
    return _kernels


def _prepare(pool, master, seed, limits):
    return prepare(master, seed, limits, kernels_of(pool))


def _work(pool, submission, lab):
    return grade_one(submission, lab, kernels_of(pool))


def grade_class(submissions, master, *, seed=None, limits=None, pool=None, known=lambda s: None, done=lambda e: None):
    """Grade all submissions with one seed. Returns what grades.json holds.

    seed: None draws one. known(submission): its entry where it need not be run again. done(entry) is called as soon as
    one is finished, before the next is looked at.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    entries, todo = [], []
    for submission in submissions:
        if (entry := known(submission)) is not None:
            entries.append(entry)
        else:
            todo.append(submission)
    if todo:
        with (pool or Pool()).open(len(todo)) as workers:
            lab = workers.prepare(master, seed, limits or Limits())
            for entry in workers.grade(todo, lab):
                done(entry)
                entries.append(entry)
    entries.sort(key=lambda entry: entry["student"])
    tiers = sorted({entry["sandbox"] for entry in entries})
    return {"schema": 1, "lab": master.stem, "seed": seed, "sandbox": " or ".join(tiers), "submissions": entries}


__all__ = ["Lab", "Pool", "grade_class"]
