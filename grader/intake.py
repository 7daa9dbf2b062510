"""Which submissions there are in a notebook, a folder or a zip, read as untrusted data; nothing is unpacked to disk.

for submission in find_submissions("class/", "03_made"):
    print(submission.student, submission.handed_in, submission.refused or len(submission.data))

A submission holds where its bytes are, not the bytes: a class of any size is read one by one. What a student handed in
and nobody should open (a link, a bomb, a path that leads out) becomes a submission with the reason in `refused`.
"""

import hashlib
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from grader.course import CourseError

MAX_BYTES = 50_000_000  # of a notebook, and of a student's own zip
MAX_RATIO, FREE_BYTES = 250, 10_000_000  # a member above FREE_BYTES is at most MAX_RATIO times as long as packed
MAX_ENTRIES = 10_000  # of a zip
MAX_TOTAL, MAX_TOTAL_STUDENT = 10_000_000_000, 4 * MAX_BYTES  # what the notebooks of a zip may unpack to
MAX_NOTEBOOKS = 20  # of one student
MAX_LOOKED_AT = 200  # of one student's, to tell the lab from the course's other notebooks beside it
READ = (".ipynb", ".py", ".zip")

# Moodle's mod/assign/classes/downloader.php: a folder a student, or one flat folder; both with or without a last "_".
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>[0-9]+)_assignsubmission_[a-z]+(?:_(?P<original>.*))?", re.S)
# Canvas' lib/content_zipper.rb: name in lower case, LATE, user, attachment, file; an anonymous student has no name.
CANVAS = re.compile(
    r"(?:(?P<name>[^\WA-Z]+?)_(?P<late>LATE_)?(?P<id>[0-9]+)|(?P<late_anonymous>LATE_)?(?P<anonymous>anon_[^\W_]+))"
    r"_(?P<attachment>[0-9]{3,})_(?P<original>.+)",
    re.S,
)


class Corrupt(Exception):
    """What was handed in is not a notebook, or cannot be read; the message says in which way."""


@dataclass(frozen=True)
class Submission:
    """One notebook that a student handed in, or why it is not read.

    handed_in: ISO 8601 with offset, None where nobody knows: the times in a bulk download are those of the download.
    ids: {"canvas": "12345"} or {"moodle": "123456"} where the file's name says it.
    """

    student: str
    file: str
    notes: tuple = ()
    handed_in: str | None = None
    ids: dict = field(default_factory=dict, hash=False)
    refused: str = ""
    place: "_Place | None" = field(default=None, repr=False)
    kept: bytes = field(default=b"", repr=False)

    @property
    def data(self):
        """The bytes, read now. Raises Corrupt for what was refused, or cannot be read any more."""
        if self.refused:
            raise Corrupt(self.refused)
        return self.place.read() if self.place else self.kept

    @property
    def digest(self):
        """SHA-256 of the bytes; of the reason where they are not read."""
        loaded = self.loaded()
        return hashlib.sha256(loaded.refused.encode() or loaded.kept).hexdigest()

    def loaded(self):
        """The same with its bytes inside, for another process or machine."""
        try:
            return replace(self, kept=self.data, place=None)
        except Corrupt as problem:
            return replace(self, refused=str(problem), place=None)


