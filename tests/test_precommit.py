"""The hooks of .pre-commit-config.yaml, in the course itself and in a small one where a bad commit is tried."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
PRE_COMMIT = Path(sys.prefix, "bin", "pre-commit")

pytestmark = pytest.mark.skipif(not PRE_COMMIT.is_file(), reason="no pre-commit here: `make test` installs it")


def run(*command, root, **environment):
    """The command's output; nothing of a git that calls us, nothing of ~, no network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    kept |= proxies | {"COURSE_ROOT": str(root), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=root, env=kept, capture_output=True, text=True, timeout=300)


def test_every_hook_is_local_and_runs_a_tool_of_the_environment():
    assert [repo["repo"] for repo in CONFIG["repos"]] == ["local"]
    for hook in CONFIG["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert Path(sys.prefix, "bin", Path(hook["entry"].split()[0]).name).is_file(), hook["entry"]
        assert hook["entry"].startswith(".venv/bin/")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "ruff").is_file(), reason="no .venv here")
def test_the_course_passes_its_hooks(tmp_path):
    # Stale notebooks and spelling have tests of their own, which take longer.
    done = run(PRE_COMMIT, "run", "--all-files", root=ROOT, PRE_COMMIT_HOME=str(tmp_path), SKIP="notebooks,words")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def repository(own_tiny, tmp_path):
    """The built tiny course under git, with the hooks installed; call it to commit everything."""
    shutil.copy(ROOT / ".pre-commit-config.yaml", own_tiny)
    ours = (ROOT / "pyproject.toml").read_text()
    with (own_tiny / "pyproject.toml").open("a") as file:
        file.write(ours[ours.index("[tool.ruff]") :])
    (own_tiny / ".venv").symlink_to(sys.prefix)
    environment = {"PRE_COMMIT_HOME": str(tmp_path / "cache"), "SKIP": "words"}

    def git(*arguments):
        who = ["-c", "user.name=C", "-c", "user.email=c@example.org"]
        return run("git", *who, *arguments, root=own_tiny, **environment)

    assert git("init", "-q").returncode == 0
    (own_tiny / ".git" / "info" / "exclude").write_text(".venv\n__pycache__/\n")
    assert run(PRE_COMMIT, "install", root=own_tiny, **environment).returncode == 0

    def commit():
        git("add", "-A")
        return git("commit", "-m", "a change")

    commit.root = own_tiny
    return commit


def test_a_good_commit_passes_and_one_with_a_stale_notebook_is_stopped(repository):
    done = repository()
    assert done.returncode == 0, done.stdout + done.stderr
    source = repository.root / "source" / "labs" / "90_tiny.py"
    source.write_text(source.read_text().replace("# Two times every number.", "# Twice every number."))
    done = repository()
    assert done.returncode == 1
    assert "labs/90_tiny.ipynb: out of date: its source changed" in done.stdout + done.stderr


def test_a_commit_with_a_large_file_or_unformatted_code_is_stopped(repository):
    (repository.root / "large.bin").write_bytes(b"0" * 1_600_000)
    (repository.root / "untidy.py").write_text("x  =  1\n")
    done = repository()
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "large.bin (1563 KB) exceeds 1465 KB" in told
    assert "untidy.py" in told
