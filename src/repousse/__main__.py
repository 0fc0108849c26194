"""`python -m repousse` is the command line."""

import sys

from repousse.cli import main

if __name__ == "__main__":
    sys.exit(main())
