"""Machine code of exported programs: compiled ahead of time by AOTInductor, and kept on the node it is for.

It is not stored with the version. Whoever may write to a registry could then run code in replicas, and a
program that was exported is served because it cannot.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import torch
from torch.export.passes import move_to_device_pass

from journeyman.cluster.owned import make_owned, why_not_owned
from journeyman.compat.torch_graph import compile_machine_code
from journeyman.errors import JourneymanError
from journeyman.models.cached import COMPILER, MACHINE_CODE
from journeyman.models.engines.devices import copy_where_no_view_can_be
from journeyman.models.engines.hardware import this_hardware
from journeyman.models.files import look_at
from journeyman.models.lookups import lookups
from journeyman.models.memory import available_bytes
from journeyman.models.packages import EXPORTED, graph_bytes, load_exported
from journeyman.models.signature import Signature

LIMIT_S = 300.0
"""For compiling a version. On processors the first on a node took 61 s, as headers are compiled too, others 6
to 22 s; on an H200 three small nets took 70 to 114 s each."""
MOST_GRAPH_BYTES = 1024**2
"""800 layers, a graph of 2.5 MiB, were not compiled after 120 s."""
LEAST_FREE_BYTES = 2 * 1024**3
"""torch and the compiler took 0.9 GiB together for a net of nine layers."""
_FORM = "lookups and sizes checked"
"""Names what is made here: code of another form, which an older release has left, is not found."""
_MODULE = "journeyman.models.engines.machine_code"


class CompilationError(JourneymanError):
    """A version that is not compiled on this node."""


def machine_code(folder: Path) -> Path:
    """Where that of the version in `folder` lies, for this process's hardware.

    Raises CompilationError where there is none, or another user may have made it.
    """
    path = _path(folder)
    try:
        why = why_not_owned(path, path.parent.parent)
    except FileNotFoundError:
        raise CompilationError(
            "it is not compiled on this node",
            "That is done beside the version that answers; see what the service's replicas log.",
        ) from None
    if why:
        raise CompilationError(
            f"its machine code is not run: {why}",
            f"Remove {path.parent}: what is needed of it is compiled anew.",
        )
    return path


def is_compiled(folder: Path) -> bool:
    """Whether the version in `folder` is, for this process's hardware."""
    return _path(folder).exists()


def compile_version(folder: Path) -> None:
    """Have the machine code of the version in `folder`, made by a process of its own at the lowest priority.

    Several processes may ask for it at once: one compiles. Raises CompilationError.
    """
    path = _path(folder)
    if why := make_owned(path.parent, path.parent.parent):
        # The compiler runs what it keeps there.
        raise CompilationError(
            f"nothing is compiled here: {why}",
            f"Remove {path.parent}: what is needed of it is compiled anew.",
        )
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        graph = graph_bytes(folder / EXPORTED)
        if graph > MOST_GRAPH_BYTES:
            raise CompilationError(
                f"its graph of {graph / 1024**2:.1f} MiB would take longer to compile than {LIMIT_S:g} s"
            )
        free_bytes = available_bytes()
        if free_bytes < LEAST_FREE_BYTES:
            raise CompilationError(
                f"compiling may take {LEAST_FREE_BYTES / 1024**3:g} GiB of memory, and "
                f"{free_bytes / 1024**3:.1f} GiB are free",
            )
        _compile_apart(folder, path)


def _compile_apart(folder: Path, path: Path) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        # What lies under the temporary folder by default others may have put there.
        "TORCHINDUCTOR_CACHE_DIR": str(path.parent / COMPILER),
        # The other cores are the replicas'.
        "TORCHINDUCTOR_COMPILE_THREADS": str(max(1, (os.cpu_count() or 1) // 2)),
    }
    command = [sys.executable, "-m", "journeyman.cluster.priority", _MODULE, str(folder), str(path)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, said = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            for compiler in psutil.Process(process.pid).children(recursive=True):
                compiler.kill()
            process.kill()
            raise CompilationError(f"compiling it takes more than {LIMIT_S:g} s") from None
    if process.returncode:
        words = said.decode(errors="replace").strip().splitlines()
        raise CompilationError(f"it cannot be compiled here: {(words or ['no word of why'])[-1][:400]}")


def _path(folder: Path) -> Path:
    # One folder for all models: what the compiler keeps of its headers saves each of them 20 s.
    model = folder.parent
    key = hashlib.sha256(f"{this_hardware().key} {_FORM}".encode()).hexdigest()[:12]
    return model.parent / MACHINE_CODE / f"{model.name}.{folder.name}.{key}.pt2"


def _unchecked_lookups(program: torch.export.ExportedProgram, signature: Signature) -> str:
    """What a request could look up beside the tables, in words. In compiled code that ends the process."""
    found = lookups(program, [field.name for field in signature.inputs])
    if found.unknown:
        return f"it calls {found.unknown}, which no check of a request bounds"
    for field in signature.inputs:
        least, most = found.ranges.get(field.name, (-math.inf, math.inf))
        low, high = field.ends or (-math.inf, math.inf)
        if low < least or high > most:
            return f"its metadata do not say that '{field.name}' takes {least} to {most}: publish it again"
        for dimension, (_, largest) in found.sizes.get(field.name, {}).items():
            told = field.limits.get(dimension, (0, None))[1]
            if largest is not None and (told is None or told > largest):
                return f"its metadata do not say that '{field.name}' has sizes to {largest}: publish it again"
    return ""


def main() -> None:
    """In a process of its own: compile the version in the folder that comes first, for the path after it."""
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    # What is made is run: no group is to write to it.
    os.umask(0o077)
    program = load_exported(folder / EXPORTED)
    if trouble := _unchecked_lookups(program, look_at(folder).signature):
        sys.exit(trouble)
    if torch.cuda.is_available():
        program = move_to_device_pass(program, "cuda")
        copy_where_no_view_can_be(program.graph)
    with tempfile.TemporaryDirectory(dir=path.parent) as partial, torch.no_grad():
        os.rename(compile_machine_code(program, Path(partial) / "code.pt2"), path)


if __name__ == "__main__":
    main()
