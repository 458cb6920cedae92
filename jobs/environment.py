"""The variables that control sets for a job's processes, beside those that name its run"""

from __future__ import annotations

STORAGE = "JOURNEYMAN_STORAGE"
"""Where the checkpoints and weights of a job's attempts are kept: a folder or an address."""
CLAIMANT = "JOURNEYMAN_CLAIMANT"
"""Who claimed this attempt; a driver whose claim was not the one that was stored does nothing."""
STOP = "JOURNEYMAN_STOP"
"""Set in a worker whose script is to end: the job was cancelled, or ran for as long as it may."""
START_RETRIES = "JOURNEYMAN_START_RETRIES"
"""How often Ray Train waits once more for the nodes of an attempt; -1 without end."""
