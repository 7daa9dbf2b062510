"""The notebooks in environments other than this one, each made once and kept in ~/.cache/dgm-course-environments.

    .venv/bin/python tests/environments.py colab [NN ...]     or newest, or python3.13

runs every lecture and solution there in the smoke budget and prints a table; exit status 1 where one failed.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLAB = (ROOT / "tests" / "colab.txt").read_text()
KEPT = re.compile(r"PATH|LANG|TMPDIR|PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|https?_proxy|no_proxy", re.I)


GOOGLE_COLAB = """
class output:
    enable_custom_widget_manager = staticmethod(lambda: None)  # what widgets from elsewhere need there
"""


class Missing(Exception):
    """Why an environment cannot be made on this machine."""


def requirements():
    """What pyproject.toml says that a notebook imports: ["anywidget>=0.9", ...]."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def absent_on_colab():
    """The requirements that the set-up cell has to install on Colab."""
    there = set(re.findall(r"^[\w-]+", COLAB, re.M))
    return [line for line in requirements() if re.match(r"[\w-]+", line)[0] not in there]


def recipe(name):
    """(version of Python, requirements) of an environment."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    torch = re.search(r"^torch==.*$", COLAB, re.M)[0]  # of any other version there may be no CPU build to be had
    newest = "\n".join([*requirements(), "ipykernel", torch])
    return {"colab": ("3.12", COLAB), "newest": (here, newest), "python3.13": ("3.13", newest)}[name]


def find_python(version):
    """A Python of that version that can make virtual environments: from PATH, else one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for found in (shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))):
        if found and subprocess.run([found, "-c", "import ensurepip"], capture_output=True).returncode == 0:
            return str(found)
    raise Missing(f"no Python {version} with the module venv on this machine")


def environment(name):
    """The folder of a virtual environment; Missing where there is no such Python or no package index."""
    version, wanted = recipe(name)
    program = find_python(version)
    exact = subprocess.run([program, "-VV"], check=True, capture_output=True, text=True).stdout
    stamp = hashlib.sha256(f"{exact}{wanted}{requirements()}".encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgm-course-environments"
    folder = cache / f"{name}-{stamp}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}-{stamp}.lock").open("w") as lock:  # one worker of the tests makes it, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([program, "-m", "venv", str(folder)], check=True, capture_output=True)
            (folder / "requirements.txt").write_text(wanted)
            _fill(folder, colab=name == "colab")
            (folder / ".ready").touch()
    return folder


def _fill(folder, *, colab):
    sys.path.insert(0, str(ROOT))
    from grader.install import torch_options

    options, _ = torch_options()
    _pip(folder, "install", "--no-compile", *options, "-r", str(folder / "requirements.txt"))
    if colab:  # the set-up cell's installations come from a folder: the tests work without a network, too
        _pip(folder, "download", "--no-deps", "--dest", str(folder / "wheels"), *absent_on_colab())


def _pip(folder, command, *arguments):
    pip = [str(folder / "bin" / "python"), "-m", "pip", command, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *arguments], capture_output=True, text=True)
    if done.returncode:
        probe = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder / "probe"), "tqdm"]
        if subprocess.run(probe, capture_output=True).returncode:
            raise Missing("the package index cannot be reached")
        raise RuntimeError(f"pip {command} in {folder}: {done.stderr[-2000:]}")


def machine(made, folder):
    """Colab's Python in a new folder: it sees what is installed in the environment `made` and installs beside it."""
    program = made / "bin" / "python"
    subprocess.run([program, "-m", "venv", "--without-pip", str(folder)], check=True)
    theirs, ours = (next((place / "lib").glob("python*/site-packages")) for place in (made, folder))
    (ours / "google").mkdir()
    (ours / "google" / "colab.py").write_text(GOOGLE_COLAB)
    (ours / "colab.pth").write_text(f"import site; site.addsitedir({str(theirs)!r}); import google.colab\n")
    return folder / "bin" / "python"


