"""What a run shows while it grades: a bar in a terminal, plain lines elsewhere, and nothing that a name could steer."""

import io
import re

import pytest

from grader.progress import Progress, line

EVE = "eve [red]x[/red] :smile: \x1b[2J\x1b]0;owned\x07\u202egpj\x9b31m\r\n"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Ascii(io.StringIO):
    encoding = "ascii"


def entry(student, points=3.0, **more):
    rows = [{"task": "made_masks", "check": "made_masks-1", "points": points, "max": 4.0}]
    return {"student": student, "status": "graded", "points": points, "max": 4.0, "seconds": 1.24, "notes": [],
            "checks": rows, **more}  # fmt: skip


def show(file, *entries, path="grades/index.html"):
    with Progress(len(entries), file) as progress:
        for each in entries:
            progress.done(each)
    progress.summary({"lab": "03_made", "submissions": list(entries)}, path)
    return file.getvalue()


@pytest.fixture(autouse=True)
def colours_of_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_file_gets_plain_lines_and_the_summary():
    text = show(io.StringIO(), entry("ada", 4.0), entry("bo", 1.0, notes=["no cell for draw", "late"]), path="x/" * 90)
    assert text.startswith(
        "ada: 4 of 4 points, graded, 1.2 s\nbo: 1 of 4 points, graded, 1.2 s  (no cell for draw; late)\n"
    )
    assert text.endswith(f"\nreport: {'x/' * 90}\n")
    assert not re.search(r"[^\S \n]|[\x00-\x09\x0b-\x1f]", text)
    assert "grading" not in text


def test_the_summary_has_the_class_in_numbers():
    failed = entry("cy", 0.0, status="failed")
    text = show(io.StringIO(), entry("ada", 4.0), entry("bo", 1.0), entry("di", 0.0, status="corrupt"), failed)
    rows = dict(re.findall(r"^ +(\S.*?)  +(\S.*?) *$", text, flags=re.MULTILINE))
    assert rows == {
        "03_made": "4 submissions",
        "median": "1 of 4",
        "mean": "1.667 of 4",
        "lowest to highest": "0 to 4",
        "not readable": "1",
        "grader failed on": "1",
        "time each": "1.2 s",
        "all points in made_masks": "33%",
    }


def on_screen(graded, total, unchanged=0):
    """What a terminal has shown after `graded` submissions, colours aside."""
    file = Terminal()
    with Progress(total, file) as progress:
        for _ in range(unchanged):
            progress.unchanged()
        for n in range(graded):
            progress.done(entry(f"s{n}"))
        progress.bar.refresh()
    return re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())


def test_a_terminal_gets_a_bar_with_count_and_time_left_below_a_line_each():
    text = on_screen(graded=2, total=5)
    assert re.search(r"s1: 3 of 4 points, graded, 1.2 s\ngrading ━+.* 2/5 \d:\d\d:\d\d left", text)
    assert "s0: 3 of 4 points, graded, 1.2 s\n" in text


def test_what_an_earlier_run_graded_does_not_count():
    assert " 1/2 " in on_screen(graded=1, total=3, unchanged=1)


@pytest.mark.parametrize("file", [io.StringIO, Terminal, Ascii])
def test_a_name_is_text_and_nothing_else(file):
    text = show(file(), entry(EVE, notes=[EVE]))
    assert text.count("eve [red]x[/red] :smile: ?[2J?]0;owned??gpj?31m??") == 2
    left = re.sub(r"\x1b\[(\d+(;\d+)*m|\?25[lh]|2K|1A)", "", text)  # what the bar itself writes
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", left)


def test_a_terminal_without_unicode_gets_question_marks():
    assert show(Ascii(), entry("zoé")).startswith("zo?: 3 of 4 points")


def test_a_line_is_bounded():
    assert len(line(entry("x" * 10_000, notes=["y" * 10_000]))) < 1_100
