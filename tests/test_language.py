"""What the course says: spelled right, in British English, no word twice; the glossary and its lectures agree.

A word of prose is right if pyspellchecker's dictionary has it, or has its American form, or `words.txt` has it.
"""

import ast
import functools
import io
import json
import re
import tokenize
from bisect import bisect
from pathlib import Path

import pytest
from conftest import ROOT

from grader.source import read_cells

SOURCES = sorted((ROOT / "source").glob("*/*.py"))
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "RESULTS.md")]
PAGES = [path for path in PAGES if path.exists()] + sorted((ROOT / "docs").glob("*.md"))
TEMPLATES = sorted(path for path in (ROOT / "grader" / "templates").rglob("*") if path.suffix in (".html", ".md"))

# What is not prose, in this order. Code, mathematics, markup, where links lead, and other people's titles.
NOT_PROSE = [
    r"^## References$.*?(?=^## |\Z)",
    r"^ *(```|~~~|:::).*?^ *\1",
    r"<!--.*?-->",
    r"<(style|script|code|pre)\b.*?</\1>",
    r"\{[%{#].*?[%}#]\}",
    r"(`+)(?!`).+?(?<!`)\1(?!`)",
    r"\$\$.*?\$\$",
    r"\$[^$]*\$",
    r"</?[a-zA-Z!][^>]*>",
    r"(?<=\])\([^)\s]*\)",
    r"\b\w+://\S+",
    r"# noqa: \w+|# fmt: \w+",
]
LETTERS = "[A-Za-zÀ-ɏ]+"
WORD = rf"(?<![\w./\\@-]){LETTERS}(?:['’-]{LETTERS})*(?![\w(/\\=\[])(?!\.\w)"

# (stem, British, American, ending), each a regular expression.
SPELLINGS = [
    (r"\w*(?:behavi|col|fav|flav|neighb|rum)", "our", "or", r"(?:s|ed|ing|ful|less|able|ably|ite|al|hood|hoods)?"),
    (r"\w{3,}", "is", "iz", r"(?:e|ed|er|ers|es|ing|ation|ations|able)"),
    (r"\w*(?:anal|paral)", "ys", "yz", r"(?:e|ed|er|es|ing)"),
    (r"\w*(?:model|label|cancel|travel|signal|level|channel|total)", "l", "", r"(?:ed|ing)"),
    (r"(?:cent|fib|theat|kilomet|millimet)", "re", "er", r"s?"),
    (r"cent", "r", "er", r"(?:ed|ing)"),
    (r"gr", "ey", "ay", r"(?:s|er|ish|scale)?"),
    (r"art", "e", "i", r"facts?"),
    (r"(?:def|off|pret)", "ence", "ense", r"s?"),
    (r"(?:catal|dial)", "ogue", "og", r"s?"),
]


def without_code(text):
    """The text with a dot for every character that is not prose; lines stay where they are."""
    for pattern in NOT_PROSE:
        text = re.sub(pattern, lambda found: re.sub(r"[^\n]", "•", found[0]), text, flags=re.S | re.M)
    return text


def words(text, first=1):
    """Every word of the prose in a text with its line, (word, line); `first` is the number of the text's first line."""
    text = without_code(text)
    breaks = [found.start() for found in re.finditer("\n", text)]
    for found in re.finditer(WORD, text):
        for word in re.sub(r"['’]s?$", "", found[0].replace("’", "'")).split("-"):
            if len(word) > 1 and not re.search(r"[^A-Z][A-Z]|^[A-Z]+s?$", word):  # not PyTorch, GPUs
                yield word, first + bisect(breaks, found.start())


@functools.cache
def prose(path):
    """The pieces of prose in a file, [(text, line)]: of a source also strings of several words, and comments."""
    if path.suffix != ".py":
        return [(path.read_text(encoding="utf-8"), 1)]
    pieces = []
    for cell in read_cells(path)[0]:
        if cell.kind == "markdown":
            pieces.append((cell.text, cell.line + 1))
            continue
        nodes = list(ast.walk(ast.parse(cell.text)))
        places = {id(node.value) for node in nodes if isinstance(node, ast.keyword) and node.arg == "loc"}
        for node in nodes:
            text = node.value if isinstance(node, ast.Constant) and id(node) not in places else None
            if isinstance(text, str) and " " in text.strip():
                pieces.append((text, cell.line + node.lineno))
        for token in tokenize.generate_tokens(io.StringIO(cell.text).readline):
            if token.type == tokenize.COMMENT:
                pieces.append((token.string, cell.line + token.start[0]))
    return pieces


