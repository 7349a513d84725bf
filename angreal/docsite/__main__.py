"""`python -m docsite`: what `angreal docs` runs."""

from __future__ import annotations

import sys

from docsite.gate import main

sys.exit(main())
