"""What a stack consists of: each part's command, environment, log and the probe that tells it is healthy."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journeyman.cluster.local.processes import MARK, mark_of
from journeyman.cluster.settings import ray_token_file
from journeyman.home import mlflow_token_file

PART_NAMES = ("mlflow", "ray", "control")
ATTACHED_NAMES = ("control",)
"""What runs here of a cluster that something else started."""
SUPERVISOR = "supervisor"

DEFAULT_PORTS = {
    "mlflow": 5000,
    "ray_dashboard": 8265,
    "ray_gcs": 6379,
    "ray_agent": 52365,
    "serve": 8000,
    "serve_grpc": 9000,
    "serve_fallback": 8500,
    "serve_fallback_grpc": 9500,
    "haproxy_stats": 8404,
    "haproxy_metrics": 9101,
}

_CREDENTIALS = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
)
"""Of MLflow's variables, those that say who asks and whom to believe."""

HEARTBEAT_LIMIT_S = 15.0
CONTROL_SILENCE_LIMIT_S = 60.0
"""Beyond HEARTBEAT_LIMIT_S. A server that does not answer ends a turn after 30 s."""
JOB_STOP_WAIT_S = 15
"""Ray's own 3 s are too short for a driver to write down what it has."""
INGRESS = "journeyman.serve.proxy.ingress:middlewares"
"""What Serve's servers call to learn what comes before a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Healthy when the address answers 200 with `contains` in the body."""

    url: str
    contains: str
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatProbe:
    """Healthy while the file was touched within `limit_s`, by the process there is now."""

    path: Path
    limit_s: float = HEARTBEAT_LIMIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process that a stack starts and keeps."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: HttpProbe | HeartbeatProbe
    url: str
    """Where a person finds it; empty where there is nothing to see."""
    log: Path
    silence_limit_s: float | None = None
    """Silent for longer, it hangs, and is ended and started again. None where that would end what people run,
    as Ray's end would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of the machine shapes a stack."""

    python: Path
    """The interpreter of the environment that everything runs in."""
    logical_cpus: int
    fast_ingress: bool
    """Whether HAProxy is there to carry Serve's traffic."""


def control_heartbeat_file(home: Path) -> Path:
    return home / "control.heartbeat"


def mlflow_database(home: Path) -> Path:
    """What the local MLflow keeps, in one file."""
    return home / "mlflow" / "mlflow.db"


def log_file(home: Path, part: str) -> Path:
    return home / "logs" / f"{part}.log"


def ray_folder(home: Path) -> Path:
    """What Ray and HAProxy write on this machine is below it, and nobody but its owner gets in.

    Short, whatever the home folder and TMPDIR are called: their sockets are there, and a socket's path may
    have 107 characters, HAProxy's 97.
    """
    digest = hashlib.sha256(f"{os.getuid()}:{home}".encode()).hexdigest()
    return Path("/tmp") / f"journeyman-{digest[:8]}"


def ray_sessions(home: Path) -> Path:
    """Where Ray keeps its sessions. Ray opens it to everybody, and everything of a session (mode 0777)."""
    return ray_folder(home) / "r"


def mlflow_url(ports: Mapping[str, int]) -> str:
    return f"http://127.0.0.1:{ports['mlflow']}"


def ray_url(ports: Mapping[str, int]) -> str:
    return f"http://127.0.0.1:{ports['ray_dashboard']}"


def serve_url(ports: Mapping[str, int]) -> str:
    return f"http://127.0.0.1:{ports['serve']}"


def serve_listens(ports: Mapping[str, int]) -> str:
    return f"127.0.0.1:{ports['serve']}"


def grpc_address(ports: Mapping[str, int]) -> str:
    return f"127.0.0.1:{ports['serve_grpc']}"


def stack_parts(
    *, home: Path, stack: str, ports: Mapping[str, int], machine: Machine, environ: Mapping[str, str]
) -> dict[str, Part]:
    """Every part by its name; `environ` is the environment of the person who starts the stack."""
    environment = _clean_environment(environ, home, machine.python)
    return {
        "mlflow": _mlflow(home, stack, ports, machine, environment),
        "ray": _ray(home, stack, ports, machine, environment),
        "control": _control(home, stack, machine, environment),
    }


def attached_parts(
    *, home: Path, stack: str, machine: Machine, environ: Mapping[str, str]
) -> dict[str, Part]:
    """What runs here of a cluster that something else started, which may ask who it is."""
    asked = {name: environ[name] for name in _CREDENTIALS if name in environ}
    environment = _clean_environment(environ, home, machine.python) | asked
    return {"control": _control(home, stack, machine, environment)}


