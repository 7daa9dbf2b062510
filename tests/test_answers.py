"""The checks of every lab are tested: wrong answers lose their own task's points, unusual right ones get all.

One `grade run` grades all answers of a topic, each handed in as a lab in which every other task is solved.
"""

import json
import os

import pytest
from conftest import ROOT, entries, grade

from grader.answers import hand_in, read_answers

TOPICS = sorted(path.stem for path in (ROOT / "source" / "labs").glob("*.py"))
ANSWERS = {(stem, f"{a.task}--{a.name}"): a for stem in TOPICS for a in read_answers(stem)}


@pytest.fixture(scope="session")
def graded(tmp_path_factory):
    """{(topic, student): entry}, from one run a topic with a seed that nobody has seen; COURSE_TEST_SEED repeats one."""
    found = {}
    for stem in TOPICS:
        folder, out = tmp_path_factory.mktemp(stem), tmp_path_factory.mktemp(f"{stem}-out")
        hand_ins = {
            "untouched": hand_in(stem),
            "solution": hand_in(stem, solution=True),
            **{
                student: hand_in(stem, {a.task: a.text}, solution=True)
                for (topic, student), a in ANSWERS.items()
                if topic == stem
            },
        }
        for student, notebook in hand_ins.items():
            (folder / f"{student}.ipynb").write_text(json.dumps(notebook))
        seed = os.environ.get("COURSE_TEST_SEED")
        grade("run", stem, folder, "--out", out, *(["--seed", seed] if seed else []), check=0)
        print("seed", json.loads((out / "grades.json").read_text())["seed"])
        found |= {(stem, student): entry for student, entry in entries(out).items()}
    return found


def by_task(entry, what):
    tasks = {}
    for row in entry["checks"]:
        tasks[row["task"]] = tasks.get(row["task"], 0) + row[what]
    return tasks


@pytest.mark.xdist_group("answers")
@pytest.mark.parametrize("key", ANSWERS, ids=lambda key: f"{key[0][:2]}-{key[1]}")
def test_answer_earns_what_it_is_worth_and_nothing_else_changes(graded, key):
    answer, entry = ANSWERS[key], graded[key]
    got, most = by_task(entry, "points"), by_task(entry, "max")
    expected = dict(most) if answer.right else {**most, answer.task: answer.points}
    rows = [row for row in entry["checks"] if row["task"] == answer.task]
    assert got == pytest.approx(expected), f"{answer.why}\n{json.dumps(rows, indent=1)[:3000]}"


@pytest.mark.xdist_group("answers")
@pytest.mark.parametrize("stem", TOPICS)
def test_untouched_lab_scores_nothing_and_the_solution_all(graded, stem):
    untouched, solution = graded[stem, "untouched"], graded[stem, "solution"]
    assert untouched["points"] == 0
    assert solution["points"] == solution["max"] > 0


@pytest.mark.parametrize("stem", TOPICS)
def test_every_task_has_five_wrong_and_three_right_answers(stem):
    tasks = {cell.metadata.course.task for cell in hand_in(stem).cells if cell.metadata.get("course", {}).get("task")}
    for task in tasks:
        answers = [a for (topic, _), a in ANSWERS.items() if topic == stem and a.task == task]
        assert sum(not a.right for a in answers) >= 5, task
        assert sum(a.right for a in answers) >= 3, task
        assert len({a.name for a in answers}) == len({a.text for a in answers}) == len(answers), task
        assert all(a.why for a in answers), task
