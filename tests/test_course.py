"""The project's own files: what is installed, how it is set up, what the README says."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT

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
    assert python == f"python{PROJECT['requires-python']}"


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
