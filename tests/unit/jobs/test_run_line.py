"""The `run` line as people have it in shell scripts, Slurm files and other launchers."""

from __future__ import annotations

import sys

import pytest

from journeyman.cluster.spec_file import parse
from journeyman.errors import SpecError
from journeyman.jobs.run_line import read_run, stored_words
from journeyman.jobs.spec import TrainSpec

OWN = f"python{sys.version_info.major}.{sys.version_info.minor}"
JOB = {"kind": "train", "name": "digits"}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("python train.py --lr '0 1'", ["train.py", "--lr", "0 1"]),
        ("train.py", ["train.py"]),
        ("./train.py -u", ["./train.py", "-u"]),
        ("python3 -u train.py --steps 3", ["train.py", "--steps", "3"]),
        (f"{OWN} train.py", ["train.py"]),
        ("python -X dev -Wd -W error t.py -m x", ["-X", "dev", "-Wd", "-W", "error", "t.py", "-m", "x"]),
        ("-m pkg.train --steps 3", ["-m", "pkg.train", "--steps", "3"]),
        ("python -u -m pkg.train -m 3", ["-m", "pkg.train", "-m", "3"]),
        ("python -mpkg.train", ["-m", "pkg.train"]),
        ("train.py \\\n  --lr 1 \\\n  --x", ["train.py", "--lr", "1", "--x"]),
        # As YAML folds it.
        ("train.py \\ --lr 1", ["train.py", "--lr", "1"]),
        ("train.py\n  --lr 1\n  --x 2\n", ["train.py", "--lr", "1", "--x", "2"]),
        ("train.py lr=1 'layers=[16, 8]' +a=1", ["train.py", "lr=1", "layers=[16, 8]", "+a=1"]),
        ("train.py 'out=${now:%Y}' --pattern 'a && b' --cost '$5' --of \\$HOME", None),
        ("train.py --url http://x/y?a=1&b=2 --path a;b", None),
    ],
)  # fmt: skip
def test_line_is_taken_and_reads_the_same_from_its_record(run: str, words: list[str] | None) -> None:
    line = read_run(run)
    assert words is None or line.words == words
    assert stored_words(str(line)) == line.words


@pytest.mark.parametrize(
    ("run", "words", "processes"),
    [
        ("torchrun --nproc_per_node=2 train.py --steps 3", ["train.py", "--steps", "3"], 2),
        ("torchrun --nproc-per-node 2 -m pkg.train", ["-m", "pkg.train"], 2),
        ("torchrun --standalone --nnodes=2 --nproc_per_node 4 train.py --nnodes 1", None, 8),
        ("torchrun --nnodes 3 --rdzv_backend=c10d --rdzv-endpoint host:29400 train.py", ["train.py"], 3),
        ("python -m torch.distributed.run --nproc_per_node 2 train.py", ["train.py"], 2),
        ("python -m torch.distributed.launch --use_env --nproc_per_node=2 train.py", ["train.py"], 2),
        ("accelerate launch train.py --x 1", ["train.py", "--x", "1"], None),
        ("accelerate launch --multi_gpu --num_processes 4 --main_process_port 1 t.py", ["t.py"], 4),
    ],
)  # fmt: skip
def test_launchers_lines_say_the_script_and_how_many(
    run: str, words: list[str] | None, processes: int | None
) -> None:
    line = read_run(run)
    assert words is None or line.words == words
    assert line.processes == processes
    spec = parse(TrainSpec, {**JOB, "run": run}, "train.yaml")
    assert spec.workers.most == (processes or 1)


def test_a_number_of_processes_that_the_spec_contradicts_is_refused() -> None:
    with pytest.raises(SpecError, match="workers: 3, and `run` asks for 2 processes; say it once"):
        parse(TrainSpec, {**JOB, "workers": 3, "run": "torchrun --nproc_per_node=2 t.py"}, "train.yaml")
    parse(TrainSpec, {**JOB, "workers": 2, "run": "torchrun --nproc_per_node=2 t.py"}, "train.yaml")


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("", "is empty"),
        ("train.py 'a", "a quote in"),
        ("OMP_NUM_THREADS=1 python train.py", "`env: {OMP_NUM_THREADS: '1'}`"),
        ("train.py && echo done", "&& is a shell's"),
        ("python prepare.py; python train.py", "prepare.py; is a shell's"),
        ("train.py > log.txt", "> is a shell's"),
        ("train.py 2>&1", "2>&1 is a shell's"),
        ("train.py | tee log", "| is a shell's"),
        ("train.py &", "& is a shell's"),
        ("train.py --out $HOME/runs", "$HOME is a shell's"),
        ('train.py --out "${SCRATCH}/runs"', "${SCRATCH} is a shell's"),
        ("train.py --name $(date +%s)", "$(date +%s) is a shell's"),
        ("train.py --name `hostname`", "`hostname` is a shell's"),
        ("train.py --data ~/data", "~/data is a shell's"),
        ("python prepare.py\npython train.py", "is another line"),
        ("python2.7 train.py", "python2.7 is asked for"),
        ("python3.1 train.py", f"python3.1 is asked for, and jobs run with Python {OWN[6:]}"),
        ("/usr/bin/python3 train.py", "is a Python of one machine"),
        ("python -c 'print(1)'", "python -c has its code elsewhere"),
        ("python", "names no script"),
        ("-m", "-m names no module"),
        ("-m pkg/train.py", "-m pkg/train.py is no module's name"),
        ("uv run train.py", "uv is a command of a shell"),
        ("srun python train.py", "srun is a launcher"),
        ("deepspeed --num_gpus 2 train.py", "deepspeed is a launcher"),
        ("torchrun --nproc_per_node=gpu train.py", "gpu is no count; write how many as `workers: 2`"),
        ("torchrun --nnodes=1:4 train.py", "1:4 is no count"),
        ("torchrun --max_restarts 3 train.py", "--max_restarts: leave it out"),
        ("torchrun --nproc_per_node 2", "torchrun names no script"),
        ("torchrun --what 2 train.py", "torchrun --what has no key in a spec"),
        ("accelerate launch --mixed_precision bf16 train.py", "`env: {ACCELERATE_MIXED_PRECISION: bf16}`"),
        ("accelerate launch --config_file a.yaml train.py", "write its num_processes as `workers`"),
    ],
)
def test_refusal_names_the_cause_and_what_to_write(run: str, told: str) -> None:
    with pytest.raises(ValueError) as refusal:
        read_run(run)
    assert told in str(refusal.value)


@pytest.mark.parametrize("run", ["train.py && echo done", "python train.py > log", "train.py $X"])
def test_what_was_taken_once_is_still_read(run: str) -> None:
    spec = TrainSpec.model_validate({**JOB, "run": run})
    assert spec.run == run
    assert stored_words(run)[0] == "train.py"
