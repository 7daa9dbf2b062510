"""Nothing lost: the gradebook by itself, on SQLite and on a PostgreSQL server of its own, and through `grade`."""

import csv
import io
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, entries, grade
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from test_run import RIGHT, solved

from grader.course import CourseError
from grader.gradebook import Attempt, Gradebook, Run, Schema

LAB = "90_tiny"
DEADLINE = "2026-11-30T23:59:00+01:00"


@pytest.fixture(scope="session")
def postgres():
    """make() -> URL of a new, empty database on a server that listens on a unix socket in a folder of its own."""
    found = shutil.which("initdb") or next((str(p) for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if not found:
        pytest.skip("no PostgreSQL server here (Debian: postgresql)")
    psycopg = pytest.importorskip("psycopg")
    bin = Path(found).resolve().parent
    other = {"user": "nobody", "extra_groups": []} if os.getuid() == 0 else {}  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # not pytest's, which others than we can't enter
    if other:
        shutil.chown(folder, "nobody")
    initdb = [bin / "initdb", "-D", folder / "data", "-U", "course", "-A", "trust", "-E", "SQL_ASCII", "--no-sync"]
    subprocess.run(initdb, cwd=folder, check=True, capture_output=True, **other)
    server = subprocess.Popen(
        [bin / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        **other,
    )
    numbers = itertools.count()

    def make():
        name = f"book{next(numbers)}"
        with psycopg.connect(f"postgresql://course@/postgres?host={folder}", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://course@/{name}?host={folder}"

    try:
        for _ in range(300):
            if subprocess.run([bin / "pg_isready", "-q", "-h", folder], check=False).returncode == 0:
                break
            assert server.poll() is None, "the server ended by itself"
            time.sleep(0.1)
        yield make
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The URL of a database that is not there yet (SQLite) or empty."""
    return request.getfixturevalue("postgres")() if request.param == "postgresql" else f"sqlite:///{tmp_path}/book.db"


def entry(student, digest="d1", *, double=3.0, total=3.0, handed_in=None, status="graded"):
    """What a grader found: two tasks of 3 points each."""
    rows = [
        {"task": task, "check": f"{task}-1", "points": points, "max": 3.0, "verdict": "pass", "graded": "own"}
        | {"message": "", "seconds": 0.1, "values": []}
        for task, points in (("double", double), ("total", total))
    ]
    return {
        **{"student": student, "file": f"{student}.ipynb", "status": status, "digest": digest, "master": "m1"},
        **{"points": double + total, "max": 6.0, "seconds": 0.2, "notes": [], "seed": 7, "sandbox": "none"},
        **{"handed_in": handed_in, "code": {}, "checks": rows},
    }


def submission(student, digest="d1", handed_in=None):
    return SimpleNamespace(student=student, digest=digest, handed_in=handed_in)


def stored(url):
    """Every attempt, without its times."""
    with Gradebook(url, create=False)._session() as session:
        rows = session.scalars(select(Attempt).order_by(Attempt.student, Attempt.id)).all()
    columns = ("lab", "student", "digest", "master", "points", "max", "status")
    return [({c: getattr(row, c) for c in columns}, without_times(json.loads(row.entry))) for row in rows]


def without_times(value):
    """The same JSON without seconds and times of grading."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "seconds"}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def counted(book, student="ada"):
    return next(e for e in book.grades(LAB)["submissions"] if e["student"] == student)


def graded(url, *found, **begin):
    """A gradebook with one finished run."""
    book = Gradebook(url)
    run = book.begin(LAB, "m1", **begin)
    for one in found:
        book.add(run, one)
    book.finish(run)
    return book


# What is kept


def test_what_one_grader_added_the_next_one_reads(url):
    graded(url, entry("bob", double=1.0), entry("ada"), seed=7)
    grades = Gradebook(url, create=False).grades(LAB)
    assert {k: v for k, v in grades.items() if k != "submissions"} == {
        **{"schema": 1, "lab": LAB, "seed": 7, "sandbox": "none"}
    }
    more = {"raw_points": 6.0, "attempts": 1, "late": None, "manual": []}
    assert grades["submissions"] == [
        {**entry("ada"), **more},
        {**entry("bob", double=1.0), **more, "raw_points": 4.0},
    ]


def test_an_entry_that_two_graders_of_one_run_found_is_kept_once_and_the_first_stays(url):
    book, other = Gradebook(url), Gradebook(url)
    run, same = book.begin(LAB, "m1"), other.begin(LAB, "m1")
    book.add(run, entry("ada"))
    other.add(same, entry("ada", double=0.0))
    assert same.id == run.id
    assert [row["points"] for row, _ in stored(url)] == [6.0]


def test_two_graders_with_runs_of_their_own_keep_an_entry_once_too(url):
    book = Gradebook(url)
    first, second = book.begin(LAB, "m1", seed=1), book.begin(LAB, "m1", seed=2)
    assert first.id != second.id
    book.add(first, entry("ada"))
    book.add(second, entry("ada", double=0.0))
    assert [row["points"] for row, _ in stored(url)] == [6.0]


def test_a_run_that_was_cut_short_goes_on_with_its_seed_and_a_finished_one_does_not(url):
    book = Gradebook(url)
    first = book.begin(LAB, "m1")
    assert 0 <= first.seed < 2**31
    same = Gradebook(url).begin(LAB, "m1")
    assert (same.id, same.seed) == (first.id, first.seed)
    assert book.begin(LAB, "m1", seed=first.seed).id == first.id
    others = [
        book.begin(LAB, "m2"),
        book.begin("91_other", "m1"),
        book.begin(LAB, "m1", regrade=True),
        book.begin(LAB, "m1", seed=first.seed + 1),
    ]
    assert first.id not in [run.id for run in others]
    book.finish(others[-1])
    assert book.begin(LAB, "m1").id not in [run.id for run in (first, *others)]


def test_a_regrade_that_was_cut_short_goes_on_as_a_regrade(url):
    book = graded(url, entry("ada"), entry("bob"))
    run = book.begin(LAB, "m1", regrade=True)
    assert book.known(run, submission("ada")) is None
    book.add(run, entry("ada"))
    again = Gradebook(url).begin(LAB, "m1")
    assert again.id == run.id
    assert book.known(again, submission("ada")) == entry("ada")
    assert book.known(again, submission("bob")) is None


def test_only_an_unchanged_hand_in_against_the_same_master_is_known_and_never_our_own_failure(url):
    book = graded(url, entry("ada"), entry("bob", status="failed"), entry("eve", status="corrupt"))
    run = book.begin(LAB, "m1")
    assert book.known(run, submission("ada")) == entry("ada")
    assert book.known(run, submission("eve")) == entry("eve", status="corrupt")
    for unknown in (submission("ada", "d2"), submission("bob"), submission("zoe")):
        assert book.known(run, unknown) is None
    assert book.known(book.begin(LAB, "m2"), submission("ada")) is None
    assert book.known(book.begin("91_other", "m1"), submission("ada")) is None


def test_our_own_failure_is_graded_again_in_the_same_run_and_both_are_kept(url):
    book = Gradebook(url)
    run = book.begin(LAB, "m1")
    book.add(run, entry("ada", double=0.0, total=0.0, status="failed"))
    book.add(run, entry("ada"))
    book.add(run, entry("ada", double=0.0, total=0.0, status="failed"))  # a second grader fails later: no harm
    assert [row["status"] for row, _ in stored(url)] == ["failed", "graded"]
    book.add(book.begin(LAB, "m1", regrade=True), entry("ada", double=0.0, total=0.0, status="failed"))
    assert (counted(book)["points"], counted(book)["status"], counted(book)["attempts"]) == (6.0, "graded", 3)


def test_names_and_texts_of_any_kind_are_kept_apart(url):
    names = [
        "ada",
        "ada ",
        "Ada",
        "a\\xe9",
        "aé",
        "ada\0",
        "\udcff",
        "\\udcff",
        "é" * 5000,
        "é" * 5001,
        "'; DROP",
        "木",
    ]
    book = graded(url, *(entry(name) for name in names))
    for name in names:
        book.adjust(LAB, name, comment=f"to {name}")
    grades = book.grades(LAB)["submissions"]
    assert [e["student"] for e in grades] == sorted(names)
    assert [e["manual"][0]["comment"] for e in grades] == [f"to {name}" for name in sorted(names)]


# Which attempt counts


def test_the_last_hand_in_counts_or_the_best_as_the_rules_say_and_all_are_kept(url):
    book = graded(url, entry("ada", "good", double=3.0), entry("ada", "bad", double=1.0), entry("bob"))
    before = stored(url)
    assert (counted(book)["points"], counted(book)["attempts"]) == (4.0, 2)
    book.rules(LAB, count="best")
    again = Gradebook(url)  # kept in the database: nobody says it twice
    assert (counted(again)["points"], counted(again)["attempts"]) == (6.0, 2)
    assert (counted(again, "bob")["points"], counted(again, "bob")["attempts"]) == (6.0, 1)
    assert stored(url) == before


def test_the_order_of_hand_ins_is_that_of_their_times_not_of_their_grading(url):
    late, early = (f"2026-11-0{day}T10:00:00+01:00" for day in (2, 1))
    # 08:30 UTC is after 10:00+02:00, though its text comes first
    book = graded(
        url,
        *(entry("ada", "late", double=2.0, handed_in=late), entry("ada", "early", double=1.0, handed_in=early)),
        *(entry("bob", "late", double=2.0, handed_in="2026-11-01T08:30:00+00:00"),),
        *(entry("bob", "early", double=1.0, handed_in="2026-11-01T10:00:00+02:00"),),
    )
    assert [counted(book, student)["points"] for student in ("ada", "bob")] == [5.0, 5.0]


def test_a_regrade_stands_for_the_grading_before_it_even_where_the_best_counts(url):
    book = graded(url, entry("ada", double=3.0))
    book.rules(LAB, count="best")
    run = book.begin(LAB, "m2", regrade=True)
    book.add(run, entry("ada", double=1.0))
    assert (counted(book)["points"], counted(book)["attempts"]) == (4.0, 2)


def test_an_earlier_version_handed_in_once_more_is_the_last_again_and_is_not_run(url):
    days = [f"2026-11-0{day}T10:00:00+01:00" for day in (1, 2, 3)]
    book = graded(url, entry("ada", "A", handed_in=days[0]), entry("ada", "B", double=1.0, handed_in=days[1]))
    run = book.begin(LAB, "m1")
    assert book.known(run, submission("ada", "A", days[0]))["points"] == 6.0
    assert (counted(book)["points"], counted(book)["attempts"]) == (4.0, 2), "an old folder graded again"
    for _ in range(2):
        assert book.known(run, submission("ada", "A", days[2]))["points"] == 6.0
        assert (counted(book)["points"], counted(book)["attempts"]) == (6.0, 3)


def test_an_unchanged_hand_in_without_a_time_stays_one_attempt(url):
    book = graded(url, entry("ada"))
    book.known(book.begin(LAB, "m1"), submission("ada"))
    assert len(stored(url)) == 1


def test_an_earlier_version_that_came_back_while_its_run_was_cut_short_is_still_known(url):
    book = Gradebook(url)
    run = book.begin(LAB, "m1")
    for digest in "AB":
        book.add(run, entry("ada", digest))
    assert book.known(run, submission("ada", "A")) == entry("ada", "A")
    assert len(stored(url)) == 2


def test_a_lab_put_back_to_an_earlier_version_counts_as_that_version_graded_it(url):
    book = graded(url, entry("ada", double=1.0, handed_in=DEADLINE), entry("bob"))
    book.add(book.begin(LAB, "m2"), entry("ada", double=2.0, handed_in=DEADLINE))
    assert [counted(book, s)["points"] for s in ("ada", "bob")] == [5.0, 6.0]
    assert [counted(book, s)["notes"] for s in ("ada", "bob")] == [[], ["graded against an earlier version of the lab"]]
    book.known(book.begin(LAB, "m1"), submission("ada", handed_in=DEADLINE))
    assert (counted(book)["points"], counted(book)["attempts"]) == (4.0, 3)


def test_of_equally_good_hand_ins_the_last_counts(url):
    book = graded(url, entry("ada", "A"), entry("ada", "B"))
    book.rules(LAB, count="best")
    assert counted(book)["digest"] == "B"


# Late


@pytest.mark.parametrize(
    ("handed_in", "days", "points"),
    [
        ("2026-11-30T23:58:59+01:00", 0, 6.0),
        ("2026-11-30T23:59:00+01:00", 0, 6.0),
        ("2026-12-01T00:14:00+01:00", 0, 6.0),  # the last second of the grace
        ("2026-12-01T00:14:01+01:00", 1, 5.4),
        ("2026-11-30T23:14:01+00:00", 1, 5.4),  # the same moment elsewhere
        ("2026-12-01T23:59:00+01:00", 1, 5.4),
        ("2026-12-01T23:59:01+01:00", 2, 4.8),
        ("2026-12-10T23:59:00+01:00", 10, 0.0),
        ("2027-11-30T00:00:00+01:00", 365, 0.0),
        (None, 0, 6.0),
    ],
)
def test_the_late_penalty_counts_days_begun_after_the_deadline_once_the_grace_is_over(
    tmp_path, handed_in, days, points
):
    book = graded(f"sqlite:///{tmp_path}/book.db", entry("ada", handed_in=handed_in))
    rules = book.rules(LAB, deadline=DEADLINE, grace=15, penalty=10)
    found = counted(book)
    assert (found["points"], found["raw_points"]) == (points, 6.0)
    late = {"days": days, "penalty": pytest.approx(6.0 - points), "deadline": rules.deadline}
    assert found["late"] == (late if days else None)
    assert ("not known" in " ".join(found["notes"])) == (handed_in is None)


def test_a_late_improvement_is_the_best_only_where_it_is_worth_its_penalty(url):
    on_time, late = "2026-11-30T10:00:00+01:00", "2026-12-02T10:00:00+01:00"
    book = graded(url, entry("ada", "A", double=2.5, handed_in=on_time), entry("ada", "B", handed_in=late))
    book.rules(LAB, count="best", deadline=DEADLINE, penalty=10)
    assert (counted(book)["points"], counted(book)["digest"]) == (5.5, "A")
    book.rules(LAB, penalty=1)
    assert (counted(book)["points"], counted(book)["digest"]) == (5.88, "B")
    book.rules(LAB, deadline="none")
    assert (counted(book)["points"], counted(book)["late"]) == (6.0, None)


def test_the_same_bytes_downloaded_again_after_the_deadline_are_not_late(url):
    book = graded(url, entry("ada", handed_in="2026-11-29T10:00:00+01:00"))
    book.rules(LAB, deadline=DEADLINE, penalty=10)
    book.add(book.begin(LAB, "m1", regrade=True), entry("ada", handed_in="2027-01-15T10:00:00+01:00"))
    assert (counted(book)["points"], counted(book)["late"], counted(book)["attempts"]) == (6.0, None, 2)


def test_a_deadline_without_an_offset_is_local(url, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        rules = graded(url, entry("ada")).rules(LAB, deadline="2026-11-30T23:59")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert rules.deadline == "2026-11-30T23:59:00-05:00"


@pytest.mark.parametrize(
    ("rule", "quoted"),
    [
        ({"count": "worst"}, "'worst'"),
        ({"deadline": "soon"}, "'soon'"),
        ({"grace": -1.0}, "-1"),
        ({"grace": float("nan")}, "nan"),
        ({"penalty": 100.5}, "100.5"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_and_changes_nothing(tmp_path, rule, quoted):
    book = graded(f"sqlite:///{tmp_path}/book.db", entry("ada"))
    with pytest.raises(CourseError, match=quoted):
        book.rules(LAB, **rule)
    kept = book.rules(LAB)
    assert (kept.count, kept.deadline, kept.grace, kept.penalty) == ("last", None, 0.0, 0.0)


# By hand


def test_points_set_by_hand_survive_a_regrade_and_go_with_clear(url):
    book = graded(url, entry("ada", double=1.0))
    book.adjust(LAB, "ada", task="double", points=2.5, comment="right idea", author="dr b")
    book.add(book.begin(LAB, "m2", regrade=True), entry("ada", double=0.0))
    found = counted(book)
    assert (found["points"], found["raw_points"], found["attempts"]) == (5.5, 3.0, 2)
    assert found["manual"] == [{"task": "double", "points": 2.5, "comment": "right idea", "author": "dr b"}]
    book.adjust(LAB, "ada", task="double", points=0.5, author="dr c")  # replaces the points, not the comment
    assert counted(book)["manual"] == [{"task": "double", "points": 0.5, "comment": "right idea", "author": "dr c"}]
    assert book.adjust(LAB, "ada", task="double", clear=True)["points"] == 3.0
    assert counted(book)["manual"] == []


def test_a_comment_alone_changes_no_points(url):
    book = graded(url, entry("ada", double=1.0))
    assert book.adjust(LAB, "ada", comment="see me")["points"] == 4.0
    assert counted(book)["manual"] == [{"task": "", "points": None, "comment": "see me", "author": ""}]


def test_manual_points_give_no_more_than_a_task_is_worth_in_a_changed_lab(url):
    book = graded(url, entry("ada", total=0.0))
    book.adjust(LAB, "ada", task="double", points=3)
    changed = entry("ada", double=0.0, total=0.0)
    changed["checks"][0]["max"] = 1.0
    book.add(book.begin(LAB, "m2"), changed)
    assert counted(book)["points"] == 1.0


def test_points_of_a_task_are_subject_to_the_late_penalty_and_those_of_the_whole_lab_are_final(url):
    book = graded(url, entry("ada", double=0.0, handed_in="2026-12-01T10:00:00+01:00"))
    rules = book.rules(LAB, deadline=DEADLINE, penalty=10)
    assert book.adjust(LAB, "ada", task="double", points=3)["points"] == 5.4
    found = book.adjust(LAB, "ada", points=6)
    assert (found["points"], found["raw_points"]) == (6.0, 3.0)
    assert found["late"] == {"days": 1, "penalty": 0.0, "deadline": rules.deadline}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"student": "bob", "points": 1}, "'bob'.*expected one of 'ada'"),
        ({"task": "treble", "points": 1}, "'treble'.*expected one of 'double', 'total'"),
        ({"task": "double", "points": 3.5}, "3.5: expected 0 to 3 of double"),
        ({"points": 6.5}, "6.5: expected 0 to 6 of the lab"),
        ({"points": -1}, "-1: expected 0 to 6"),
        ({"points": float("nan")}, "nan: expected 0 to 6"),
        ({}, "expected --points"),
        ({"points": 1, "clear": True}, "--clear alone"),
        ({"clear": True}, "nothing was set by hand"),
    ],
)
def test_an_adjustment_that_cannot_be_is_refused_with_what_can(tmp_path, wanted, told):
    book = graded(f"sqlite:///{tmp_path}/book.db", entry("ada"))
    with pytest.raises(CourseError, match=told):
        book.adjust(LAB, wanted.pop("student", "ada"), **wanted)
    assert counted(book)["manual"] == []


def test_a_message_names_only_a_few_of_many_students_and_nothing_that_moves_a_cursor(tmp_path):
    book = graded(f"sqlite:///{tmp_path}/book.db", *(entry(f"\x1b[2J{n:03}" * 50) for n in range(40)))
    with pytest.raises(CourseError, match="and 30 more") as told:
        book.adjust(LAB, "bob", points=1)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 2000


# Any sequence of events

TIMES = st.none() | st.integers(0, 40).map(lambda h: f"2026-11-{1 + h // 12:02}T{h % 12:02}:00:00+01:00")
ATTEMPT = st.tuples(
    st.sampled_from(["ada", "bob", "\udcff\0"]),
    st.sampled_from(["A", "B", "C"]),
    st.sampled_from([0.0, 0.1, 1.0, 2.5, 3.0]),
    TIMES,
    st.sampled_from(["graded", "graded", "corrupt", "failed"]),
    st.booleans(),  # in a run of its own?
)
BY_HAND = st.tuples(
    st.sampled_from(["", "double", "total"]), st.none() | st.floats(0, 3), st.none() | st.text(max_size=5)
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "count": st.sampled_from(["last", "best"]),
        "deadline": TIMES.map(lambda t: t or "none"),
        "grace": st.floats(0, 600),
        "penalty": st.floats(0, 100),
    },
)
numbers = itertools.count()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(ATTEMPT | BY_HAND | RULES, max_size=12))
def test_whatever_happens_points_lie_between_0_and_the_most_and_every_attempt_is_there(url, events):
    book, lab = Gradebook(url), f"lab {next(numbers)}"  # a lab of its own, not a database: that takes longer
    run, added = book.begin(lab, "m1"), []
    for event in events:
        match event:
            case dict():
                book.rules(lab, **event)
            case student, digest, double, handed_in, status, apart:
                if apart:
                    book.finish(run)
                    run = book.begin(lab, "m1", regrade=True)
                book.add(run, entry(student, digest, double=double, handed_in=handed_in, status=status))
                key = (run.id, student, digest)
                if not any(k == key and s != "failed" for k, s in added):
                    added.append((key, status))
            case task, points, comment:
                if added and (points, comment) != (None, None):
                    book.adjust(lab, added[0][0][1], task=task, points=points, comment=comment)
    with book._session() as session:
        rows = session.scalars(select(Attempt).where(Attempt.lab == lab).order_by(Attempt.id)).all()
        assert [((a.run, a.student, a.digest), a.status) for a in rows] == added
    if added:
        found = book.grades(lab)["submissions"]
        assert {e["student"]: e["attempts"] for e in found} == {
            student: sum(key[1] == student for key, _ in added) for _, student, _ in (key for key, _ in added)
        }
        for e in found:
            assert 0 <= e["points"] <= e["max"] == 6.0
            assert 0 <= (e["late"] or {"penalty": 0})["penalty"] <= 6.0
            assert e["raw_points"] == round(sum(row["points"] for row in e["checks"]), 2)


# What is no gradebook


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("grades.db", "'grades.db': expected sqlite:///PATH or postgresql://"),
        ("sqlite://", "expected sqlite:///PATH"),
        ("sqlite:////nonexistent/folder/book.db", "unable to open"),
        ("mysql://ada:s3cret@host/x", "mysql.*expected sqlite"),
        ("postgresql://ada:s3cret@127.0.0.1:1/x", "127.0.0.1:1/x: .*refused"),
        ("postgresql://ada:s3/cret@127.0.0.1:1/x?password=s3cret", "127.0.0.1:1/x.*refused"),
        ("postgresql://ada:s3/cr@s3et@127.0.0.1:1/x", "%40 for an @"),
        ("postgresql://ada:s3cret@host:port/x", "expected sqlite"),
        ("postgresql://ada:s3cret@127.0.0.1:1/x?colour=red", "colour"),
    ],
)
def test_a_url_that_cannot_be_opened_is_told_without_its_password(url, told):
    with pytest.raises(CourseError, match=told) as error:
        Gradebook(url)
    assert "s3" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path):
    file = tmp_path / "book.db"
    file.write_text("points,ada,6\n" * 100)
    with pytest.raises(CourseError, match=r"book.db: file is not a database"):
        Gradebook(f"sqlite:///{file}")
    assert file.read_text() == "points,ada,6\n" * 100


