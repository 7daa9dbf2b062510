"""The report as an instructor and a student open it: in a browser, from the disk, with nothing else to load."""

import csv
import io
import os
import random
import re
from types import SimpleNamespace

import pytest
from conftest import keep_picture

from grader import report

HOSTILE = (
    "eve</title></style></script><script>document.title='owned';alert(1)</script><img src=x onerror=alert(2)>"
    "<style>*{display:none}</style><link rel=stylesheet href=https://example.org/x.css><base href=https://example.org/>"
    "<form action=https://example.org/><iframe srcdoc='<script>alert(3)</script>'></iframe><svg onload=alert(4)>"
    '"\' onfocus=alert(5) autofocus x="{{ 7 * 7 }}{% raw %}<!--\x1b[2J\x1b]8;;https://example.org\x07\x00\u202egpj.exe\u2066'
)
DEADLINE = "2026-11-30T23:59:00+01:00"
# task -> its answers: points, code, and an error's message or the numbers that are published instead of the right ones
ANSWERS = {
    "histogram": [
        (2.0, ["counts = torch.bincount(x, minlength=K)", "return counts / len(x)"], None),
        (2.0, ["return torch.bincount(x, minlength=K).float() / x.numel()"], None),
        (1.0, ["p = torch.zeros(K)", "for v in x:", "    p[v] += 1", "return p / K  # per bin"], [0.1, 0.2, 0.05]),
        (0.0, ["return torch.bincount(x) / len(x)"], "IndexError: index {n} is out of bounds for size 4"),
    ],
    "mixture_log_prob": [
        (3.0, ["log_w = logits.log_softmax(0)", "z = (x[:, None] - mu) * torch.exp(-log_s)",
               "parts = -z - log_s - 2 * torch.nn.functional.softplus(-z)",
               "return torch.logsumexp(log_w + parts, dim=1)"], None),
        (3.0, ["total = 0", "for k in range(len(mu)):", "    s = log_s[k].exp()", "    z = (x - mu[k]) / s",
               "    density = torch.exp(-z) / (s * (1 + torch.exp(-z)) ** 2)",
               "    total = total + logits.softmax(0)[k] * density", "return total.log()"], None),
        (1.5, ["w = logits.exp()", "z = (x[:, None] - mu) / log_s.exp()",
               "p = torch.sigmoid(z) * (1 - torch.sigmoid(z)) / log_s.exp()",
               "return (w * p).sum(1).log()"], ["nan", -3.25, -7.5, 12.0]),
        (0.0, ["z = (x - mu) / log_s", "return torch.logsumexp(z, 0"], "SyntaxError: '(' was never closed (line {n})"),
    ],
    "elbo": [
        (4.0, ["q = torch.distributions.Normal(mu, logvar.mul(0.5).exp())", "p = torch.distributions.Normal(0.0, 1.0)",
               "kl = torch.distributions.kl_divergence(q, p).sum(1)", "return (log_px - kl).mean()"], None),
        (4.0, ["kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)", "per_image = log_px - kl.sum(dim=1)",
               "return torch.mean(per_image)"], None),
        (2.0, ["kl = 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar)", "bound = log_px.mean() + kl.mean()",
               "assert bound.ndim == 0", "return bound"], [-88.25]),
        (0.0, ["raise NotImplementedError('elbo')"], "NotImplementedError: elbo"),
    ],
}  # fmt: skip
VALUES = {"histogram": "probabilities", "mixture_log_prob": "far_tails", "elbo": "bound"}
HINTS = {
    "histogram": "Added up, the probabilities end at 1. Ends at 400: counts, not yet shares.",
    "mixture_log_prob": "-inf far out? Stay in logarithms until the end.",
    "elbo": "Which sign has the divergence, and is it a sum over dimensions?",
}


