"""The `run` line of a spec: which script or module, with which arguments, on how many processes. Pure.

It is no shell's line: words are separated and quoted as a shell has it, and nothing is expanded. What people
have in shell scripts and Slurm files is read where a key of the spec says the same, else refused by its name.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

_PYTHON = re.compile(r"python(\d(\.\d+)?)?")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\||[|&#]|\d*>>?\S*|&>>?\S*|<\S*|;\S*|\S*;")
_ELSEWHERE = re.compile(
    r"(uv|poetry|pipenv|conda|mamba|pdm|hatch|rye|pixi|bash|sh|zsh|source|exec|nohup|time|sudo|env|cd)"
)
_OTHER_LAUNCHERS = re.compile(
    r"(srun|mpirun|mpiexec|horovodrun|deepspeed|colossalai|lightning|fabric|composer)"
)
_MODULES_THAT_LAUNCH = {
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torchrun",
    "accelerate.commands.launch": "accelerate launch",
}
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """What is started on every worker."""

    options: tuple[str, ...] = ()
    """Python's own."""
    program: str
    """A script, or the name of a module."""
    is_module: bool = False
    arguments: tuple[str, ...] = ()
    processes: int | None = None
    """On all workers together, where a launcher's line says it."""

    @property
    def named(self) -> str:
        return f"-m {self.program}" if self.is_module else self.program

    @property
    def words(self) -> list[str]:
        """What follows the interpreter."""
        return [*self.options, *(["-m"] if self.is_module else []), self.program, *self.arguments]

    def __str__(self) -> str:
        """As it is stored: read back, it is the same."""
        words = self.words
        return shlex.join(["python", *words] if self.options else words)


def read_run(run: str) -> RunLine:
    """Raises ValueError, which says what to write instead."""
    # A line that goes on behind a backslash, also where YAML has folded it.
    run = re.sub(r"(?:^|(?<=\s))\\\s+", " ", run)
    try:
        words = shlex.split(run)
    except ValueError:
        raise ValueError(f"a quote in {run!r} is not closed") from None
    if not words:
        raise ValueError("is empty; name a script, such as `train.py --lr 0.001`")
    _refuse_shell(run, words)
    return _read(words)


def stored_words(run: str) -> list[str]:
    """What follows the interpreter, of a line that was taken, whichever version took it."""
    try:
        return _read(shlex.split(run)).words
    except ValueError:
        words = shlex.split(run)
        return words[1:] if words[0] in ("python", "python3") else words


def _read(words: Sequence[str]) -> RunLine:
    first, rest = words[0], words[1:]
    if _PYTHON.fullmatch(first):
        _check_version(first)
        return _python(rest)
    if first.startswith("-"):
        return _python(words)
    if first == "torchrun":
        return _launched("torchrun", rest, _TORCHRUN)
    if first == "accelerate" and rest[:1] == ["launch"]:
        return _launched("accelerate launch", rest[1:], _ACCELERATE)
    if _OTHER_LAUNCHERS.fullmatch(first):
        raise ValueError(
            f"{first} is a launcher, and the workers are launched already; write the script that it starts "
            "with its arguments, and how many processes there are in `workers`"
        )
    if _ELSEWHERE.fullmatch(first):
        raise ValueError(
            f"{first} is a command of a shell, and `run` starts Python; write the script alone, and what "
            "must be installed for it in `requirements`"
        )
    if first.rpartition("/")[2] != first and _PYTHON.fullmatch(first.rpartition("/")[2]):
        raise ValueError(
            f"{first} is a Python of one machine; write the script alone: the cluster has its own"
        )
    return RunLine(program=first, arguments=tuple(rest))


def _check_version(python: str) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python not in ("python", "python3", f"python{own}"):
        raise ValueError(f"{python} is asked for, and jobs run with Python {own}; write the script alone")


def _python(words: Sequence[str]) -> RunLine:
    """What Python's command line says."""
    options: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            module = [word[2:]] if word[2:] else list(words[position + 1 : position + 2])
            if not module:
                raise ValueError("-m names no module; write `-m package.train`")
            return _module(tuple(options), module[0], words[position + (1 if word[2:] else 2) :])
        if word == "-c" or word == "-":
            raise ValueError(
                f"python {word} has its code elsewhere; `run` takes a script or `-m package.train`"
            )
        if not word.startswith("-"):
            return RunLine(options=tuple(options), program=word, arguments=tuple(words[position + 1 :]))
        if word not in ("-u", "--"):
            options.append(word)
        position += 1
        if word in _WITH_VALUE and position < len(words):
            options.append(words[position])
            position += 1
    raise ValueError("names no script; write `train.py --lr 0.001`, or `-m package.train`")


def _module(options: tuple[str, ...], module: str, rest: Sequence[str]) -> RunLine:
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(f"-m {module} is no module's name; write `-m package.train`")
    launcher = _MODULES_THAT_LAUNCH.get(module)
    if launcher is None:
        return RunLine(options=options, program=module, is_module=True, arguments=tuple(rest))
    flags = _TORCHRUN if launcher == "torchrun" else _ACCELERATE
    return replace(_launched(launcher, rest, flags), options=options)


# -- launchers -----------------------------------------------------------------------------------------

