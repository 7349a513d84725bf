"""Queries that are imported when they are run: in a thread that reads, where waiting for SQLAlchemy holds nobody up."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["queries"]

if TYPE_CHECKING:
    from cloacina.store import queries
else:

    class _Later:
        """Stands for a module: its functions are looked up when they are called."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                return getattr(import_module(self._module), name)(*args, **kwargs)

            return call

    queries = _Later("cloacina.store.queries")
