"""Kills a part of a working stack at a moment that a seed chooses, and looks whether anything was lost.

    python tests/chaos/chaos.py --seeds 50

Each seed submits one training, strikes once while it is on its way, and compares what its run holds in the
end with an undisturbed one. Prints a line a seed and, last, one line of JSON; exits 1 where a seed failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from asking import Asking

from journeyman.client import Client, Job
from journeyman.cluster.local.processes import mark_of, owned_processes
from journeyman.cluster.local.stack import start, stop
from journeyman.cluster.settings import Settings, load_settings
from journeyman.errors import JourneymanError
from journeyman.tracking import records
from journeyman.tracking.mlflow_rest import Mlflow

LOOP = Path(__file__).parent / "loop"
POINTS = 60
"""What an undisturbed run of the loop logs of its loss."""
LIMIT_S = 300.0
LATEST_STRIKE = 0.8
"""As a share of the time that an undisturbed job takes."""
"""After the submission: a job starts within about as long."""
LAST_STRUCK_STEP = POINTS - 10
MLFLOW_PAUSE_S = 20.0

PARTS = ("control", "mlflow", "ray")
PROCESSES = {
    "driver": "journeyman.jobs.driver",
    "one worker": "ray::RayTrainWorker",
    "all workers": "ray::RayTrainWorker",
    "train controller": "ray::TrainController",
    "replica": "ray::ServeReplica",
    "serve controller": "ray::ServeController",
    "haproxy": "haproxy",
    "hang": "ray::RayTrainWorker",
}
"""What a victim's process is called, or has in its command line."""
VICTIMS = (*PARTS, *PROCESSES, "mlflow for a while", "machine", "mlflow's memory")
ANSWERING = ("replica", "haproxy", "ray", "machine")
"""Whose death may cost requests: there is one replica, and one ingress."""
STOPPED = "hang"
"""The victim that is stopped and not killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    victim: str
    after: float
    """From the submission, as a share of the time that an undisturbed job takes."""
    at_step: int | None
    """Of the loss, where the strike waits for it instead."""


@dataclass(slots=True, kw_only=True)
class Finding:
    """What one seed came to."""

    seed: int
    strike: Strike
    hit: int
    """How many processes there were to strike."""
    phase: str = ""
    runs: int = 0
    gaps: int = 0
    duplicates: int = 0
    same_loss: bool = False
    attempts: int = 0
    recover_s: float | None = None
    """From the strike to the first point after it, where the training was struck."""
    requests: int = 0
    failed_requests: int = 0
    """Of those that were sent from the strike on."""
    left_stopped: int = 0
    """How many processes that the strike stopped are still there in the end."""
    answers: bool = False
    """Whether the service answers in the end, with the version that the job published."""
    trouble: str = ""
    reason: str = field(default="", repr=False)

    @property
    def well(self) -> bool:
        whole = self.gaps == 0 and self.duplicates == 0 and self.same_loss
        ended = self.phase == "finished" and self.runs == 1 and not self.trouble
        answered = self.answers and (self.failed_requests == 0 or self.strike.victim in ANSWERING)
        # A strike that met nobody proves nothing.
        return self.hit > 0 and ended and whole and answered and not self.left_stopped


def strike_of(seed: int) -> Strike:
    """The seeds go round the victims, so that a few of them hit most; the moment is anybody's guess.

    Of each victim every other strike falls amid the training, the others between the submission and the first
    steps.
    """
    chance = random.Random(seed)
    after, step = chance.uniform(0.0, LATEST_STRIKE), chance.randrange(LAST_STRUCK_STEP)
    turn, place = divmod(seed, len(VICTIMS))
    return Strike(victim=VICTIMS[place], after=after, at_step=step if (turn + place) % 2 == 0 else None)


@contextmanager
def working_stack(home: Path) -> Iterator[Settings]:
    """A stack with a model that a service answers with."""
    os.environ["JOURNEYMAN_HOME"] = str(home)
    start(home, lambda part, text: None)
    try:
        yield load_settings(os.environ)
    finally:
        stop(home)
        del os.environ["JOURNEYMAN_HOME"]


def undisturbed(settings: Settings) -> tuple[list[tuple[int, float]], float]:
    """The course of the loss when nothing happens, and the seconds it takes; leaves the service asked later.

    The second job of a stack, as all those that are struck: the first has its processes' imports done.
    """
    client = Client(settings)
    for _ in range(2):
        began_s = time.monotonic()
        job = ended(client, client.submit(LOOP / "train.yaml"))
        took_s = time.monotonic() - began_s
        if job.phase != "finished":
            sys.exit(f"the undisturbed job is {job.phase}: {job.reason}")
    course = client.history(job, "loss")
    client.deploy(LOOP / "service.yaml")
    eventually(lambda: client.service("chaos").phase == "healthy", "the service is healthy")
    client.close()
    return course, took_s


def run_seed(settings: Settings, seed: int, expected: list[tuple[int, float]], took_s: float) -> Finding:
    client = Client(settings)
    strike = strike_of(seed)
    with Asking(client.service("chaos").url, client.example("chaos")) as asking:
        job = client.submit(LOOP / "train.yaml")
        await_moment(client, settings, job, strike, took_s)
        struck_ms = time.time() * 1000
        finding = Finding(seed=seed, strike=strike, hit=0)
        try:
            finding.hit = carry_out(settings, strike.victim)
            job = ended(client, job)
            examine(client, settings, job, expected, struck_ms, finding)
        except (JourneymanError, TimeoutError) as error:
            finding.trouble = str(error)
    finding.requests, finding.failed_requests = asking.requests, asking.failed_since(struck_ms)
    client.close()
    return finding


def await_moment(client: Client, settings: Settings, job: Job, strike: Strike, took_s: float) -> None:
    """A job's processes come and go: where there is nobody to strike yet, the strike waits for them."""
    if strike.at_step is None:
        time.sleep(strike.after * took_s)
    else:
        while (seen := client.job(job.run_id)).steps.get("loss", -1) < strike.at_step and not seen.ended:
            time.sleep(0.1)
    victim = strike.victim
    while victim in PROCESSES and not victims(settings, victim) and not client.job(job.run_id).ended:
        time.sleep(0.2)