def test_a_gradebook_of_a_newer_course_is_refused(url):
    with graded(url, entry("ada"))._session(write=True) as session:
        session.execute(update(Schema).values(version=2))
    with pytest.raises(CourseError, match="schema version 2, this grader reads 1"):
        Gradebook(url)


def test_a_reader_makes_no_gradebook_where_there_is_none(tmp_path, postgres):
    for url in (f"sqlite:///{tmp_path}/book.db", postgres()):
        for _ in range(2):
            with pytest.raises(CourseError, match="no gradebook"):
                Gradebook(url, create=False)
    assert list(tmp_path.iterdir()) == []


# Several graders, and graders that are killed

WRITER = """
import sys
sys.path[:0] = [{tests!r}, {here!r}, {root!r}]
from test_gradebook import Gradebook, LAB, entry
book = Gradebook({url!r})
run = book.begin(LAB, "m1")
print("ready", flush=True)
for n in range({first}, {last}):
    book.add(run, entry(f"student {{n}}"))
    print(n, flush=True)
book.finish(run)
"""


def writer(url, first, last):
    """A process that adds attempts and prints each that is kept."""
    places = {"tests": str(ROOT / "tests"), "here": str(Path(__file__).parent), "root": str(ROOT)}
    code = WRITER.format(url=url, first=first, last=last, **places)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_four_graders_at_once_on_a_new_gradebook_lose_nothing_and_keep_nothing_twice(url):
    graders = [writer(url, 20 * n, 20 * n + 40) for n in range(4)]  # each overlaps the next
    assert [len(grader.communicate(timeout=120)[0].split()) for grader in graders] == [41] * 4
    students = [row["student"] for row, _ in stored(url)]
    assert sorted(students) == sorted(f"student {n}" for n in range(100))