def row(task, number, points, most, wrong=None):
    """The row of one check. wrong: None, an error's message, or the numbers that were published instead."""
    verdict = "error" if isinstance(wrong, str) else "pass" if points == most else "partial" if points else "fail"
    value = {
        "name": VALUES.get(task, "total"),
        "right": points == most,
        "message": "2 of 3 numbers differ, by up to 0.25",
        "hint": HINTS.get(task, ""),
        "got": [3],
        "expected": [3],
        "sample": wrong if isinstance(wrong, list) else [],
    }
    return {
        "task": task,
        "check": f"{task}-{number}",
        "points": points,
        "max": most,
        "verdict": verdict,
        "graded": "own",
        "about": "Compares with a direct count.",
        "message": wrong if verdict == "error" else "",
        "values": [] if verdict == "error" else [value],
        "seconds": 0.1,
    }


def entry(student, rows, **more):
    return {
        "student": student,
        "file": f"{student}.ipynb",
        "status": "graded",
        "points": sum(each["points"] for each in rows),
        "max": sum(each["max"] for each in rows),
        "seconds": 1.0,
        "notes": [],
        "seed": 7,
        "code": {},
        "checks": rows,
        **more,
    }


def code(task, *body):
    """The source of a task: its stub where there is no body."""
    lines = body or [f'raise NotImplementedError("{task}")']
    return "\n    ".join([f'# task: {task}\ndef {task}(x):\n    """What it does. x: (n,)."""', *lines])


def made_up_class(many=40):
    """Students who chose their answers by lot; the last two handed in one text with other names in it."""
    draw = random.Random(3)
    names = ["Ada", "Bruno", "Chidi", "Dilara", "Emeka", "Farah", "Grace", "Hugo", "Ines", "Jonas", "Kiran", "Mo"]
    extra = ["print(x.{}({}))", "y = {1} * x.{0}()", "assert x.{} > {}", "x = x.{}() + {}"]
    entries = []
    for n in range(many):
        rows, written = [], {}
        for task, answers in ANSWERS.items():
            points, body, wrong = draw.choices(answers, (8, 6, 4, 2))[0]
            half = answers[0][0] / 2
            wrong = wrong.format(n=draw.randrange(5, 90)) if isinstance(wrong, str) else wrong
            rows += [row(task, 1, min(points, half), half), row(task, 2, max(0.0, points - half), half, wrong)]
            more = [draw.choice(extra).format(draw.choice(["mean", "sum"]), draw.randrange(9)) for _ in range(n % 7)]
            body = [re.sub(r"\b(z|kl|total|counts)\b", rf"\1_{n}", line) for line in body]
            written[task] = code(task, *more, *body)
        late = {"days": 2, "penalty": 0.5, "deadline": DEADLINE} if n % 11 == 5 else None
        name = f"{names[n % len(names)]} {chr(65 + n // len(names))}."
        entries.append(entry(name, rows, code=written, late=late, attempts=1 + n % 3, manual=[]))
        entries[-1]["raw_points"] = entries[-1]["points"]
        entries[-1]["points"] -= late["penalty"] if late else 0.0
    entries[-1]["code"] = {task: text.replace("x", "data") for task, text in entries[-2]["code"].items()}
    entries[5]["manual"] = [{"task": "elbo", "points": 4.0, "comment": "The idea is right.", "author": "kim"}]
    nothing = {"points": 0.0, "verdict": "missing", "values": [], "message": ""}
    blank = [{**each, **nothing} for each in entries[9]["checks"]]
    note = "not a notebook: Expecting value: line 1 column 1 (char 0)"
    entries[9].update(status="corrupt", notes=[note], points=0.0, code={}, checks=blank)
    return entries


def grades_of(entries):
    return {"schema": 1, "lab": "03_mixtures", "seed": 7, "sandbox": "bwrap+landlock", "submissions": entries}


def master():
    """A lab as the report needs it; its solution can be told by a comment."""
    solutions = {task: code(task, *answers[0][1], "# SOLUTION") for task, answers in ANSWERS.items()}
    return SimpleNamespace(tasks=solutions, stubs={task: code(task) for task in ANSWERS})


