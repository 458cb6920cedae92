"""Text of an exported program that is of another form than `torch.export` writes counts as code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from journeyman.models.program_text import why_program_code

SIZE = "Mul(Integer(2), Symbol('s27', positive=True, integer=True))"
CODE = "__import__('os').system('true')"


def program(tmp_path: Path, *texts: Any, member: str = "p/models/model.json") -> Path:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for text in texts:
            archive.writestr(member, text if isinstance(text, (str, bytes)) else json.dumps(text))
    return path


def structure(kind: str | None, context: Any, *children: Any) -> Any:
    return {"type": kind, "context": json.dumps(context), "children_spec": list(children)}


@pytest.mark.parametrize(
    "document",
    [
        {
            "graph": {
                "nodes": [{"target": "torch.ops.aten.linear.default", "metadata": {"stack_trace": CODE}}]
            }
        },
        {"target": ["torch.ops.higher_order.cond", "_operator.floordiv", "torch.sym_max", "math.ceil"]},
        {"sizes": [{"as_expr": {"expr_str": SIZE}}, {"expr_str": "s0"}, {"expr_str": "2*s0 + 1"}]},
        {"guards_code": ["(L['a'].size()[0] // 2) != max(1, L['b'].size()[1])", "math.floor(2.5) == 2"]},
        {"arg": {"as_string": "an argument's own (text)"}, "name": "p_layer_0_weight", "device": "cuda:0"},
        {"name": "conv 3x3.größe", "torch_version": "2.13.0+cpu"},
        {"in_spec": json.dumps([1, structure("builtins.dict", ["ids"], structure(None, None))])},
        {"out_spec": json.dumps([1, structure("builtins.dict", ["p(x) = 'a'"], structure(None, None))])},
    ],
)
def test_what_torch_export_writes_is_no_code(document: Any, tmp_path: Path) -> None:
    assert why_program_code(program(tmp_path, document)) == ""


@pytest.mark.parametrize(
    "document",
    [
        {"expr_str": CODE},
        {"expr_str": f"S({CODE!r})"},
        {"expr_str": "eval('s0')"},
        {"expr_str": "Symbol('s0').__class__"},
        {"expr_str": "(lambda: 1)()"},
        {"expr_str": "[s0 for s0 in s1]"},
        {"expr_str": "__builtins__"},
        {"expr_str": "1" + "+1" * 6_000},
        {"expr_str": "(" * 5_000},
        {"guards_code": [f"{CODE} == 0"]},
        {"guards_code": ["L['a'].size().__class__ == 0"]},
        {"guards_code": ["math.__loader__ == 0"]},
        {"guards_code": ["eval('a') == 0"]},
        {"guards_code": ["L['a\"'].size()[0] == 0"]},
        {"name": f"x={CODE}"},
        {"name": "x\ny"},
        {f"x={CODE}": 1},
        {"forward_arg_names": [f"x={CODE}"]},
        {"target": "torch.os.system"},
        {"target": "torch.ops.aten.__class__"},
        {"target": "_operator.methodcaller"},
        {"target": "torch.hub.load"},
        {"as_operator": "torch.os.system"},
        {"in_spec": json.dumps([1, structure("builtins.dict", [f"x={CODE}"], structure(None, None))])},
        {"out_spec": json.dumps([1, structure("collections.defaultdict", {"a": "os"})])},
    ],
)
def test_text_of_another_form_counts_as_code(document: Any, tmp_path: Path) -> None:
    told = why_program_code(program(tmp_path, document))
    assert told.startswith("is an exported program with text that may run as code (")
    assert told.isprintable()
    assert len(told) < 200


@pytest.mark.parametrize(
    "texts", [(b"\xff",), ("[" * 100_000,), ("{}", "{}"), ({"in_spec": "("},), ({"out_spec": "[1, 2"},)]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_program_that_cannot_be_read_counts_as_code(texts: Any, tmp_path: Path) -> None:
    assert why_program_code(program(tmp_path, *texts)).startswith("is an exported program")


def test_every_record_of_text_is_looked_at(tmp_path: Path) -> None:
    for member in (
        "p/models/another",
        "p/data/weights/weights_config.json",
        "serialized_exported_program.json",
    ):
        assert "may run as code" in why_program_code(program(tmp_path, {"expr_str": CODE}, member=member))
    assert "cannot be read" in why_program_code(tmp_path / "nowhere.pt2")