def git(*arguments, cwd):
    person = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *person, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def copy_of_the_working_tree(folder):
    """The course as the next commit would have it, in a new folder."""
    for name in git("ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def published(work, bare, branch="main"):
    """Make the course in the folder `work` a bare repository, as GitHub has it."""
    git("init", "-q", "-b", branch, cwd=work)
    git("add", "-f", ".", cwd=work)
    git("commit", "-qm", "as it is", cwd=work)
    git("clone", "-q", "--bare", str(work), str(bare), cwd=work)
    return bare


def github(bare, repo):
    """Variables with which git takes GitHub's address of the repository for that of a local folder."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{bare}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{repo}.git",
    }


@contextmanager
def kernel(program, folder, **variables):
    """Kernels started here are of that Python, with an empty home in `folder` and no more variables than these."""
    spec = {"argv": [str(program), "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    spec |= {"display_name": "other", "language": "python"}
    (folder / "jupyter" / "kernels" / "python3").mkdir(parents=True)
    (folder / "jupyter" / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    (folder / "home").mkdir()
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({key: value for key, value in before.items() if KEPT.fullmatch(key)})
    os.environ.update(HOME=str(folder / "home"), JUPYTER_PATH=str(folder / "jupyter"), OMP_NUM_THREADS="1")
    own = [f"utils.{path.stem}" for path in (ROOT / "utils").glob("*.py")]  # whose use of old names shall be told
    os.environ.update(PYTHONWARNINGS=",".join(f"default::DeprecationWarning:{module}" for module in own))
    os.environ.update(COURSE_BUDGET="smoke", COURSE_OFFLINE="1", **variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def on_colab(made, folder, bare, source, kind, program=None):
    """Execute a notebook as Colab would, and return it: nothing of the course in its folder `folder`/content.

    program: the Python of a `machine`; a new one if None.
    """
    from grader.build import execute
    from grader.course import settings
    from grader.source import assemble

    (folder / "content").mkdir(parents=True, exist_ok=True)
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(made / "wheels"), "COLAB_RELEASE_TAG": "test"}
    with kernel(program or machine(made, folder / "machine"), folder, **local, **github(bare, settings().repo)):
        return execute(assemble(source, kind), source, folder / "content" / f"{source.stem}.ipynb")


def in_the_repository(made, folder, source, kind):
    """Execute a notebook in the course's own folder and return it."""
    from grader.build import execute
    from grader.source import assemble

    folder.mkdir(parents=True, exist_ok=True)
    with kernel(made / "bin" / "python", folder):
        return execute(assemble(source, kind), source, ROOT / kind / f"{source.stem}.ipynb")


def notebooks():
    """What has to run everywhere: [(source, kind)] of all lectures and solutions."""
    kinds = {"lectures": "lectures", "labs": "solutions"}
    return [(path, kinds[path.parent.name]) for path in sorted((ROOT / "source").glob("*/*.py"))]


def faults(notebook):
    """What an executed notebook complains of: output on stderr, checks that failed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    told = [output.text for output in outputs if output.get("name") == "stderr"]
    shown = [output.data.get("text/plain", "") for output in outputs if "data" in output]
    return told + [line for text in shown for line in text.splitlines() if line.startswith("FAIL ")]


def main(name, *numbers):
    from grader.course import CourseError, settings

    made, failed = environment(name), 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        bare = published(copy_of_the_working_tree(scratch / "work"), scratch / "course.git", settings().branch)
        print(f"{'notebook':40} {'result':8} seconds", flush=True)
        for source, kind in notebooks():
            if numbers and source.stem.split("_")[0] not in numbers:
                continue
            folder, start = scratch / kind / source.stem, time.perf_counter()
            try:
                if name == "colab":
                    problems = faults(on_colab(made, folder, bare, source, kind))
                else:
                    problems = faults(in_the_repository(made, folder, source, kind))
            except CourseError as error:
                problems = [str(error)]
            taken = time.perf_counter() - start
            print(f"{kind + '/' + source.stem:40} {'FAILED' if problems else 'green':8} {taken:.0f}", flush=True)
            print(*(f"    {text.strip()}\n" for text in problems), sep="", end="", flush=True)
            failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(*sys.argv[1:]))
