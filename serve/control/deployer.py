"""Has Serve carry what was decided: one config for all, and one by one where it refuses that.

Serve deletes every application that a config leaves out, so what it has is the floor: below it goes only what
is undeployed. It stores a config before it applies it, and one that it refuses may stay stored: what it
accepted is therefore kept here and sent again.
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
from journeyman.errors import DeniedError, RefusedError
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
        self._accepted: dict[str, Config] = {}
        self._refused: dict[str, _Refusal] = {}
        self._refusals = Pauses(REFUSAL_PAUSE_S)
        self._stale = Pauses(STALE_PAUSE_S)
        self._builds = Pauses(BUILD_PAUSE_S)

    def close(self) -> None:
        """Returns when the config that is being sent is sent."""
        self._sender.shutdown()

    def refusal(self, name: str) -> str:
        """Why Serve does not have what was decided of a service; empty where it does."""
        refusal = self._refused.get(name)
        return refusal.words if refusal else ""

    def is_sending(self, now: float) -> bool:
        """Whether a config is on its way. Raises once what came of it, if nothing did."""
        if self._sending is None:
            return False
        if not self._sending.done():
            return True
        sending, self._sending = self._sending, None
        try:
            sent = sending.result()
        except DeniedError:
            raise
        except RefusedError as error:
            # Nothing in it was new: no service is to blame, and the next turn sends it again.
            _log.warning("Serve does not take what it has: %s", error.message)
            return False
        self._accepted = dict(sent.accepted)
        for name, config in sent.tried.items():
            if name in sent.refused:
                self._refused[name] = _Refusal(config, sent.refused[name])
                self._refusals.due(name, config, now)
            else:
                self._refused.pop(name, None)
                self._refusals.forget(name)
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
        self._accepted |= {name: config for name, config in present.items() if name not in gone}
        ours = {name: config for name, config in self._accepted.items() if _is_ours(config)}
        wanted = {name: config for name, config in (ours | present).items() if name not in gone}
        wanted |= {
            name: config for name, config in desired.items() if self._is_to_be_tried(name, config, now)
        }
        if self._is_to_be_sent(wanted, gone, unlike, applications, now):
            self._began = True
            base = {name: present[name] for name in wanted.keys() & present.keys()}
            changes = {name: config for name, config in wanted.items() if present.get(name) != config}
            self._sending = self._sender.submit(self._send, base, changes)

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
        if stored != wanted or left:
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

    def _send(self, base: Mapping[str, Config], changes: Mapping[str, Config]) -> _Sent:
        taken, refused, in_force = dict(base), dict[str, str](), True

        def put(names: Sequence[str]) -> None:
            nonlocal taken, in_force
            whole = taken | {name: changes[name] for name in names}
            try:
                self._put(whole)
            except DeniedError:
                raise
            except RefusedError as error:
                if not names:
                    raise
                in_force = False
                if len(names) == 1:
                    refused[names[0]] = error.message
                    return
                middle = len(names) // 2
                put(names[:middle])
                put(names[middle:])
            else:
                taken, in_force = whole, True

        put(sorted(changes))
        if not in_force:
            try:
                put(())
            except DeniedError:
                raise
            except RefusedError as error:
                _log.warning("Serve does not take again what it had: %s", error.message)
        return _Sent(taken, changes, refused)

    def _put(self, applications: Mapping[str, Config]) -> None:
        self._check()
        if self._package is not None:
            self._ray.keep_package(self._package)
        settings = self._settings
        config = serve_config(list(applications.values()), settings.serve_url, settings.grpc_address)
        self._check()
        self._ray.put_applications(config)


def _is_ours(config: Config) -> bool:
    arguments = config.get("args")
    return isinstance(arguments, Mapping) and "run_id" in arguments


def _is_building(application: Application) -> bool:
    """Or stuck before it: Serve tells of no replicas then, though those before it may run."""
    return application.status == "DEPLOYING" and not application.replicas and not application.target_replicas
