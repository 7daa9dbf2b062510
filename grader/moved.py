"""`grade moved`: the recorded results that moved since a commit, from the built lectures and bench/results.json."""

import json
import subprocess

from grader.course import ROOT, CourseError

RECORD = "application/vnd.course.record+json"
ROUNDING = 1e-9  # a sum that should be 1 is off by 3e-15 here, by 2e-15 there


def moved(since, percent):
    """[(result, before, now, unit)] where it moved by more than `percent`, came (before: None) or went (now: None)."""
    before, now = results(lambda path: _at(since, path), _files(since)), results(_here, _there())
    found = []
    for name in sorted(before.keys() | now.keys()):
        (old, old_unit), (new, unit) = before.get(name, (None, "")), now.get(name, (None, ""))
        if old is None or new is None or not abs(new - old) <= percent / 100 * abs(old) + ROUNDING:  # nan moved
            found.append((name, old, new, unit or old_unit))
    return found


def results(read, paths):
    """{"03_made: nll": (88.2, "nats/image")}, of those of the paths that hold results; read(path) gives a text."""
    found = {}
    for path in paths:
        if path == "bench/results.json":
            found |= {f"bench: {row['id']}": (row["ours"], row["unit"]) for row in json.loads(read(path))}
        elif path.startswith("lectures/") and path.endswith(".ipynb"):
            stem = path.removeprefix("lectures/").removesuffix(".ipynb")
            for cell in json.loads(read(path))["cells"]:
                for output in cell.get("outputs", []):
                    if row := output.get("data", {}).get(RECORD):
                        found[f"{stem}: {row['name']}"] = row["value"], row["unit"]
    return found


def line(name, old, new, unit):
    """One result as printed: "03_made: nll  88.2 -> 90.1 nats/image  (+2.2 %)"."""
    shown = f"{name}  {'new' if old is None else f'{old:.5g}'} -> {'gone' if new is None else f'{new:.5g}'} {unit}"
    return f"{shown}  ({100 * (new - old) / abs(old):+.1f} %)" if old and new is not None else shown


def _here(path):
    return (ROOT / path).read_text(encoding="utf-8")


def _there():
    paths = [*(ROOT / "lectures").glob("*.ipynb"), *(ROOT / "bench").glob("results.json")]
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _files(since):
    return _git("ls-tree", "--name-only", since, "lectures/", "bench/").splitlines()


def _at(since, path):
    return _git("show", f"{since}:{path}")


def _git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise CourseError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
