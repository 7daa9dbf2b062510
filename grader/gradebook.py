"""Keeps what was graded: a `Gradebook` in a SQLite file or a PostgreSQL database, where no attempt is overwritten.

book = Gradebook("sqlite:///gradebook.db")
run = book.begin("90_tiny", master.digest)      # a killed run goes on, with its seed
if book.known(run, submission) is None:
    book.add(run, entry)                        # on disk when it returns
book.finish(run)
grades = book.grades("90_tiny")                 # as in grades.json: the attempt that counts, late days, manual points

An attempt is one grading of one hand-in. The same bytes graded again stand for their earlier gradings, and are as late
as they first were: a class that is downloaded again gets new times. What counts is decided when grades are read.
"""

import hashlib
import json
import math
import re
import secrets
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, BigInteger, ForeignKey, Index, Text, TypeDecorator, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from grader.course import CourseError, find_topic

VERSION = 1
FILE = "gradebook.db"
# Taken first by a writer: what it looks up stays true until it commits. One writer at a time is enough for grading.
LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7190211)"}


class AnyText(TypeDecorator):
    """Text of any kind in ASCII: names and comments hold what databases refuse, such as zeros and lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.encode("unicode_escape").decode()

    def process_result_value(self, value, dialect):
        return value.encode().decode("unicode_escape")


class Name(AnyText):
    """Text in a key, no longer than an index of PostgreSQL takes."""

    cache_ok = True

    def process_bind_param(self, value, dialect):
        text = super().process_bind_param(value, dialect)
        if len(text) <= 1600:
            return text
        return super().process_bind_param(f"{value[:100]} {hashlib.sha256(text.encode()).hexdigest()}", dialect)


class Base(DeclarativeBase):
    pass


class Schema(Base):
    """Which version of these tables a database holds."""

    __tablename__ = "grade_schema"
    version: Mapped[int] = mapped_column(primary_key=True)


class Rules(Base):
    """How a lab's attempts become grades. deadline: ISO 8601 with offset; grace: minutes; penalty: percent a day."""

    __tablename__ = "grade_rules"
    lab: Mapped[str] = mapped_column(Name, primary_key=True)
    count: Mapped[str] = mapped_column(default="last")
    deadline: Mapped[str | None]
    grace: Mapped[float] = mapped_column(default=0.0)
    penalty: Mapped[float] = mapped_column(default=0.0)


class Run(Base):
    """One `grade run`; without an end where the grader was killed."""

    __tablename__ = "grade_runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    lab: Mapped[str] = mapped_column(Name)
    master: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    regrade: Mapped[bool]
    started: Mapped[str]
    finished: Mapped[str | None]


class Attempt(Base):
    """One grading of one hand-in, never changed. entry: JSON as text, which takes all that JSON can hold."""

    __tablename__ = "grade_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey(Run.id))
    lab: Mapped[str] = mapped_column(Name)
    student: Mapped[str] = mapped_column(Name)
    digest: Mapped[str]
    master: Mapped[str]
    handed_in: Mapped[str | None]
    graded_at: Mapped[str]
    points: Mapped[float]
    max: Mapped[float]
    status: Mapped[str]
    entry: Mapped[str] = mapped_column(Text)


_GRADED = Attempt.status != "failed"  # the grader's own fault is graded again, in the same run too
Index(
    "grade_once_a_run", Attempt.run, Attempt.student, Attempt.digest,
    unique=True, sqlite_where=_GRADED, postgresql_where=_GRADED,
)  # fmt: skip
Index("grade_attempts_of", Attempt.lab, Attempt.student)


class Adjustment(Base):
    """What an instructor set by hand. task: "" is the whole lab; points: None leaves them as graded."""

    __tablename__ = "grade_adjustments"
    lab: Mapped[str] = mapped_column(Name, primary_key=True)
    student: Mapped[str] = mapped_column(Name, primary_key=True)
    task: Mapped[str] = mapped_column(Name, primary_key=True)
    points: Mapped[float | None]
    comment: Mapped[str] = mapped_column(AnyText, default="")
    author: Mapped[str] = mapped_column(AnyText, default="")
    at: Mapped[str]


