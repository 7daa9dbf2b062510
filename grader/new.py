"""`grade new NN_topic --title "..."`: the files of a new topic, a skeleton that builds and is graded.

The skeleton stands in grader/templates/topic/. What has to be written is marked FILL IN.
"""

import json
import re
from pathlib import Path

from grader.course import ROOT, CourseError, topics

TEMPLATES = Path(__file__).parent / "templates" / "topic"
FILES = {
    "lecture.py": "source/lectures/{stem}.py",
    "lab.py": "source/labs/{stem}.py",
    "answers.py": "tests/answers/{stem}/centre.py",
    "class.toml": "tests/answers/{stem}/class.toml",
    "bench.py": "bench/{stem}.py",
}


def new_topic(stem, title):
    """Write the files of topic `stem` ("13_pretext_tasks") and return their paths. CourseError where one is there."""
    if not re.fullmatch(r"\d\d_[a-z][a-z0-9_]*", stem):
        raise CourseError(f"a topic is named NN_topic, two digits and lower-case letters as in 03_made, got {stem!r}")
    if not title.isprintable() or not title.strip():
        raise CourseError(f"--title must be one line of text, got {title!r}")
    number = stem[:2]
    if taken := [other for other in topics() if other.split("_")[0] == number]:
        raise CourseError(f"number {number} is taken by {taken[0]}; free is {_free()}")
    made = {ROOT / target.format(stem=stem): TEMPLATES / name for name, target in FILES.items()}
    if there := [path for path in made if path.exists()]:
        raise CourseError(f"{there[0].relative_to(ROOT)} is there already; nothing was written")
    for path, template in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template.read_text(encoding="utf-8"), stem, title.strip()), encoding="utf-8")
    return list(made)


def _free():
    taken = {int(stem.split("_")[0]) for stem in topics()}
    return f"{next(n for n in range(100) if n not in taken):02}"


def _filled(text, stem, title):
    quoted = json.dumps(f"{stem[:2]} {title}", ensure_ascii=False)  # the header's title is YAML
    text = text.replace('"NN TITLE"', quoted).replace("TITLE", title)
    return re.sub(r"\bNN_topic\b", stem, re.sub(r"\bNN\b", stem[:2], text))
