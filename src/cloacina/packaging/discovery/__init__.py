"""From a project's source to its tasks, without running any of it.

The entry module is read statement by statement, in the order in which Python would run it, and the modules of the
project that it imports likewise. Names stand for what is known about their values: constants, collections, task
functions, modules, or unknown. A declaration that rests on something unknown is refused with its place.

Which file a module is in is `module_files`; what a statement does, `statements` and `branches`; what an import binds,
`imports`; what an expression is, `expressions`; what a declaration says, `tasks` and `workflows`; which tasks make up
the package, `selection`.
"""

from __future__ import annotations

from cloacina.packaging.discovery.discover import DiscoveredTask, Discovery, discover

__all__ = ["DiscoveredTask", "Discovery", "discover"]
