"""Where things are: the course's folders, its topics, and the settings that stand once, in pyproject.toml."""

import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(os.environ.get("COURSE_ROOT") or Path(__file__).resolve().parent.parent)
KINDS = ("lectures", "labs")


class CourseError(Exception):
    """A mistake of the user's or in the course's files, told in one line that says what was expected."""


@dataclass(frozen=True)
class Settings:
    """Owner/name and branch of the repository, stamped into badges and set-up cells."""

    repo: str
    branch: str


@cache
def settings():
    return Settings(**tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["course"])


def topics():
    """Stems of all topics that have a source, in order: ["01_histograms_logistics", ...]."""
    return sorted({path.stem for kind in KINDS for path in (ROOT / "source" / kind).glob("*.py")})


def find_topic(wanted, among=None):
    """The stem for "01", "1", "01_histograms_logistics" or the path of one of its files; CourseError for others."""
    stems = topics() if among is None else among
    parts = {Path(part).stem for part in Path(wanted).parts}
    for stem in stems:
        number = stem.split("_")[0]
        if stem in parts or (re.fullmatch(r"\d+", wanted) and int(wanted) == int(number)):
            return stem
    raise CourseError(f"there is no topic {wanted!r}; expected one of {', '.join(stems) or '(none)'}")