def victims(settings: Settings, victim: str) -> list[psutil.Process]:
    return [process for process in processes(settings, "ray") if is_called(process, PROCESSES[victim])]


def carry_out(settings: Settings, victim: str) -> int:
    """SIGKILL; SIGSTOP for a worker that hangs; for MLflow `for a while` a pause in which it answers nobody.

    MLflow without its memory stands on an empty database for as long. How many processes were hit.
    """
    if victim == "machine":
        struck = kill(processes(settings, ""))
        start(settings.home, lambda part, text: None)
    elif victim == "mlflow for a while":
        paused = processes(settings, "mlflow")
        for process in paused:
            process.suspend()
        time.sleep(MLFLOW_PAUSE_S)
        for process in paused:
            process.resume()
        struck = len(paused)
    elif victim == "mlflow's memory":
        with tempfile.TemporaryDirectory(prefix="aside-", dir=settings.home) as aside:
            folder = settings.home / "mlflow"
            struck = kill(processes(settings, "mlflow"))
            move_database(folder, Path(aside))
            time.sleep(MLFLOW_PAUSE_S)
            kill(processes(settings, "mlflow"))
            move_database(Path(aside), folder)
    elif victim in PARTS:
        struck = kill(processes(settings, victim))
    elif victim == STOPPED:
        hanging = victims(settings, victim)[:1]
        for process in hanging:
            process.suspend()
        struck = len(hanging)
    else:
        named = victims(settings, victim)
        struck = kill(named[:1] if victim == "one worker" else named)
    return struck


def move_database(source: Path, target: Path) -> None:
    """With what SQLite keeps beside it; whatever stands at the target gives way."""
    for file in target.glob("mlflow.db*"):
        file.unlink()
    for file in source.glob("mlflow.db*"):
        file.rename(target / file.name)


def processes(settings: Settings, part: str) -> list[psutil.Process]:
    return [owned.process for owned in owned_processes(mark_of(settings.cluster, part))]


def is_called(process: psutil.Process, name: str) -> bool:
    try:
        return name in " ".join([process.name(), *process.cmdline()])
    except psutil.Error:
        return False


