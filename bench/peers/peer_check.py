"""`check` as it stands in the peers' test cells: asserts that values are what the solution published for seed 0.

from peer_check import begin_check, check, fresh, fresh_generator
"""

import json

from utils import COURSE, checks
from utils.checks import fresh, fresh_generator  # noqa: F401  the test cells import them from here

LAB = COURSE / "labs" / "expected" / "01_histograms_logistics.json"
EXPECTED = json.loads(LAB.read_text())["checks"]
running = ""


def begin_check(name):
    global running
    running = name
    checks.begin_check(name)


def check(*, hint="", rtol=0.0, atol=0.0, **values):
    for name, value in values.items():
        right, message = checks.compare(checks.encode(value), EXPECTED[running]["values"][name])
        assert right, f"{name}: {message}. {hint}"