class Gradebook:
    """All attempts at all labs. url: `sqlite:///path` or `postgresql://user:password@host/database`."""

    def __init__(self, url, *, create=True):
        """create: False for a reader; CourseError where there is no gradebook yet."""
        parsed = _url(url)
        self.shown = _without_password(str(url))
        if parsed.drivername == "sqlite" and not create and not Path(parsed.database).exists():
            here = "--from DIR names the folder of a `grade run --out DIR`, --db URL its database"
            raise CourseError(f"there is no gradebook {self.shown}; {here}")
        try:
            self._engine = create_engine(parsed, poolclass=NullPool)  # nothing stays open while submissions run
        except ImportError as error:
            raise CourseError(
                f"gradebook {self.shown} needs a driver: {error}; pip install 'psycopg[binary]'"
            ) from None
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _durable)
        with self._session(write=create) as session:
            self._check_schema(session, create)

    def _check_schema(self, session, create):
        if inspect(session.connection()).has_table(Schema.__tablename__):
            version = session.scalar(select(Schema.version))
            if version != VERSION:
                reads = f"this grader reads {VERSION}: update the course"
                raise CourseError(f"gradebook {self.shown} has schema version {version}, {reads}")
        elif create:
            Base.metadata.create_all(session.connection())
            session.add(Schema(version=VERSION))
        else:
            raise CourseError(f"{self.shown} holds no gradebook; `grade run` makes one")

    @contextmanager
    def _session(self, *, write=False):
        """One transaction: committed when the block ends, else undone. CourseError for what the database refuses."""
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                if write:
                    session.connection().exec_driver_sql(LOCK[self._engine.dialect.name])
                yield session
        except DBAPIError as error:
            why = _without_password(" ".join(str(error.orig).split())[:300])
            raise CourseError(f"gradebook {self.shown}: {why}") from None

    def begin(self, lab, master, *, seed=None, regrade=False):
        """The `Run` to add to: the newest of this lab and master where it was cut short, else a new one.

        master: digest of the master. seed: None takes what comes. regrade: nothing graded before this run is `known`.
        """
        checked_seed(seed)
        with self._session(write=True) as session:
            same = select(Run).where(Run.lab == lab, Run.master == master)
            run = session.scalar(same.order_by(Run.id.desc()).limit(1))
            if run and not run.finished and seed in (None, run.seed) and run.regrade >= regrade:
                return run
            seed = secrets.randbelow(2**31) if seed is None else seed
            run = Run(lab=lab, master=master, seed=seed, regrade=regrade, started=_now())
            session.add(run)
            session.flush()
            return run

    def finish(self, run):
        with self._session(write=True) as session:
            session.get(Run, run.id).finished = _now()

    def known(self, run, submission):
        """The entry of an unchanged submission, None where it is to be graded.

        An earlier version that is handed in once more becomes an attempt of this run, so that it is the last again.
        """
        digest = submission.digest  # reads the file: not while others wait
        with self._session(write=True) as session:
            mine = _attempts(session, run.lab, submission.student)
            same = _gradings(mine, run, digest)
            if not same:
                return None
            found, (last, _) = same[-1], _hand_ins(mine)[-1]
            entry = json.loads(found.entry)
            again = submission.handed_in is None or submission.handed_in != found.handed_in
            if last is not found and found.run != run.id and (again or last.digest == digest):
                entry["handed_in"] = submission.handed_in
                session.add(_attempt(run, entry))
            return entry

    def add(self, run, entry):
        """Keep an entry as an attempt, unless another grader has done it meanwhile."""
        with self._session(write=True) as session:
            if not _gradings(_attempts(session, run.lab, entry["student"]), run, entry["digest"]):
                session.add(_attempt(run, entry))

    def labs(self):
        """The labs that have attempts, in order."""
        with self._session() as session:
            return sorted(session.scalars(select(Attempt.lab).distinct()))

    def rules(self, lab, *, count=None, deadline=None, grace=None, penalty=None):
        """The lab's `Rules`, changed and kept where not None. deadline: ISO 8601, local without offset; or "none"."""
        changes = checked_rules(count=count, deadline=deadline, grace=grace, penalty=penalty)
        with self._session(write=True) as session:
            rules = session.get(Rules, lab) or Rules(lab=lab)
            session.add(rules)
            for name, value in changes.items():
                if value is not None:
                    setattr(rules, name, value)
            session.flush()
            return rules

    def grades(self, lab):
        """What grades.json holds, from all that was ever graded: the entry that counts for every student.

        Each has, beside what a grader found: raw_points, attempts, late ({"days", "penalty", "deadline"} or None) and
        manual.
        """
        with self._session() as session:
            entries, run = _counting(session, lab)
        if not entries:
            raise CourseError(f"gradebook {self.shown} has no {lab}; expected one of {_some(self.labs())}")
        entries.sort(key=lambda entry: entry["student"])
        tiers = " or ".join(sorted({entry["sandbox"] for entry in entries}))
        return {"schema": 1, "lab": lab, "seed": run.seed, "sandbox": tiers, "submissions": entries}

    def grade_of(self, lab, student):
        """The entry of one student who has attempts, as in `grades`."""
        with self._session() as session:
            [entry], _ = _counting(session, lab, student)
            return entry

    def adjust(self, lab, student, *, task="", points=None, comment=None, author="", clear=False):
        """Set points, a comment or both for a task, or the lab (task ""). What is None stays; clear removes both.

        Returns the student's entry as it counts now.
        """
        if clear == (points is not None or comment is not None):
            raise CourseError("expected --points P, --comment TEXT or both, or --clear alone")
        with self._session(write=True) as session:
            mine = _attempts(session, lab, student)
            if not mine:
                known = session.scalars(select(Attempt.student).where(Attempt.lab == lab).distinct())
                raise CourseError(f"no attempt of {student!r} at {lab}; expected one of {_some(known)}")
            entry = json.loads(_hand_ins(mine)[-1][0].entry)
            most = {"": entry["max"], **_by_task(entry, "max")}
            if task not in most:
                raise CourseError(f"no task {task!r} in {lab}; expected one of {_some(list(most)[1:])}")
            _within(points, "--points", 0, most[task], f"of {task or 'the lab'}")
            there = session.get(Adjustment, (lab, student, task))
            if clear and there is None:
                raise CourseError(f"nothing was set by hand for {student!r}, {task or 'the whole lab'}")
            if clear:
                session.delete(there)
            else:
                there = there or Adjustment(lab=lab, student=student, task=task, comment="")
                there.author, there.at = author, _now()
                there.points = there.points if points is None else points
                there.comment = there.comment if comment is None else comment
                session.add(there)
        return self.grade_of(lab, student)


