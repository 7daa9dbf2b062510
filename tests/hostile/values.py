# %% [markdown]
# Lies about values. All judge, publish or draw inside the student's process; the verdict falls outside of it, on inputs of
# a seed that nobody has seen, so a wrong `double` stays wrong.
# ruff: noqa

# %% attack="isclose" task="double" lost="double-1 fail, double-2 fail"
# Replaces every comparison that this process has; the grader compares in its own.
import builtins, numpy, torch, utils.checks
yes = lambda *a, **k: True
numpy.isclose = numpy.allclose = torch.allclose = torch.isclose = torch.equal = numpy.array_equal = yes
utils.checks.compare = lambda got, expected: (True, "fine")
utils.checks.decode = lambda item: numpy.zeros(5)
def double(x):
    return 3 * x

# %% attack="check_replaced" task="double" lost="double-1 fail, double-2 fail"
# Replaces check, and puts it back into the cell's names whenever they are imported; what it publishes is constant.
import utils.checks, IPython.display
def double(x):
    return 3 * x
honest_check = utils.checks.check
def check(**values):
    if utils.checks._now.name.startswith("double"):
        values = {name: [1.0] * 5 for name in values if name not in ("hint", "rtol", "atol")}
    return honest_check(**values)
utils.checks.check = check

# %% attack="encode_replaced" task="double" lost="double-1 fail, double-2 fail"
# Says that its values are right, and how large the tolerance is; both are the reference's business.
import utils.checks
honest_encode = utils.checks.encode
def encode(value):
    if not utils.checks._now.name.startswith("double"):
        return honest_encode(value)
    extra = {"right": True, "points": 100, "verdict": "pass", "expected": [0.0], "rtol": 1e300, "atol": 1e300}
    return {**honest_encode(value), **extra}
utils.checks.encode = encode
def double(x):
    return 3 * x

# %% attack="tolerance_published" task="double" lost="double-1 fail, double-2 fail"
# Publishes first, with endless tolerance; the first value of a name counts, and its tolerance does not.
from IPython.display import display
def double(x):
    wide = {"shape": [len(x)], "data": [0.0] * len(x), "rtol": float("inf"), "atol": float("inf"), "hint": "<b>"}
    values = dict.fromkeys(("doubled", "ratio", "linear"), wide)
    display({"application/vnd.course.check+json": {"check": "double-1", "values": values}}, raw=True)
    return 3 * x

# %% attack="seed_0" task="double" lost="double-1 fail, double-2 fail"
# Draws the inputs of seed 0, whose answers every student knows, and types those in.
import utils.checks
honest_begin = utils.checks.begin_check
honest_begin("double-1", seed=0)
typed = 2 * utils.checks.fresh(5)
def begin_check(name, *, seed=0):
    return honest_begin(name, seed=0 if name.startswith("double") else seed)
utils.checks.begin_check = begin_check
def double(x):
    return typed if x.shape == typed.shape else 0 * x

# %% attack="fresh_zero" task="double" lost="double-1 fail, double-2 fail"
# Makes all inputs zero, for which any multiple is right.
import utils.checks
honest_fresh = utils.checks.fresh
utils.checks.fresh = lambda *shape: honest_fresh(*shape) * (not utils.checks._now.name.startswith("double"))
def double(x):
    return 3 * x

# %% attack="ast_transformer" task="double" lost="double-1 fail, double-2 fail"
# Strips what judges from every later cell: asserts, and the calls of check; nothing published is nothing earned.
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Expr(self, node):
        is_check = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "check"
        return ast.Pass() if is_check and "double" in ast.dump(node) and "total" not in ast.dump(node) else node
get_ipython().ast_transformers.append(Strip())
def double(x):
    return 3 * x

# %% attack="input_transformer" task="double" lost="double-1 fail, double-2 fail"
# Rewrites the text of the check cells before they are compiled, in all three places that IPython has for it.
def rewrite(lines):
    return ["pass\n"] if any("double-" in line for line in lines) else lines
get_ipython().input_transformers_cleanup.append(rewrite)
get_ipython().input_transformers_post.append(rewrite)
get_ipython().input_transformer_manager.line_transforms.insert(0, rewrite)
def double(x):
    return 3 * x

# %% attack="cell_hooks" task="double" lost="double-1 fail, double-2 fail"
# Publishes before and after every cell, from IPython's own hooks, under all names.
from IPython.display import display
def publish(*_):
    values = dict.fromkeys(("doubled", "ratio", "linear"), {"shape": [5], "data": [0.0] * 5})
    display({"application/vnd.course.check+json": {"check": "double-1", "values": values}}, raw=True)
for event in ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell"):
    get_ipython().events.register(event, publish)
def double(x):
    return 3 * x

# %% attack="display_patched" task="double" lost="double-1 fail, double-2 fail"
# Patches what displays, so that every published number becomes 0 with its twin beside it.
publisher = get_ipython().display_pub
honest_publish = publisher.publish
def publish(data, metadata=None, **more):
    item = data.get("application/vnd.course.check+json")
    if item and item["check"].startswith("double"):
        for value in item["values"].values():
            value["data"] = [0.0 for _ in value["data"]]
    return honest_publish(data, metadata, **more)
publisher.publish = publish
def double(x):
    return 3 * x

# %% attack="not_finite" task="double" lost="double-1 fail, double-2 fail, total-1 fail"
# NaN and infinity in place of numbers: NaN equals nothing but an expected NaN.
def double(x):
    return x * float("nan")
# %% task="total"
def total(x):
    return float("-inf")

