"""A class of 40 for one lab, made from its declared answers: `hand_ins(stem)`, the same on every machine.

14 are right (every second one in unusual ways), 16 have one or two tasks wrong, 6 are half finished, 2 have a cell that
is not Python, one is untouched, one raises in its first task.
"""

import random
from dataclasses import dataclass

from grader.answers import hand_in, read_answers

FIRST = ("right-02", "untouched-01")  # of every class, however small: on these all graders must agree


@dataclass(frozen=True)
class HandIn:
    """A student's notebook and the points that its answers are declared to be worth."""

    student: str
    notebook: dict
    points: float


def hand_ins(stem, count):
    """The first `count` of the class, in a fixed random order."""
    lab = hand_in(stem).cells
    stubs = {cell.metadata.course.task: cell.source.split("\n", 1)[1] for cell in lab if _role(cell) == "task"}
    most = dict.fromkeys(stubs, 0)
    for cell in lab:
        if _role(cell) == "check":
            most[cell.metadata.course.task] += cell.metadata.course.points
    members = _members(stem, stubs)
    others = sorted(set(members) - set(FIRST))
    random.Random(0).shuffle(others)
    made = []
    for student in [*FIRST, *others][:count]:
        texts = {task: text for task, (text, _) in members[student].items()}
        lost = sum(most[task] - worth for task, (_, worth) in members[student].items() if worth is not None)
        made.append(HandIn(student, hand_in(stem, texts, solution=True), sum(most.values()) - lost))
    return made


def _role(cell):
    return cell.metadata.get("course", {}).get("role")


def _members(stem, stubs):
    """{student: {task: (text, worth)}} for what is not as in the solution; a worth of None is all of the points."""
    right, wrong = {task: [] for task in stubs}, {task: [] for task in stubs}
    for answer in read_answers(stem):
        (right if answer.right else wrong)[answer.task].append((answer.text, answer.points))
    tasks, draw = list(stubs), random.Random(1)
    members = {f"right-{n:02}": {} for n in range(1, 15)}
    for n in range(2, 15, 2):
        members[f"right-{n:02}"] = {task: right[task][n // 2 % len(right[task])] for task in tasks}
    for n in range(1, 17):
        members[f"wrong-{n:02}"] = {task: draw.choice(wrong[task]) for task in draw.sample(tasks, 1 + n % 2)}
    for n in range(1, 7):
        members[f"half-{n:02}"] = {task: (stubs[task], 0) for task in tasks[2 + n % 4 :]}
    for n in range(1, 3):
        task = draw.choice(tasks)
        members[f"syntax-{n:02}"] = {task: (f"{stubs[task]}\n    return (", 0)}
    members["untouched-01"] = {task: (stubs[task], 0) for task in tasks}
    members["raises-01"] = {tasks[0]: (f'section = int("not filled in")\n{stubs[tasks[0]]}', 0)}
    return members