def _clean_environment(environ: Mapping[str, str], home: Path, python: Path) -> dict[str, str]:
    # A person's RAY_ADDRESS or MLFLOW_TRACKING_URI would lead the parts of this stack to another one.
    kept = {name: value for name, value in environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    direct = ",".join(filter(None, (kept.get("NO_PROXY", kept.get("no_proxy")), "127.0.0.1", "localhost")))
    return kept | {
        "JOURNEYMAN_HOME": str(home),
        "PATH": f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _control(home: Path, stack: str, machine: Machine, environment: dict[str, str]) -> Part:
    return Part(
        name="control",
        command=(str(machine.python), "-m", "journeyman.control"),
        environment={**environment, MARK: mark_of(stack, "control")},
        probe=HeartbeatProbe(path=control_heartbeat_file(home)),
        url="",
        log=log_file(home, "control"),
        silence_limit_s=CONTROL_SILENCE_LIMIT_S,
    )


def _mlflow(
    home: Path, stack: str, ports: Mapping[str, int], machine: Machine, environment: Mapping[str, str]
) -> Part:
    url = mlflow_url(ports)
    command = [str(machine.python), "-m", "mlflow", "server"]
    command += ["--host", "127.0.0.1", "--port", str(ports["mlflow"]), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{mlflow_database(home)}"]
    command += ["--serve-artifacts", "--artifacts-destination", f"{home}/mlflow/artifacts"]
    # One line for each of control's polls would be tens of megabytes a day. Connections are kept for longer
    # than a busy machine lets their clients pause.
    options = "--no-access-log --timeout-keep-alive 75"
    # Whoever asks would otherwise say where they ask from.
    options += " --no-proxy-headers"
    command += ["--uvicorn-opts", options]
    # Only its owner's processes are let in, and of browsers' pages only its own: MLflow's own list of hosts
    # has private networks as `10.*`, which 10.example.com is too.
    command += ["--app-name", "journeyman", "--allowed-hosts", _allowed_hosts()]
    return Part(
        name="mlflow",
        command=tuple(command),
        environment={
            **environment,
            MARK: mark_of(stack, "mlflow"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        probe=HttpProbe(url=f"{url}/health", contains="OK", token_file=mlflow_token_file(home)),
        url=url,
        log=log_file(home, "mlflow"),
    )


def _allowed_hosts() -> str:
    names = ("127.0.0.1", "localhost")
    return ",".join((*names, *(f"{name}:*" for name in names)))


def _ray(
    home: Path, stack: str, ports: Mapping[str, int], machine: Machine, environment: Mapping[str, str]
) -> Part:
    url = ray_url(ports)
    token_file = ray_token_file(home)
    command = [str(machine.python), "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--num-cpus", str(machine.logical_cpus), "--disable-usage-stats"]
    command += ["--temp-dir", str(ray_sessions(home)), "--port", str(ports["ray_gcs"])]
    command += ["--include-dashboard", "true", "--dashboard-host", "127.0.0.1"]
    command += ["--dashboard-port", str(ports["ray_dashboard"])]
    command += ["--dashboard-agent-listen-port", str(ports["ray_agent"])]
    # By default the workers of every Ray on the machine share 10002 to 19999; the kernel knows what is free.
    command += ["--min-worker-port", "0", "--max-worker-port", "0"]
    ray_environment = {
        **environment,
        MARK: mark_of(stack, "ray"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        # Where Ray believes that it may not form a cluster of machines, every server of its core listens on
        # loopback alone, the GCS included; --node-ip-address 127.0.0.1 is replaced by the machine's address.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_START_HOOK": f"{without_ray_client.__module__}.{without_ray_client.__name__}",
        "RAY_JOB_STOP_WAIT_TIME_S": str(JOB_STOP_WAIT_S),
        # Ray tells nobody a process's stack without it; behind the token, on loopback, nobody else asks.
        "RAY_DASHBOARD_ENABLE_PROFILING": "1",
        # It watches for the notices of spot machines, which this one is not: 3 s of processor time a job.
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        # Requirements that cannot be installed are told after one try, not three, each with a copy of the
        # whole environment; pip itself tries again where a server does not answer.
        "RUNTIME_ENV_RETRY_TIMES": "1",
        # Replicas are not to wait for everything else on the machine; trainings give way by themselves.
        "RAY_worker_niceness": "0",
    }
    if machine.fast_ingress:
        # Its default /tmp/haproxy-serve belongs to whichever user of the machine came first.
        haproxy = ray_folder(home) / "ha"
        ray_environment |= {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": INGRESS,
            # HAProxy would write a line for each request, for a process in Python to read, which replicas
            # on the same cores wait for. Without it replicas and proxies count what they answer.
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
            # Another one goes to whoever keeps the machine's log; servers that are down still do. What Ray
            # puts behind it is a comment then.
            "RAY_SERVE_HAPROXY_LOG_TARGET": "127.0.0.1:514 local0 alert #",
            # While a replica takes note of a change Serve does not count it among those that answer. Within
            # 0.1 s, Ray's own, HAProxy followed, there and back, and for 0.8 s whoever asked the only replica
            # was answered by way of Ray's proxy, in 50 to 120 ms.
            "RAY_SERVE_HAPROXY_BROADCAST_COALESCE_S": "0.5",
            # For how long a replica that is to end goes on answering. Ray's own 30 s are for balancers that
            # ask around; the one HAProxy there is here is told at once.
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["serve_fallback"]),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports["serve_fallback_grpc"]),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy_stats"]),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy_metrics"]),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "a.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "m.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        }
    return Part(
        name="ray",
        command=tuple(command),
        environment=ray_environment,
        # The dashboard answers seconds before there is a node to run anything on.
        probe=HttpProbe(url=f"{url}/api/v0/nodes?limit=1", contains='"ALIVE"', token_file=token_file),
        url=url,
        log=log_file(home, "ray"),
    )


def without_ray_client(ray_parameters: Any, head: bool) -> None:
    """Ray calls it (RAY_START_HOOK) before it starts a node.

    The Ray Client server is a process, a port and a way in that nothing of ours uses, and `ray start` has no
    flag to leave it out.
    """
    if head:
        ray_parameters.ray_client_server_port = None
