"""`make lab`, as a student starts it: a server that prints its address and serves the start page."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address that `make lab` prints, of a server that runs as long as the tests do."""
    home = tmp_path_factory.mktemp("home")
    log = home / "log"
    environment = {**os.environ, "HOME": str(home), "NO_BROWSER": "1", "JUPYTER_PORT": "18888"}
    with log.open("w") as out:
        server = subprocess.Popen(
            ["make", "lab"], cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab\S*", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found[0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def fetch(url):
    for _ in range(50):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}")


def test_the_address_printed_opens_jupyterlab_on_the_start_page(address):
    assert "/lab/tree/START.md?token=" in address
    assert "JupyterLab" in fetch(address)


def default(address, plugin, name):
    """The default of a JupyterLab setting, as the server hands it to the browser."""
    base, token = address.split("/lab/")[0], address.split("token=")[1]
    answer = fetch(f"{base}/lab/api/settings/@jupyterlab/{plugin}?token={token}")
    return json.loads(answer)["schema"]["properties"][name]["default"]


def test_markdown_opens_rendered_and_no_news_pop_up(address):
    assert default(address, "docmanager-extension:plugin", "defaultViewers") == {"markdown": "Markdown Preview"}
    assert default(address, "apputils-extension:notification", "fetchNews") == "false"


def test_the_start_page_is_served(address):
    base, token = address.split("/lab/")[0], address.split("token=")[1]
    assert "Deep generative models" in fetch(f"{base}/files/START.md?token={token}")