def respelled(word, *, british):
    """The word with the British (or American) ending instead of the other; the word itself where there is no pair."""
    for stem, ours, theirs, ending in SPELLINGS:
        here, there = (theirs, ours) if british else (ours, theirs)
        if found := re.fullmatch(f"({stem}){here}({ending})", word):
            return found[1] + there + found[2]
    return word


@functools.cache
def checker():
    spelling = pytest.importorskip("spellchecker", reason="no pyspellchecker here: pip install pyspellchecker")
    return spelling.SpellChecker(distance=1)


def own_words():
    return (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()


def mistake(word, own):
    """What is wrong with a word, None where nothing is. own: the set of further right words; names begin large."""
    known, low = checker().word_frequency.dictionary, word.lower()
    if word in own or low in own:
        return None
    if (british := respelled(low, british=True)) != low and low in known:
        return f"is American, here it is {british!r}"
    american = respelled(low, british=False)
    if low in known or (american != low and american in known):
        return None
    near = checker().candidates(low)
    return f"is not in the dictionary; meant {', '.join(sorted(near)[:4])}?" if near else "is not in the dictionary"


def doubled(text, first=1):
    """Words that stand twice in a row, (word, line), but for those that may ("that that", "had had")."""
    text = without_code(text)
    for found in re.finditer(r"(?<!-)\b([A-Za-z]{2,})\s+\1\b(?![-'’])", text, re.I):
        if found[1].lower() not in ("that", "had"):
            yield found[1], first + text.count("\n", 0, found.start())


ALL = SOURCES + PAGES + TEMPLATES


@functools.cache
def read_words():
    """Every word of the course: {word: "file:line" of its first place}."""
    seen = {}
    for path in ALL:
        for text, first in prose(path):
            for word, line in words(text, first):
                seen.setdefault(word, f"{path.relative_to(ROOT)}:{line}")
    return seen


def test_every_word_of_the_course_is_spelled_right():
    own = set(own_words())
    wrong = [f"{place}: {word!r} {why}" for word, place in read_words().items() if (why := mistake(word, own))]
    assert not wrong, "\n".join([*wrong, "a term or a name that is right goes into tests/words.txt"])


def test_no_word_stands_twice_in_a_row():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word} {word}"
        for path in ALL
        for text, first in prose(path)
        for word, line in doubled(text, first)
    ]
    assert found == []


def test_the_own_words_are_sorted_and_each_is_used_and_not_in_the_dictionary():
    own = own_words()
    assert own == sorted(set(own), key=lambda word: (word.lower(), word))
    used = {form for word in read_words() for form in (word, word.lower())}
    assert [word for word in own if word not in used] == []
    assert [word for word in own if mistake(word, set()) is None] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a sentance with one mistake", ["sentance"]),
        ("the color of a gray center", ["color", "gray", "center"]),
        ("we optimize, normalized and modeled its behavior", ["optimize", "normalized", "modeled", "behavior"]),
        ("the colour of a grey centre, optimised, its behaviour modelled, labelled", []),
        ("the prize of this size is a noise, and rigorous sense seizes its honorary doctor", []),
        ("the masks of pairwise recieved-by-all pixels", ["recieved"]),
        ("what `nlll` is, and $\\mathrm{sinn}$, <a href='xq'>said</a> [here](qqq.md), in utils/plott.py", []),
        ("`code` wrng `code`, ``a ` b`` agian", ["wrng", "agian"]),
        ("```\nmke lab\n```\nthen teh end", ["teh"]),
        ("PyTorch runs on GPUs; Ada's isn't", []),
        ("## References\nBengioo et al.\n\n## Exercises\nan exercize", ["exercize"]),
    ],
)
def test_the_checker_sees_what_is_wrong_and_only_that(text, wrong):
    assert [word for word, _ in words(text) if mistake(word, set())] == wrong


def test_a_mistake_is_told_with_its_line_and_what_was_meant():
    assert list(words("one\ntwo\nthreee")) == [("one", 1), ("two", 2), ("threee", 3)]
    assert mistake("threee", set()) == "is not in the dictionary; meant three, threes?"
    assert mistake("Color", set()) == "is American, here it is 'colour'"
    assert mistake("Bengio", {"Bengio"}) is None
    assert mistake("bengio", {"Bengio"}) is not None, "a name begins with a capital"


