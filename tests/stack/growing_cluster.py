"""A Ray cluster of a head alone that an autoscaler adds nodes to, all on this machine.

    python growing_cluster.py <dashboard port> v1|v2

Its config is written into the working folder. It ends when its input does, and ends what
it started, and no other cluster of this machine.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from ray._common.network_utils import build_address
from ray._private.services import get_node_ip_address
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
from ray.cluster_utils import AutoscalingCluster

from journeyman.cluster.local.processes import MARK, end_processes, mark_of, owned_processes

HEAD_CPUS = 1
WORKER_CPUS = 2
MOST_WORKERS = 2
LIMIT_S = 60.0


class GrowingCluster(AutoscalingCluster):  # type: ignore[misc]
    """As Ray has it, but for three things of which two would not work here and one would end other clusters.

    The config that it begins with is not in Ray's wheel; its nodes look for the head at port 6379; and it
    runs `ray stop`, which ends every Ray of the machine.
    """

    def __init__(self, dashboard_port: int, *, newer: bool) -> None:
        self._port = _free_port()
        self._dashboard_port = dashboard_port
        self._stack = uuid.uuid4().hex
        self._newer = newer
        workers = {
            "worker": {
                "resources": {"CPU": WORKER_CPUS},
                "node_config": {},
                "min_workers": 0,
                "max_workers": MOST_WORKERS,
            }
        }
        super().__init__({"CPU": HEAD_CPUS}, workers, autoscaler_v2=newer)

    def _generate_config(
        self,
        head_resources: dict[str, float],
        worker_node_types: dict[str, Any],
        autoscaler_v2: bool = False,
        **config: Any,
    ) -> dict[str, Any]:
        head = {"resources": head_resources, "node_config": {}, "max_workers": 0}
        return {
            "cluster_name": "growing",
            "max_workers": MOST_WORKERS,
            "idle_timeout_minutes": 60,
            "upscaling_speed": 1.0,
            "provider": {
                # The name that Ray has for it stands for a file that the wheel lacks.
                "type": "external",
                "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
                "gcs_address": build_address(get_node_ip_address(), self._port),
                "head_node_id": FAKE_HEAD_NODE_ID,
                "launch_multiple": True,
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "available_node_types": {**worker_node_types, "ray.head.default": head},
            "head_node_type": "ray.head.default",
            "auth": {},
            "docker": {},
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "rsync_exclude": [],
            "rsync_filter": [],
            "initialization_commands": [],
            "setup_commands": [],
            "head_setup_commands": [],
            "worker_setup_commands": [],
            "head_start_ray_commands": [],
            "worker_start_ray_commands": [],
            **config,
        }

    def start(self, _system_config: object = None, override_env: object = None) -> None:
        config = Path("autoscaling.json").absolute()
        config.write_text(json.dumps(self._config))
        environ = {
            **os.environ,
            MARK: mark_of(self._stack, "ray"),
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_AUTH_MODE": "disabled",
        }
        if self._newer:
            environ |= {
                "RAY_enable_autoscaler_v2": "1",
                "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
            }
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={self._port}"]
        command += [f"--num-cpus={HEAD_CPUS}", f"--autoscaling-config={config}", "--disable-usage-stats"]
        command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={self._dashboard_port}"]
        # To standard error: what reads standard output waits for one word. Ray's processes write their titles
        # over the mark, and are known by their session.
        subprocess.run(
            command, env=environ, check=True, timeout=LIMIT_S, stdout=sys.stderr, start_new_session=True
        )

    def shutdown(self) -> None:
        while owned := owned_processes(mark_of(self._stack, "")):
            end_processes([each.process for each in owned], grace_s=0)


def main() -> None:
    cluster = GrowingCluster(int(sys.argv[1]), newer=sys.argv[2] == "v2")
    try:
        cluster.start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        cluster.shutdown()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
