"""`make bench [ONLY=01]`: ours beside the peer, in one process, agreement asserted first.

A bench file `bench/NN_topic.py` has a function `rows()` that yields what `row` returns, and where its lecture loads a
checkpoint, a function `checkpoints()` that trains it again. `bench/results.json` keeps the newest row of every id, and
each is printed.
"""

import ast
import datetime
import hashlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import symtable
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"


def from_lecture(stem, *names):
    """The lecture's own functions, classes and constants, without its figures: `names`, and with them what they use."""
    body = ast.parse((ROOT / "source" / "lectures" / f"{stem}.py").read_text()).body
    makes = {}  # name -> the first statement that binds it
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            makes.setdefault(node.name, node)
        elif isinstance(node, ast.Assign):
            for part in (part for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)):
                makes.setdefault(part.id, node)
    needed, todo = set(), list(names)
    while todo:
        node = makes.get(todo.pop())
        if node is not None and node not in needed:
            needed.add(node)
            todo += _globals(node)
    keep = [node for node in body if node in needed or isinstance(node, (ast.Import, ast.ImportFrom))]
    space = {}
    exec(compile(ast.Module(keep, []), stem, "exec"), space)
    return [space[name] for name in names]


def alternate(ours, peer, repeats=5):
    """Median seconds of both, run in turns so that a busy machine hurts both alike."""
    times = [[], []]
    for _ in range(repeats):
        for kept, run in zip(times, (ours, peer), strict=True):
            start = time.perf_counter()
            run()
            kept.append(time.perf_counter() - start)
    return [statistics.median(kept) for kept in times]


def cpu_seconds(run, repeats=5):
    """Median CPU time of a run of one thread, other work not counted, and what the last run returned."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        made = run()
        taken.append(time.process_time() - start)
    return statistics.median(taken), made


def row(id, what, ours, peer, *, target, limit="", unit="s"):
    """One result. ratio: peer / ours, so that more is better; target: what was asked for, limit: what is possible."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    return {
        "id": id,
        "what": what,
        "ours": ours,
        "peer": peer,
        "ratio": None if peer is None else peer / ours,
        "target": target,
        "limit": limit,
        "unit": unit,
        "device": f"{platform.machine()}, {_cores()} cores",
        "commit": commit.strip(),
        "date": datetime.date.today().isoformat(),
    }


def peer_packages():
    """Make the peers of `bench/peers/packages.txt` importable.  They are installed once, into the benches' cache.

    They come last on the path and without dependencies, so that nothing of the course's own environment is shadowed.
    """
    wanted = ROOT / "bench" / "peers" / "packages.txt"
    stamp = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder() / f"packages-{stamp}"
    if not folder.is_dir():
        print(f"  peers: installing into {folder}", flush=True)
        half = folder.with_name(f"{folder.name}-{os.getpid()}")  # its name is given at the end: no half-filled folder
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(half), "-r", str(wanted)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True, timeout=900)
        half.rename(folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def cache_folder():
    """Where the benches keep what they install for the peers."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgm-course-bench"


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _globals(node):
    """The module's names that a statement uses; a function's own variables are none."""
    tables, names = [symtable.symtable(ast.unparse(node), "lecture", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        at_top = table.get_type() == "module"
        names |= {s.get_name() for s in table.get_symbols() if s.is_global() or (at_top and s.is_referenced())}
    return names


def modules(only):
    """The bench files whose names start with `only`, loaded."""
    files = [p for p in sorted((ROOT / "bench").glob("*.py")) if p.stem != "common" and p.stem.startswith(only)]
    if not files:
        sys.exit(f"bench: nothing named {only!r} in bench/")
    for path in files:
        spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def checkpoints(only=""):
    """`make checkpoints [ONLY=04]`: train again what the lectures load; a bench file's `checkpoints()` does it."""
    for module in modules(only):
        if hasattr(module, "checkpoints"):
            module.checkpoints()


def main(only=""):
    for module in modules(only):
        for result in module.rows():
            print(line(result), flush=True)
            known = {r["id"]: r for r in json.loads(RESULTS.read_text())} if RESULTS.is_file() else {}
            known[result["id"]] = result  # written at once: a run that is cut off loses nothing
            RESULTS.write_text(json.dumps([known[i] for i in sorted(known)], indent=1) + "\n")


def line(r):
    beside = "" if r["peer"] is None else f" | peer {r['peer']:.4g} {r['unit']} | ratio {r['ratio']:.3g}"
    return f"{r['id']:24} {r['what']} | ours {r['ours']:.4g} {r['unit']}{beside} | target {r['target']}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "bench"))
    command, *only = sys.argv[1:]
    {"bench": main, "checkpoints": checkpoints}[command](*only)
