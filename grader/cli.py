"""The `grade` command. Exit status: 0 done, 1 something is stale or could not be graded, 2 wrong usage."""

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from grader.course import ROOT, CourseError, find_topic, topics

DB = "sqlite:///PATH or postgresql://... (default: gradebook.db in the folder of the reports)"
FROM = "folder of a `grade run --out DIR`: its gradebook, its reports (default: grades/NN_topic)"


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

    build = commands.add_parser("build", help="source/ -> lectures/, labs/, solutions/, samples/, README.md")
    build.add_argument("topics", nargs="*", metavar="NN", help="topics to build; all when none is named")
    build.add_argument("--check", action="store_true", help="build nothing; exit 1 where something is stale")
    build.add_argument("--repo", metavar="OWNER/NAME", help="name another repository in links and set-up cells")
    build.add_argument("--branch", metavar="NAME", help="and another branch; built notebooks keep their outputs")
    build.set_defaults(run=_build)

    release = commands.add_parser("release", help="the students' folder: no solutions, no sources, no tests")
    release.add_argument("topics", nargs="*", metavar="NN", help="topics to give out; all when none is named")
    release.add_argument("--out", type=Path, required=True, metavar="DIR", help="new, empty, or an earlier release")
    release.add_argument("--zip", action="store_true", help="write DIR.zip as well")
    release.set_defaults(run=_release)

    check = commands.add_parser("check", help="a student's own check: the same verdicts as the badges in the notebook")
    check.add_argument("notebook", type=Path)
    check.set_defaults(run=_check)

    start = commands.add_parser("start", help="write the start page, START.md, with the points that saved labs show")
    start.set_defaults(run=_start)

    run = commands.add_parser("run", help="grade submissions of a lab")
    run.add_argument("topic", metavar="NN")
    run.add_argument("submissions", type=Path, help="a notebook, a folder of notebooks or of students' folders, a zip")
    run.add_argument("--out", type=Path, default=None, help="folder for the reports (default: grades/NN_topic)")
    run.add_argument("--seed", type=int, default=None, help="seed of the fresh inputs (default: drawn for this run)")
    run.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="submissions graded side by side")
    run.add_argument("--timeout", type=_seconds, default=60.0, help="seconds a cell may take (default: 60)")
    run.add_argument("--kernel", choices=("warm", "cold"), default=None, help="forked from a warm process, or started")
    run.add_argument("--gpu", action="store_true", help="kernels see this machine's NVIDIA devices (cold ones only)")
    run.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a Dask cluster that does the work")
    run.add_argument("--allow-unsandboxed", action="store_true", help="go on where submissions cannot be isolated")
    _gradebook_options(run)
    run.add_argument("--regrade", action="store_true", help="run unchanged submissions again, too")
    run.set_defaults(run=_run)

    report = commands.add_parser("report", help="write the pages again, from the gradebook")
    report.add_argument("topic", nargs="?", metavar="NN", help="all labs of the gradebook when none is named")
    report.add_argument("--from", "--out", dest="folder", metavar="DIR", type=Path, default=None, help=FROM)
    _gradebook_options(report)
    report.set_defaults(run=_report)

    adjust = commands.add_parser("adjust", help="set points or a comment by hand; they survive every regrade")
    adjust.add_argument("topic", metavar="NN")
    adjust.add_argument("student")
    adjust.add_argument("--task", default="", help="default: the whole lab, whose points are final then")
    adjust.add_argument("--points", type=float, default=None)
    adjust.add_argument("--comment", default=None)
    adjust.add_argument("--author", default=os.environ.get("USER", ""), help="who says so (default: you)")
    adjust.add_argument("--clear", action="store_true", help="remove what was set by hand")
    adjust.add_argument("--from", "--out", dest="folder", metavar="DIR", type=Path, default=None, help=FROM)
    adjust.add_argument("--db", metavar="URL", default=None, help=DB)
    adjust.set_defaults(run=_adjust)

    mutate = commands.add_parser("mutate", help="plant small bugs in a lab's solution: how many do its checks find?")
    mutate.add_argument("topic", metavar="NN")
    mutate.add_argument("--task", default=None, help="only bugs in this task")
    mutate.add_argument("--sample", type=_positive, default=None, help="only so many of them, drawn with the seed")
    mutate.add_argument("--seed", type=int, default=None, help="seed of inputs and sample (default: drawn anew)")
    mutate.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="mutants graded side by side")
    mutate.add_argument("--out", type=Path, default=None, help="a file for the result as JSON")
    mutate.set_defaults(run=_mutate)

    export = commands.add_parser("export", help="grades for another system; exit 1 where one had to be left out")
    export.add_argument("topic", metavar="NN", nargs="?", default=None, help="default: the only one that has grades")
    export.add_argument("--to", required=True, choices=("canvas", "moodle", "gradescope", "junit", "csv"))
    export.add_argument("--from", dest="folder", metavar="DIR", type=Path, default=None, help=FROM)
    export.add_argument("--db", default=None, metavar="URL", help=DB)
    export.add_argument("--out", type=Path, default=None, metavar="FILE", help="the file to write (default: printed)")
    export.add_argument("--roster", type=Path, default=None, help="the CSV that Canvas or Moodle exported: who is who")
    export.add_argument("--column", default=None, help="Canvas: the assignment's name there (default: the lab's)")
    export.add_argument("--student", default=None, help="Gradescope: whose results.json")
    export.set_defaults(run=_export)

    new = commands.add_parser("new", help="the files of a new topic: a small skeleton that builds and is graded")
    new.add_argument("topic", metavar="NN_topic", help="two digits and a name, as in 03_made")
    new.add_argument("--title", required=True, help="as in 'MADE: one network, every conditional'")
    new.set_defaults(run=_new)

    moved = commands.add_parser("moved", help="the recorded results that moved since a commit; exit 1 where one did")
    moved.add_argument("--since", default="HEAD", metavar="COMMIT", help="default: HEAD, the last commit")
    moved.add_argument("--by", type=float, default=5.0, metavar="PERCENT", help="by more than so much (default: 5)")
    moved.set_defaults(run=_moved)

    site = commands.add_parser("site", help="the course as web pages, from the built notebooks")
    site.add_argument("--out", type=Path, default=ROOT / "site", metavar="DIR", help="default: site")
    site.set_defaults(run=_site)

    gradescope = commands.add_parser("gradescope", help="the zip of a Gradescope autograder; it holds the solution")
    gradescope.add_argument("topic", metavar="NN")
    gradescope.add_argument(
        "--out", type=Path, default=None, metavar="FILE.zip", help="default: grades/NN_topic-autograder.zip"
    )
    gradescope.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="grade where the container allows no sandbox: a submission could then read the solution",
    )
    gradescope.set_defaults(run=_gradescope)
    return parser