@dataclass(frozen=True)
class _Place:
    """A file below a folder, or a member of the zip that it is: members is ((index, name),), one pair a zip."""

    root: str
    path: str
    members: tuple = ()

    def read(self):
        with self._open() as file:
            if not self.members:
                return _bounded(file)
            for number, name in self.members:
                data = _unpack(file, number, name)
                file = io.BytesIO(data)
            return data

    def _open(self):
        """The open file. A link that was put in its place, or in a folder's above it, is not followed."""
        full = os.path.join(self.root, self.path)
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
            flags |= getattr(os, name, 0)
        try:
            if not Path(full).parent.resolve().is_relative_to(self.root):
                raise Corrupt("it lies behind a link that leads out of the class's folder")
            file = os.fdopen(os.open(full, flags), "rb")
        except FileNotFoundError:
            raise Corrupt("the file has gone since the class was listed") from None
        except (OSError, ValueError) as error:
            raise Corrupt(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise Corrupt("it is not a plain file")
        return file


def _bounded(file):
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Corrupt(f"more than {MAX_BYTES:,} bytes")
    return data


def _unpack(file, number, name):
    """A member of the zip in an open file. The bytes are counted as they come: what the zip says of them is a claim."""
    try:
        with zipfile.ZipFile(file) as archive:
            item = archive.infolist()[number]
            if item.filename != name:
                raise Corrupt("the zip has changed since the class was listed")
            if reason := _path_refused(name) or _member_refused(item):
                raise Corrupt(reason)
            return _bounded(archive.open(item))
    except Corrupt:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds for data that are broken or were made to be
        raise Corrupt(f"it cannot be unpacked: {type(error).__name__}: {error}"[:200]) from None


def _path_refused(name):
    """Why a path in a zip says nothing of whose the file is; "" where it does."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "the zip gives it an absolute path"
    if "\\" in name:
        return "its path in the zip has backslashes"
    return "its path leads out of the zip" if ".." in name.split("/") else ""


def _member_refused(item):
    """Why a member of a zip is not read; "" where it is."""
    kind = stat.S_IFMT(item.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "it is a link" if kind == stat.S_IFLNK else "it is not a plain file"
    if item.flag_bits & 1:
        return "it is encrypted"
    if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others unpack without a bound
        return f"it is compressed by method {item.compress_type}, only deflate is read"
    if item.file_size > MAX_BYTES:
        return f"{item.file_size:,} bytes, at most {MAX_BYTES:,} are read"
    if item.file_size > max(FREE_BYTES, MAX_RATIO * item.compress_size):
        return f"{item.compress_size:,} bytes unpack to {item.file_size:,}: a bomb"
    return ""


@dataclass
class _File:
    """A file that was found: its path as shown, where it is, when it was changed, why it is not read."""

    name: str
    place: _Place | None = None
    modified: float | None = None
    refused: str = ""
    outer: str = ""  # the name that says whose it is: its own, or that of the student's zip

    def __post_init__(self):
        self.outer = self.outer or self.name

    def is_read(self):
        return self.name.lower().endswith(READ)


def find_submissions(path, lab=""):
    """All submissions in a notebook, a folder or a zip, in order of the students' names; CourseError where none is.

    A student is the file `ada.ipynb`, the folder `ada/`, the zip `ada.zip`, as Canvas and Moodle name a download, or
    the repository `SLUG-ada/` in GitHub Classroom's folder `SLUG-submissions`. lab: the stem of what was asked for; the
    course's other notebooks in a student's folder are left out.
    """
    path = Path(path)
    if not path.exists():
        raise CourseError(f"there is no {path}; expected a notebook, a folder of notebooks, or a zip")
    files = [file for found in _files(path.resolve()) for file in _opened(found)]
    groups = {}
    for file in sorted(files, key=lambda file: file.name):
        groups.setdefault(_Owner.of(file.outer), []).append(file)
    names, found, taken = Counter(owner.student for owner in groups), [], set()
    for owner, handed_in in groups.items():
        student = owner.student if names[owner.student] == 1 or not owner.id else f"{owner.student} ({owner.id})"
        if path.stem.endswith("-submissions"):  # gh classroom clone student-repos
            student = student.removeprefix(path.stem.removesuffix("submissions")) or student
        for submission in _of_student(student, owner, handed_in, lab):
            found.append(replace(submission, student=_distinct(submission.student, taken)))
    if not found:
        raise CourseError(f"no .ipynb in {path}, and no .py or .zip of a student's")
    return sorted(found, key=lambda s: s.student)


def left_out(path, submissions):
    """Names in a class's folder or zip that no submission came from: somebody's hand-in under another name?"""
    read = {PurePosixPath(submission.file).parts[0] for submission in submissions}
    if Path(path).is_dir():
        names = {_shown(name) for name in os.listdir(path)}
    else:
        names = {PurePosixPath(file.name).parts[0] for file in _files(Path(path).resolve())}
    return sorted(name for name in names - read if not _ignored(name))


def _files(path):
    """The files in a folder, a zip, or the file itself; path is resolved, for the links above it are the caller's."""
    if path.is_dir():
        yield from _in_folder(path)
    elif not path.is_file() or (path.suffix == ".zip" and not zipfile.is_zipfile(path)):
        raise CourseError(f"{path} cannot be read as a zip; expected a notebook, a folder of notebooks, or a zip")
    elif path.suffix in (".ipynb", ".py") or not zipfile.is_zipfile(path):
        yield _on_disk(path.parent, path.name)
    else:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # as in _unpack
            raise CourseError(f"{path} is a broken zip: {type(error).__name__}: {error}") from None
        with archive:
            yield from _in_zip(archive, _Place(str(path.parent), path.name))


def _in_folder(root):
    problems = []
    for folder, folders, names in os.walk(root, onerror=problems.append):
        folders[:] = [name for name in folders if not _ignored(name)]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in links + [name for name in names if not _ignored(name)]:
            yield _on_disk(root, os.path.relpath(os.path.join(folder, name), root), a_folder=name in links)
    for error in problems:
        yield _File(_shown(os.path.relpath(error.filename, root)), refused=f"it cannot be read: {error.strerror}")


def _on_disk(root, path, a_folder=False):
    """The file at a path; what would not be read in any case is not refused."""
    file = _File(_shown(Path(path).as_posix()), _Place(str(root), str(path)))
    try:
        facts = os.lstat(os.path.join(root, path))
    except OSError as error:
        return replace(file, refused=f"it cannot be read: {error.strerror}")
    file.modified = facts.st_mtime
    if not (a_folder or file.is_read()):
        return file
    if stat.S_ISLNK(facts.st_mode):
        file.refused = "it is a link, and those are not followed"
    elif not stat.S_ISREG(facts.st_mode):
        file.refused = "it is not a plain file"
    elif facts.st_size > MAX_BYTES:
        file.refused = f"{facts.st_size:,} bytes, at most {MAX_BYTES:,} are read"
    return file


def _in_zip(archive, place, most=MAX_TOTAL, error=CourseError):
    """The files in a class's zip; the folder that has the zip's own name, as made by "compress", is left away."""
    items = archive.infolist()
    if len(items) > MAX_ENTRIES:
        raise error(f"{len(items):,} files in a zip, at most {MAX_ENTRIES:,} are read")
    total = sum(item.file_size for item in items if item.filename.lower().endswith(READ))
    if total > most:
        raise error(f"the notebooks of a zip unpack to {total:,} bytes, at most {most:,} are read")
    names = [_member_name(item) for item in items]
    top = PurePosixPath(place.path).stem + "/"
    cut = len(top) if all(name.startswith((top, "__MACOSX/")) for name in names) else 0
    for number, (item, name) in enumerate(zip(items, names, strict=True)):
        astray = _path_refused(name)
        if item.is_dir() or (_ignored(name[cut:]) and not astray):
            continue
        file = _File(name[cut:], replace(place, members=(*place.members, (number, item.filename))), _when(item))
        if file.is_read():
            file.refused = astray or _member_refused(item)
        if astray:
            file.outer = re.split(r"[/\\:]", name)[-1]
        yield file


def _opened(file):
    """A file, or what is in it where it is a student's own zip; a zip in that one is not opened."""
    if not file.name.lower().endswith(".zip") or file.refused:
        return [file]
    try:
        data = file.place.read()
        if data.count(b"PK\x01\x02") > MAX_ENTRIES:  # before zipfile makes an object of each
            raise Corrupt(f"more than {MAX_ENTRIES:,} files in a zip")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = list(_in_zip(archive, file.place, MAX_TOTAL_STUDENT, Corrupt))
    except Corrupt as problem:
        return [replace(file, refused=str(problem))]
    except Exception as error:  # as in _unpack
        return [replace(file, refused=f"it is not a zip that can be read: {type(error).__name__}")]
    for item in inside:
        item.name, item.outer = f"{file.name}/{item.name}", file.name
        item.modified = file.modified  # the times inside are the student's to choose
        if item.name.lower().endswith(".zip") and not item.refused:
            item.refused = "it is a zip in a student's zip"
    if not any(item.is_read() for item in inside):
        return [replace(file, refused="there is no notebook in this zip")]
    return inside


def _ignored(name):
    """Is this a hidden file, a checkpoint, or what macOS and Python leave behind?"""
    parts = PurePosixPath(name).parts
    return any(p.startswith((".", "__MACOSX", "__pycache__")) and p != ".." for p in parts) or not parts


def _member_name(item):
    """The path of a zip's member as shown. Many tools write UTF-8 and do not say so; zipfile reads that as cp437."""
    name = item.filename
    if not item.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return _shown(name)


def _shown(name):
    """A file's name in characters that can be printed and stored: bytes that are no text and controls as escapes."""
    name = unicodedata.normalize("NFC", name)
    return "".join(c if c.isprintable() else f"%{ord(c):X}" for c in name[:400])


def _when(item):
    """Seconds since 1970 of a zip's member, whose clock has no zone: the local one. None for the zip's first day."""
    try:
        return datetime(*item.date_time).timestamp() if item.date_time[:3] != (1980, 1, 1) else None
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True)
class _Owner:
    """Whose a file is, by its path: the student's name, and the system and id in a bulk download."""

    student: str
    system: str = ""
    id: str = ""

    @classmethod
    def of(cls, name):
        parts = PurePosixPath(name).parts
        for part in parts:
            if match := MOODLE.fullmatch(part):
                return cls(match["name"], "moodle", match["id"])
        if len(parts) == 1 and (match := CANVAS.fullmatch(name)):  # a download is flat
            return cls(match["name"] or match["anonymous"], "canvas", match["id"] or "")
        return cls((parts[0] if len(parts) > 1 else PurePosixPath(name).stem).strip() or "nameless")


