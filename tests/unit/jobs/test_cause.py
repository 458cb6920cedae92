"""The reason of a script that failed is its own error, whatever was printed after it."""

from __future__ import annotations

import pytest

from journeyman.jobs.worker.cause import why_it_ended

IMPORT = """\
Traceback (most recent call last):
  File "/code/pkg/train.py", line 3, in <module>
    from .model import build
ImportError: attempted relative import with no known parent package
"""
CHATTER = (
    "2026/11/28 WARNING mlflow.utils: something about a requirement\n🏃 View run x at: http://127.0.0.1\n"
)


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (f"epoch 1\n{IMPORT}{CHATTER}", "ImportError: attempted relative"),
        # torch prints it once more, with its rank.
        ("".join(f"[rank1]: {line}\n" for line in IMPORT.splitlines()), "ImportError: attempted"),
        (IMPORT + "\nDuring handling of the above exception, another exception occurred:\n\n"
         "Traceback (most recent call last):\n  File \"a.py\", line 1\nRuntimeError: no way on\n" + CHATTER,
         "RuntimeError: no way on"),
        # What Python prints while it ends is no cause.
        (f"{IMPORT}Exception ignored in: <function x at 0x1>\nTraceback (most recent call last):\n"
         "  File \"a.py\", line 1\nTypeError: 'NoneType' object is not callable\n", "ImportError"),
        (f"{IMPORT}--- Logging error ---\nTraceback (most recent call last):\n  File \"a\"\nValueError: 1\n",
         "ImportError"),
        ('  File "a.py", line 3\n    x =\n       ^\nSyntaxError: invalid syntax\n' + CHATTER, "SyntaxError"),
        ("usage: t.py\ntrain.py: error: unrecognized arguments: --foo\n" + CHATTER, "train.py: error"),
        ("2026 ERROR trainer: no data at /data\n" + CHATTER, "2026 ERROR trainer: no data at /data"),
        ("terminate called\nFatal Python error: Segmentation fault\n\n", "Fatal Python error: Segm"),
        ("epoch 3 val error: 0.2\nno improvement, gives up\n", "no improvement, gives up"),
        ("the only words", "the only words"),
        # Long ago, and dealt with.
        (IMPORT + "step\n" * 40 + "gives up\n", "gives up|ImportError"),
        ("omegaconf.errors.MissingValue: lr\nhydra.errors.HydraException: bad\n", "hydra.errors.Hydra"),
        ("", ""),
    ],
)  # fmt: skip
def test_line_that_tells_the_cause_is_found(tail: str, told: str) -> None:
    found, among = why_it_ended(tail)
    assert any(found.startswith(each) for each in told.split("|"))
    assert found in among


def test_detail_holds_the_whole_traceback() -> None:
    _, among = why_it_ended("before\n" + IMPORT + CHATTER)
    assert among.startswith("Traceback (most recent call last):\n  File")
