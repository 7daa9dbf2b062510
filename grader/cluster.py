"""Grades on the workers of a Dask cluster: the same function, other machines.

    dask scheduler                                                     # on one machine; prints tcp://ADDRESS:8786
    dask worker tcp://ADDRESS:8786 --nworkers 8 --nthreads 1            # on each of the others, in the course's .venv
    grade run 03 class/ --scheduler tcp://ADDRESS:8786

Submissions and the expected values travel to the workers, results back; only this process writes the gradebook. What a
worker had when it was lost is graded by another.
"""

import logging
import re
import secrets
import threading

from grader.course import CourseError
from grader.grade import grade_one, prepare, ungraded
from grader.pool import AHEAD, kernels_of

PATIENCE = 30  # seconds to wait for the scheduler and for a first worker
_one_at_a_time = threading.Lock()  # pytest, and so a run of a notebook, belongs to a whole process


class Cluster:
    """A pool whose processes are the workers of the cluster at `pool.scheduler`; CourseError where it can't be used."""

    def __init__(self, pool):
        try:
            from distributed import Client
        except ImportError:
            raise CourseError("--scheduler needs Dask: pip install distributed") from None
        if not re.fullmatch(r"\w+://.+:\d+", pool.scheduler):
            raise CourseError(f"--scheduler {pool.scheduler}: expected an address such as tcp://10.0.0.1:8786")
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost worker is dealt with here
        self.pool = pool
        try:
            self.client = Client(pool.scheduler, timeout=PATIENCE, set_as_default=False)
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            raise CourseError(f"--scheduler {pool.scheduler}: {str(error)[:300]}") from None

    def prepare(self, master, seed, limits):
        return self._submit(_prepare, self.pool, master, seed, limits).result()

    def _submit(self, function, *arguments):
        return self.client.submit(function, *arguments, key=f"{function.__name__}-{secrets.token_hex(8)}", pure=False)

    def grade(self, submissions, lab):
        from distributed import as_completed

        submissions, sent = iter(submissions), {}
        work = as_completed(loop=self.client.loop, with_results=True, raise_errors=False)
        ahead = AHEAD * max(1, sum(self.client.nthreads().values()))

        def send():
            for submission in submissions:
                future = self._submit(_work, self.pool, submission.loaded(), lab)
                sent[future] = submission
                work.add(future)
                return

        for _ in range(ahead):
            send()
        while sent:
            future, result = next(work)
            submission = sent.pop(future)
            yield result if future.status == "finished" else ungraded(submission, lab, _why(result))
            send()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()


def _why(result):
    error = result[1] if isinstance(result, tuple) else result
    return f"the cluster could not grade it: {type(error).__name__}: {error}"[:500]


def _prepare(pool, master, seed, limits):
    with _one_at_a_time:
        return prepare(master, seed, limits, kernels_of(pool))


def _work(pool, submission, lab):
    with _one_at_a_time:
        return grade_one(submission, lab, kernels_of(pool))
