"""The name under which services deployed by Journeyman 0.1 find `serve/replica/process.py`."""

import sys

from journeyman.serve.replica.process import main

if __name__ == "__main__":
    main(sys.argv[1:])