def _gradebook_options(parser):
    parser.add_argument("--db", metavar="URL", default=None, help=DB)
    rules = parser.add_argument_group("how attempts become grades", "kept for the lab; a change runs nothing again")
    rules.add_argument("--count", choices=("last", "best"), help="the attempt that counts (default: last)")
    rules.add_argument("--deadline", metavar="TIME", help="such as 2026-11-30T23:59, local without an offset; or none")
    rules.add_argument("--grace", type=float, metavar="MINUTES", help="after the deadline, not yet late (default: 0)")
    rules.add_argument("--late-penalty", type=float, metavar="PERCENT", help="off, per day begun late (default: 0)")


def _rules(options):
    return {
        "count": options.count,
        "deadline": options.deadline,
        "grace": options.grace,
        "penalty": options.late_penalty,
    }


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

    def say(line):
        print(line, flush=True)

    stems = sorted({find_topic(wanted) for wanted in options.topics}) or topics()
    if options.check:
        problems = build.stale(stems)
        for problem in problems:
            print(problem)
        print(f"{len(problems)} stale: run `make notebooks`" if problems else f"all of {len(stems)} topics up to date")
        return 1 if problems else 0
    if options.repo or options.branch:
        left = build.restamp(options.repo, options.branch, say)
        stems = [stem for stem in stems if options.topics or stem in left]
    build.build(stems, say)
    return 0


def _release(options):
    from grader import release

    stems = sorted({find_topic(wanted) for wanted in options.topics}) or topics()
    release.make(stems, options.out, as_zip=options.zip)
    return 0


