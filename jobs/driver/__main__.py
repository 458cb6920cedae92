"""`python -m journeyman.jobs.driver`: the entrypoint of an attempt's Ray job."""

from __future__ import annotations

import sys

from journeyman.jobs.driver.main import main

if __name__ == "__main__":
    sys.exit(main())
