"""The `grade` command. Exit status: 0 done, 1 something is stale or could not be graded, 2 wrong usage."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from grader.course import CourseError, find_topic, settings, topics


def main(arguments=None):
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except CourseError as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("grade: interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="grade", description="Build the course's notebooks and grade its labs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="source/ -> lectures/, labs/, solutions/, samples/, START.md")
    build.add_argument("topics", nargs="*", metavar="NN", help="topics to build; all when none is named")
    build.add_argument("--check", action="store_true", help="build nothing; exit 1 where something is stale")
    build.add_argument(
        "--repo", metavar="OWNER/NAME", help="stamp another repository into badges and set-up cells first"
    )
    build.set_defaults(run=_build)

    check = commands.add_parser("check", help="a student's own check: the same verdicts as the badges in the notebook")
    check.add_argument("notebook", type=Path)
    check.set_defaults(run=_check)

    run = commands.add_parser("run", help="grade submissions of a lab")
    run.add_argument("topic", metavar="NN")
    run.add_argument("submissions", type=Path, help="a notebook, a folder of notebooks or of students' folders, a zip")
    run.add_argument("--out", type=Path, default=None, help="folder for the reports (default: grades/NN_topic)")
    run.add_argument("--seed", type=int, default=None, help="seed of the fresh inputs (default: drawn for this run)")
    run.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="submissions graded side by side")
    run.add_argument("--timeout", type=_seconds, default=60.0, help="seconds a cell may take (default: 60)")
    run.add_argument("--kernel", choices=("warm", "cold"), default=None, help="forked from a warm process, or started")
    run.set_defaults(run=_run)
    return parser


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text!r}")
    return value


def _build(options):
    from grader import build

    if options.repo and not options.check:
        build.stamp(options.repo)
        settings.cache_clear()
    stems = [find_topic(wanted) for wanted in options.topics] or topics()
    if options.check:
        problems = build.stale(stems)
        for problem in problems:
            print(problem)
        print(f"{len(problems)} stale: run `make notebooks`" if problems else f"all of {len(stems)} topics up to date")
        return 1 if problems else 0
    build.build(stems, say=lambda line: print(line, flush=True))
    return 0


def _run(options):
    from grader import report
    from grader.execute import Limits
    from grader.grade import grade_class
    from grader.master import Master
    from grader.submission import find_submissions, left_out

    master = Master.load(options.topic)
    submissions = find_submissions(options.submissions)
    for name in left_out(options.submissions):
        print(f"left out: {name} (its name does not end in .ipynb)", file=sys.stderr)
    out = options.out or Path("grades") / master.stem
    try:
        (out / "students").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise CourseError(f"cannot write to --out {out}: {error.strerror}") from None
    grades = grade_class(
        submissions,
        master,
        seed=options.seed,
        limits=Limits(timeout=options.timeout),
        jobs=options.jobs,
        kind=options.kernel,
        done=lambda entry: print(_line(entry), flush=True),
    )
    print(f"report: {report.write(grades, out)}")
    return 0 if all(entry["status"] == "graded" for entry in grades["submissions"]) else 1


def _line(entry):
    notes = f"  ({'; '.join(entry['notes'])})" if entry["notes"] else ""
    points = f"{entry['points']:g} of {entry['max']:g}"
    text = f"{entry['student']}: {points} points, {entry['status']}, {entry['seconds']:.1f} s{notes}"
    return "".join(c if c.isprintable() else "?" for c in text)


def _check(options):
    from grader.check import check_notebook

    return check_notebook(options.notebook)


if __name__ == "__main__":
    sys.exit(main())
