"""What is told to be started instead of Python, on a machine that has this very one: the launcher."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def warm_python(*arguments: str) -> str:
    """A command for a shell; what follows it is what Python would be given."""
    # Alone: neither what is installed nor the folder that Ray starts its workers in has a say.
    return shlex.join([sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), *arguments])
