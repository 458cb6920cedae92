"""How fast 20 processes at once hand jobs to the stack that runs, and what control makes of so long a queue.

    journeyman up && python benchmarks/submissions.py

Each process submits ten of the same tiny job through the SDK. A job that holds every CPU keeps them queued;
in the end all are cancelled. Prints one line of JSON, and exits 1 where one was lost, doubled or out of
order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from journeyman.client import Client, Job
from journeyman.cluster.local.parts import control_heartbeat_file
from journeyman.cluster.settings import Settings, load_settings

LIMIT_S = 240.0
TRAIN = "import time\n\ndef loop(config):\n    time.sleep(3600)\n"
SUBMIT = """
import sys
from pathlib import Path
from journeyman.client import Client

client = Client()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    print(client.submit(Path(sys.argv[1]), [f"name={sys.argv[2]}-{number}"]).run_id, flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What came of one burst of submissions."""

    submitted: int
    submissions_per_s: float
    lost: int
    doubled: int
    out_of_order: int
    """Processes whose jobs do not queue as they were submitted."""
    control_turn_s: float
    """The longest that control was silent while they came, waited and were cancelled."""


class Silence:
    """The longest that a heartbeat was old, watched from a thread."""

    def __init__(self, heartbeat: Path) -> None:
        self._heartbeat = heartbeat
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.longest_s = 0.0

    def __enter__(self) -> Silence:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.longest_s = max(self.longest_s, time.time() - self._heartbeat.stat().st_mtime)


def measure(settings: Settings, processes: int, each: int) -> Burst:
    """Submit, look, cancel; the stack is as it was before."""
    client = Client(settings)
    with tempfile.TemporaryDirectory() as scratch, Silence(control_heartbeat_file(settings.home)) as silence:
        folder = Path(scratch)
        (folder / "train.py").write_text(TRAIN)
        capacity = client._connection.ray.capacity((), ())
        cpus = max(node.total["CPU"] for node in capacity.nodes)
        (folder / "holder.yaml").write_text(
            f"kind: train\nname: holder\nentrypoint: train:loop\nresources: {{cpus: {cpus:g}}}\n"
        )
        (folder / "tiny.yaml").write_text("kind: train\nname: tiny\nentrypoint: train:loop\n")
        holder = client.submit(folder / "holder.yaml")
        _await(client, holder, ("running",))
        before = {job.run_id for job in client.jobs(limit=1000)}
        took_s, told = _submit(settings, folder / "tiny.yaml", processes, each)
        jobs = [job for job in client.jobs(limit=1000) if job.run_id not in before]
        queue = sorted(jobs, key=lambda job: (job.submitted_ms, job.run_id))
        place = {job.run_id: position for position, job in enumerate(queue)}
        for job in jobs:
            client.cancel(job.run_id)
        for job in jobs:
            _await(client, job, ("cancelled",))
        client.cancel(holder.run_id)
        _await(client, holder, ("cancelled",))
    client.close()
    ids = [run_id for ids in told for run_id in ids]
    return Burst(
        submitted=len(ids),
        submissions_per_s=round(len(ids) / took_s, 2),
        lost=processes * each - len(set(ids) & place.keys()),
        doubled=len(jobs) - len({job.name for job in jobs}),
        out_of_order=sum([place[i] for i in ids] != sorted(place[i] for i in ids) for ids in told),
        control_turn_s=round(silence.longest_s, 2),
    )


def _submit(settings: Settings, spec: Path, processes: int, each: int) -> tuple[float, list[list[str]]]:
    """How long it took once all were ready, and the ids that each process was given."""
    submitters = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT, str(spec), f"tiny-{number}", str(each)],
            env=os.environ | {"JOURNEYMAN_HOME": str(settings.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for submitter in submitters:
        assert submitter.stdout is not None
        submitter.stdout.readline()
    began_s = time.monotonic()
    for submitter in submitters:
        assert submitter.stdin is not None
        submitter.stdin.write("go\n")
        submitter.stdin.flush()
    told = [submitter.communicate(timeout=LIMIT_S)[0].split() for submitter in submitters]
    return time.monotonic() - began_s, told


def _await(client: Client, job: Job, phases: tuple[str, ...]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while (job := client.job(job.run_id)).phase not in phases:
        if job.ended or time.monotonic() > deadline_s:
            raise SystemExit(f"{job.name} {job.run_id} is {job.phase}: {job.reason}")
        time.sleep(0.2)


def main() -> int:
    burst = measure(load_settings(os.environ), processes=20, each=10)
    print(json.dumps(asdict(burst)))
    return 1 if burst.lost or burst.doubled or burst.out_of_order else 0


if __name__ == "__main__":
    sys.exit(main())
