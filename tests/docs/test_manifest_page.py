"""The page on the manifest shows real manifests, and the site publishes the schema that the models give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from mkdocs.config import load_config
from mkdocs.structure.files import Files

from cloacina.errors.base import DOCUMENTATION_URL
from cloacina.packaging.manifest.fingerprint import fingerprint_of
from cloacina.packaging.manifest.json_schema import SCHEMA_PATH, manifest_json_schema
from cloacina.packaging.manifest.models import parse_manifest, read_document
from docsite.generated.manifest import manifest_reference
from docsite.samples.blocks import Block, find_blocks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def manifests(project: Path) -> list[Block]:
    page = project / "docs" / "reference" / "manifest.md"
    return [block for block in find_blocks(page) if block.language == "json"]


def test_manifests_on_the_page_are_valid_and_have_the_fingerprint_that_they_name(manifests: list[Block]) -> None:
    assert [block.title for block in manifests] == ["manifest.json", "rust.json"]
    for block in manifests:
        data = block.source.encode()
        Draft202012Validator(manifest_json_schema()).validate(json.loads(data))
        assert parse_manifest(data).package.fingerprint == fingerprint_of(read_document(data))


def test_site_publishes_the_schema_of_the_models_at_its_own_address(project: Path, tmp_path: Path) -> None:
    config = load_config(str(project / "mkdocs.yml"), site_dir=str(tmp_path))
    files = config.plugins.on_files(Files([]), config=config)
    (file,) = [file for file in files if file.src_uri == SCHEMA_PATH]
    file.copy_file()
    published: dict[str, Any] = json.loads((tmp_path / SCHEMA_PATH).read_bytes())
    assert published == manifest_json_schema()
    assert published["$id"] == f"{DOCUMENTATION_URL}/{file.url}" == f"{config.site_url}{SCHEMA_PATH}"


def test_every_field_of_the_schema_is_in_a_table_of_the_page(project: Path) -> None:
    schema = manifest_json_schema()
    fields = {*schema["properties"]}
    for definition in schema["$defs"].values():
        fields |= definition["properties"].keys()
    written = manifest_reference(project / "docs")
    assert sorted(field for field in fields if f"\n| `{field}` |" not in written) == []
