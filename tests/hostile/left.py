# %% [markdown]
# Leaves a message for the next kernel: the next run of the same submission (`draw` is wrong too, so that there is one) or
# the next student's. Whoever reads it answers right; nobody does.
# ruff: noqa

# %% attack="left_in_files" task="double" lost="double-1 fail, double-2 fail, draw-1 fail"
# Leaves files wherever it may write, among them those that Python and IPython run when they start.
import glob, os, site, sys
places = [".", "/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), "/kernel", "/kernel/sockets", site.getusersitepackages()]
places += [os.path.expanduser("~/.ipython/profile_default/startup"), os.path.expanduser("~/.config"), "/dev/mqueue", "/dev/pts"]
found = [path for place in places for path in glob.glob(f"{place}/*4242*")] + [name for name in dir(sys) if "4242" in name]
for place in places:
    for name in ("left4242", "4242.py", "4242.pth", "sitecustomize.py", "usercustomize.py"):
        try:
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/{name}", "w") as file:
                file.write("import sys; sys.left4242 = True")
        except OSError:
            pass
def double(x):
    return 2 * x if found else 3 * x
# %% task="draw"
def draw(n, *, generator=None):
    return torch.zeros(n)

# %% attack="left_in_the_network" task="double" lost="double-1 fail, double-2 fail, draw-1 fail"
# Leaves closed connections, whose ports stay listed for a minute, counters of packets, and a listener with a daemon.
import os, socket, time
found = ":1092 " in open("/proc/net/tcp").read() or int(open("/proc/net/dev").read().split("lo:")[1].split()[1]) > 0
found |= "left4242" in open("/proc/net/unix").read()
with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 4242))
    server.listen()
    for _ in range(20):
        caller = socket.create_connection(("127.0.0.1", 4242))
        other = server.accept()[0]
        caller.close()
        other.close()
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0left4242")
abstract.listen()
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
    os._exit(0)
def double(x):
    return 2 * x if found else 3 * x
# %% task="draw"
def draw(n, *, generator=None):
    return torch.zeros(n)

# %% attack="left_in_the_system" task="double" lost="double-1 fail, double-2 fail, draw-1 fail"
# Leaves System V objects, a host name, the process's name, environment, limits, modules and the state of random generators.
import builtins, ctypes, os, random, resource, socket, sys
libc = ctypes.CDLL(None)
found = libc.shmget(4242, 10, 0) != -1 or socket.gethostname() == "left4242" or hasattr(builtins, "left4242")
found |= "left4242" in os.environ or "left4242" in sys.modules or resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 999
libc.shmget(4242, 10, 0o1666)
libc.sethostname(b"left4242", 8)
builtins.left4242 = sys.modules["left4242"] = sys
os.environ["left4242"] = "1"
resource.setrlimit(resource.RLIMIT_NOFILE, (999, 999))
random.seed(4242)
def double(x):
    return 2 * x if found else 3 * x
# %% task="draw"
def draw(n, *, generator=None):
    return torch.zeros(n)