def test_strings_hints_and_comments_of_a_source_are_read_with_their_lines(tmp_path):
    source = tmp_path / "source.py"
    code = 'x = 1  # a coment\ncheck(x=x, hint="is it\\n" "wrongg?", loc="no plase")\n'
    source.write_text(f"# %% [markdown]\n# # Titel\n# more\n\n# %%\n{code}")
    found = [(word, line) for text, first in prose(source) for word, line in words(text, first)]
    assert {("Titel", 2), ("coment", 6), ("wrongg", 8)} <= set(found)
    assert "plase" not in dict(found)


def test_a_word_said_twice_is_found_across_a_line_and_not_in_code():
    assert list(doubled("see the\nthe end, `x x`, $a a$, that that is, New New York-like very-very")) == [
        ("the", 1),
        ("New", 2),
    ]


def glossary():
    """The rows of GLOSSARY.md: [(term, Chinese, meaning, {lecture stem, ...})]."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.M)
    return [(*row[:3], re.findall(r"\[(\d\d)\]\(lectures/(\w+)\.ipynb\)", row[3])) for row in rows[1:]]


@functools.cache
def lecture_text(stem):
    """Everything that a lecture says, in one line, emphasis and mathematics taken out."""
    pieces = " ".join(text for text, _ in prose(ROOT / "source" / "lectures" / f"{stem}.py"))
    return re.sub(r"[\s*]+", " ", pieces).lower()


def test_every_term_of_the_glossary_stands_in_the_lectures_it_names():
    missing = []
    for term, _, _, lectures in glossary():
        assert lectures, f"{term} names no lecture"
        form = re.sub(r"(\\ |\\-|-)", "[ -]", re.escape(term.lower())).removesuffix("y")
        for number, stem in lectures:
            assert stem.startswith(f"{number}_"), f"{term}: {number} leads to {stem}"
            if not re.search(rf"(?<![a-z]){form}(y|ies|s|es)?(?![a-z])", lecture_text(stem)):
                missing.append(f"{term} ({number})")
    assert missing == []


def test_the_glossary_is_sorted_and_every_term_has_a_chinese_name_and_a_meaning():
    terms = [term for term, *_ in glossary()]
    assert len(terms) >= 140
    assert terms == sorted(set(terms), key=lambda term: re.sub(r"[^a-z]", "", term.lower()))
    for term, chinese, meaning, _ in glossary():
        assert re.search(r"[\u4e00-\u9fff]", chinese), f"{term}: {chinese}"
        assert len(meaning.split()) >= 3, f"{term}: {meaning}"


@pytest.mark.parametrize("stem", sorted(path.stem for path in (ROOT / "source" / "lectures").glob("*.py")))
def test_every_lecture_has_terms_in_the_glossary(stem):
    terms = sum(any(stem == there for _, there in lectures) for *_, lectures in glossary())
    assert terms >= 8, f"{terms} terms of GLOSSARY.md name this lecture, a lecture has at least 8"


BUILT = sorted(path for kind in ("lectures", "solutions") for path in (ROOT / kind).glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"


def built_cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def pictures(cell):
    """The outputs of a cell that hold a picture."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("path", BUILT, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_figure_says_what_it_shows_to_those_who_hear_it(path):
    for cell in built_cells(path):
        for output in pictures(cell):
            text = output["metadata"].get("image/png", {}).get("alt", "")
            assert text, f"{cell['id']}: a picture without alt text"
            assert not text.startswith("picture with"), f"{cell['id']}: give it a title, or its axes names"
            assert len(text) <= 250, f"{cell['id']}: {text}"
            assert not re.search(r"[\\${}]", text), f"{cell['id']}: {text}"


def says_something(cell):
    return cell["cell_type"] == "markdown" and re.search(r"\w+ [^#]*[.:?!]", "".join(cell["source"])) is not None


@pytest.mark.parametrize("path", [path for path in BUILT if path.parent.name == "lectures"], ids=lambda path: path.stem)
def test_every_figure_is_announced_and_then_read_in_prose(path):
    cells = built_cells(path)
    for n, cell in enumerate(cells):
        if pictures(cell):
            assert any(map(says_something, cells[n - 2 : n])), f"{cell['id']}: nothing says what to look for"
            if not any(
                WIDGET in output.get("data", {}) for output in cell["outputs"]
            ):  # those are for the reader to play
                after = cells[n + 1]
                read = says_something(after) and not "".join(after["source"]).startswith("#")  # a new section
                assert read, f"{cell['id']}: nobody says what was to be seen"
