"""Has Serve carry what was decided: one config for all, and one by one where it refuses that.

Serve deletes every application that a config leaves out, so what it has is the floor: below it goes only what
is undeployed. It stores a config before it applies it, one application after another, and what follows one
that it cannot apply is stored and not applied. Those that may be such are therefore sent last, and what Serve
was seen to take is kept here and sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from journeyman.cluster.archive import Archive
from journeyman.cluster.ray_api import RayApi
from journeyman.cluster.ray_state import Application
from journeyman.cluster.settings import Settings
from journeyman.errors import DeniedError, RefusedError, UnreachableError
from journeyman.serve.control.application import serve_config
from journeyman.serve.control.pauses import Pauses

Config = Mapping[str, Any]

REFUSAL_PAUSE_S = 30.0
STALE_PAUSE_S = 30.0
BUILD_PAUSE_S = 600.0
"""As long as Serve may take to build an application: the same config again would make it begin anew."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What became of a config."""

    accepted: Mapping[str, Config]
    """The applications of the last one that Serve took."""
    tried: Mapping[str, Config]
    """What was new in it."""
    refused: Mapping[str, str]
    """Serve's words, by name."""
    stuck: str = ""
    """Serve's words where it does not take what it has: no service is to blame that was sent."""
    lost: UnreachableError | None = None
    """What kept the rest from being sent."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    config: Config
    words: str


class Deployer:
    """One thread uses it; configs are sent by another, one at a time.

    The first config starts Serve, which takes up to half a minute: longer than a turn may. `check` raises
    where this control may act no more.
    """

    def __init__(
        self,
        ray: RayApi,
        settings: Settings,
        package: Archive | None,
        sender: Executor,
        check: Callable[[], None],
    ) -> None:
        self._ray = ray
        self._settings = settings
        self._package = package
        self._sender = sender
        self._check = check
        self._sending: Future[_Sent] | None = None
        self._began = False
        self._lost = False
        """Whether nobody knows what became of the last config that was sent."""
        self._held: Mapping[str, Config] | None = None
        """What Serve refused for what it has already."""
        self._accepted: dict[str, Config] = {}
        self._refused: dict[str, _Refusal] = {}
        self._floor = ""
        """Serve's words where it does not take what it has."""
        self._behind: Set[str] = frozenset()
        """Names of those that are not in force then, as far as can be told."""
        self._refusals = Pauses(REFUSAL_PAUSE_S)
        self._floors = Pauses(REFUSAL_PAUSE_S)
        self._stale = Pauses(STALE_PAUSE_S)
        self._builds = Pauses(BUILD_PAUSE_S)

    def close(self) -> None:
        """Returns when the config that is being sent is sent."""
        self._sender.shutdown()

    def refusal(self, name: str) -> str:
        """Why Serve does not have what was decided of a service; empty where it does."""
        refusal = self._refused.get(name)
        if refusal:
            return refusal.words
        return self._floor if name in self._behind else ""

    def is_sending(self, now: float) -> bool:
        """Whether a config is on its way. Raises once what kept it from being sent whole."""
        if self._sending is None:
            return False
        if not self._sending.done():
            return True
        sending, self._sending = self._sending, None
        sent = sending.result()
        self._accepted = dict(sent.accepted)
        for name, config in sent.tried.items():
            if name in sent.refused:
                self._refused[name] = _Refusal(config, sent.refused[name])
                self._refusals.due(name, config, now)
            elif sent.lost is None:
                self._refused.pop(name, None)
                self._refusals.forget(name)
        self._floor = sent.stuck
        self._held = {**sent.accepted, **sent.tried} if sent.stuck else None
        if self._held:
            self._floors.due("", self._held, now)
        self._lost = sent.lost is not None
        if sent.lost is not None:
            raise sent.lost
        return False

    def carry_out(
        self,
        desired: Mapping[str, Config],
        gone: Set[str],
        unlike: Set[str],
        applications: Mapping[str, Application],
        now: float,
    ) -> None:
        """Send a config where Serve's is another, or is not in force.

        `desired`: of the services that control decides on; `gone`: names of those that are undeployed;
        `unlike`: names of those whose replicas have not what their config says.
        """
        for name in gone:
            self._forget(name)
        present = {name: each.config for name, each in applications.items() if each.config}
        for name in self._refused.keys() & present.keys():
            # Serve may have stored what it refused.
            del present[name]
            if name in self._accepted:
                present[name] = self._accepted[name]
        doubtful = {name for name in present if _is_building(applications[name])}
        base = {name: config for name, config in present.items() if name not in gone}
        for name, config in base.items():
            if name in doubtful and _is_ours(config):
                # Serve may have stored it and not be able to apply it.
                base[name] = self._accepted.setdefault(name, config)
            else:
                self._accepted[name] = config
        ours = {name: config for name, config in self._accepted.items() if _is_ours(config)}
        wanted = {name: config for name, config in (ours | present).items() if name not in gone}
        wanted |= {
            name: config for name, config in desired.items() if self._is_to_be_tried(name, config, now)
        }
        self._behind = doubtful | {name for name in wanted if wanted[name] != present.get(name)}
        if self._is_to_be_sent(wanted, gone, unlike, applications, now) and not self._is_held(wanted, now):
            self._began, self._lost = True, False
            changes = {name: config for name, config in wanted.items() if base.get(name) != config}
            self._sending = self._sender.submit(self._send, base, changes, doubtful)

    def _is_held(self, wanted: Mapping[str, Config], now: float) -> bool:
        """Whether Serve refused it a moment ago for what it has already."""
        if not self._held or self._held != wanted:
            return False
        return not self._floors.due("", self._held, now)

    def _forget(self, name: str) -> None:
        self._accepted.pop(name, None)
        self._refused.pop(name, None)
        for pauses in (self._refusals, self._stale, self._builds):
            pauses.forget(name)

    def _is_to_be_tried(self, name: str, config: Config, now: float) -> bool:
        refusal = self._refused.get(name)
        return refusal is None or refusal.config != config or self._refusals.due(name, config, now)

    def _is_to_be_sent(
        self,
        wanted: Mapping[str, Config],
        gone: Set[str],
        unlike: Set[str],
        applications: Mapping[str, Application],
        now: float,
    ) -> bool:
        stored = {name: each.config for name, each in applications.items() if each.config}
        left = any(applications[name].status != "DELETING" for name in gone & applications.keys())
        if stored != wanted or left or self._lost:
            return True
        due = [self._is_due(name, wanted[name], unlike, applications[name], now) for name in wanted]
        building = any(map(_is_building, applications.values()))
        # What a control before this one sent may be stored and not applied.
        first = not self._began and not building and any(map(_is_ours, wanted.values()))
        return first or any(due)

    def _is_due(
        self, name: str, config: Config, unlike: Set[str], application: Application, now: float
    ) -> bool:
        """Whether the config that Serve has is sent again, since it is not in force."""
        if _is_building(application):
            return self._builds.due(name, config, now)
        self._builds.forget(name)
        if name in unlike:
            return self._stale.due(name, config, now)
        self._stale.forget(name)
        return False

    # -- in the sender's thread ----------------------------------------------------------------------

    def _send(self, base: Mapping[str, Config], changes: Mapping[str, Config], doubtful: Set[str]) -> _Sent:
        taken, refused, in_force = dict(base), dict[str, str](), True
        # Serve's words about what it has, where it does not take that either.
        floor = ""

        def put(names: Sequence[str]) -> str:
            """Serve's words where it does not take these beside what was taken; empty where it does."""
            nonlocal taken, in_force
            whole = taken | {name: changes[name] for name in names}
            last = doubtful - set(names)
            try:
                self._put([whole[name] for name in sorted(whole, key=lambda name: (name in last, name))])
            except DeniedError:
                raise
            except RefusedError as error:
                if error.message != floor:
                    in_force = False
                    return error.message
            taken, in_force = whole, True
            return ""

        def find(names: Sequence[str], words: str) -> None:
            """Of some that are refused together, those that are refused alone."""
            if len(names) == 1:
                refused[names[0]] = words
                return
            middle = len(names) // 2
            for half in (names[:middle], names[middle:]):
                if words := put(half):
                    find(half, words)

        lost: UnreachableError | None = None
        try:
            words = put(sorted(changes))
            if words and not changes:
                floor = words
            elif words:
                floor = put(())
                # It was taken where Serve says no more of it than of what it has.
                words = put(sorted(changes)) if floor else words
                if words:
                    find(sorted(changes), words)
                if not in_force:
                    put(())
        except UnreachableError as error:
            lost = error
        if floor:
            _log.warning("Serve does not take what it has: %s", floor)
        return _Sent(taken, changes, refused, floor, lost)

    def _put(self, applications: Sequence[Config]) -> None:
        self._check()
        if self._package is not None:
            self._ray.keep_package(self._package)
        settings = self._settings
        config = serve_config(applications, settings.serve_listens, settings.grpc_address)
        self._check()
        self._ray.put_applications(config)


def _is_ours(config: Config) -> bool:
    arguments = config.get("args")
    return isinstance(arguments, Mapping) and "run_id" in arguments


def _is_building(application: Application) -> bool:
    """Or stuck before it: Serve tells of no replicas then, though those before it may run."""
    return application.status == "DEPLOYING" and not application.replicas and not application.target_replicas
