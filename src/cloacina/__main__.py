"""`python -m cloacina` is the same as `cloacina`."""

from __future__ import annotations

import sys

from cloacina.cli import main

if __name__ == "__main__":
    sys.exit(main())