_MEETS = re.compile(
    r"standalone|rdzv-.*|master-(addr|port)|node-rank|local-addr|start-method|monitor-interval"
    r"|main-process-(ip|port)|machine-rank|num-machines|same-network|multi-gpu|(use-)?cpu|use-env"
)
"""How processes find each other and what they run on, to which Journeyman sees itself."""
_NO_VALUE = re.compile(
    r"standalone|multi-gpu|(use-)?cpu|use-env|same-network|no-python|use-(deepspeed|fsdp|megatron-lm)"
    r"|debug|quiet|tpu"
)
_LOGS = "leave it out: `journeyman logs` has what each rank prints"
_FROM_ITS_CODE = "leave it out, and choose it in the script"

_TORCHRUN: Mapping[str, str] = {
    "max-restarts": "leave it out: what machines end is started again from its last checkpoint",
    "log-dir": _LOGS,
    "redirects": _LOGS,
    "tee": _LOGS,
    "r": _LOGS,
    "t": _LOGS,
    "role": "leave it out: every rank has the role `default`",
    "no-python": "leave it out: `run` starts Python",
}
_ACCELERATE: Mapping[str, str] = {
    "mixed-precision": "write `env: {ACCELERATE_MIXED_PRECISION: …}`",
    "dynamo-backend": "write `env: {ACCELERATE_DYNAMO_BACKEND: …}`",
    "gradient-accumulation-steps": "write `env: {ACCELERATE_GRADIENT_ACCUMULATION_STEPS: …}`",
    "num-cpu-threads-per-process": "write `env: {OMP_NUM_THREADS: …}`, and as many `resources: {cpus: …}`",
    "gpu-ids": "write `resources: {gpus: 1}`: each worker gets GPUs of its own",
    "config-file": "write its num_processes as `workers`, and the rest of it as `env` or in the script",
    "use-deepspeed": _FROM_ITS_CODE,
    "use-fsdp": _FROM_ITS_CODE,
    "use-megatron-lm": _FROM_ITS_CODE,
}
"""What to write instead of a flag."""


def _launched(launcher: str, words: Sequence[str], flags: Mapping[str, str]) -> RunLine:
    processes = nodes = per_node = None
    is_module = False
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-"):
            if per_node is not None or nodes is not None:
                processes = (per_node or 1) * (nodes or 1)
            rest = words[position + 1 :]
            line = _module((), word, rest) if is_module else RunLine(program=word, arguments=tuple(rest))
            return replace(line, processes=processes)
        flag, given, value = word.partition("=")
        name = flag.lstrip("-").replace("_", "-")
        position += 1
        if name in ("m", "module"):
            is_module = True
            continue
        if not given and not _NO_VALUE.fullmatch(name):
            value = words[position] if position < len(words) else ""
            position += 1
        if name in ("nproc-per-node", "nproc"):
            per_node = _count(launcher, flag, value)
        elif name == "nnodes":
            nodes = _count(launcher, flag, value)
        elif name in ("num-processes", "n") and launcher != "torchrun":
            processes = _count(launcher, flag, value)
        elif _MEETS.fullmatch(name):
            pass
        elif name not in flags:
            raise ValueError(
                f"{launcher} {flag} has no key in a spec; write the script with its arguments alone"
            )
        else:
            raise ValueError(f"{launcher} {flag}: {flags[name].replace('…', value or '…', 1)}")
    raise ValueError(f"{launcher} names no script; write `train.py --lr 0.001`, or `-m package.train`")


def _count(launcher: str, flag: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(
            f"{launcher} {flag}: {value or 'nothing'} is no count; write how many as `workers: 2`"
        )
    return int(value)


# -- shells --------------------------------------------------------------------------------------------


def _refuse_shell(run: str, words: Sequence[str]) -> None:
    """Raises ValueError for what a shell would carry out, and what would be handed to the script here."""
    if assigned := _ASSIGNMENT.fullmatch(words[0]):
        raise ValueError(f"no shell reads it; write {words[0]} as `env: {{{assigned[1]}: '{assigned[2]}'}}`")
    _first, *more = _pieces(run.strip(), "\n".__eq__)
    if others := [line for line in more if line.strip() and not line.lstrip().startswith("-")]:
        raise ValueError(
            f"{others[0].strip()!r} is another line, and `run` is one script with its arguments; start the "
            "others from it"
        )
    for bare in _bare_words(run):
        if _OPERATOR.fullmatch(bare):
            raise ValueError(
                f"{bare} is a shell's, and no shell reads it; write one script with its arguments"
            )
        if bare.startswith("~"):
            raise ValueError(f"{bare} is a shell's, and no shell reads it; name the folder under `data`")
    if expanded := _expanded(run):
        raise ValueError(
            f"{expanded} is a shell's, and no shell reads it; write its value, or '{expanded}' as text"
        )


def _bare_words(run: str) -> list[str]:
    """The words without any quote or backslash in them."""
    return [word for word in _pieces(run, str.isspace) if not re.search(r"[\"'\\]", word)]


def _pieces(run: str, ends: Callable[[str], bool]) -> list[str]:
    """Parts between what ends them outside of quotes, quotes and all."""
    pieces, quote, part, escaped = list[str](), "", "", False
    for character in run:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif ends(character):
            pieces.append(part)
            part = ""
            continue
        part += character
    return [piece for piece in [*pieces, part] if piece]


def _expanded(run: str) -> str:
    """What a shell would put a value in place of: outside of single quotes; empty where there is nothing."""
    plain = re.sub(r"\\.", "", re.sub(r"'[^']*'|\\'", " ", run), flags=re.DOTALL)
    found = re.search(r"\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|\$\(.*?\)|`[^`]*`", plain, re.DOTALL)
    return found[0] if found else ""
