"""`grade moved`: a recorded result that is not what it was is named before it is committed."""

import json
import subprocess

import pytest
from conftest import grade


def write(root, nll, ratio):
    """A built lecture that records nll, and a bench's result."""
    record = {"name": "nll", "value": nll, "unit": "nats/image"}
    outputs = [{"data": {"application/vnd.course.record+json": record}}, {"text": "another output"}]
    for folder in ("lectures", "bench"):
        (root / folder).mkdir(exist_ok=True)
    (root / "lectures" / "90_tiny.ipynb").write_text(json.dumps({"cells": [{}, {"outputs": outputs}]}))
    rows = [{"id": "90-speed", "ours": ratio, "unit": "s"}, {"id": "90-zero", "ours": 0.0, "unit": ""}]
    (root / "bench" / "results.json").write_text(json.dumps(rows))


@pytest.fixture
def course(tmp_path):
    """A course in git with one commit."""
    write(tmp_path, 80.0, 2.0)
    who = ["-c", "user.name=C", "-c", "user.email=c@example.org"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "results"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_result_within_the_noise_has_not_moved(course):
    write(course, 82.0, 2.0)
    done = grade("moved", root=course, check=0)
    assert done.stdout == "0 results moved by more than 5 % since HEAD\n"


def test_a_result_that_moved_is_shown_with_both_values(course):
    write(course, 90.0, 1.0)
    done = grade("moved", "--since", "HEAD", "--by", "12", root=course, check=1)
    assert done.stdout == (
        "90_tiny: nll  80 -> 90 nats/image  (+12.5 %)\n"
        "bench: 90-speed  2 -> 1 s  (-50.0 %)\n"
        "2 results moved by more than 12 % since HEAD\n"
    )


def test_a_result_that_is_no_number_any_more_moved_and_another_rounding_did_not(course):
    write(course, float("nan"), 2.0 + 1e-12)
    done = grade("moved", "--by", "0", root=course, check=1)
    assert done.stdout.startswith("90_tiny: nll  80 -> nan nats/image")
    assert done.stdout.endswith("1 results moved by more than 0 % since HEAD\n")


def test_a_result_that_came_or_went_is_shown(course):
    (course / "lectures" / "90_tiny.ipynb").rename(course / "lectures" / "91_other.ipynb")
    done = grade("moved", root=course, check=1)
    assert "90_tiny: nll  80 -> gone nats/image\n" in done.stdout
    assert "91_other: nll  new -> 80 nats/image\n" in done.stdout


def test_a_commit_that_is_not_there_is_named(course):
    assert "no-such-commit" in grade("moved", "--since", "no-such-commit", root=course, check=2).stderr
