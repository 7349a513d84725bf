"""Every link, anchor and image on the built pages leads somewhere.

MkDocs checks the links that it finds in Markdown. Those in raw HTML, tutorials, templates, the footer, the page of
error 404, the style sheets, the Markdown twins and llms.txt are only found in what was built; lychee looks there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cloacina.errors import DOCUMENTATION_URL

_INPUTS = ["./**/*.html", "./**/*.css", "./**/*.md", "./llms.txt"]


class LycheeFailed(Exception):
    """Raised when lychee itself fails, so that nothing is known of the links."""


def check_links(site: Path, *, external: bool = False) -> list[str]:
    """Return the links that lead nowhere.

    Args:
        site: The folder of the built site.
        external: Whether links to other sites are followed too.

    Raises:
        LycheeFailed: When lychee was not able to look.
    """
    site = site.resolve()
    command = [
        str(Path(sys.executable).with_name("lychee")),
        "--no-progress",
        "--format=json",
        "--include-fragments",
        "--index-files=index.html",
        f"--root-dir={site}",
        # The site's own address, as in canonical links and in the messages of errors, is this folder.
        f"--remap=^{DOCUMENTATION_URL}/ {site.as_uri()}/",
    ]
    if not external:
        command.append("--offline")
    done = subprocess.run([*command, *_INPUTS], cwd=site, capture_output=True, encoding="utf-8", check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise LycheeFailed(f"lychee failed with exit code {done.returncode}: {done.stderr}") from error
    if not report["successful"]:
        raise LycheeFailed("lychee found no link at all, so it cannot have looked at the site")
    failures = {**report["error_map"], **report["timeout_map"]}
    return sorted(_defect(page, link, site) for page, links in failures.items() for link in links)


def _defect(page: str, link: dict[str, Any], site: Path) -> str:
    target = link.get("remap", {}).get("original", {}).get("url", link["url"])
    line = link.get("span", {}).get("line", "?")
    return f"{page}:{line}: {target.replace(site.as_uri() + '/', '')}: {link['status']['text']}"