def test_what_a_grader_said_is_kept_is_there_when_it_is_killed_at_any_moment(url):
    kept, last = [], 0
    for moment in range(8):
        grader = writer(url, last, 10_000)
        lines = [grader.stdout.readline() for _ in range(1 + 3 * moment)]
        time.sleep(0.003 * (moment % 4))
        grader.kill()
        kept += [int(n) for n in [*lines, *grader.stdout.read().splitlines(keepends=True)][1:] if n.endswith("\n")]
        last = len(kept)
        students = [row["student"] for row, _ in stored(url)]
        assert set(students) >= {f"student {n}" for n in kept}
        assert len(students) == len(set(students)) <= len(kept) + 1 + moment  # committed, and killed before it said so
    with Gradebook(url)._session() as session:
        assert len(session.scalars(select(Run)).all()) == 1


# Through the door

HALF = "def double(x):\n    return 2 * x + 1"  # 4 of the lab's 6 points
ZERO = "def double(x):\n    return 3 * x"  # 3


def hand_in(folder, course, **doubles):
    """{student: their double}; the rest of the lab is right."""
    folder.mkdir(exist_ok=True)
    for student, double in doubles.items():
        (folder / f"{student}.ipynb").write_text(json.dumps(solved(course, double=double)))


def points(out):
    return {student: found["points"] for student, found in entries(out).items()}


