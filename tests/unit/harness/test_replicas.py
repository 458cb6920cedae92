"""A replica is killed, hangs, is slow, breaks or cannot reach its files at each moment of a swap.

Its decisions are the product's own; time and what comes of its tasks are the test's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

import pytest

from journeyman.errors import DeniedError
from journeyman.models.engines.engine import Engine, alone
from journeyman.serve.records import GENERATION, read_rollout, write_report
from journeyman.serve.replica.state import (
    Away,
    Event,
    Got,
    Held,
    Ordered,
    Refused,
    Role,
    Target,
    Task,
    Woken,
    decide,
    report_of,
)
from journeyman.tracking import records

from .world import World

OLD, NEW = "1", "2"
MOMENTS = range(14)
"""Turns after the alias was moved; a swap in place takes five, one by new replicas eleven."""


class Fault(StrEnum):
    KILLED = "killed"
    HANGS = "hangs"
    SLOW = "slow"
    BREAKS = "breaks"
    AWAY = "away"


@dataclass(frozen=True)
class Version:
    version: str
    plan: Any = alone(Engine.TORCH_EXPORT)
    engine_trouble: str = ""
    to_compile: None = None
    measured: bool = True


@dataclass
class Replica:
    """One process: its state, and the threads that it waits for."""

    held: Held | None = None
    pending: list[tuple[float, Task]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    """The versions that it answered with, as they followed each other."""
    slow_until_s: float = 0.0
    away_until_s: float = 0.0
    breaks: bool = False
    hangs_since_s: float | None = None

    def meets(self, event: Event, now: float) -> None:
        if self.held is None:
            assert isinstance(event, Ordered)
            self.held = Held(target=event.target)
        step = decide(self.held, event, now)
        self.held = step.held
        self.pending += [(now, task) for task in step.tasks]
        if self.held.serving is not None and self.held.serving.version not in self.answered[-1:]:
            self.answered.append(self.held.serving.version)

    def goes_on(self, now: float) -> None:
        pending, self.pending = self.pending, []
        for begun, task in pending:
            if now < max(begun + 1, self.slow_until_s):
                self.pending.append((begun, task))
                continue
            self.meets(self._result(task, now), now)
        self.meets(Woken(), now)

    def _result(self, task: Task, now: float) -> Event:
        if now < self.away_until_s:
            return Away(task.number, "MLflow does not answer")
        if self.breaks and task.need.version == NEW and task.need.role is not Role.SERVING:
            return Refused(task.number, "its disk is full")
        return Got(task.number, cast(Any, Version(task.need.version)))


@dataclass
class Replicas:
    """All of one service, in place of those that a world makes up."""

    found: dict[str, Replica] = field(default_factory=dict)

    def __call__(self, world: World, name: str, config: Mapping[str, Any]) -> None:
        deployment = config["deployments"][0]
        told = deployment["user_config"]
        generation = int(deployment["ray_actor_options"]["runtime_env"]["env_vars"][GENERATION])
        target = Target(
            **{key: told[key] for key in ("serving", "candidate", "trial", "follows", "verdicts")}
        )
        for replica_id, replica in self.alive(world, name).items():
            if replica.hangs_since_s is not None:
                self._hangs(world, name, replica_id, replica, config["args"]["run_id"])
                continue
            if replica.held is None or replica.held.target != target:
                if replica.held is not None and self.generations[replica_id] != generation:
                    continue  # It ends, and is told nothing any more.
                self.generations.setdefault(replica_id, generation)
                replica.meets(Ordered(target), world.now_s)
            replica.goes_on(world.now_s)
            assert replica.held is not None
            report = report_of(replica.held, self.generations[replica_id], "cpu")
            with suppress(DeniedError):
                key = f"{records.REPLICA}.{replica_id}"
                world.mlflow.set_tags(config["args"]["run_id"], {key: write_report(report)})

    generations: dict[str, int] = field(default_factory=dict)

    def alive(self, world: World, name: str) -> dict[str, Replica]:
        [application] = [each for each in world.ray.applications() if each.name == name]
        running = [each.replica_id for each in application.replicas if each.state == "RUNNING"]
        return {replica_id: self.found.setdefault(replica_id, Replica()) for replica_id in running}

    def _hangs(self, world: World, name: str, replica_id: str, replica: Replica, run_id: str) -> None:
        """It says nothing for a while, then that it does not get on, and then Serve replaces it."""
        assert replica.hangs_since_s is not None and replica.held is not None
        hung_s = world.now_s - replica.hangs_since_s
        if hung_s == 4:
            report = report_of(replica.held, self.generations[replica_id], "cpu")
            why = "a call has been computing for more than 120 s"
            last = replace(report, unhealthy=why, unhealthy_since_s=world.now_s)
            world.mlflow.set_tags(run_id, {f"{records.REPLICA}.{replica_id}": write_report(last)})
        elif hung_s >= 6:
            world.ray.lose_replica(name, replica_id)


def swapped(fault: Fault, moment: int, graph_bytes: int) -> tuple[World, str, Replicas]:
    world, replicas = World(), Replicas()
    world.replicas = replicas
    assert world.register("m") == OLD
    run_id = world.deploy("s", "models:/m@champion", replicas="2")
    world.turn(12)
    assert world.run(run_id).tags[records.PHASE] == "healthy", world.run(run_id).reason
    assert world.register("m", graph_bytes=graph_bytes) == NEW
    world.turn(moment)
    for replica_id, replica in list(replicas.alive(world, "s").items())[-1:]:
        match fault:
            case Fault.KILLED:
                world.ray.lose_replica("s", replica_id)
            case Fault.HANGS:
                replica.hangs_since_s = world.now_s
            case Fault.SLOW:
                replica.slow_until_s = world.now_s + 9
            case Fault.BREAKS:
                replica.breaks = True
            case Fault.AWAY:
                replica.away_until_s = world.now_s + 6
    world.turn(60)
    return world, run_id, replicas


def wrong(fault: Fault, world: World, run_id: str, replicas: Replicas) -> Iterator[str]:
    tags = world.run(run_id).tags
    rollout = read_rollout(tags[records.ROLLOUT])
    if tags[records.PHASE] != "healthy":
        yield f"it is {tags[records.PHASE]}: {tags[records.REASON]}"
    expected = (NEW,) if fault is not Fault.BREAKS else (NEW, OLD)
    if rollout.serving not in expected or rollout.candidate:
        yield f"it serves {rollout.serving}, with candidate {rollout.candidate}: {tags[records.REASON]}"
    if rollout.serving == OLD and (rollout.refused, rollout.refused_because) != (NEW, "its disk is full"):
        yield f"it keeps the old version for no reason: {tags[records.REASON]}"
    for replica_id, replica in replicas.found.items():
        if replica.answered not in ([], [OLD], [NEW], [OLD, NEW]):
            yield f"{replica_id} answered with {replica.answered}"
    for replica_id, replica in replicas.alive(world, "s").items():
        if replica.answered[-1:] != [rollout.serving]:
            yield f"{replica_id} answers with {replica.answered[-1:]} in the end"
    if world.crashes:
        yield f"a turn failed: {world.crashes}"
    if fault is Fault.HANGS and rollout.failing:
        yield "one replica that hung marks the version"


@pytest.mark.parametrize("graph_bytes", [0, 2**20], ids=["in place", "by new replicas"])
@pytest.mark.parametrize("fault", Fault)
def test_swap_ends_well_whatever_becomes_of_a_replica_at_each_of_its_moments(
    fault: Fault, graph_bytes: int
) -> None:
    found = []
    for moment in MOMENTS:
        world, run_id, replicas = swapped(fault, moment, graph_bytes)
        found += [f"at {moment}: {each}" for each in wrong(fault, world, run_id, replicas)]
    assert found == []


def test_hung_replica_is_told_of_once_it_is_replaced() -> None:
    world, run_id, _ = swapped(Fault.HANGS, 13, 0)
    assert world.run(run_id).tags[records.REASON] == (
        "1 replica was replaced in the last ten minutes, since a call has been computing for more than 120 s"
    )