def pages_of(entries, folder, lab=None):
    report.write(grades_of(entries), folder, lab)
    return folder / "index.html", folder / "students" / report.page_name(entries[0]["student"])


def wrong(student, sample, *, name="total", got=(3,), seed=7):
    """An entry with one check whose one value is wrong."""
    value = {"name": name, "right": False, "message": "differs", "hint": "", "got": got and list(got), "expected": [3]}
    one = {**row("add", 1, 0.0, 1.0), "values": [{**value, "sample": sample}]}
    return entry(student, [one], seed=seed)


def groups(entries):
    found = report.same_wrong_values([(each, each["checks"][0]) for each in entries])
    return [sorted(group["students"]) for group in found]


def test_wrong_values_that_are_close_are_one_group():
    entries = [wrong("a", [1.0, 2.0]), wrong("b", [1.0005, 2.0]), wrong("c", [1.01, 2.0]), wrong("d", [1.0, 2.0, 3.0])]
    assert groups(entries) == [["a", "b"]]


def test_nan_and_infinity_are_values_to_group_by():
    entries = [wrong(student, ["nan", "-inf", 5.0]) for student in "ab"]
    assert groups([*entries, wrong("c", ["nan", "inf", 5.0]), wrong("d", [0.0, "-inf", 5.0])]) == [["a", "b"]]


def test_only_equal_inputs_and_shapes_are_compared():
    assert groups([wrong("a", [1.0]), wrong("b", [1.0], seed=8)]) == []
    assert groups([wrong("a", [1.0] * 3, got=(3,)), wrong("b", [1.0] * 3, got=(3, 1))]) == []
    assert groups([wrong("a", [1.0] * 3, got=(3,)), wrong("b", [1.0] * 3, got=None)]) == [["a", "b"]]  # graded alone


def test_what_published_nothing_is_no_group():
    assert groups([wrong("a", [], got=None), wrong("b", [], got=None)]) == []


def test_one_mistake_that_shows_in_two_values_is_one_group():
    entries = [wrong(student, [1.0]) for student in "ab"]
    for each in entries:
        each["checks"][0]["values"].append({**each["checks"][0]["values"][0], "name": "ratio"})
    [group] = report.same_wrong_values([(each, each["checks"][0]) for each in entries])
    assert [value["name"] for value in group["values"]] == ["total", "ratio"]


def said(*messages):
    rows = [row("add", 1, 0.0, 1.0, message) for message in messages]
    found = report.common_messages([(entry(str(n), [r]), r) for n, r in enumerate(rows)])
    return [(message["text"], len(message["students"])) for message in found]


def test_messages_that_differ_in_numbers_only_are_one():
    assert said("ValueError: at 0x7f01", "IndexError: index 5 of 4", "IndexError: index 17 of 4") == [
        ("IndexError: index … of 4", 2),
        ("ValueError: at 0x7f01", 1),
    ]
    assert said("conv2d wants float32", "conv1d wants float32") == [
        ("conv2d wants float32", 1),
        ("conv1d wants float32", 1),
    ]


def test_a_message_that_holds_the_placeholder_is_just_another():
    assert said("… of 4", "3 of 4") == [("… of 4", 1), ("3 of 4", 1)]


def test_every_submission_is_in_the_distribution_and_full_points_stand_apart():
    rows = report.distribution([-1, 0, 4.99, 5, 23.9, 24, 25], 24)
    assert sum(count for _, count in rows) == 7
    assert rows[0] == ("0 to <2", 2)
    assert rows[-1] == ("all 24", 2)


def test_an_overview_leaves_out_what_the_grader_failed_on():
    entries = [entry("a", [row("add", 1, 1.0, 1.0)]), entry("b", [row("add", 1, 0.0, 1.0)])]
    entries.append({**entry("c", [row("add", 1, 0.0, 1.0)]), "status": "failed"})
    found = report.overview(grades_of(entries))
    assert (found["students"], found["failed"], found["median"], found["passed"]) == (3, 1, 0.5, {"add": 0.5})


