"""What PyTorch's collectives raise in a healthy rank whose peer is gone, which tells nothing of its own code.

Tested with PyTorch 2.13 and gloo; of NCCL only what it writes. Where they say otherwise, the echo of a
death may be told as a job's own error. Nothing here imports PyTorch.
"""

from __future__ import annotations

import re

COLLECTIVE_FAILED = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error\b|RuntimeError: .*(?:gloo/|NCCL|TCPStore))",
    re.MULTILINE,
)
CONNECTION_LOST = re.compile(
    r"^(?:\w+\.)*(?:Dist(?:Backend|Network|Store)?Error|RuntimeError)\b.*"
    r"(?:Connection (?:was )?(?:closed|reset)|Socket closed|Broken pipe|ncclRemoteError"
    r"|remote (?:process|peer)|[Tt]imed? ?out)",
    re.MULTILINE,
)
