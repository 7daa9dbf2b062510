"""`grade release --out DIR`: the course as students get it, without solutions, sources and tests.

What is named here comes along, and the code in FOLDERS; whatever else lies in the course stays at home.
"""

import re
from pathlib import PurePosixPath

import nbformat

from grader.build import dump, map_of_topics, outputs_of, stale_notebook
from grader.course import KINDS, ROOT, CourseError
from grader.gradescope import zipped
from grader.source import expected_path, without_solution

FILES = (
    ".gitignore",
    "GLOSSARY.md",
    "LICENSE",
    "LICENSE-text",
    "NOTICE",
    "bench/results.json",  # lectures quote it
    "constraints.txt",
    "environment.yml",
    "pyproject.toml",
)
FOLDERS = (".devcontainer", "grader", "utils")
KINDS_OF_FILE = {".css", ".html", ".js", ".json", ".md", ".npz", ".py", ".toml"}  # in FOLDERS: no notes, no gradebook
TARGETS = ("lab", "clean")  # of the Makefile; the others need what is not there
LIST = ".release"  # the names of a release's files; its being there says that a folder is one
LATER = ("START.md",)  # `make lab` writes it

README = """\
{title}

With Python 3.11 or newer and make on the machine, `make lab` makes `.venv`, installs everything into it and opens
JupyterLab on the start page.

{topics}

## For students

{students}

## Licence

{licence}
"""


def make(stems, out, *, as_zip=False):
    """Write the students' folder `out`, with as_zip also `out`.zip: the same course gives the same bytes."""
    files = student_files(stems)
    ours = _names(out)
    for name in sorted(set(ours) - set(files)):
        (out / name).unlink(missing_ok=True)
        print(f"removed: {out / name}")
    listed = "".join(f"{name}\n" for name in files).encode()
    try:
        for name, (data, program) in {LIST: (listed, False), **files}.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755 if program else 0o644)
    except OSError as error:
        raise CourseError(f"cannot write to --out {out}: {error.strerror}") from None
    size = sum(len(data) for data, _ in files.values())
    print(f"{out}: {_counted(files)}, {len(files)} files, {size / 1e6:.1f} MB; no solutions, no sources, no tests")
    if as_zip:
        packed = out.with_name(f"{out.name}.zip")
        packed.write_bytes(zipped({f"{out.name}/{name}": file for name, file in files.items()}))
        print(f"{packed}: the same, {packed.stat().st_size / 1e6:.1f} MB")


def _names(out):
    """The files of the release that the folder `out` is; none where it is empty, or a repository without a file."""
    if not out.exists() or (out.is_dir() and {path.name for path in out.iterdir()} <= {".git"}):
        return []
    if not (out / LIST).is_file():
        raise CourseError(f"{out} is not empty and no release of ours (it has no {LIST}): name another --out")
    return [name for name in (out / LIST).read_text().splitlines() if ".." not in name and not name.startswith("/")]


def _counted(files):
    folders = [name.split("/")[0] for name in files if name.endswith(".ipynb")]
    return ", ".join(f"{folders.count(kind)} {kind}" for kind in KINDS)


def student_files(stems):
    """All that students get of the topics: {path: (bytes, is it a program)}."""
    paths = [ROOT / name for name in FILES]
    for folder in FOLDERS:
        paths += [path for path in (ROOT / folder).rglob("*") if _is_ours(path, folder)]
    for stem in stems:
        paths += (ROOT / "lectures" / "checkpoints").glob(f"{stem.split('_')[0]}_*.safetensors")
        paths += [expected_path(stem)] if (ROOT / "source" / "labs" / f"{stem}.py").is_file() else []
    if missing := [str(path.relative_to(ROOT)) for path in paths if not path.is_file()]:
        raise CourseError(f"a release needs {', '.join(missing)}")
    files = {path.relative_to(ROOT).as_posix(): (path.read_bytes(), _is_program(path)) for path in paths}
    files["Makefile"] = (_makefile().encode(), False)
    files["README.md"] = (_readme(stems).encode(), False)
    notebooks = _notebooks(stems)
    names = {*files, *notebooks, *LATER}
    for name, notebook in notebooks.items():
        files[name] = (_without_dead_links(notebook, name, names).encode(), False)
    return dict(sorted(files.items()))


def _is_ours(path, folder):
    """Is it code of the course: no link, nothing hidden, and not what Python and editors leave behind?"""
    hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(ROOT / folder).parts)
    return path.suffix in KINDS_OF_FILE and path.is_file() and not path.is_symlink() and not hidden


def _is_program(path):
    return bool(path.stat().st_mode & 0o100)


def _notebooks(stems):
    """The built lectures and labs, {path: notebook}. CourseError where one is not what its source gives.

    So a lab that somebody solved in its place, or a lecture that was run again, does not go out.
    """
    found, problems = {}, []
    for stem in stems:
        for kind, source, path, executed in outputs_of(stem):
            if kind in KINDS:
                name = path.relative_to(ROOT).as_posix()
                problems += [f"{name}: {why}" for why in stale_notebook(kind, source, path, executed)]
                if not problems:
                    found[name] = nbformat.read(path, as_version=4)
                if not problems and kind == "labs":
                    title = found[name].cells[0]
                    title.source = without_solution(title.source, stem)
    if problems:
        raise CourseError("not as the sources give it; `grade build NN` makes it anew:\n" + "\n".join(problems))
    return found


def _without_dead_links(notebook, name, names):
    """A notebook's text with links to the files `names` only: in a row of links the item goes, in prose the link."""

    def kept(match):
        between, text, target = match.groups()
        there = PurePosixPath(name).parent
        for part in PurePosixPath(target.partition("#")[0]).parts:
            there = there.parent if part == ".." else there / part
        return match[0] if there.as_posix() in names else "" if between else text

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"( · )?(?<!!)\[([^\]\n]*)\]\((?![a-z]+:|#)([^)\s]+)\)", kept, cell.source)
    return dump(notebook)


def _makefile():
    """The course's Makefile with the targets that work in a release."""
    blocks = (ROOT / "Makefile").read_text(encoding="utf-8").split("\n\n")
    rules = {found[1]: block for block in blocks if (found := re.match(r"([a-z]+):", block))}
    head = [block for block in blocks if block not in rules.values()]
    text = "\n\n".join([*head, *(rules[target] for target in TARGETS)])
    others = "|".join(set(rules) - set(TARGETS))
    text = re.sub(rf"(?m)^# make ({others})\b.*\n", "", text)
    return re.sub(r"(?m)^\.PHONY: .*$", f".PHONY: {' '.join(TARGETS)}", text).strip() + "\n"


def _readme(stems):
    """A front page for students: from the course's own, the title and the sections that are theirs."""
    title, *sections = re.split(r"(?m)^## ", (ROOT / "README.md").read_text(encoding="utf-8"))
    bodies = dict(section.split("\n", 1) for section in sections)
    try:
        students, licence = bodies["For students"].strip(), bodies["Licence"].strip()
    except KeyError as missing:
        raise CourseError(f"README.md has no section {missing}") from None
    title = title.split("\n", 1)[0]
    return README.format(title=title, topics=map_of_topics(stems), students=students, licence=licence)
