"""A Ray cluster on this machine whose nodes can be killed. A program:

    python -m e2e.ray_nodes CPUS...

Starts a head that runs nothing and a node for each of CPUS, prints the head's address, and kills a
node for each line on stdin. It ends, with the cluster, at the end of stdin.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

STORE_BYTES = 80 * 2**20


def main() -> None:
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = [
            cluster.add_node(num_cpus=int(cpus), object_store_memory=STORE_BYTES)
            for cpus in sys.argv[1:]
        ]
        print(cluster.address, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
