"""Outside the student's process: what a cell published, read as untrusted data, beside what the solution published."""

import contextlib
import math

import numpy as np

from utils.checks import MAX_VALUES, MIME, compare, decode

__all__ = ["compare", "published", "score"]

SAMPLE = 16


def published(outputs):
    """The values that a cell's outputs published: {name: value}; the first of a name counts, odd ones are left out."""
    values = {}
    for output in outputs:
        data = output.get("data") if isinstance(output, dict) else None
        item = data.get(MIME) if isinstance(data, dict) else None
        found = item.get("values") if isinstance(item, dict) else None
        if not isinstance(found, dict):
            continue
        for name, value in found.items():
            if isinstance(name, str) and len(name) <= 100 and isinstance(value, dict) and len(values) < MAX_VALUES:
                values.setdefault(name, value)
    return values


def score(got, expected):
    """The share of a check's points that `got` earns, and a row a value: (share, [{"name", "right", ...}])."""
    rows = [_row(name, got.get(name), reference) for name, reference in expected.items()]
    return sum(row["right"] for row in rows) / len(rows), rows


def _row(name, value, reference):
    """How a value compares: shapes, and of a wrong one up to SAMPLE of its numbers, for finding equal mistakes."""
    right, message = compare(value, reference) if value is not None else (False, "was not published")
    row = {"name": name, "right": right, "message": message, "hint": reference["hint"]}
    row |= {"got": None, "expected": reference["shape"], "sample": []}
    with contextlib.suppress(ValueError):
        array = decode(value)
        row["got"] = list(array.shape)
        if not right:
            places = np.linspace(0, array.size - 1, min(SAMPLE, array.size)).astype(int)
            row["sample"] = [x if math.isfinite(x) else str(x) for x in array.ravel()[places].tolist()]
    return row