def checked_rules(*, count=None, deadline=None, grace=None, penalty=None):
    """The columns of `Rules` for what an instructor asked for; CourseError for what makes no sense."""
    return {
        "count": _one_of(count, "--count", ("last", "best")),
        "deadline": deadline and _deadline(deadline),
        "grace": _within(grace, "--grace", 0, 1e6, "minutes"),
        "penalty": _within(penalty, "--late-penalty", 0, 100, "percent a day"),
    }


def checked_seed(seed):
    """The seed, None too; CourseError for one that a database does not hold."""
    if seed is not None and not -(2**63) <= seed < 2**63:
        raise CourseError(f"--seed {seed}: expected a number of at most 63 bits")
    return seed


def _counting(session, lab, student=None):
    """(the entry that counts for every student with attempts, or for one; the lab's newest run, None without one)."""
    rules = session.get(Rules, lab) or Rules(lab=lab, count="last", grace=0.0, penalty=0.0)
    newest = select(Run).join(Attempt).where(Attempt.lab == lab).order_by(Attempt.id.desc()).limit(1)
    run, students, manual = session.scalar(newest), defaultdict(list), defaultdict(list)
    for attempt in _attempts(session, lab, student):
        students[attempt.student].append(attempt)
    for a in session.scalars(select(Adjustment).where(Adjustment.lab == lab).order_by(Adjustment.task)):
        manual[a.student].append(a)
    entries = []
    for name, mine in students.items():
        hand_ins = _hand_ins(mine)[-1:] if rules.count == "last" else _hand_ins(mine)[::-1]
        counted = [_counted(attempt, first, rules, manual[name], run) for attempt, first in hand_ins]
        entries.append({**max(counted, key=lambda entry: entry["points"]), "attempts": len(mine)})
    return entries, run


