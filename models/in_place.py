"""Which versions may be loaded beside another one in one process. Pure"""

from __future__ import annotations

IN_PLACE_GRAPH_BYTES = 128 * 1024
"""Python reads an exported program's graph, for about 3 s a MiB, and meanwhile each operation of the version
that serves waits for the interpreter, up to 5 ms: one of 800 layers was seen to answer after 5.8 s."""


def why_graph_needs_replicas(graph_bytes: int) -> str:
    """Why a program with a graph of this size is not loaded beside another; empty where it may be."""
    if graph_bytes <= IN_PLACE_GRAPH_BYTES:
        return ""
    return f"has a graph of {graph_bytes / 1024:.0f} KiB, which would hold up answers while it is read,"