def test_submissions_of_two_versions_of_a_lab_and_none_at_all_make_a_page(tmp_path):
    index, _ = pages_of([entry("a", [row("add", 1, 1.0, 1.0)]), entry("b", [row("times", 1, 1.0, 1.0)])], tmp_path)
    assert "100% (1 of 1)" in index.read_text()
    assert report.write(grades_of([]), tmp_path / "none").exists()


def test_what_was_not_attempted_stands_apart_from_mistakes(tmp_path):
    stub, mine = "NotImplementedError: add", {"add": "def add(a, b):\n    return minus(a, b)"}
    class_ = [entry(name, [row("add", 1, 0.0, 2.0, stub)]) for name in ("ada", "bob")]
    class_ += [entry("cy", [row("add", 1, 0.0, 2.0, "NotImplementedError: minus")], code=mine)]  # another task's
    class_ += [entry("di", [row("add", 1, 0.0, 2.0, "ValueError: x")], code=mine)]
    index, page = pages_of(class_, tmp_path)
    text = " ".join(re.sub(r"<[^>]+>", "", index.read_text()).split())
    assert "2 not attempted, 2 error" in text
    assert "Not attempted by 2: ada, bob" in text
    assert "1 × NotImplementedError: minus" in text
    assert "NotImplementedError: add" not in text
    assert "add-1: ○ not attempted, 0 of 2" in re.sub(r"<[^>]+>", "", page.read_text())


def test_one_is_no_plural(tmp_path):
    class_ = [entry(str(n), [row("add", 1, 0.0, 1.0, f"{'abcdef'[n]}Error")], attempts=1) for n in range(6)]
    class_[0]["late"] = {"days": 1, "penalty": 1.0, "deadline": DEADLINE}
    class_[0]["manual"] = [{"task": "add", "points": 1.0, "comment": "", "author": ""}]
    for path in pages_of(class_, tmp_path):
        text = " ".join(re.sub(r"<[^>]+>", "", path.read_text()).split())
        assert "1 point off" in text or "1 day late: 1 point off" in text
        assert re.findall(r"(?<![\d.])1 (?:rarer \w+s|points|days|\w+ groups|submissions)\b", text) == []


def test_a_gradebooks_facts_are_columns_and_others_files_have_none():
    late = entry(
        "=cmd()", [row("add", 1, 1.0, 1.0)], attempts=3, late={"days": 2, "penalty": 0.5, "deadline": DEADLINE}
    )
    [line] = csv.DictReader(io.StringIO(report.as_csv(grades_of([late]))))
    assert (line["student"], line["attempts"], line["late"], line["penalty"]) == ("'=cmd()", "3", "2", "0.5")
    assert report.as_csv(grades_of([entry("a", [row("add", 1, 1.0, 1.0)])])).startswith(
        "student,points,max,add,status,file\n"
    )


