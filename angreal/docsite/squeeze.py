"""Take out the white space that templates leave between tags; the navigation is half of it."""

from __future__ import annotations

import re

_KEPT = re.compile(r"(<pre\b.*?</pre>|<textarea\b.*?</textarea>|<script\b.*?</script>)", re.DOTALL)
_AROUND_LINE_BREAK = re.compile(r"\s*\n\s*")


def squeeze(html: str) -> str:
    """Return a page with each run of white space that holds a line break as one line break.

    A line break separates words as well as any other white space does, so nothing that is seen changes; what is
    preformatted, and scripts, are kept to the letter.
    """
    parts = _KEPT.split(html)
    parts[::2] = (_AROUND_LINE_BREAK.sub("\n", part) for part in parts[::2])
    return "".join(parts)
