"""What the course adds to a Jupyter server: the start page is written when it starts, and again when a lab is saved.

`pip install` puts the rest of this folder where JupyterLab finds it (shared-data in pyproject.toml): `server.json`
switches this extension on, `settings.json` is how JupyterLab opens here, and `labextension/` shows an open start page
anew and opens the table of contents.
"""

import sys
from pathlib import Path

from grader import start
from grader.course import ROOT


def _jupyter_server_extension_points():
    return [{"module": "grader.jupyter"}]


def _load_jupyter_server_extension(app):
    """Called by the server as it starts."""
    kernels = str(Path(sys.prefix, "share", "jupyter", "kernels"))  # first: not a python3 that somebody else registered
    app.kernel_spec_manager.kernel_dirs = list(dict.fromkeys([kernels, *app.kernel_spec_manager.kernel_dirs]))

    def write():
        try:
            start.write()
        except Exception as error:  # no student's save fails for a page
            app.log.warning("START.md was not written: %s: %s", type(error).__name__, error)

    def saved(os_path, model, contents_manager):
        if Path(os_path).resolve().parent == (ROOT / "labs").resolve():
            write()

    write()
    # Once all extensions are loaded: jupytext's puts another contents manager in the place of this one.
    app.io_loop.add_callback(lambda: app.contents_manager.register_post_save_hook(saved))