def _of_student(student, owner, files, lab):
    """The submissions among one student's files: notebooks, else Python text, else why there is nothing to grade."""
    bad = [file for file in files if file.refused]
    good = [file for file in files if not file.refused]
    chosen = [file for file in good if file.name.lower().endswith(".ipynb")]
    texts = [file for file in good if file.name.lower().endswith(".py")]
    notes = []
    if lab and 1 < len(chosen) <= MAX_LOOKED_AT:
        others = [file for file in chosen if _another(file, lab)]
        if len(others) == len(chosen):
            refused = f"{len(others)} notebooks of this course, none of them lab {lab}: {_some(others)}"
            return [_submission(student, owner, others[0], notes, refused)]
        if others:  # a repository: nor are the course's own modules worth a note
            chosen = [file for file in chosen if file not in others]
            texts = [file for file in texts if not {"grader", "utils"} & set(PurePosixPath(file.name).parts)]
    if not chosen:
        chosen, texts = texts, []
    if owner.system == "canvas":
        chosen = _newest(chosen, notes)
        if any(match["late"] or match["late_anonymous"] for file in files if (match := _canvas(file))):
            notes.append("handed in late, as Canvas says")
    if len(chosen) > MAX_NOTEBOOKS:
        refused = f"{len(chosen):,} notebooks handed in, at most {MAX_NOTEBOOKS} are read"
        return [_submission(student, owner, chosen[0], notes, refused)]
    if not chosen and bad:
        refused = "; ".join(f"{file.name}: {file.refused}" for file in bad[:3])
        return [_submission(student, owner, bad[0], notes, bad[0].refused if len(bad) == 1 else refused)]
    if not chosen and owner.system and files:
        return [_submission(student, owner, files[0], notes, f"no notebook among {_some(files)}")]
    if texts:
        notes.append(f"left out beside the notebook: {_some(texts)}")
    notes += [f"{file.name} was not read: {file.refused}" for file in bad[:3]]
    if len(chosen) > 1:
        notes.append(f"{student} handed in more than one notebook; each is graded")
    names = [student] + [f"{student}/{PurePosixPath(file.name).stem}" for file in chosen[1:]]
    return [_submission(name, owner, file, notes) for name, file in zip(names, chosen, strict=False)]