def test_only_what_is_new_or_changed_is_run_and_rules_and_manual_points_stay(tiny, tmp_path):
    """One class over a term: the run's prints say who was run, grades.json who has what."""
    folder, out = tmp_path / "class", tmp_path / "out"

    def again(*options, command="run"):
        hand_ins = [folder, "--jobs", 1] if command == "run" else []
        done = grade(command, "90", *hand_ins, "--out", out, *options, root=tiny, check=0)
        assert done.stdout.count("report: ") == 1
        return {line.split(":")[0] for line in done.stdout.splitlines() if ", graded" in line}

    hand_in(folder, tiny, ada=RIGHT["double"], bob=HALF)
    assert again() == {"ada", "bob"}
    first = entries(out)["bob"]
    hand_in(folder, tiny, ada=ZERO, eve=RIGHT["double"])
    assert again() == {"ada", "eve"}
    assert points(out) == {"ada": 3, "bob": 4, "eve": 6}
    assert {s: e["attempts"] for s, e in entries(out).items()} == {"ada": 2, "bob": 1, "eve": 1}
    assert entries(out)["bob"] == first
    assert again("--count", "best") == set()
    assert points(out) == {"ada": 6, "bob": 4, "eve": 6}
    said = grade(
        *("adjust", "90", "bob", "--task", "total", "--points", 0.5, "--comment", "<b>copied</b>", "--author", "dr b"),
        *("--out", out),
        root=tiny,
        check=0,
    )
    assert said.stdout.startswith("bob: 2.5 of 6 points (total set to 0.5 points by hand: <b>copied</b>), graded")
    assert said.stdout.splitlines()[1] == f"report: {out / 'index.html'}"
    assert points(out)["bob"] == 2.5, "the reports are new without `grade report`"
    assert again("--regrade") == {"ada", "bob", "eve"}
    assert points(out) == {"ada": 6, "bob": 2.5, "eve": 6}, "ada's better attempt is another file: not run, but kept"
    assert {s: e["attempts"] for s, e in entries(out).items()} == {"ada": 3, "bob": 2, "eve": 2}
    shutil.rmtree(out / "students")
    (out / "index.html").unlink()
    again("--deadline", "2020-01-01T00:00:00Z", "--late-penalty", "100", command="report")
    assert points(out) == {"ada": 0, "bob": 0, "eve": 0}
    assert (out / "index.html").exists()
    assert len(list((out / "students").iterdir())) == 3


