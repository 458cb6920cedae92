"""How a replica's tasks are done, each in a thread of its own: versions are loaded, tried and compiled."""

from __future__ import annotations

import gc
import logging
from typing import assert_never

from journeyman.errors import JourneymanError, UnreachableError, described, in_one_line
from journeyman.models.engines.machine_code import compile_version
from journeyman.models.memory import available_bytes
from journeyman.models.model import check_memory, why_new_replicas
from journeyman.serve.replica.loader import Loader, check_signature
from journeyman.serve.replica.state import Away, Got, NeedsReplicas, Refused, Role, Task
from journeyman.serve.replica.version import LoadedVersion

Result = Got | Refused | Away | NeedsReplicas

_log = logging.getLogger(__name__)


def do(task: Task, loader: Loader) -> Result:
    """What came of it; whatever is raised is a result too."""
    try:
        return _done(task, loader)
    except BaseException as error:  # noqa: BLE001
        # Loaders of all flavors run here and with them the model's own code, which may even call sys.exit().
        _log.error("version %s cannot be loaded", task.need.version, exc_info=error)
        return why_not(task.number, error)


def why_not(task: int, error: BaseException) -> Refused | Away:
    """What comes of a task that raised this."""
    if isinstance(error, UnreachableError):
        # That a server is away says nothing of the version.
        return Away(task, in_one_line(error))
    return Refused(task, in_one_line(error) if isinstance(error, JourneymanError) else described(error))


def _done(task: Task, loader: Loader) -> Result:
    need, number = task.need, task.number
    match need.role:
        case Role.FIRST:
            return Got(number, _first(task, loader))
        case Role.SERVING:
            return Got(number, loader.load(need.version, need.engine))
        case Role.ENGINE:
            return Got(number, loader.load(need.version, need.engine, task.beside))
        case Role.COMPILE:
            assert need.folder is not None, "a need to compile has one"
            compile_version(need.folder)
            return Got(number, None)
        case Role.CANDIDATE:
            beside = task.beside
            assert beside is not None, "a candidate is tried beside what serves"
            files = loader.look(need.version)
            check_signature(files, beside.model.signature, beside.version)
            if beside.why_alone:
                return NeedsReplicas(number, "follows a version that cannot be taken out of a process")
            if why := why_new_replicas(files):
                return NeedsReplicas(number, why)
            check_memory(files.folder, available_bytes())
            return Got(number, loader.load(need.version, need.engine))
        case _:
            assert_never(need.role)


def _first(task: Task, loader: Loader) -> LoadedVersion:
    """The version a replica begins with, loaded once.

    A pass of Python's collector of cycles over all that MLflow and torch have imported takes 120 ms, and
    nobody is answered meanwhile: what is there before the load is put out of its reach. What loading adds,
    modules that are imported late, takes a tenth of that (36,000 objects, 14 ms). A version that stays for
    as long as its process goes out of reach too: of 800 layers a pass took 400 ms.
    """
    need = task.need
    if task.follows is not None:
        # As where it is tried in place; a version that is proven starts whatever there is.
        files = loader.look(need.version)
        check_signature(files, loader.look(task.follows).signature, task.follows)
        check_memory(files.folder, available_bytes())
    gc.collect()
    gc.freeze()
    found = loader.load(need.version, need.engine)
    # The pass over what has just been loaded, which else comes amid the first requests.
    gc.collect()
    if found.why_alone:
        gc.freeze()
    return found
