"""The reference is complete: one error code or one public name that lacks its entry is named, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cloacina
from cloacina.errors import DOCUMENTATION_URL, errors_by_code
from docsite.generated import expand
from docsite.inspection import check_error_entries, check_public_names, reference

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def write(site: Path, page: str, ids: list[str]) -> None:
    file = site / page / "index.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(f'<h2 id="{name}">x</h2>' for name in ids))


def test_an_error_code_without_entry_is_named(tmp_path: Path) -> None:
    codes = [code.lower() for code in errors_by_code()]
    write(tmp_path, "reference/errors", codes)
    write(tmp_path, "reference/package-errors", codes)
    assert check_error_entries(tmp_path) == []
    write(tmp_path, "reference/errors", [code for code in codes if code != "clo-1203"])
    assert check_error_entries(tmp_path) == ["CLO-1203 (ConditionError) has no entry at /reference/errors/#clo-1203"]


def test_a_public_name_without_reference_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PUBLIC_MODULES", ("cloacina",))
    names = [f"cloacina.{name}" for name in cloacina.__all__]
    write(tmp_path, "reference/api", names)
    assert check_public_names(tmp_path) == []
    write(tmp_path, "reference/api", [name for name in names if name != "cloacina.Context"])
    assert check_public_names(tmp_path) == [
        "cloacina.Context is public, but no page of the reference documents it",
    ]
    # Where a class is defined is as good an address as where it is imported from.
    write(tmp_path, "reference/other", ["cloacina.context.Context"])
    assert check_public_names(tmp_path) == []


def test_every_error_code_is_written_into_one_of_the_pages_of_errors(project: Path) -> None:
    docs = project / "docs"
    pages = ("reference/errors.md", "reference/package-errors.md")
    written = "".join(expand((docs / page).read_text(), page, docs) for page in pages)
    missing = [code for code, kind in errors_by_code().items() if f"### {code} `{kind.__name__}`" not in written]
    assert missing == []


def test_messages_link_to_the_site_that_is_built(project: Path) -> None:
    assert f"\nsite_url: {DOCUMENTATION_URL}\n" in (project / "mkdocs.yml").read_text()
