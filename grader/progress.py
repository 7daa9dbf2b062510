"""What a run says in the terminal: a line a submission above a bar with the time left, and the class in numbers.

with Progress(len(submissions)) as progress:
    grades = grade_class(..., done=progress.done)
progress.summary(grades, report.write(grades, out))

A bar is drawn in a terminal only; a pipe or a file gets the lines. Names and notes come from submissions: nothing in
them is markup, and what could steer a terminal or reorder a line is shown as a question mark.
"""

import sys

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from grader.gradebook import plural, remarks

LONGEST = 1_000  # characters of a line


class Progress:
    """total: how many submissions will be graded. file: where to write, standard output if None."""

    def __init__(self, total, file=None):
        self.file = file or sys.stdout
        terminal = self.file.isatty()
        self.console = Console(
            file=self.file,
            force_terminal=terminal,
            no_color=not terminal or None,
            markup=False,
            highlight=False,
            emoji=False,
        )
        columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        hidden = not terminal or self.console.is_dumb_terminal
        self.bar = Bar(*columns, console=self.console, disable=hidden, transient=True, speed_estimate_period=3600)
        self.task = self.bar.add_task("", total=total)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def done(self, entry, counts=None):
        """Say how one submission did. counts: the student's entry as it counts with it; None where that is the same."""
        self._say(line(entry, counts))
        self.bar.advance(self.task)

    def unchanged(self):
        """One submission less to grade: an earlier run did."""
        self.bar.update(self.task, total=self.bar.tasks[self.task].total - 1)

    def summary(self, grades, path):
        """The class in numbers, and where the report is."""
        from grader.report import overview

        found = overview(grades)
        most = f"{found['max']:g}"
        table = Table(box=box.SIMPLE_HEAD, show_header=True)
        table.add_column(grades["lab"])
        table.add_column(f"{found['students']} submissions", justify="right")
        table.add_row("median", f"{found['median']:.4g} of {most}")
        table.add_row("mean", f"{found['mean']:.4g} of {most}")
        table.add_row("lowest to highest", f"{found['lowest']:g} to {found['highest']:g}")
        table.add_row("not readable", str(found["corrupt"]))
        table.add_row("grader failed on", str(found["failed"]))
        table.add_row("time each", f"{found['seconds']:.1f} s", end_section=True)
        for task, share in found["passed"].items():
            table.add_row(f"all points in {task}", f"{100 * share:.0f}%")
        self.console.print(table)
        self._say(f"report: {path}")

    def _say(self, text):
        encoding = self.file.encoding or "utf-8"
        text = text.encode(encoding, "replace").decode(encoding)
        self.console.print(text, soft_wrap=True)


def line(entry, counts=None):
    """One submission's result in one line that is safe in a terminal: the points that count, and what changed them."""
    counts = counts or entry
    why = remarks(counts)
    if counts.get("digest") != entry.get("digest"):
        why.insert(0, f"another hand-in counts, this one got {entry['points']:g}")
    points = f"{counts['points']:g} of {plural(counts['max'], 'point')}" + (f" ({'; '.join(why)})" if why else "")
    notes = f"  ({'; '.join(entry['notes'])})" if entry["notes"] else ""
    text = f"{entry['student']}: {points}, {entry['status']}, {entry['seconds']:.1f} s{notes}"
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return "".join(c if c.isprintable() else "?" for c in text)
