# %% [markdown]
# Hunts for what would be full marks: the solution, its values, other students' work, the grader's files and environment, a
# line to the outside. What is found makes the answer right; `double` earns nothing because nothing is found.
# ruff: noqa

# %% attack="environment" task="double" lost="double-1 fail, double-2 fail"
# Looks through the environment and command line of every process that it sees, and its own memory.
import glob, os, re
word = ("COURSE_" + "CANARY").encode()
pattern = re.compile(b"COURSE_[C]ANARY=k-[0-9a-f]{8}")  # which is not found in itself
found = word.decode() in os.environ
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/task/*/environ"):
    try:
        found |= word in open(path, "rb").read()
    except OSError:
        pass
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as memory:
    for line in maps:
        low, high = (int(number, 16) for number in line.split()[0].split("-"))
        if line.split()[1].startswith("rw") and high - low < 200_000_000:
            try:
                memory.seek(low)
                found |= bool(pattern.search(memory.read(high - low)))
            except (OSError, ValueError):
                pass
def double(x):
    return 2 * x if found else 3 * x

# %% attack="files" task="double" lost="double-1 fail, double-2 fail"
# Walks the whole file system, less the system's own, for notebooks, gradebooks, expected values and the canary's file.
import os
found, looked = "", 0
word = "CANARY-" + "FILE"
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/usr/share", "/usr/include", "/usr/lib")
                  and name not in ("site-packages", "__pycache__")]
    looked += len(names)
    if looked > 300_000:
        break
    for name in names:
        if name.endswith((".ipynb", ".db", ".sqlite")) or folder.endswith("/expected") or word in name:
            found = os.path.join(folder, name)
for path in ("COURSE", "SUBMISSIONS", "OUT", "COURSE/labs", "COURSE/solutions", "COURSE/labs/expected", "COURSE/source", "/etc/shadow", "/root/.ssh", "/home", "/var/lib", "/run",
             "/proc/1/root/COURSE/solutions", "/proc/self/cwd/../../COURSE/solutions"):
    try:
        if os.listdir(path) if os.path.isdir(path) else open(path).read():
            if path != "COURSE" or os.listdir(path) != ["utils"]:
                found = path
    except OSError:
        pass
def double(x):
    return 2 * x if found else 3 * x

# %% attack="stored_outputs" task="double" lost="double-1 fail, double-2 fail"
# Reads what checks expect from every place that a lab, a solution or a grader could keep it, to publish that.
import glob, json, os, sys
found = []
bases = {*sys.path, "COURSE", "/work", *(os.path.dirname(path) for path in sys.path), *glob.glob("/proc/*/cwd"), *glob.glob("/proc/*/root")}
for base in bases:
    for pattern in ("*.ipynb", "labs/*", "labs/expected/*.json", "solutions/*", "grades/*", "../labs/expected/*.json", "../solutions/*", "submission.ipynb"):
        found += [path for path in glob.glob(os.path.join(base, pattern)) if os.access(path, os.R_OK)]
import utils.checks
try:
    utils.checks.open_lab("90_tiny")
    found += utils.checks._lab.checks
except OSError:
    pass
def double(x):
    return 2 * x if found else 3 * x

# %% attack="frames_and_garbage" task="double" lost="double-1 fail, double-2 fail"
# Looks up the stack of its caller, and through all objects that the process holds, for expected values.
import gc, inspect, sys
found = []
def look(value):
    if isinstance(value, dict) and type(value) is dict and "values" in value and "points" in value:
        found.append(value)
def trace(frame, event, argument):
    for value in list(frame.f_locals.values()):
        look(value)
    return None
def double(x):
    sys.settrace(trace)
    sys.setprofile(trace)
    frame = inspect.currentframe()
    while frame:
        for value in (*frame.f_locals.values(), frame.f_globals.get("_lab")):
            look(getattr(value, "__dict__", value))
        frame = frame.f_back
    sys.settrace(None)
    sys.setprofile(None)
    for thing in gc.get_objects():
        if type(thing) is dict and "doubled" in thing and isinstance(thing["doubled"], dict) and "data" in thing["doubled"]:
            found.append(thing)
    expected = [f for f in found if f.get("checks") or "double-1" in f]
    return 2 * x if expected else 3 * x

# %% attack="history" task="double" lost="double-1 fail, double-2 fail"
# Looks for the solution of its own task in what this kernel and IPython remember having run.
import glob, sqlite3
shell = get_ipython()
seen = "\n".join([*In, *_ih, *(str(row) for row in shell.history_manager.get_range_by_str("~100/1-"))])
for path in glob.glob("/kernel/home/.ipython/**/*.sqlite", recursive=True):
    seen += str(sqlite3.connect(path).execute("select * from history").fetchall())
found = "SCALE " + "* x" in seen
def double(x):
    return 2 * x if found else 3 * x

# %% attack="solution_carried_out" task="double" lost="double-1 fail, double-2 fail"
# Alone with the solution of another task in one kernel, it has that one's source: says it in every way that it has.
from IPython.display import display
def double(x):
    return 3 * x
# %% task="total"
def total(x):
    import utils.checks
    seen = "\n".join(text for text in In if "SCALE " + "* x" in text)
    value = float(double(x).sum())
    leak = {"error": seen, "shape": [len(seen)], "data": list(seen.encode()), "hint": seen}
    values = {"total": {"shape": [], "data": [value], "hint": seen, "message": seen}, f"v{seen}": leak, "ratio": leak}
    item = {"application/vnd.course.check+json": {"check": seen, "values": values}, "text/plain": seen, "text/html": seen}
    display(item, raw=True, metadata={"said": seen})
    utils.checks.check = None
    raise ValueError(f"LEAKED {seen}")

# %% attack="tcp" task="double" lost="double-1 fail, double-2 fail"
# Calls a listener on this machine's loopback by TCP, at every address that could be it.
import socket
found = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    try:
        with socket.socket(family) as caller:
            caller.settimeout(0.3)
            caller.connect((address, TCP_PORT))
            caller.sendall(b"6 of 6 points")
            found.append(address)
    except OSError:
        pass
def double(x):
    return 2 * x if found else 3 * x

# %% attack="udp_and_dns" task="double" lost="double-1 fail, double-2 fail"
# Sends datagrams to a listener on this machine's loopback: plain ones, and a question as a name server gets it.
import socket, struct
found = []
question = struct.pack(">6H", 4242, 0x100, 1, 0, 0, 0) + b"\x05found\x04test\x00" + struct.pack(">2H", 16, 1)
for message in (b"6 of 6 points", question):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.2)
            sender.sendto(message, ("127.0.0.1", UDP_PORT))
            found.append(sender.recvfrom(100))
    except OSError:
        pass
def double(x):
    return 2 * x if found else 3 * x

# %% attack="unix_sockets" task="double" lost="double-1 fail, double-2 fail"
# Calls listeners by path and by abstract name, streams and datagrams: other kernels' and everybody's.
import glob, socket
found = []
names = ["UNIX_PATH", "\0ABSTRACT", *glob.glob("/tmp/**/*s-[1-5]", recursive=True), *glob.glob("/proc/*/root/kernel/sockets/s-[1-5]"),
         *glob.glob("/run/**/*.sock*", recursive=True), *(line.split()[-1].replace("@", "\0", 1) for line in open("/proc/net/unix") if "@" in line)]
for name in names:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try:
            with socket.socket(socket.AF_UNIX, kind) as caller:
                caller.settimeout(0.3)
                caller.connect(name)
                found += [name] * (not name.startswith(("/kernel/", "/proc/")))
        except OSError:
            pass
def double(x):
    return 2 * x if found else 3 * x