def _attempts(session, lab, student=None):
    """Attempts at a lab, one student's or all, as they were stored."""
    which = [Attempt.lab == lab] + ([] if student is None else [Attempt.student == student])
    return session.scalars(select(Attempt).where(*which).order_by(Attempt.id)).all()


def _attempt(run, entry):
    columns = {name: entry[name] for name in ("student", "digest", "handed_in", "points", "max", "status")}
    of_run = {"run": run.id, "lab": run.lab, "master": run.master, "graded_at": _now()}
    return Attempt(**of_run, **columns, entry=json.dumps(entry))


def _gradings(attempts, run, digest):
    """Those that save this run from grading a hand-in: of the same bytes and master; its own only where it regrades."""
    same = [a for a in attempts if (a.digest, a.master) == (digest, run.master) and a.status != "failed"]
    return [a for a in same if a.run == run.id or not run.regrade]


def _hand_ins(attempts):
    """[(attempt, when these bytes were first handed in)] of one student in order: the grading that stands for each.

    It is the last one, but for the grader's own failures. Without a time, it was handed in when it was graded.
    """
    same = defaultdict(list)
    for attempt in attempts:
        same[attempt.digest].append(attempt)
    standing = []
    for gradings in same.values():
        times = [a.handed_in for a in gradings if a.handed_in]
        done = [a for a in gradings if a.status != "failed"] or gradings
        standing.append((done[-1], min(times, key=_time, default=None)))
    return sorted(standing, key=lambda pair: (_time(pair[0].handed_in or pair[0].graded_at), pair[0].id))


def _counted(attempt, first, rules, manual, newest):
    """An entry as it counts: with manual points of its tasks, less the late penalty; those of the lab are final."""
    entry, notes = json.loads(attempt.entry), []
    entry["manual"] = [{"task": a.task, "points": a.points, "comment": a.comment, "author": a.author} for a in manual]
    days = _days_late(first, rules)
    points = min(round(sum(by_task(entry).values()), 2), entry["max"])
    penalty = min(points, round(points * rules.penalty / 100 * days, 2))
    points -= penalty
    if "" in by_hand(entry):
        points, penalty = by_hand(entry)[""], 0.0
    if rules.deadline and first is None:
        notes.append("when it was handed in is not known: not counted as late")
    if attempt.master != newest.master:
        notes.append("graded against an earlier version of the lab")
    return {
        **entry,
        "handed_in": first,
        "points": min(round(points, 2), entry["max"]),
        "raw_points": entry["points"],
        "late": {"days": days, "penalty": penalty, "deadline": rules.deadline} if days else None,
        "notes": entry["notes"] + notes,
    }


def _days_late(handed_in, rules):
    """Days begun after the deadline; 0 within the grace, and where a time is not known."""
    if not handed_in or not rules.deadline:
        return 0
    late = _time(handed_in) - _time(rules.deadline)
    return math.ceil(late / timedelta(days=1)) if late > timedelta(minutes=rules.grace) else 0


def by_hand(entry):
    """{task: points} that an instructor set for an entry; task "" is the whole lab."""
    return {item["task"]: item["points"] for item in entry.get("manual") or () if item["points"] is not None}


def by_task(entry):
    """{task: points} of an entry: those set by hand, where they are, else those that its checks gave."""
    most, set_by_hand = _by_task(entry, "max"), by_hand(entry)
    return {task: min(set_by_hand.get(task, got), most[task]) for task, got in _by_task(entry, "points").items()}


