"""A Ray cluster of two nodes that Journeyman knows nothing of, as somebody's own script starts it.

    python foreign_cluster.py <dashboard port>

Told `remove` and `add` on its standard input, it loses its second node without a word, and gets another one.
It ends when its input does.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

CPUS = 2


def main() -> None:
    head = {
        "num_cpus": CPUS,
        "include_dashboard": True,
        "dashboard_host": "127.0.0.1",
        "dashboard_port": int(sys.argv[1]),
    }
    cluster = Cluster(initialize_head=True, head_node_args=head)
    node = cluster.add_node(num_cpus=CPUS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if line.strip() == "remove":
            cluster.remove_node(node, allow_graceful=False)
        elif line.strip() == "add":
            node = cluster.add_node(num_cpus=CPUS)
        sys.stdout.write("done\n")
        sys.stdout.flush()
    cluster.shutdown()


if __name__ == "__main__":
    main()