def table(text):
    return {line["student"]: line for line in csv.DictReader(io.StringIO(text))}


def text_of(page):
    return " ".join(re.sub(r"<[^>]+>", "", page.read_text()).split())


def test_a_task_set_by_hand_has_its_points_wherever_the_task_is_shown(tiny, tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(folder, tiny, ada=HALF, bob=HALF)
    grade("run", "90", folder, "--out", out, root=tiny, check=0)
    assert table((out / "grades.csv").read_text())["ada"]["double"] == "1.0"
    by_hand = ("--task", "double", "--points", 2.5, "--comment", "right idea", "--author", "kim")
    grade("adjust", "90", "ada", *by_hand, "--from", out, root=tiny, check=0)
    exported = grade("export", "90", "--to", "csv", "--from", out, root=tiny, check=0).stdout
    for text in ((out / "grades.csv").read_text(), exported):
        ada, bob = table(text)["ada"], table(text)["bob"]
        assert (ada["points"], ada["double"], ada["by_hand"]) == ("5.5", "2.5", "double")
        assert (bob["points"], bob["double"], bob["by_hand"]) == ("4.0", "1.0", "")
    page, index = text_of(out / "students" / "ada.html"), (out / "index.html").read_text()
    assert "double 2.5 of 3, by hand" in page
    assert "double, 2.5 of 3 points Set by hand. The checks gave 1 point." in page
    assert "The checks gave 4 points, with what was set by hand 5.5 points." in page
    assert "by hand" not in text_of(out / "students" / "bob.html")
    assert '<td class="number partial" data-value="2.5">2.5 ✎</td>' in index
    assert index.count("✎") == 2, "in the cell, and what it means"
    gradescope = grade("export", "90", "--to", "gradescope", "--student", "ada", "--from", out, root=tiny, check=0)
    tests = {test["name"]: test for test in json.loads(gradescope.stdout)["tests"]}
    assert (tests["double"]["score"], tests["double"]["max_score"]) == (2.5, 3.0)
    assert tests["double"]["output"] == "double set to 2.5 points by hand: right idea"
    assert sum(test.get("score", 0) for test in tests.values()) == json.loads(gradescope.stdout)["score"] == 5.5
    junit = grade("export", "90", "--to", "junit", "--from", out, root=tiny, check=0).stdout
    assert junit.count('name="remarks" value="double set to 2.5 points by hand: right idea"') == 1


def test_a_line_has_the_points_that_count_and_why_they_are_less(tiny, tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(folder, tiny, ada=RIGHT["double"], bob=HALF)
    for student, day in (("ada", 1), ("bob", 3)):
        time_ = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
        os.utime(folder / f"{student}.ipynb", (time_, time_))
    rules = ("--deadline", "2026-11-01T23:59:00+00:00", "--late-penalty", 10, "--count", "best")
    done = grade("run", "90", folder, "--out", out, *rules, root=tiny, check=0)
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    assert lines["ada"].startswith("ada: 6 of 6 points, graded")
    assert lines["bob"].startswith("bob: 3.2 of 6 points (0.8 points off: 2 days late), graded")
    assert "3.2 to 6" in done.stdout
    assert table((out / "grades.csv").read_text())["bob"]["penalty"] == "0.8"
    page = text_of(out / "students" / "bob.html")
    assert "handed in 2026-11-03 12:00 UTC" in page
    assert "2 days late: 0.8 points off. The deadline was 2026-11-01 23:59 UTC." in page
    assert "0.8 points off: 2 days late" in text_of(out / "index.html")
    hand_in(folder, tiny, ada=ZERO)
    done = grade("run", "90", folder, "--out", out, root=tiny, check=0)
    assert "ada: 6 of 6 points (another hand-in counts, this one got 3), graded" in done.stdout


def test_where_the_pages_of_a_database_lie_is_said_or_asked(tiny, tmp_path):
    url = f"sqlite:///{tmp_path}/book.db"
    graded(url, entry("ada"))
    by_hand = ("adjust", "90", "ada", "--points", 1, "--db", url)
    done = grade(*by_hand, root=tiny, check=0)
    assert "the pages, grades.csv and grades.json are as before: `grade report` with --db and --from" in done.stdout
    assert not (tiny / "grades").exists()
    grade(*by_hand, "--from", tmp_path / "out", root=tiny, check=0)
    assert points(tmp_path / "out") == {"ada": 1.0}
    page = text_of(tmp_path / "out" / "students" / "ada.html")
    assert "1 of 6 points, set by hand" in page
    assert "The checks gave 6 points." in page


def test_what_a_run_wrote_is_found_by_its_folder_and_an_error_says_how(own_tiny, tmp_path):
    graded(f"sqlite:///{tmp_path}/gradebook.db", entry("ada"))
    calls = [("adjust", "90", "ada", "--points", 1), ("report", "90"), ("report",), ("export", "90", "--to", "csv")]
    for call in calls:
        done = grade(*call, root=own_tiny, check=2)
        assert "there is no g" in done.stderr
        assert "--from" in done.stderr
        assert "--db" in done.stderr
        assert done.stderr.count("\n") == 1
        assert grade(*call, "--from", tmp_path, root=own_tiny, check=0).stdout


def test_wrong_uses_of_the_gradebook_are_told_in_one_line(tiny, tmp_path):
    graded(f"sqlite:///{tmp_path}/gradebook.db", entry("ada"))
    for arguments, told in (
        (("report", "90", "--out", tmp_path / "none"), "there is no gradebook"),
        (("report", "90", "--out", tmp_path, "--deadline", "soon"), "--deadline 'soon'"),
        (("adjust", "90", "bob", "--points", "1", "--out", tmp_path), "no attempt of 'bob'"),
        (
            ("run", "90", tiny / "labs" / "90_tiny.ipynb", "--out", tmp_path, "--db", "sqlite:////nonexistent/x.db"),
            "unable to open",
        ),
    ):
        done = grade(*arguments, root=tiny, check=2)
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_grader_killed_again_and_again_ends_with_the_gradebook_of_an_undisturbed_one(tiny, tmp_path):
    """Killed while it starts, between two results, while one is graded, and after the last before the reports."""
    folder, out = tmp_path / "class", tmp_path / "out"
    hand_in(folder, tiny, ada=HALF, bob=ZERO, **{f"s{n}": RIGHT["double"] for n in range(5)})
    url = f"sqlite:///{out}/gradebook.db"

    def kept():
        if not (out / "gradebook.db").exists():
            return 0
        with closing(sqlite3.connect(out / "gradebook.db", timeout=60)) as database:
            try:
                return database.execute("SELECT count(*) FROM grade_attempts").fetchone()[0]
            except sqlite3.OperationalError:  # its tables are not made yet
                return 0

    moments = [
        (0, 0.6),
        (0, 2.0),
        (1, 0.0),
        (2, 0.05),
        (3, 0.3),
        (4, 0.0),
        (5, 0.15),
        (7, 0.0),
    ]  # results kept, seconds later
    for number, (results, later) in enumerate(moments):
        command = [sys.executable, "-m", "grader.cli", "run", "90", folder, "--out", out, "--jobs", str(1 + number % 2)]
        env = {**os.environ, "COURSE_ROOT": str(tiny), "PYTHONPATH": str(ROOT)}
        grader = subprocess.Popen(command, cwd=tiny, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while kept() < results:
            assert grader.poll() is None, grader.stderr.read()
            time.sleep(0.03)
        time.sleep(later)
        grader.kill()
        grader.communicate()
    grade("run", "90", folder, "--out", out, root=tiny, check=0)
    with Gradebook(url)._session() as session:
        [run] = session.scalars(select(Run)).all()  # all went on with one run
    assert run.finished
    grade("run", "90", folder, "--out", tmp_path / "calm", "--seed", run.seed, root=tiny, check=0)
    assert stored(url) == stored(f"sqlite:///{tmp_path}/calm/gradebook.db")
    assert len(stored(url)) == 7
    disturbed, calm = (json.loads((o / "grades.json").read_text()) for o in (out, tmp_path / "calm"))
    assert without_times(disturbed) == without_times(calm)
