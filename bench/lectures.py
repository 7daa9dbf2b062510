"""What each lecture, and all together, take at the `cpu` budget: seconds and peak memory of the kernel."""

import os
import time

from common import ROOT, row
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from grader.source import assemble

PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def rows():
    os.environ["COURSE_BUDGET"] = "cpu"
    together = 0.0
    for path in sorted((ROOT / "source" / "lectures").glob("*.py")):
        notebook = assemble(path, "lectures")
        notebook.cells.append(new_code_cell(PEAK))
        client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(ROOT / "lectures")}})
        start = time.perf_counter()
        client.execute()
        taken = time.perf_counter() - start
        together += taken
        number = path.stem.split("_")[0]
        yield row(f"lecture-{number}-time", f"{path.stem}, cpu budget", taken, None, target="<= 180 s")
        peak = int(notebook.cells[-1].outputs[0].text) / 2**20
        yield row(f"lecture-{number}-memory", f"{path.stem}, peak memory", peak, None, target="<= 2 GB", unit="GiB")
    yield row("lectures-time", "all lectures together, cpu budget", together / 60, None, target="<= 25 min", unit="min")