def test_a_students_page_holds_nothing_of_the_inputs_or_the_solution(tmp_path):
    report.write(grades_of(made_up_class()), tmp_path, master())
    assert "# SOLUTION" in re.sub(r"<[^>]+>", "", (tmp_path / "index.html").read_text())
    assert "-88.25" in (tmp_path / "index.html").read_text()
    for page in (tmp_path / "students").glob("*.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text())
        assert "def elbo" in text or "not a notebook" in text
        assert not re.search("SOLUTION|88.25|-7.5|For instructors", text)


def test_a_students_page_says_what_the_gradebook_knows(tmp_path):
    manual = [{"task": "", "points": None, "comment": "See me.", "author": "kim"}]
    known = {
        "handed_in": "2026-12-01T10:00:07+01:00",
        "raw_points": 2.0,
        "attempts": 3,
        "late": {"days": 1, "penalty": 0.5, "deadline": DEADLINE},
        "manual": manual,
    }
    _, page = pages_of([entry("ada", [row("elbo", 1, 0.0, 1.0), row("elbo", 2, 0.0, 1.0, "Boom")], **known)], tmp_path)
    text = " ".join(re.sub(r"<[^>]+>", "", page.read_text()).split())
    facts = [
        "1 day late: 0.5 points off. The deadline was 2026-11-30 23:59 UTC+01:00.",
        "3 attempts",
        "The checks gave 2 points",
        "handed in 2026-12-01 10:00:07 UTC+01:00",
        "The whole lab: See me. (kim)",
    ]
    feedback = ["Compares with a direct count.", "shape (3,) as expected, but 2 of 3", HINTS["elbo"], "Boom"]
    assert [expected for expected in facts + feedback if expected not in text] == []


def test_a_grader_killed_while_it_writes_leaves_the_old_page_whole(tmp_path, monkeypatch):
    index, _ = pages_of([entry("ada", [row("add", 1, 1.0, 1.0)])], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}

    def killed(*_):
        raise SystemExit

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemExit):
        pages_of([entry("ada", [row("add", 1, 0.0, 1.0)])], tmp_path)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in before} == before
    pages_of([entry("ada", [row("add", 1, 0.0, 1.0)])], tmp_path)
    assert index.read_bytes() != before[index]
    assert set(tmp_path.rglob("*.*")) == set(before)