def is_stopped(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def kill(struck: list[psutil.Process]) -> int:
    for process in struck:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    # A machine that died holds no port; a process that is still dying does.
    psutil.wait_procs(struck, timeout=10)
    return len(struck)


def examine(
    client: Client,
    settings: Settings,
    job: Job,
    expected: list[tuple[int, float]],
    struck_ms: float,
    finding: Finding,
) -> None:
    mlflow = Mlflow(settings.mlflow_url, os.environ)
    finding.phase, finding.attempts, finding.reason = job.phase, job.attempt, job.reason
    key = mlflow.run(job.run_id).tags[records.SUBMISSION_KEY]
    finding.runs = len(mlflow.search_runs(mlflow.experiments(), f"tags.`{records.SUBMISSION_KEY}` = '{key}'"))
    course = client.history(job, "loss")
    times = Counter(step for step, _ in course)
    finding.gaps = sum(step not in times for step, _ in expected)
    finding.duplicates = sum(count - 1 for count in times.values())
    finding.same_loss = course == expected
    later = [
        int(point["timestamp"])
        for point in mlflow.metric_history(job.run_id, "loss")
        if int(point["timestamp"]) > struck_ms
    ]
    finding.recover_s = (min(later) - struck_ms) / 1000 if later and job.attempt > 1 else None
    finding.left_stopped = sum(is_stopped(process) for process in processes(settings, "ray"))
    version = (job.model_version or "").rpartition("/")[2]
    eventually(lambda: client.service("chaos").serving_version == version, f"version {version} serves")
    eventually(lambda: client.query("chaos", client.example("chaos")).status == 200, "the service answers")
    finding.answers = True
    mlflow.close()


def ended(client: Client, job: Job) -> Job:
    newest = job

    def look() -> bool:
        nonlocal newest
        newest = client.job(job.run_id)
        return newest.ended

    eventually(look, f"job {job.run_id} ends")
    return newest


def eventually(look: Callable[[], bool], what: str) -> None:
    """Servers may be away meanwhile. Raises TimeoutError."""
    deadline = time.monotonic() + LIMIT_S
    told = ""
    while time.monotonic() < deadline:
        try:
            if look():
                return
        except JourneymanError as error:
            told = f": {error.message}"
        time.sleep(0.5)
    raise TimeoutError(f"not within {LIMIT_S:.0f} s: {what}{told}")


def summary(findings: list[Finding]) -> dict[str, object]:
    recovered = [finding.recover_s for finding in findings if finding.recover_s is not None]
    return {
        "runs": len(findings),
        "struck": sum(finding.hit > 0 for finding in findings),
        "one_run": sum(finding.runs == 1 for finding in findings),
        "same_loss": sum(finding.same_loss for finding in findings),
        "gaps": sum(finding.gaps for finding in findings),
        "duplicates": sum(finding.duplicates for finding in findings),
        "lost_jobs": sum(finding.runs == 0 or finding.phase == "" for finding in findings),
        "wrong_end": sum(finding.phase != "finished" for finding in findings),
        "failed_requests": sum(f.failed_requests for f in findings if f.strike.victim not in ANSWERING),
        "seeds_failed": [finding.seed for finding in findings if not finding.well],
        "recover_p50_s": round(statistics.median(recovered), 1) if recovered else None,
        "recover_max_s": round(max(recovered), 1) if recovered else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill parts of a stack and look whether anything was lost.")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    parser.add_argument("--only", type=int, nargs="+", help="these seeds instead")
    arguments = parser.parse_args()
    seeds = arguments.only or range(arguments.first, arguments.first + arguments.seeds)
    # Ended from outside, it ends its stack first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    findings = []
    with tempfile.TemporaryDirectory(prefix="journeyman-chaos-") as home, working_stack(Path(home)) as stack:
        expected, took_s = undisturbed(stack)
        if len(expected) != POINTS:
            sys.exit(f"the undisturbed run has {len(expected)} points of its loss, not {POINTS}")
        for seed in seeds:
            finding = run_seed(stack, seed, expected, took_s)
            findings.append(finding)
            print("ok    " if finding.well else "FAILED", finding, finding.reason, flush=True)
    print(json.dumps(summary(findings)))
    return 0 if all(finding.well for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
