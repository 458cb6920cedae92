"""The old name of `serve/replica/process.py`, by which services deployed before the move find it."""

import sys

from journeyman.serve.replica.process import main

if __name__ == "__main__":
    main(sys.argv[1:])
