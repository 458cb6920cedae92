"""Private modules of Ray that are imported ahead of time, as text: nothing here imports Ray.

Tested with Ray 2.60. A module that is not there ends the import of those behind it, which costs time alone.
"""

from __future__ import annotations

SERVE_REPLICA = "ray.serve._private.replica"
SERVE_CONTROLLER = "ray.serve._private.controller"
