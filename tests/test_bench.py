"""bench/: what it takes from a lecture, and what it leaves behind for one."""

import json
import re
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import common

LECTURES = sorted((ROOT / "source" / "lectures").glob("*.py"))


@pytest.fixture
def lecture(tmp_path, monkeypatch):
    (tmp_path / "source" / "lectures").mkdir(parents=True)
    (tmp_path / "bench").mkdir()
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(common, "RESULTS", tmp_path / "bench" / "results.json")
    (tmp_path / "source" / "lectures" / "90_tiny.py").write_text(
        "import math\nWIDTH, DEPTH = 3, 4\nprint('a figure')\n"
        "class Model:\n    width = WIDTH\n    def area(self):\n        return area(self.width)\n"
        "def area(r):\n    x = r**2\n    return round(math.pi * x)\nx = 1 / 0\n"
    )
    return tmp_path


def test_a_bench_takes_functions_classes_and_constants_out_of_a_lecture_and_runs_nothing_else(lecture, capsys):
    Model, depth = common.from_lecture("90_tiny", "Model", "DEPTH")
    assert (Model().area(), depth) == (28, 4)
    assert capsys.readouterr().out == ""


def test_every_row_is_kept_at_once_and_replaces_the_one_of_the_same_id(lecture):
    old = [{"id": "90-a", "ours": 9}, {"id": "91-b", "ours": 8}]
    common.RESULTS.write_text(json.dumps(old))
    (lecture / "bench" / "90_tiny.py").write_text(
        "from common import row\n"
        "def rows():\n    yield row('90-a', 'what', 2.0, 5.0, target=2)\n    raise RuntimeError('cut off')\n"
    )
    with pytest.raises(RuntimeError, match="cut off"):
        common.main("90")
    first, second = json.loads(common.RESULTS.read_text())
    assert (first["id"], first["ratio"]) == ("90-a", 2.5)
    assert second == old[1]


def test_every_checkpoint_is_loaded_by_a_lecture_and_made_by_its_bench():
    found = {path.stem for path in (ROOT / "lectures" / "checkpoints").glob("*.safetensors")}
    loaded = {name for path in LECTURES for name in re.findall(r'checkpoint\("(\w+)"', path.read_text())}
    assert found == loaded
    for name in found:
        benches = [path.read_text() for path in (ROOT / "bench").glob(f"{name[:2]}_*.py")]
        assert any(re.search(rf'save_checkpoint\(\s*"{name}"', text) for text in benches), name


def test_what_a_lecture_quotes_was_measured():
    known = {row["id"] for row in json.loads((ROOT / "bench" / "results.json").read_text())}
    for path in LECTURES:
        assert set(re.findall(r'measured\("([^"]+)"\)', path.read_text())) <= known, path.stem


def test_the_page_of_results_shows_each_row_of_which_something_was_asked():
    table = (ROOT / "RESULTS.md").read_text().split("<!-- bench: ")[1].split("<!-- /bench -->")[0]
    shown = [line for line in table.splitlines() if line.startswith("| ")][1:]
    asked = [row for row in json.loads((ROOT / "bench" / "results.json").read_text()) if row["target"]]
    assert len(shown) == len(asked) > 0
    assert all(f"| {row['target']} |" in line for row, line in zip(asked, shown, strict=True))
