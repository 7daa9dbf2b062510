"""docs/write_a_task.md, followed word for word in a copy of the course."""

import subprocess

import pytest
from conftest import ROOT
from pages import copy_of, follow, shows

PAGE = (ROOT / "docs" / "write_a_task.md").read_text()
NEEDED = ("grader", "utils", "tests/conftest.py", "tests/test_answers.py", "pyproject.toml", "Makefile", ".gitignore")
NEEDED += ("README.md", "RESULTS.md", "constraints.txt", "lectures/images", "bench/results.json")


def git(course, *arguments):
    done = subprocess.run(["git", "-C", course, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """(the course's folder, [(command, what the page shows, what it said)])."""
    course = copy_of(NEEDED, tmp_path_factory.mktemp("scratch") / "course")
    git(course, "init", "-q")
    git(course, "add", ".")
    git(course, "-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-qm", "the course")
    return course, list(follow(course, PAGE, OMP_NUM_THREADS="1"))


def test_every_command_of_the_page_says_what_the_page_shows(followed):
    for command, shown, said in followed[1]:
        assert shows(shown, said), f"$ {command}\n{said[-3000:]}\nThe page shows:\n{shown}"
    assert len(followed[1]) >= 6


def test_all_of_its_answers_are_graded_and_all_of_its_mutants_die(followed):
    said = {command.split()[0 if "make" in command else 1]: said for command, _, said in followed[1]}
    assert " passed" in said["make"]
    assert "failed" not in said["make"]
    assert "survived:" not in said["mutate"]


def test_nothing_of_the_scratch_topic_is_left(followed):
    assert git(followed[0], "status", "--short") == ""
    assert not list(followed[0].rglob("97_scratch*"))
