"""Every block of code on a page is found, run and compared with what the page says of it.

::

    blocks.py           the blocks of a page, and the marks that stand above them
    fences.py           the guard: counts the fences by itself, so that no block escapes
    page.py             all blocks of a page, in their order, in one folder, with one set of names
    python_blocks.py    Python, and the printed output in `#>` comments
    console_blocks.py   commands, and what they print
    data_blocks.py      TOML, JSON, YAML, and SQL with its result in `-->` comments
    docstrings.py       the same for the docstrings of a module
    tutorials.py        tutorials, executed from an empty folder
"""

from __future__ import annotations
