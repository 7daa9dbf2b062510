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


def under_git(folder, cache):
    """A git repository in the folder; returns git(*arguments), which runs it there."""
    (folder / ".venv").symlink_to(sys.prefix)

    def git(*arguments):
        who = ["-c", "user.name=C", "-c", "user.email=c@example.org"]
        return run("git", *who, *arguments, root=folder, PRE_COMMIT_HOME=str(cache), SKIP="words")

    assert git("init", "-q").returncode == 0
    (folder / ".git" / "info" / "exclude").write_text(".venv\n__pycache__/\n")
    return git


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_the_course_passes_its_hooks(tmp_path):
    copy, cache = tmp_path / "course", tmp_path / "cache"  # a copy: a hook fails where somebody edits a file meanwhile
    for name in run("git", "ls-files", "-z", root=ROOT).stdout.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    under_git(copy, cache)("add", "-A")
    # Stale notebooks and spelling have tests of their own, which take longer.
    done = run(PRE_COMMIT, "run", "--all-files", root=copy, PRE_COMMIT_HOME=str(cache), SKIP="notebooks,words")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == len(CONFIG["repos"][0]["hooks"]) - 2


@pytest.fixture
def repository(own_tiny, tmp_path):
    """The built tiny course under git, with the hooks installed; call it to commit everything."""
    shutil.copy(ROOT / ".pre-commit-config.yaml", own_tiny)
    ours = (ROOT / "pyproject.toml").read_text()
    with (own_tiny / "pyproject.toml").open("a") as file:
        file.write(ours[ours.index("[tool.ruff]") :])
    git = under_git(own_tiny, tmp_path / "cache")
    assert run(PRE_COMMIT, "install", root=own_tiny, PRE_COMMIT_HOME=str(tmp_path / "cache")).returncode == 0

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
