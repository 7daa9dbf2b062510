"""Whose code for a task is more alike than the class's usually is: something to look at, never a verdict.

for task in alike(entries, solutions=master.tasks, stubs=master.stubs):
    print(task.name, task.median, [member.student for group in task.groups for member in group])

Compared are the tokens of what the student added to the stub, without comments, docstrings, strings and the names that
the student chose. Short functions are alike by nature, so little code is not compared at all, and how much two
submissions of this class have in common for this task decides how much more is worth a look.
"""

import builtins
import io
import keyword
import re
import statistics
import tokenize
from dataclasses import dataclass, field

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

MIN_TOKENS = 40  # with less there are only so many ways to write it
MAX_TOKENS = 600  # of one submission's task: the time grows with the square
MAX_LINE = 500  # characters; the same for the standard tokenizer
MIN_CLASS = 5  # fewer submissions of a task have no base rate
MAX_GROUPS = 8  # shown of a task
KEPT = {*keyword.kwlist, *dir(builtins)}
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}


@dataclass(frozen=True)
class Member:
    """Code of a group: whose it is (None: the solution), and its likeness to the group's first, in [0, 1]."""

    student: str | None
    likeness: float
    code: str


@dataclass
class Task:
    """What one task's comparison found. median: likeness of two submissions of the class, None where there are few."""

    name: str
    compared: int
    left_out: int  # submissions with too little code of their own
    median: float | None
    threshold: float
    groups: list = field(default_factory=list)  # [[Member, ...], ...], the smallest first
    common: list = field(default_factory=list)  # sizes of the groups that are too large to mean anything
    more: int = 0  # groups that are not listed


def alike(entries, solutions=None, stubs=None):
    """The tasks of which some submission has enough code of its own to compare, each with its groups of like code."""
    solutions, stubs = solutions or {}, stubs or {}
    names = dict.fromkeys(task for entry in entries for task in entry.get("code", {}))
    found = []
    for name in names:
        given = set(logical_lines(stubs.get(name, "")))
        written = [(entry["student"], entry["code"][name]) for entry in entries if name in entry.get("code", {})]
        rows = [(student, code, tokens_of(code, given)) for student, code in written]
        rows = [row for row in rows if len(row[2]) >= MIN_TOKENS]
        if rows:
            solution = solutions.get(name, "")
            rows.append((None, solution, tokens_of(solution, given)))
            found.append(_compare(name, rows, len(written) - len(rows) + 1))
    return found


def _compare(name, rows, left_out):
    """rows: (student, code, tokens), the solution's last, without tokens where it is too short or not known."""
    last = rows.pop() if len(rows[-1][2]) < MIN_TOKENS else None
    n = len(rows) - (last is None)  # submissions, without the solution
    tokens = [row[2] for row in rows]
    likeness = cdist(tokens, tokens, scorer=Indel.normalized_similarity, dtype=np.float32)  # (rows, rows)
    median = float(np.median(likeness[:n, :n][np.triu_indices(n, 1)])) if n >= MIN_CLASS else None
    task = Task(name, n, left_out, median, _threshold(rows[:n], median))
    groups = sorted(_connected(likeness >= task.threshold - 1e-6), key=lambda group: (len(group), group))
    for group in groups:
        if len(group) > max(6, n / 4):
            task.common.append(len(group))
        elif len(task.groups) < MAX_GROUPS:
            task.groups.append(_members(rows, likeness, group))
        else:
            task.more += 1
    return task


def _threshold(rows, median):
    """From how much likeness on a pair is listed: 90% of long code, more of short, a quarter of the usual distance."""
    length = statistics.median(len(tokens) for _, _, tokens in rows)
    floor = 1 - 0.1 * min(1, length / 100)
    return max(floor, 1 - (1 - (median or 0)) / 4)


def _connected(near):
    """The groups of two and more that a symmetric relation connects, as lists of indices."""
    left = set(range(len(near)))
    while left:
        group, new = set(), {left.pop()}
        while new:
            group |= new
            new = {int(m) for n in new for m in np.flatnonzero(near[n])} - group
        left -= group
        if len(group) > 1:
            yield sorted(group)


def _members(rows, likeness, group):
    """The members of a group, the solution first where it is one of them, else the one most like the others."""
    first = next((n for n in group if rows[n][0] is None), None)
    if first is None:
        first = max(group, key=lambda n: likeness[n, group].sum())
    others = sorted((n for n in group if n != first), key=lambda n: -likeness[first, n])
    return [Member(rows[n][0], float(likeness[first, n]), rows[n][1]) for n in (first, *others)]


def tokens_of(source, given=frozenset()):
    """The tokens of a source that count, less the logical lines in `given`."""
    lines = [
        line for line in logical_lines(source) if line not in given and line[:2] != ("raise", "NotImplementedError")
    ]
    return [token for line in lines for token in line][:MAX_TOKENS]


def _kind(word):
    if word[0] in "'\"" and len(word) > 1:
        return tokenize.STRING
    return tokenize.NEWLINE if word == "\n" else tokenize.NAME if word.isidentifier() else tokenize.OP


def logical_lines(source):
    """The statements of a source as tuples of tokens: names of its own are `N`, strings `S`, docstrings left out."""
    try:
        if max(map(len, source.splitlines()), default=0) > MAX_LINE:
            raise SyntaxError("a line that nobody typed")
        tokens = [(t.type, t.string) for t in tokenize.generate_tokens(io.StringIO(source).readline)]
    except (tokenize.TokenError, SyntaxError, ValueError):  # not Python: read it as far as a regular expression can
        text = re.sub(r"(\"\"\"|''').*?\1|#[^\n]*", " ", source, flags=re.DOTALL)
        words = re.findall(r"'[^'\n]*'|\"[^\"\n]*\"|[^\W\d]\w*|\d[\w.]*|\n|\S", text)
        tokens = [(_kind(word), word) for word in words]
    lines, line, before = [], [], ""
    for kind, text in [*tokens, (tokenize.NEWLINE, "")]:
        if kind == tokenize.NEWLINE:
            if line and set(line) != {"S"}:
                lines.append(tuple(line))
            line = []
        elif kind == tokenize.STRING:
            line.append("S")
        elif kind == tokenize.NAME and before != "." and text not in KEPT:
            line.append("N")
        elif kind not in SKIPPED:
            line.append(text)
        before = text
    return lines
