"""A page of the documentation as its reader follows it: files are written, commands are run in a shell."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

from conftest import ROOT


def blocks(text):
    """The fenced blocks of a page: [(what stands behind the opening fence, the text inside)]."""
    found = re.findall(r"^( *)```([^\n]*)\n(.*?)^\1```$", text, re.M | re.S)
    return [(about.strip(), textwrap.dedent(body)) for _, about, body in found]


def copy_of(names, folder):
    """Copies of the course's files and folders `names`, with a `.venv` that `make` has nothing to install in."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in {"grade": "grader.cli", "pytest": "pytest", "python": "", "ruff": "ruff"}.items():
        run = f'-m {module} "$@"' if module else '"$@"'
        (programs / name).write_text(f"#!/bin/sh\nPYTHONPATH='{folder}' exec '{sys.executable}' {run}\n")
        (programs / name).chmod(0o755)
    for name in re.findall(r":= \.venv/(\.ready\S*)", (ROOT / "Makefile").read_text()):
        (folder / ".venv" / name).touch()
    return folder


def shell(course, command, **environment):
    """What a command says, standard error too, as somebody sees it who types it in the course's folder."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COURSE_ROOT", "PYTHONPATH")}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=course,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return done.stdout


def follow(course, text, **environment):
    """Follow a page from the top: yields (command, what the page shows below it, what it says).

    A block "python write PATH" or "python append PATH" is a file's; one "console" holds commands behind "$ ".
    """
    for about, body in blocks(text):
        if about == "console":
            for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
                command, _, shown = part.partition("\n")
                yield command, shown, shell(course, command, **environment)
        else:
            _, how, name = about.split()
            (course / name).parent.mkdir(parents=True, exist_ok=True)
            with (course / name).open({"write": "w", "append": "a"}[how]) as file:
                file.write(body)


def shows(shown, said):
    """Does a command say what a page shows of it? "..." stands for anything."""
    parts = [re.escape(part.strip("\n")) for part in shown.split("...")]
    return re.search(".*?".join(parts), said, re.S) is not None
