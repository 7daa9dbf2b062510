"""Does a task's code use a name that the task asks the student to write? Read from the source; nothing is executed.

    findings(cells, master, "softmax")      # "uses torch.softmax (line 3), which this task asks you to write", or ""

A name is dotted and means what is below it too ("torch.linalg"); with a dot in front it means any attribute of that
name (".softmax": a tensor's method). Imports, aliases and `getattr` with a constant are resolved over all cells, and
helpers are followed from the task's own definition. Somebody who wants to hide a call can: this finds the habit of
calling the library, not a disguise.
"""

import ast
import re
import warnings

MAX_CODE = 2_000_000  # characters that are looked at; a syntax tree takes a hundred times as much memory
NAME = r"\.?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTERS = ("__import__", "importlib.import_module")


def findings(cells, master, task):
    """The message on what a task's code uses though it is forbidden; "" where it uses nothing of it.

    cells: the student's, as `student_cells` gives them. The functions that other tasks ask for are not looked into.
    """
    names = master.forbidden.get(task)
    if not names:
        return ""
    sources = [given.source for given in master.given]
    first = len(sources)
    sources += [cell.source if cell.role not in ("check", "setup") else "" for cell in cells]
    mine = [n for n, cell in enumerate(cells, first) if (cell.role, cell.name) == ("task", task)]
    others = set().union(*(defined(stub) for name, stub in master.stubs.items() if name != task))
    found = uses(sources, names, cells=mine, roots=defined(master.stubs[task]), apart=others)
    where = {}
    for name, line, cell in sorted(found, key=lambda use: use[2] not in mine):
        where.setdefault(name, f"line {line}" if cell in mine else f"line {line} of another cell")
    listed = ", ".join(f"{name} ({line})" for name, line in where.items())
    return f"uses {listed}, which this task asks you to write" if found else ""


def uses(sources, names, *, cells=None, roots=(), apart=()):
    """What of the forbidden names the sources use: [(name, line, index of the source)], in order.

    cells: indices of the sources to start from, all by default. roots: the functions in them, or in any source if
    those have none, to start from; without roots all statements. apart: names that are not followed.
    """
    module = _Module(sources)
    cells = range(len(sources)) if cells is None else cells
    start = [unit for root in sorted(roots) for unit in module.bindings(root, cells) or module.bindings(root)]
    start = start if roots else [unit for unit in module.units if unit.cell in set(cells)]
    found = set()
    for unit in module.reached(start, set(apart) - set(roots)):
        try:
            paths = list(_Reader(module).read(unit.node))
        except RecursionError:  # nested deeper than anybody writes
            continue
        found |= {(unit.cell, line, name) for *what, line in paths for name in names if _is(name, *what)}
    return [(name, line, cell) for cell, line, name in sorted(found)]


def _is(name, path, attribute):
    """Is what was read, a path ("" where it stands for none) and its last attribute, what a forbidden name means?"""
    if name.startswith("."):
        return f".{attribute}" == name or path.endswith(name)
    return f"{path}.".startswith(f"{name}.")


def defined(source):
    """Names of the functions and classes that a source defines at its top."""
    tree = _parsed(source)
    return {node.name for node in tree.body if isinstance(node, DEFINITIONS)} if tree else set()


