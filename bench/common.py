"""`make bench [ONLY=01]`: ours beside the peer, in one process, agreement asserted first.

A bench file `bench/NN_topic.py` has one function `rows()` that yields what `row` returns. `bench/results.json` keeps
the newest row of every id, and each is printed.
"""

import ast
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"


def from_lecture(stem, *names):
    """The lecture's own functions and constants, without its figures: a namespace with `names` and what they use."""
    body = ast.parse((ROOT / "source" / "lectures" / f"{stem}.py").read_text()).body
    makes = {}  # name -> the first statement that binds it
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [node] if isinstance(node, ast.FunctionDef) else []
        for part in (part for target in targets for part in ast.walk(target)):
            name = part.name if part is node else getattr(part, "id", None)
            if part is node or (name and not isinstance(node, ast.FunctionDef)):
                makes.setdefault(name, node)
    needed, todo = set(), list(names)
    while todo:
        node = makes.get(todo.pop())
        if node is not None and node not in needed:
            needed.add(node)
            todo += [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
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


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def main(only=""):
    known = {r["id"]: r for r in json.loads(RESULTS.read_text())} if RESULTS.is_file() else {}
    files = [p for p in sorted((ROOT / "bench").glob("*.py")) if p.stem != "common" and p.stem.startswith(only)]
    if not files:
        sys.exit(f"bench: nothing named {only!r} in bench/")
    for path in files:
        spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for result in module.rows():
            known[result["id"]] = result
            print(line(result), flush=True)
    RESULTS.write_text(json.dumps([known[i] for i in sorted(known)], indent=1) + "\n")


def line(r):
    beside = "" if r["peer"] is None else f" | peer {r['peer']:.4g} {r['unit']} | ratio {r['ratio']:.3g}"
    return f"{r['id']:24} {r['what']} | ours {r['ours']:.4g} {r['unit']}{beside} | target {r['target']}"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "bench"))
    main(*sys.argv[1:])
