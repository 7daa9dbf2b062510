"""The project's own files: what is installed, how it is set up, what the README says."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT, grade
from packaging.specifiers import Specifier

from grader.course import topics

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = PROJECT["dependencies"] + [line for extra in PROJECT["optional-dependencies"].values() for line in extra]


def name(requirement):
    return re.split(r"[<>=!~\[ ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_environment_yml_installs_the_same_set_as_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert sorted(line for line in pip if not line.startswith("-")) == sorted(WANTED)
    assert "-e ." in pip
    assert "-c constraints.txt" in pip
    (python,) = [item for item in environment["dependencies"] if str(item).startswith("python")]
    version = re.fullmatch(r"python=(3\.\d+)", python)[1]  # Binder reads no other form, and would take its own default
    assert Specifier(PROJECT["requires-python"]).contains(version)


def test_dependencies_have_floors_and_no_ceilings_and_the_constraints_pin_each():
    assert all(re.fullmatch(r"[A-Za-z0-9-]+>=[\d.]+", line) for line in WANTED)
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {name(line): line.split("==")[1] for line in lines}
    assert [line for line in WANTED if name(line) not in pins] == []
    assert pins["torch"] == "2.13.0"


def test_every_module_imported_by_the_course_is_a_dependency():
    wanted = {name(line).replace("-", "_") for line in WANTED}
    known = {"sklearn": "scikit_learn", "PIL": "pillow", "IPython": "ipython", "yaml": "pyyaml"}
    known |= {"matplotlib_inline": "ipython", "traitlets": "ipywidgets"}  # come with them, as do
    known |= {"markupsafe": "jinja2", "zmq": "jupyter_client"}
    for path in [*ROOT.glob("utils/**/*.py"), *ROOT.glob("grader/*.py"), *ROOT.glob("source/**/*.py")]:
        for found in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.M):
            ours = found in sys.stdlib_module_names or found in ("utils", "grader", "google")
            assert ours or known.get(found, found) in wanted, f"{path.relative_to(ROOT)} imports {found}"


def make(*arguments, **environment):
    done = subprocess.run(
        ["make", "-n", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_lab_opens_a_browser_where_there_is_a_display():
    assert "--no-browser" in make("lab")
    assert "--no-browser" in make("lab", DISPLAY=":0", NO_BROWSER="1")
    assert "--no-browser" not in make("lab", DISPLAY=":0")
    assert "default_url=/lab/tree/START.md" in make("lab")


def test_ci_calls_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert "\nmake test" in readme
    assert "\nmake lab" in readme
    assert (ROOT / ".ci" / "run").read_text().strip().endswith("make test")


def test_readme_map_is_built():
    readme = (ROOT / "README.md").read_text()
    assert "lectures/01_histograms_logistics.ipynb" in readme
    assert "labs/01_histograms_logistics.ipynb" in readme


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md"])
def test_every_row_of_a_table_has_the_cells_of_its_head(name):
    for table in re.findall(r"(?:^\|.*\|\n)+", (ROOT / name).read_text(), re.M):
        rows = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert len(set(rows)) == 1, table.splitlines()[0]


def test_shipped_data_have_their_notices():
    notice = (ROOT / "NOTICE").read_text()
    shipped = [path for path in (ROOT / "utils" / "data").iterdir() if path.suffix not in (".py", "")]
    assert shipped
    for path in shipped:
        assert path.relative_to(ROOT).as_posix() in notice
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-text").read_text()
    assert "MIT License" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("stem", topics())
def test_nothing_is_left_to_fill_in(stem):
    files = [*ROOT.glob(f"source/*/{stem}.py"), *ROOT.glob(f"tests/answers/{stem}/*"), *ROOT.glob(f"bench/{stem}.py")]
    left = [
        f"{path.relative_to(ROOT)}:{number}: {line[line.index('FILL IN') :]}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "FILL IN" in line
    ]
    assert left == [], "\n".join(left)


def commands(workflow):
    """The lines that the steps of a workflow run."""
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def test_the_workflow_runs_what_the_readme_says(workflow):
    lines = list(commands(workflow))
    assert {".ci/run", "make lint", "make site"} <= set(lines)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_command_of_the_workflow_and_the_devcontainer_is_there(workflow):
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    text = "\n".join([*commands(workflow), container["postCreateCommand"]])
    targets, subcommands = set(re.findall(r"\bmake (\S+)", text)), set(re.findall(r"bin/grade (\w+)", text))
    assert {"site", ".venv/.ready"} <= targets
    for target in targets:
        make(target)
    assert {"moved", "release", "start"} <= subcommands
    assert subcommands <= set(re.findall(r"^    (\w+) ", grade("--help", check=0).stdout, re.M))


def test_actions_are_pinned_to_a_major_version(workflow):
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


def test_workflow_binder_and_devcontainer_use_a_python_that_the_course_supports(workflow):
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    images = [container["image"], *(j["container"]["image"] for j in workflow["jobs"].values() if "container" in j)]
    versions = [re.search(r"python:(3\.\d+)", image)[1] for image in images]
    assert "3.11" in versions, "the oldest that pyproject.toml promises is what the pinned run has"
    assert all(Specifier(PROJECT["requires-python"]).contains(version) for version in versions)
    assert container["forwardPorts"] == [8888]
