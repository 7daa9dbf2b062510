"""Outside the student's process: what a cell published, read as untrusted data, beside what the solution published."""

from utils.checks import MAX_VALUES, MIME, compare

__all__ = ["compare", "published", "score"]


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
    """The share of a check's points that `got` earns, and a row a value: (share, [(name, right, message, hint)])."""
    rows = []
    for name, reference in expected.items():
        right, message = compare(got[name], reference) if name in got else (False, "was not published")
        rows.append((name, right, message, reference["hint"]))
    return sum(right for _, right, _, _ in rows) / len(rows), rows