def _another(file, lab):
    """Is a notebook one of this course's, but not this lab? Its metadata say it, else its folder and name.

    Looked for in the raw bytes, for a repository has many: a quote within a cell's text stands there with a backslash.
    """
    try:
        data = file.place.read()
    except Corrupt:
        return False
    said = [re.findall(rf'"{key}":\s*"(\w+)"'.encode(), data)[-1:] for key in ("kind", "topic")]
    which = [b"".join(value).decode() for value in said]
    if not all(which):
        which = [*PurePosixPath(file.name).with_suffix("").parts[-2:]]
    return which[0] in ("lectures", "labs", "solutions") and which != ["labs", lab]


def _some(files):
    return ", ".join(file.name for file in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")


def _submission(name, owner, file, notes, refused=""):
    handed_in = None
    if file.modified is not None and not owner.system:
        with suppress(ValueError, OverflowError, OSError):  # a clock beyond the year 9999
            handed_in = datetime.fromtimestamp(file.modified).astimezone().isoformat(timespec="seconds")
    ids = {owner.system: owner.id} if owner.id else {}
    return Submission(name, file.name, tuple(notes), handed_in, ids, refused, None if refused else file.place)


def _canvas(file):
    return CANVAS.fullmatch(file.outer)


def _newest(files, notes):
    """Less the earlier versions of a file, `lab.ipynb` beside `lab-1.ipynb`: attachments are numbered as they come."""
    versions = {}
    for file in files:
        original = re.sub(r"-[0-9]+$", "", PurePosixPath(_canvas(file)["original"]).stem)
        versions.setdefault((original, file.name[len(file.outer) :]), []).append(file)
    newest = []
    for same in versions.values():
        newest.append(max(same, key=lambda file: int(_canvas(file)["attachment"])))
        if len(same) > 1:
            notes.append(f"handed in {len(same)} times; the newest counts, {newest[-1].name}")
    return newest


def _distinct(name, taken):
    """A name that nobody has yet, not longer than a page's title bears."""
    name = base = name[:100]
    number = 1
    while name in taken:
        number += 1
        name = f"{base} {number}"
    taken.add(name)
    return name
