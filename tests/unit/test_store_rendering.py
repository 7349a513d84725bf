"""What is rendered beforehand is what the tables say."""

from __future__ import annotations

from cloacina.store import rendered, rendering


def test_rendered_statements_are_those_of_the_tables() -> None:
    found = {
        name: getattr(rendered, name) for name in dir(rendered) if name.isupper() and name not in {"KINDS", "SCHEMA"}
    }

    assert found == rendering.named(), "write them anew: python -m cloacina.store.rendering"
    assert list(rendered.KINDS) == rendering.kinds()
    assert list(rendered.SCHEMA) == rendering.schema()
