"""What other libraries keep private is used in one room alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "journeyman"
ROOMS = ("cli", "client", "attach", "cluster", "compat", "jobs", "models", "serve", "testing", "tracking")
OWN = ("journeyman", "__future__")
PUBLIC = ("os._exit", "torch.ops.")
"""Documented, though their names begin with an underscore; operators are called what ATen calls them."""


def sources() -> list[Path]:
    found = [path for path in PACKAGE.glob("*.py")]
    for room in ROOMS:
        found += (PACKAGE / room).resolve().rglob("*.py")
    return sorted(path for path in found if not path.name.endswith(("_pb2.py", "_pb2_grpc.py")))


def private_names(text: str) -> Iterator[str]:
    """Modules, names and attributes of other libraries that begin with an underscore."""
    tree = ast.parse(text)
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                bound[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
                if is_private(each.name):
                    yield each.name
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] not in OWN:
            for each in node.names:
                bound[each.asname or each.name] = f"{node.module}.{each.name}"
                if is_private(f"{node.module}.{each.name}"):
                    yield f"{node.module}.{each.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = dotted(node.value, bound)
            if name:
                bound[node.targets[0].id] = name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and (name := dotted(node, bound)):
            yield name


def dotted(node: ast.expr, bound: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return bound.get(node.id, "")
    if isinstance(node, ast.Attribute) and (before := dotted(node.value, bound)):
        return f"{before}.{node.attr}"
    return ""


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


@pytest.mark.parametrize("path", sources(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_private_names_of_libraries_stand_in_compat_alone(path: Path) -> None:
    if path.parent.name == "compat":
        return
    found = {name for name in private_names(path.read_text()) if not name.startswith(PUBLIC)}
    assert found == set()


def test_private_names_are_found_however_they_are_written() -> None:
    text = "\n".join(
        [
            "import ray._private.utils",
            "from mlflow.models.utils import _enforce_schema, ModelInputExample",
            "import torch",
            "from ray.serve import _private",
            "code = torch._inductor.load()",
            "aten = torch.ops.aten",
            "aten._to_copy",
            "self._own",
        ]
    )
    assert set(private_names(text)) == {
        "ray._private.utils",
        "mlflow.models.utils._enforce_schema",
        "ray.serve._private",
        "torch._inductor",
        "torch.ops.aten._to_copy",
    }


def test_every_file_of_compat_says_with_which_versions_it_was_tested() -> None:
    for path in (PACKAGE / "compat").glob("*.py"):
        if path.name != "__init__.py":
            assert "Tested with" in (ast.get_docstring(ast.parse(path.read_text())) or ""), path.name
