"""What the set-up cell of every notebook calls: says where `utils` came from, and on Colab installs what is missing."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

from utils import COURSE

NEVER = {"torch", "numpy", "ipython", "ipywidgets"}  # Colab's own: replacing one breaks its front end or its GPU


def missing():
    """Requirements of the notebooks that are not installed here, as pyproject.toml writes them."""
    path = COURSE / "pyproject.toml"
    project = tomllib.loads(path.read_text()).get("project", {}) if path.is_file() else {}
    wanted = project.get("dependencies", [])
    return [line for line in wanted if not _installed(_name(line))]


def _name(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()


def _installed(name):
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def on_colab():
    return bool(os.environ.get("COLAB_RELEASE_TAG")) or "google.colab" in sys.modules


def ready():
    """One line that says where `utils` is, seen from the notebook; on Colab, what is missing is installed first."""
    line = f"utils from {os.path.relpath(COURSE)}"
    absent = missing()
    if on_colab():
        if absent := [wanted for wanted in absent if _name(wanted) not in NEVER]:
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", *absent], check=True)
            return f"{line}; installed {', '.join(map(_name, absent))}"
    elif absent:
        return f"{line}; not installed: {', '.join(map(_name, absent))} (`make lab` installs everything)"
    return line
