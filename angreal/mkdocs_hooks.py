"""The hooks that mkdocs.yml names: each hands over to the module of `docsite` that does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from docsite import generated, notebooks, twins
from docsite.generated.manifest import schema_file
from docsite.lightening import lighten, shorten
from docsite.squeeze import squeeze

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page


class _Build:
    """What one build has come across so far; `mkdocs serve` runs many in one process."""

    def __init__(self, nav: Navigation) -> None:
        self.nav = nav
        self.twins: list[twins.Twin] = []


_builds: list[_Build] = []


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that are made from the code, so that pages can link to them."""
    files.append(schema_file(config))
    return files


def on_nav(nav: Navigation, **_: Any) -> Navigation:
    """Begin a build."""
    _builds[:] = [_Build(nav)]
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Write the parts of a page that come from the code."""
    return generated.expand(markdown, page.file.src_uri, Path(config.docs_dir))


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Give an executed tutorial the same HTML as every other page, and keep a table of contents short."""
    shorten(page.toc)
    return notebooks.rewrite(html, page.file.src_uri) if page.file.src_uri.endswith(".py") else html


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Put a Markdown twin beside each page, and take out what only makes it heavier."""
    # Not earlier: the names of types become links and tooltips when all pages have been read.
    output = lighten(output)
    _builds[0].twins.append(twins.write(output, page, config.site_dir))
    return squeeze(output)


def on_post_build(config: MkDocsConfig) -> None:
    """List all pages in llms.txt."""
    twins.write_index(_builds[0].twins, _builds[0].nav, config)