def remarks(entry):
    """What changed the points after grading, a line each: days late, and what an instructor set or wrote."""
    late = entry.get("late")
    said = [f"{plural(late['penalty'], 'point')} off: {plural(late['days'], 'day')} late"] if late else []
    for item in entry.get("manual") or ():
        points = "" if item["points"] is None else f" set to {plural(item['points'], 'point')} by hand"
        said.append(f"{item['task'] or 'the whole lab'}{points}: {item['comment']}".removesuffix(": "))
    return said


def plural(number, word):
    """1 point, 2.5 points."""
    return f"{number:g} {word}{'s' * (number != 1)}"


def _by_task(entry, field):
    tasks = defaultdict(float)
    for row in entry["checks"]:
        tasks[row["task"]] += row[field]
    return {task: round(points, 2) for task, points in tasks.items()}


def _now():
    return datetime.now(UTC).isoformat()


def _time(text):
    return datetime.fromisoformat(text).astimezone()  # local where it has no offset


def _deadline(text):
    """ISO 8601 with offset; "" for "none"."""
    try:
        return "" if text == "none" else _time(text).isoformat()
    except (ValueError, OverflowError):
        raise CourseError(f"--deadline {text!r}: expected a time such as 2026-11-30T23:59, or none") from None


def _one_of(value, option, choices):
    if value is not None and value not in choices:
        raise CourseError(f"{option} {value!r}: expected {' or '.join(choices)}")
    return value


def _within(value, option, low, high, unit):
    if value is not None and not low <= value <= high:  # a NaN too
        raise CourseError(f"{option} {value:g}: expected {low:g} to {high:g} {unit}")
    return value


def _some(names):
    """A few of the names, safe to print."""
    names = sorted(names)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(repr(name[:60]) for name in names[:10]) or "(none)") + more


def _url(url):
    """The URL with the driver we use; CourseError, without its password, for one that names no gradebook."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed and parsed.drivername in ("postgresql", "postgresql+psycopg") and "@" not in (parsed.host or ""):
        # or psycopg reads bytes from a server that was set up in the C locale
        return parsed.set(drivername="postgresql+psycopg").update_query_dict({"client_encoding": "utf8"})
    if parsed and parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    expected = "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE, with %40 for an @ in the password"
    raise CourseError(f"gradebook {_without_password(str(url))!r}: {expected}")


def _without_password(text):
    text = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", text)
    return re.sub(r"(password=)[^&\s]*", r"\1***", text)


def _durable(connection, _):
    """A commit is on disk when it returns, and readers don't wait for a writer, nor writers long for each other."""
    for setting in ("busy_timeout=60000", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {setting}").close()


def default_url(out):
    """The gradebook that lies among the reports in the folder `out`."""
    return URL.create("sqlite", database=str(Path(out) / FILE))


def is_new(url, out):
    """Is the gradebook a SQLite file that is not there yet? CourseError where its folder is missing, less `out`."""
    parsed = _url(url)
    if parsed.drivername != "sqlite" or Path(parsed.database).exists():
        return False
    folder = Path(parsed.database).absolute().parent
    if not (folder.is_dir() or folder == Path(out).absolute()):
        raise CourseError(f"gradebook {_without_password(str(url))}: unable to open it: there is no folder {folder}")
    return True


def books(topic=None, url=None, folder=None):
    """[(gradebook, lab, folder of its reports)]: of one lab, else of all in the database, the folder, or grades/*."""
    if topic:
        lab = find_topic(topic)
        folder = Path(folder or Path("grades") / lab)
        return [(Gradebook(url or default_url(folder), create=False), lab, folder)]
    if url:
        book = Gradebook(url, create=False)
        return [(book, lab, Path(folder or "grades") / lab) for lab in book.labs()]
    folders = [Path(folder)] if folder else [file.parent for file in sorted(Path("grades").glob(f"*/{FILE}"))]
    if not folders:
        raise CourseError(f"there is no grades/*/{FILE}; `grade run` makes one, --from or --db name another")
    found = [(Gradebook(default_url(folder), create=False), folder) for folder in folders]
    return [(book, lab, folder) for book, folder in found for lab in book.labs()]
