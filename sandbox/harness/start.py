"""What the container starts: `python3 -I -S -B start.py`, with its packages beside it."""

import sys

sys.path.insert(0, __file__.removesuffix("/sandbox/harness/start.py"))

from sandbox.harness.serving import main

if __name__ == "__main__":
    main()
