"""How the documentation site is built and checked.

::

    generated/     parts of pages that are written from the code: errors, commands, tables
    notebooks.py   the HTML of an executed tutorial, without the inline styles that come with it
    twins.py       a Markdown twin of each page, and llms.txt
    docstrings.py  docstrings as they read well on a page
    lightening.py  what the reference of the API has too much of
    squeeze.py     pages without the white space that templates leave
    build.py       the strict build
    inspection/    what is checked on the built pages: links, references, requests to other hosts, weight
    gate.py        build and inspection as one command, whose exit code decides
    recordings/    runs of the engine that pages draw, and the programs that were run
    samples/       every block of code on a page is found, run and compared
"""

from __future__ import annotations
