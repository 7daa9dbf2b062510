"""Wrong and unusual answers of a topic, and notebooks as students hand them in, made from them.

`tests/answers/NN_topic/<task>.py` holds one cell an answer, `# %% wrong="..." points=0 why="..."` or
`# %% right="..."`; `class.toml` beside them holds a sample class.
"""

import tomllib
from dataclasses import dataclass

import nbformat

from grader.course import ROOT, CourseError
from grader.source import assemble, read_cells, slug, source_error


@dataclass(frozen=True)
class Answer:
    """One answer to one task: `points` is what it must earn, None for all of them."""

    task: str
    name: str
    right: bool
    points: float | None
    why: str
    text: str


def folder(stem):
    return ROOT / "tests" / "answers" / stem


def read_answers(stem):
    """All answers of a topic, in the order of their files. CourseError with file and line for a malformed one."""
    found = []
    for path in sorted(folder(stem).glob("*.py")):
        for cell in read_cells(path)[0]:
            right, wrong = cell.options.get("right"), cell.options.get("wrong")
            if cell.kind != "code" or not cell.text:
                continue
            if bool(right) == bool(wrong):
                raise source_error(path, cell.line, 'an answer is marked right="name" or wrong="name"')
            if wrong and not isinstance(cell.options.get("points"), (int, float)):
                raise source_error(path, cell.line, f"the wrong answer {wrong!r} must say what it earns: points=0")
            points = None if right else cell.options["points"]
            found.append(Answer(path.stem, right or wrong, bool(right), points, cell.options.get("why", ""), cell.text))
    return found


def hand_in(stem, changes=None, *, solution=False):
    """A student's notebook: the lab with cells replaced, {task: text}; with solution=True the other tasks are solved.

    A text of None deletes the task's cell. Everything else is as the lab gave it.
    """
    notebook = assemble(ROOT / "source" / "labs" / f"{stem}.py", "solutions" if solution else "labs")
    notebook.metadata["course"]["kind"] = "labs"
    for task, text in (changes or {}).items():
        cells = [cell for cell in notebook.cells if cell.id == slug(task)]
        if not cells:
            raise CourseError(f"lab {stem} has no task {task!r}")
        if text is None:
            notebook.cells.remove(cells[0])
        else:
            cells[0].source = f"# task: {task}\n{text}"
    return notebook


def sample_class(stem):
    """The notebooks of the sample class of a topic: {path: text}; empty where it has no class.toml."""
    path = folder(stem) / "class.toml"
    if not path.is_file():
        return {}
    texts = {(a.task, a.name): a.text for a in read_answers(stem)}
    stubs = {c.metadata.course.task: c.source.split("\n", 1)[1] for c in hand_in(stem).cells if _is_task(c)}
    texts |= {(task, "stub"): text for task, text in stubs.items()}
    texts |= {(task, "deleted"): None for task in stubs}
    texts |= {(task, "syntax_error"): f"{text}\n    return (" for task, text in stubs.items()}
    made = {}
    for student, chosen in tomllib.loads(path.read_text(encoding="utf-8")).items():
        changes = {}
        for task, name in chosen.items():
            if name == "solution":
                continue
            if (task, name) not in texts:
                raise CourseError(f"{path.relative_to(ROOT)}: {student}: task {task!r} has no answer {name!r}")
            changes[task] = texts[task, name]
        notebook = hand_in(stem, changes, solution=True)
        made[ROOT / "samples" / stem / f"{student}.ipynb"] = nbformat.writes(notebook) + "\n"
    return made


def _is_task(cell):
    return cell.metadata.get("course", {}).get("role") == "task"