def _run(options):
    from grader import report
    from grader.execute import Limits
    from grader.gradebook import Gradebook, checked_rules, checked_seed, default_url, is_new
    from grader.intake import find_submissions, left_out
    from grader.master import Master
    from grader.pool import Pool, grade_class
    from grader.progress import Progress

    master = Master.load(options.topic)
    submissions = find_submissions(options.submissions, master.stem)
    for name in left_out(options.submissions, submissions):
        print(f"left out: {name} (there is no notebook in it)", file=sys.stderr)
    out = options.out or Path("grades") / master.stem
    _writable(out)
    checked_rules(**_rules(options))
    seed = secrets.randbelow(2**31) if options.seed is None else checked_seed(options.seed)
    url, book, run = options.db or default_url(out), None, None
    if not is_new(url, out):
        book = Gradebook(url)
        run = book.begin(master.stem, master.digest, seed=options.seed, regrade=options.regrade)
        seed = run.seed
    ready, unchanged = False, []

    def begin():
        """Nothing is written, and no rule changed, before there is a first result, or none is needed."""
        nonlocal book, run, ready
        if not ready:
            out.mkdir(parents=True, exist_ok=True)
            book = book or Gradebook(url)
            run = run or book.begin(master.stem, master.digest, seed=seed, regrade=options.regrade)
            book.rules(master.stem, **_rules(options))
            ready = True

    def known(submission):
        entry = book.known(run, submission.loaded()) if book else None
        if entry is not None:
            unchanged.append(submission.student)
            progress.unchanged()
        return entry

    def done(entry):
        begin()
        book.add(run, entry)
        progress.done(entry, book.grade_of(master.stem, entry["student"]))

    with Progress(len(submissions)) as progress:
        try:
            grades = grade_class(
                submissions,
                master,
                seed=seed,
                limits=Limits(timeout=options.timeout),
                pool=Pool(options.jobs, options.kernel, options.gpu, options.allow_unsandboxed, options.scheduler),
                known=known,
                done=done,
            )
        except CourseError:  # such as a solution that fails with this seed: the next run draws another
            if run:
                book.finish(run)
            raise
    begin()
    book.finish(run)
    if unchanged:
        print(f"{len(unchanged)} of {len(submissions)} unchanged since they were graded: not run again")
    counted = book.grades(master.stem)
    progress.summary(counted, report.write(counted, out, master))
    return 0 if all(entry["status"] == "graded" for entry in grades["submissions"]) else 1


def _writable(out):
    """CourseError where the reports could not be written to the folder `out`; it need not be there, and is not made."""
    there = next(place for place in (out / "students", out, *out.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise CourseError(f"cannot write to --out {out}: {error.strerror}") from None


def _export(options):
    from grader import export

    return export.run(
        options.topic,
        options.to,
        db=options.db,
        folder=options.folder,
        out=options.out,
        roster=options.roster,
        column=options.column,
        student=options.student,
    )


def _new(options):
    from grader.new import new_topic

    for path in new_topic(options.topic, options.title):
        print(path.relative_to(ROOT))
    number = options.topic[:2]
    print(f"next: `.venv/bin/grade build {number}`, then `make test TOPIC={number}`: it lists what is left to fill in")
    return 0


def _moved(options):
    from grader import moved

    found = moved.moved(options.since, options.by)
    for row in found:
        print(moved.line(*row))
    print(f"{len(found)} results moved by more than {options.by:g} % since {options.since}")
    return 1 if found else 0


def _site(options):
    from grader import site

    if failed := site.build(options.out):
        return failed
    print(f"site: {options.out / 'index.html'}")
    return 0


def _gradescope(options):
    from grader import gradescope

    print(gradescope.make(options.topic, options.out, allow_unsandboxed=options.allow_unsandboxed))
    return 0


def _mutate(options):
    from grader import mutate

    return mutate.run(
        options.topic,
        task=options.task,
        sample=options.sample,
        seed=options.seed,
        jobs=options.jobs,
        out=options.out,
    )


def _report(options):
    from grader.gradebook import books

    for book, lab, folder in books(options.topic, options.db, options.folder):
        book.rules(lab, **_rules(options))
        _write(book, lab, folder)
    return 0


def _write(book, lab, folder):
    from grader import report
    from grader.master import Master

    print(f"report: {report.write(book.grades(lab), folder, Master.load(lab))}")


def _adjust(options):
    from grader.gradebook import books
    from grader.progress import line

    [(book, lab, folder)] = books(options.topic, options.db, options.folder)
    entry = book.adjust(
        lab,
        options.student,
        task=options.task,
        points=options.points,
        comment=options.comment,
        author=options.author,
        clear=options.clear,
    )
    print(line(entry))
    if options.db and not options.folder:  # which folder's reports are of this database is not known
        print("the pages, grades.csv and grades.json are as before: `grade report` with --db and --from writes them")
    else:
        _write(book, lab, folder)
    return 0


def _start(options):
    from grader import start

    reached, most = start.write()
    print(f"{start.PAGE}: {reached:g} of {most:g} points so far")
    return 0


def _check(options):
    from grader.check import check_notebook

    return check_notebook(options.notebook)


if __name__ == "__main__":
    sys.exit(main())
