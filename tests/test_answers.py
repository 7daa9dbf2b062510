"""The checks of every lab are tested: wrong answers lose their own task's points, unusual right ones get all.

One `grade run` grades all answers of a topic. A hand-in holds one answer to every task, all right or all wrong, so
that each has to earn exactly its own worth beside the others: a task that builds on a wrong one keeps its points.
"""

import functools
import json
import os

import pytest
from conftest import ROOT, entries, grade

from grader.answers import hand_in, read_answers

TOPICS = sorted(path.stem for path in (ROOT / "source" / "labs").glob("*.py"))


def packed(stem):
    """{student: {task: answer}}: the k-th right answers of all tasks are one hand-in, the k-th wrong ones another."""
    found, count = {}, {}
    for answer in read_answers(stem):
        kind = "right" if answer.right else "wrong"
        count[answer.task, kind] = count.get((answer.task, kind), 0) + 1
        found.setdefault(f"{kind}-{count[answer.task, kind]}", {})[answer.task] = answer
    return found


PACKED = {(stem, student): answers for stem in TOPICS for student, answers in packed(stem).items()}
ANSWERS = [(*key, task) for key, answers in PACKED.items() for task in answers]


def grade_answers(stem, folder):
    """Write the hand-ins of a topic into `folder` and grade them, with a seed nobody has seen or $COURSE_TEST_SEED."""
    hand_ins = {"untouched": hand_in(stem), "solution": hand_in(stem, solution=True)}
    for (topic, student), answers in PACKED.items():
        if topic == stem:
            texts = {task: answer.text for task, answer in answers.items()}
            hand_ins[student] = hand_in(stem, texts, solution=True)
    folder.mkdir()
    for student, notebook in hand_ins.items():
        (folder / f"{student}.ipynb").write_text(json.dumps(notebook))
    seed = os.environ.get("COURSE_TEST_SEED")
    grade("run", stem, folder, "--out", folder / "out", *(["--seed", seed] if seed else []), check=0)


@pytest.fixture(scope="session")
def graded(once):
    """graded(topic) is {student: entry}, from one `grade run` of that topic."""

    @functools.cache
    def of(stem):
        return entries(once(f"answers-{stem}", lambda folder: grade_answers(stem, folder)) / "out")

    return of


def by_task(entry, what):
    tasks = {}
    for row in entry["checks"]:
        tasks[row["task"]] = tasks.get(row["task"], 0) + row[what]
    return tasks


@pytest.mark.parametrize(("stem", "student", "task"), ANSWERS)
def test_an_answer_earns_what_it_is_worth(graded, stem, student, task):
    answer, entry = PACKED[stem, student][task], graded(stem)[student]
    worth = by_task(entry, "max")[task] if answer.right else answer.points
    rows = [row for row in entry["checks"] if row["task"] == task]
    told = f"{answer.name}: {answer.why}\n{json.dumps(rows, indent=1)[:3000]}"
    assert by_task(entry, "points")[task] == pytest.approx(worth), told
    assert answer.right or worth < by_task(entry, "max")[task], f"{answer.name} loses nothing"


@pytest.mark.parametrize(("stem", "student"), PACKED)
def test_a_task_that_is_solved_keeps_its_points_whatever_stands_beside_it(graded, stem, student):
    entry = graded(stem)[student]
    got, most = by_task(entry, "points"), by_task(entry, "max")
    solved = set(most) - set(PACKED[stem, student])
    assert {task: got[task] for task in solved} == {task: most[task] for task in solved}


@pytest.mark.parametrize("stem", TOPICS)
def test_untouched_lab_scores_nothing_and_the_solution_all(graded, stem):
    untouched, solution = (graded(stem)[student] for student in ("untouched", "solution"))
    assert untouched["points"] == 0
    assert solution["points"] == solution["max"] > 0


@pytest.mark.parametrize("stem", TOPICS)
def test_every_task_has_five_wrong_and_three_right_answers(stem):
    tasks = {cell.metadata.course.task for cell in hand_in(stem).cells if cell.metadata.get("course", {}).get("task")}
    for task in tasks:
        answers = [a for a in read_answers(stem) if a.task == task]
        assert sum(not a.right for a in answers) >= 5, task
        assert sum(a.right for a in answers) >= 3, task
        assert len({a.name for a in answers}) == len({a.text for a in answers}) == len(answers), task
        assert all(a.why for a in answers), task