def test_different_names_never_share_a_page():
    names = ["ada", "Ada", "Ada.", "a/b", "a_b", "a:b", "", "..", "é", "x" * 300, "x" * 301]
    assert len({report.page_name(name).lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,90}\.html", report.page_name(name)) for name in names)


def test_huge_texts_make_no_huge_page(tmp_path):
    huge = "x" * 1_000_000
    value = {**row("add", 1, 0.0, 1.0)["values"][0], "name": huge, "message": huge, "hint": huge, "got": None}
    one = {**row("add", 1, 0.0, 1.0, huge), "values": [value]}
    for page in pages_of([entry(huge, [one], notes=[huge], file=huge, code={"add": huge[:20_000]})], tmp_path):
        assert page.stat().st_size < 60_000


@pytest.fixture
def visit(browser):
    """visit(path, **context): the page in a browser without a network.

    page.seen: what it wanted to load, said on the console or showed in a dialog; page.asked: what went to the network.
    """
    contexts = []

    def opened(path, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.seen, page.asked = [], []

        def on_network(route):
            page.asked.append(route.request.url)
            route.continue_() if route.request.url.startswith("file:") else route.abort()

        page.route("**/*", on_network)
        page.on("request", lambda request: page.seen.append(request.url))
        page.on("console", lambda message: page.seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (page.seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def class_of_40(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    entries = made_up_class()
    report.write(grades_of(entries), folder, master())
    partial = next(each for each in entries if report.by_task(each)["elbo"] == 2.0 and each["status"] == "graded")
    return folder / "index.html", folder / "students" / report.page_name(partial["student"])


def hostile_class(folder):
    """Two submissions that try to get out of every field of a page, in the class of one who does not."""
    short = "\n".join(HOSTILE[n : n + 60] for n in range(0, len(HOSTILE), 60))
    value = {"name": HOSTILE[:100], "right": False, "message": HOSTILE, "hint": HOSTILE, "got": [3], "expected": [3, 4],
             "sample": [1.0, "nan"]}  # fmt: skip
    rows = [{**row("add", 1, 0.0, 2.0, HOSTILE), "values": [value], "about": HOSTILE}]
    more = {"attempts": 2, "late": {"days": 1, "penalty": 1.0, "deadline": DEADLINE}, "manual": [
        {"task": "add", "points": 1.0, "comment": HOSTILE, "author": HOSTILE}]}  # fmt: skip
    texts = [f"{short}\n{''.join(f'y = x.m{n}() + {n}{chr(10)}' for n in range(20))}", HOSTILE]
    entries = [entry(f"{HOSTILE}{n}", rows, file=HOSTILE, notes=[HOSTILE], code={"add": text}, **more)
               for n, text in enumerate((texts[0], texts[0], texts[1]))]  # fmt: skip
    entries.append(entry("ada", [row("add", 1, 2.0, 2.0)]))
    lab = SimpleNamespace(tasks={"add": texts[0]}, stubs={"add": code("add")})
    report.write(grades_of(entries), folder, lab)
    students = [folder / "students" / report.page_name(entries[n]["student"]) for n in (0, 2)]
    return entries[0]["student"], folder / "index.html", *students


def test_nothing_that_a_submission_says_becomes_part_of_a_page(visit, tmp_path):
    name, *paths = hostile_class(tmp_path)
    for path in paths:
        page = visit(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.seen == [path.as_uri()]
        assert (
            page.locator("img, iframe, form, link, base, input, object, embed, [onload], [onfocus], [onerror]").count()
            == 0
        )
        assert (page.locator("style").count(), page.locator("script").count()) == (1, path.name == "index.html")
        assert "<script>document.title='owned'" in page.inner_text("main")
        assert "{{ 7 * 7 }}" in page.inner_text("main")
        assert not re.search(
            "[\x00-\x08\x1b\x80-\x9f\u202a-\u202e\u2066-\u2069]", page.evaluate("document.documentElement.outerHTML")
        )
        title = "03_mixtures: 4 submissions" if path.name == "index.html" else f"{name[:80]}…: 03_mixtures"
        assert page.title() == title


def test_the_policy_stops_what_would_have_been_injected(visit, class_of_40):
    page = visit(class_of_40[0])
    stopped = page.evaluate("""async () => {
        const stopped = []
        document.addEventListener("securitypolicyviolation", event => stopped.push(event.effectiveDirective))
        const add = (tag, with_) => document.body.append(Object.assign(document.createElement(tag), with_))
        add("script", {textContent: "document.title = 'owned'"})
        add("style", {textContent: "* { display: none }"})
        add("img", {src: "https://example.org/x.png"})
        add("iframe", {src: "https://example.org/"})
        add("base", {href: "https://example.org/"})
        document.body.setAttribute("onclick", "document.title = 'owned'")
        document.body.click()
        try { await fetch("https://example.org/") } catch { }
        await new Promise(done => setTimeout(done, 100))
        return stopped
    }""")
    assert {
        "script-src-elem",
        "style-src-elem",
        "img-src",
        "frame-src",
        "base-uri",
        "script-src-attr",
        "connect-src",
    } <= set(stopped)
    assert page.title() == "03_mixtures: 40 submissions"
    assert page.locator("main").is_visible()
    assert page.asked == [class_of_40[0].as_uri()]  # what a policy stops never gets as far as the network


def column(page, n):
    return page.evaluate(
        "n => [...document.querySelector('#student-table').tBodies[0].rows].map(row => row.cells[n].innerText)", n
    )


def test_who_got_what_and_why_stands_before_the_checks_and_needs_no_scrolling(visit, tmp_path):
    tasks = ["fit_histogram", "sample_histogram", "kl_bits", "smooth_histogram", "logistic_log_prob"]
    tasks += ["mixture_log_prob", "fit_mixture", "class_posterior"]  # as many as a lab has
    late = {
        "late": {"days": 2, "penalty": 3.4, "deadline": DEADLINE},
        "attempts": 3,
        "notes": ["found by marker, not by id: kl_bits"],
    }
    class_ = [entry(name, [row(task, 1, 1.0, 3.0) for task in tasks], **late) for name in ("ada", "bruno lovelace")]
    page = visit(pages_of(class_, tmp_path)[0], viewport={"width": 1280, "height": 900})
    region = page.locator("#student-table").locator("..")
    assert region.evaluate("each => [each.scrollWidth - each.clientWidth, document.body.scrollWidth]") == [0, 1280]
    assert column(page, 3) == ["3.4 points off: 2 days late; found by marker, not by id: kl_bits"] * 2
    assert page.evaluate("[...document.querySelectorAll('main h2')].map(h => h.id)")[:3] == [
        "points",
        "students",
        "checks",
    ]


def test_a_click_sorts_the_students(visit, class_of_40):
    page = visit(class_of_40[0])
    points = [float(text) for text in column(page, 1)]
    assert points != sorted(points)
    head = page.locator("#student-table th", has=page.get_by_role("button", name="points"))
    for order, reverse in (("ascending", False), ("descending", True)):
        head.get_by_role("button").click()
        assert [float(text) for text in column(page, 1)] == sorted(points, reverse=reverse)
        assert head.get_attribute("aria-sort") == order
    assert page.locator("th[aria-sort]").count() == 1


def test_the_keyboard_sorts_the_students(visit, class_of_40):
    page = visit(class_of_40[0])
    page.get_by_role("region", name="Points of every student").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "student"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    names = column(page, 0)
    page.keyboard.press("Enter")
    assert column(page, 0) == sorted(names, reverse=True) != names
    page.keyboard.press("Space")
    assert column(page, 0) == sorted(names)


def test_a_phone_shows_both_pages_without_scrolling_sideways(visit, class_of_40, tmp_path):
    _, *hostile = hostile_class(tmp_path)
    for n, path in enumerate((*class_of_40, *hostile)):
        page = visit(path, viewport={"width": 360, "height": 740})
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        keep_picture(page, f"report-phone-{n}", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        mute = page.evaluate("""[...document.querySelectorAll("main *")].filter(each =>
            each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === "auto"
            && !(each.tabIndex === 0 && (each.ariaLabel || each.getAttribute("aria-labelledby"))))
            .map(each => each.outerHTML)""")
        assert mute == []


CONTRAST = """() => {
    const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0)
    const parts = color => color.match(/[\\d.]+/g).map(Number)
    const behind = each => {
        const color = parts(getComputedStyle(each).backgroundColor)
        return color.length === 3 ? color : behind(each.parentElement)
    }
    const found = {}
    for (const each of document.querySelectorAll("body *")) {
        const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())
        const [marked, sorts] = [each.matches(".hll"), each.matches("th button")]
        for (const [pseudo, shown] of [[null, own], ["::before", marked], ["::after", sorts]]) {
            if (!shown || each.matches("script")) continue
            const [a, b] = [parts(getComputedStyle(each, pseudo).color), behind(each)].map(light).sort((x, y) => y - x)
            for (const name of each.classList.length ? each.classList : [each.tagName])
                found[name] = Math.min(found[name] ?? 99, (a + 0.05) / (b + 0.05))
        }
    }
    return found
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(visit, class_of_40, scheme):
    found = {}
    for path in class_of_40:
        page = visit(path, color_scheme=scheme)
        keep_picture(page, f"report-{'class' if path == class_of_40[0] else 'student'}-{scheme}", full_page=True)
        found |= page.evaluate(CONTRAST)
    assert {"pass", "partial", "fail", "note", "quiet", "hint", "hll", "k", "nf", "nb", "mi", "c1", "sd"} <= set(found)
    assert {name: round(ratio, 2) for name, ratio in found.items() if ratio < 4.5} == {}


def test_a_screen_reader_finds_its_way(visit, class_of_40):
    for path in class_of_40:
        page = visit(path)
        assert page.get_attribute("html", "lang") == "en"
        assert (page.get_by_role("main").count(), page.get_by_role("banner").count()) == (1, 1)
        assert page.get_by_role("navigation").count() == 1
        levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(each => +each.tagName[1])")
        assert levels.count(1) == 1
        assert all(below <= above + 1 for above, below in zip([0, *levels], levels, strict=False))
        assert page.locator("table:not(:has(caption)), th:not([scope])").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('a[href^=\"#\"]')].every(a => document.querySelector(a.hash))"
        )
