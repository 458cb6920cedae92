"""The note on a job's page in MLflow: in five lines what ran, how it ended, how to go on. Pure."""

from __future__ import annotations

from journeyman.errors import UnreadableError
from journeyman.jobs.attempt import DIED, read_attempts
from journeyman.jobs.phases import Phase
from journeyman.jobs.spec import TrainSpec
from journeyman.tracking import records
from journeyman.tracking.records import Run, shortened

_TOLD_ATTEMPTS = 4
_TOLD_CHARACTERS = 120


def job_note(run: Run, spec: TrainSpec, phase: Phase, reason: str, now: float, serve_url: str) -> str:
    """Markdown."""
    what = spec.run or spec.entrypoint or ""
    commit = run.tags.get(records.GIT_COMMIT, "")[:10]
    code = f" at commit `{commit}`" + (" with changes" if run.tags.get(records.GIT_DIRTY) == "true" else "")
    minutes, seconds = divmod(int(now - run.start_ms / 1000), 60)
    attempts = "" if run.attempt <= 1 else f", {run.attempt} attempts"
    told = next(iter(reason.splitlines()), "nothing tells why")
    before = _ended_before(run)
    metrics = {k: v for k, v in run.metrics.items() if not k.startswith("system/")}
    shown = ", ".join(f"{key} {value:.4g}" for key, value in list(metrics.items())[:4])
    if version := run.tags.get(records.MODEL_VERSION):
        model = version.partition("/")[0]
        on = (
            f"Deploy `models:/{version}`, then `journeyman query {model} --example`, "
            f"or POST to `{serve_url}/{model}/invocations`."
        )
    elif phase is Phase.FINISHED:
        on = "It published no model."
    else:
        on = "Run it again: `journeyman submit` with `spec.yaml` and the code under the artifacts."
    lines = (
        f"**{spec.name}** ran `{what}` on {spec.in_workers}{code if commit else ''}.",
        f"It **{phase.value}** after {minutes} min {seconds} s{attempts}: {told}.",
        *([f"Before: {before}."] if before else ()),
        f"Newest metrics: {shown}." if shown else "It logged no metrics.",
        on,
        f"Logs: `journeyman logs {run.run_id[:8]}`, or the artifacts under `logs`.",
    )
    # Hard line breaks: the page folds a note after a few lines, and paragraphs would take twice the room.
    return "  \n".join(lines)


def _ended_before(run: Run) -> str:
    """How the attempts before the newest ended, the last of them."""
    try:
        attempts = read_attempts(run, run.attempt)[:-1]
    except UnreadableError:
        return ""
    told = [
        f"attempt {each.number}: {shortened(each.outcome.told if each.outcome else DIED, _TOLD_CHARACTERS)}"
        for each in attempts[-_TOLD_ATTEMPTS:]
    ]
    return "; ".join(told)