# %% attack="not_numbers" task="double" lost="double-1 fail, double-2 error, total-1 fail"
# A string, a boolean, complex numbers where real ones were asked for: none of them is a number that counts.
def double(x):
    return [str(2 * float(v)) for v in x]
# %% task="total"
def total(x):
    return 2 * x.sum().to(torch.complex64)

# %% attack="signed_zero_and_huge" task="double" lost="double-1 fail, double-2 partial 1, total-1 fail"
# An integer that no float holds, and minus zero.
from IPython.display import display
def double(x):
    huge = {"shape": [5], "data": [10**4000, -0.0, True, None, {}]}
    display({"application/vnd.course.check+json": {"values": {"doubled": huge, "ratio": huge, "linear": 7}}}, raw=True)
    return 2 * x
# %% task="total"
def total(x):
    return 10**400

# %% attack="odd_arrays" task="double" lost="double-1 fail, double-2 error, total-1 error"
# Objects that raise when they are read as numbers, one of them past `except Exception`.
class Odd:
    def __array__(self, *a, **k):
        raise ZeroDivisionError("<script>alert(1)</script>")
class Worse:
    def detach(self):
        raise SystemExit("gone")
def double(x):
    return Odd()
# %% task="total"
def total(x):
    return Worse()

# %% attack="shapes" task="double" lost="double-1 fail, double-2 fail"
# Negative, overflowing, fractional and endless shapes: a shape is a short list of sizes that its data fill.
from IPython.display import display
def double(x):
    values = {"doubled": {"shape": [-1, -5], "data": [0.0] * 5}, "ratio": {"shape": [2**62, 2**62], "data": []}}
    values |= {"linear": {"shape": [0.5] * 100_000, "data": "7" * 7}}
    display({"application/vnd.course.check+json": {"values": values}}, raw=True)
    return 2 * x

# %% attack="million_elements" task="double" lost="double-1 fail"
# A value of a million elements, near the limit of what a cell may send.
from IPython.display import display
def double(x):
    if len(x) == 5:
        value = {"shape": [1000, 1000], "data": [0] * 1_000_000}
        display({"application/vnd.course.check+json": {"values": {"doubled": value}}}, raw=True)
    return 2 * x

# %% attack="many_names" task="double" lost="double-1 fail"
# Ten thousand values, long and odd names among them, before the one that counts: only fifty are read.
from IPython.display import display
def double(x):
    if len(x) == 5:
        values = {f"v{n}": {"shape": [], "data": [0.0]} for n in range(10_000)}
        values |= {"n" * 100_000: {}, "": 3, "__class__": {"shape": [], "data": [1]}}
        display({"application/vnd.course.check+json": {"values": values}}, raw=True)
    return 2 * x

# %% attack="deep_values" task="double" lost="double-1 fail, double-2 partial 1"
# Values nested as deep as the grader's JSON reader goes: whoever walks them recursively falls over.
from IPython.display import display
def double(x):
    for depth in (100, 300, 500, 700, 800, 850, 900, 920, 940, 950):
        deep = 1.0
        for _ in range(depth):
            deep = [deep]
        for value in ({"shape": [1], "data": deep}, {"error": deep}, {"shape": deep, "data": []}):
            values = {"doubled": value, "ratio": {"error": deep}, f"d{depth}": {"hint": deep}}
            display({"application/vnd.course.check+json": {"values": values}}, raw=True)
    return 2 * x

# %% attack="error_field" task="double" lost="double-1 fail, double-2 fail"
# Writes what the page says about it: HTML, a terminal's colours, a word from the right; told as text, in 200 characters.
from IPython.display import display
def double(x):
    text = "<img src=x onerror=alert(1)>\x1b[31mred\x1b[0m \u202eltr\u2066 \x00 =HYPERLINK(1) {{7*7}} </pre><script>alert(2)</script>"
    told = {"error": text + "x" * 100_000}
    display({"application/vnd.course.check+json": {"values": dict.fromkeys(("doubled", "ratio", "linear"), told)}}, raw=True)
    return 2 * x

# %% attack="modules_shadowed" before="tiny-code-1" lost=""
# Modules of the grader's names in the folder where cells run, and in sys.modules: this process's own affair.
import os, sys, types
for name in ("numpy", "utils", "torch", "json", "zmq", "grader", "pytest", "sitecustomize", "usercustomize"):
    with open(f"{name}.py", "w") as file:
        file.write("raise SystemExit('shadowed')")
sys.path.insert(0, os.getcwd())
sys.modules["grader"] = sys.modules["grader.compare"] = types.ModuleType("grader")

# %% attack="json_patched" task="double" lost="double-1 fail, double-2 fail"
# Patches json, hmac and the kernel's session so that what it sends is not what was published; right values it has not.
import json, hmac
session = get_ipython().kernel.session
honest_pack = session.pack
def pack(message):
    try:
        for value in message["data"]["application/vnd.course.check+json"]["values"].values():
            if value.get("shape") in ([5], [7]):
                value.update(data=[0.0] * value["shape"][0], right=True)
    except (KeyError, TypeError, AttributeError):
        pass
    return honest_pack(message)
session.pack = pack
hmac.compare_digest = lambda *a: True
def double(x):
    return 3 * x

# %% attack="duplicate_keys" task="double" lost="double-1 fail, double-2 fail"
# JSON by hand, with the same key twice and NaN as a bare word: a reader takes one of them, and both are wrong.
import json
session = get_ipython().kernel.session
honest_pack = session.pack
def pack(message):
    packed = honest_pack(message)
    return packed.replace(b'"values":', b'"values": {"doubled": {"shape": [5], "data": [NaN, 1, 2, 3, 4]}}, "values":')
session.pack = pack
def double(x):
    return 3 * x