def _parsed(source):
    """The syntax tree, of what is between the notebook's magics too; None where it is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for change in (str, _without_magics):
            try:
                return ast.parse(change(source))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue


def _without_magics(source):
    """Less the lines that are IPython's and not Python's, each replaced by one that does nothing."""
    return re.sub(r"^([ \t]*)[%!?].*$", r"\1pass", source, flags=re.M)


class _Unit:
    """A statement at the top of a cell: what it binds, what it reads, and whether it replaces what it binds."""

    def __init__(self, node, cell):
        self.node, self.cell = node, cell
        self.bound, self.read = set(), set()
        self.replaces = isinstance(node, DEFINITIONS)
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                (self.read if isinstance(part.ctx, ast.Load) else self.bound).add(part.id)
            elif isinstance(part, ast.alias):
                self.bound.add((part.asname or part.name).split(".")[0])
        if self.replaces:
            self.bound = {node.name}
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
            self.bound |= {part.name for part in ast.walk(node) if isinstance(part, DEFINITIONS)}


class _Module:
    """All sources as one module: its statements, and what its names stand for in the end."""

    def __init__(self, sources):
        self.units, self.names, self.stars = [], {}, []
        left = MAX_CODE
        for cell, source in enumerate(sources):
            left -= len(source)
            tree = _parsed(source) if left >= 0 else None
            self.units += [_Unit(node, cell) for node in (tree.body if tree else ())]
        self.makers = {}  # name -> the statements that bind it
        for unit in self.units:
            for name in unit.bound:
                self.makers.setdefault(name, []).append(unit)
        reader = _Reader(self)
        for unit in self.units:
            try:
                reader.bind(unit.node, self.names)
            except RecursionError:
                continue

    def bindings(self, name, cells=None):
        """The statements that make a name what it is: the last definition, and what changes it from there on."""
        made = []
        for unit in self.makers.get(name, ()):
            if cells is None or unit.cell in cells:
                made = [] if unit.replaces else made
                made.append(unit)
        return made

    def reached(self, units, apart):
        """The statements, and those that bind a name which they read, and so on."""
        todo, seen, names = list(units), set(), set()
        while todo:
            unit = todo.pop()
            if id(unit) not in seen:
                seen.add(id(unit))
                for name in unit.read - names - apart:
                    names.add(name)
                    todo += self.bindings(name)
        return [unit for unit in self.units if id(unit) in seen]


class _Reader:
    """Resolves names to dotted paths, in the module and in the scopes of functions."""

    def __init__(self, module):
        self.module, self.scopes = module, []

    def lookup(self, name):
        """What a name stands for; itself where nothing binds it, None where something else does."""
        for scope in [*reversed(self.scopes), self.module.names]:
            if name in scope:
                return scope[name]
        return name

    def path(self, node):
        """The dotted path that an expression stands for, "" where it is no such thing."""
        ends = []
        while True:
            if isinstance(node, ast.Attribute):
                ends.append(node.attr)
                node = node.value
            elif isinstance(node, ast.Call) and (pair := self._getattr(node)):
                node = pair[0]
                ends.append(pair[1])
            else:
                break
        if isinstance(node, ast.Name):
            first = self.lookup(node.id)
        elif isinstance(node, ast.Call) and node.args and self.path(node.func) in IMPORTERS:
            first = _constant(node.args[0])
        else:
            first = None
        return ".".join([first, *reversed(ends)]) if first else ""

    def _getattr(self, call):
        """(object, name) of a getattr with a constant name."""
        if isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) >= 2:
            name = _constant(call.args[1])
            return (call.args[0], name) if name else None

    def bind(self, node, scope):
        """Put into a scope what a statement binds there; what functions in it bind is theirs."""
        for part in _own(node):
            if isinstance(part, ast.Import):
                for item in part.names:
                    first = item.name.split(".")[0]
                    scope[item.asname or first] = item.name if item.asname else first
            elif isinstance(part, ast.ImportFrom) and part.module:
                for item in part.names:
                    if item.name == "*":
                        self.module.stars.append(part.module)
                    else:
                        scope[item.asname or item.name] = f"{part.module}.{item.name}"
            elif isinstance(part, DEFINITIONS):
                scope[part.name] = None
            elif isinstance(part, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
                for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
                    self._assign(target, part.value, scope)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                scope.setdefault(part.id, None)

    def _assign(self, target, value, scope):
        if isinstance(target, ast.Name):
            scope[target.id] = self.path(value)
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            for one, of in zip(target.elts, value.elts, strict=False):
                self._assign(one, of, scope)

    def read(self, node):
        """(path, last attribute, line) of every name and attribute that a statement reads."""
        for part in _own(node):
            pair = self._getattr(part) if isinstance(part, ast.Call) else None
            if isinstance(part, ast.Attribute) or pair:
                yield self.path(part), pair[1] if pair else part.attr, part.lineno
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                yield self.path(part), None, part.lineno
                if self.lookup(part.id) == part.id:
                    yield from ((f"{star}.{part.id}", None, part.lineno) for star in self.module.stars)
            elif isinstance(part, FUNCTIONS) and part is not node:
                yield from self._in_function(part)
        if isinstance(node, FUNCTIONS):
            yield from self._in_function(node)

    def _in_function(self, node):
        body = node.body if isinstance(node.body, list) else [node.body]
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        scope = {argument.arg: None for argument in arguments if argument}
        self.scopes.append(scope)
        for statement in body:
            self.bind(statement, scope)
        for statement in body:
            yield from self.read(statement)
        self.scopes.pop()


def _own(node):
    """The nodes of a statement in order, down to the functions in it: of those only what is evaluated around them."""
    todo = [node]
    while todo:
        part = todo.pop()
        yield part
        inside = list(ast.iter_child_nodes(part))
        if isinstance(part, FUNCTIONS):
            body = part.body if isinstance(part.body, list) else [part.body]
            inside = [child for child in inside if not any(child is one for one in body)]
        todo += reversed(inside)


def _constant(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
