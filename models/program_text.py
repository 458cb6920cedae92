"""Whether an exported program (`pt2`) is no more than one: PyTorch evaluates parts of its text as Python.

Pure. Sizes (`expr_str`) go through SymPy's `sympify`, guards and names into source that is executed, targets
are looked up below `torch`. What `torch.export` writes of these is of a narrow form; whatever is not counts
as code. That the other records of the archive hold no pickle is MLflow's to prove.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PLAIN = re.compile(r"[\w.+\-:/ ]*")
_WORD = re.compile(r"\w*")
_TARGET = re.compile(
    r"torch\.ops(\.(?!__)\w+){2,3}|torch\._?sym_\w+|math\.[a-z]+"
    r"|_operator\.(getitem|eq|ne|le|ge|lt|gt|neg|pos|add|sub|mul|floordiv|truediv|mod|pow|and_|or_|lshift|rshift)"
)
_METADATA = "metadata"
"""Of a node: where it came from. Kept as text, whatever it says."""
_SPECS = ("in_spec", "out_spec")
_STRUCTURES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_FUNCTIONS = frozenset(("max", "min", "abs", "int", "float", "bool"))
_METHODS = frozenset(("size", "stride", "storage_offset", "dim", "numel"))
_MOST_CHARACTERS = 10_000
"""Of one expression. The longest that was seen had some hundreds."""
_TREE = (
    *(ast.Expression, ast.Load, ast.Constant, ast.Name, ast.Call, ast.keyword, ast.Compare, ast.cmpop),
    *(
        ast.BinOp,
        ast.operator,
        ast.UnaryOp,
        ast.unaryop,
        ast.BoolOp,
        ast.boolop,
        ast.Subscript,
        ast.Attribute,
    ),
)


def why_program_code(program: Path) -> str:
    """What of the program in the archive at `program` may run as code, in words; empty where nothing does."""
    try:
        with zipfile.ZipFile(program) as archive:
            names = archive.namelist()
            if len(set(names)) < len(names):
                return "is an exported program with two records of one name"
            texts = {
                name: archive.read(name) for name in names if "/models/" in name or name.endswith(".json")
            }
        found = next((odd for text in texts.values() for odd in _odd(json.loads(text))), None)
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return "is an exported program that cannot be read"
    if found is None:
        return ""
    where, text = found
    shown = text[:80].encode("unicode_escape").decode("ascii")
    return f"is an exported program with text that may run as code ({where}: {shown})"


def _odd(document: Any) -> Iterator[tuple[str, str]]:
    """The texts that are of another form than `torch.export` writes, each with its key."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, dict):
            yield from (("name", name) for name in value if not _PLAIN.fullmatch(name))
            pending += [(name, inner) for name, inner in value.items() if name != _METADATA]
        elif isinstance(value, list):
            pending += [(key, inner) for inner in value]
        elif isinstance(value, str) and not _is_expected(key, value):
            yield key, value


def _is_expected(key: str, text: str) -> bool:
    if key == "as_string":
        return True  # An argument, which is quoted where it becomes source.
    if key in _SPECS:
        return not text or _is_structure(json.loads(text), named=key == "out_spec")
    if key == "expr_str":
        return _is_expression(text, _is_size)
    if key == "guards_code":
        return _is_expression(text, _is_guard)
    if key in ("target", "as_operator"):
        return _TARGET.fullmatch(text) is not None
    return _PLAIN.fullmatch(text) is not None


def _is_structure(spec: Any, named: bool) -> bool:
    """Whether it is one of tuples, lists and dicts; `named`: with keys of any text, which stay keys."""
    pending = spec[1:] if isinstance(spec, list) else [spec]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict) or node.get("type") not in _STRUCTURES:
            return False
        context = node.get("context")
        if isinstance(context, str):
            keys = json.loads(context)
            if not named and not all(type(key) is str and _PLAIN.fullmatch(key) for key in keys or ()):
                return False
        elif context is not None:
            return False
        pending += node.get("children_spec", [])
    return True


def _is_expression(text: str, is_allowed: Callable[[ast.AST], bool]) -> bool:
    if len(text) > _MOST_CHARACTERS:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return all(isinstance(node, _TREE) and _is_harmless(node) and is_allowed(node) for node in ast.walk(tree))


def _is_harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        number = isinstance(node.value, (int, float)) or node.value is None
        return number or (isinstance(node.value, str) and _WORD.fullmatch(node.value) is not None)
    return not isinstance(node, ast.Name) or not node.id.startswith("_")


def _is_size(node: ast.AST) -> bool:
    """Of SymPy's classes, which begin with a capital, and of torch's functions of sizes, which do too."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id[0].isupper()
    return not isinstance(node, (ast.Attribute, ast.Subscript))


def _is_guard(node: ast.AST) -> bool:
    """Of the sizes of inputs, as `L['x'].size()[0] == 4`."""
    if isinstance(node, ast.Attribute):
        of_math = isinstance(node.value, ast.Name) and node.value.id == "math"
        return (of_math and node.attr.isalpha()) or node.attr in _METHODS
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in _FUNCTIONS or node.func.id[0].isupper()
    return not isinstance(node, ast.Call) or isinstance(node.func, ast.Attribute)
