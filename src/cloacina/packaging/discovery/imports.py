"""What import statements bind, and which modules of the project they read."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cloacina.packaging.discovery import libraries
from cloacina.packaging.discovery.expressions import attribute_of
from cloacina.packaging.discovery.values import (
    Collection,
    Constant,
    Known,
    LibraryModule,
    ProjectModule,
    Unknown,
    may_be_task,
)

if TYPE_CHECKING:
    from cloacina.packaging.discovery.scopes import ImportResolver
    from cloacina.packaging.discovery.values import Value
    from cloacina.packaging.discovery.world import Reading, World


def run_import(reading: Reading, node: ast.Import) -> None:
    """Read the modules of an `import` statement, and bind its names."""
    for alias in node.names:
        module = reading.world.load(alias.name)
        first = alias.name.partition(".")[0]
        if alias.asname is None:
            reading.module.bind(first, reading.world.load(first) or LibraryModule(first))
        elif module is not None:
            # As Python does it: the attributes of the packages above count, whatever they were bound to.
            value: Value = reading.world.load(first) or module
            for name in alias.name.split(".")[1:]:
                value = attribute_of(value, name)
            reading.module.bind(alias.asname, module if isinstance(value, Unknown) else value)
        else:
            reading.module.bind(alias.asname, libraries.module_value(alias.name))


def run_import_from(reading: Reading, node: ast.ImportFrom) -> None:
    """Read the modules of a `from … import` statement, and bind its names."""
    name = absolute_name(reading.module, node)
    module = reading.world.load(name) if name else None
    for alias in node.names:
        if name is None:
            value: Value = Unknown("the relative import leads out of the project")
        elif alias.name == "*":
            _import_all(reading, name, module)
            continue
        elif module is not None:
            value = _member(reading.world, module, alias.name)
        else:
            value = libraries.member(name, alias.name)
        reading.module.bind(alias.asname or alias.name, value)


def run_imports_of_class(reading: Reading, node: ast.ClassDef) -> None:
    """Read the modules that the body of a class imports; it runs with the module, and binds names of its own."""
    for statement in node.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                reading.world.load(alias.name)
        elif isinstance(statement, ast.ImportFrom) and (name := absolute_name(reading.module, statement)):
            module = reading.world.load(name)
            if module is None:
                continue
            for alias in statement.names:
                _member(reading.world, module, alias.name)


def absolute_name(module: ProjectModule, node: ast.ImportFrom) -> str | None:
    """Return the name of the module that a `from … import` is about; None when it leads out of the project."""
    if not node.level:
        return node.module
    above = module.package.split(".")
    if not module.package or node.level > len(above):
        return None
    package = ".".join(above[: len(above) - node.level + 1])
    return f"{package}.{node.module}" if node.module else package


def resolver(module: ProjectModule, world: World) -> ImportResolver:
    """Return a function that tells what imports inside of functions bind, as far as Cloacina is concerned.

    It reads no modules, because such an import runs when the function is called.
    """

    def resolve(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Value | None:
        value: Value | None
        if isinstance(node, ast.Import):
            is_named = alias.asname is not None
            value = libraries.module_value(alias.name) if is_named else LibraryModule(alias.name.partition(".")[0])
        elif (name := absolute_name(module, node)) is None:
            value = None
        elif (loaded := world.modules.get(name)) is not None:
            value = loaded.names.get(alias.name)
        else:
            value = libraries.member(name, alias.name)
        is_ours = value is not None and (may_be_task(value) or value is Known.WORKFLOW)
        return value if is_ours else None

    return resolve


def _member(world: World, module: ProjectModule, name: str) -> Value:
    if name in module.names:
        return module.names[name]
    submodule = world.load(f"{module.name}.{name}") if module.is_package else None
    return submodule or Unknown(f"`{name}` is not known in {module.name} when it is imported")


def _import_all(reading: Reading, name: str, module: ProjectModule | None) -> None:
    if module is None:
        _import_all_of_library(reading, name)
        return
    listed = module.names.get("__all__")
    if listed is None:
        for each in [each for each in module.names if not each.startswith("_")]:
            reading.module.bind(each, module.names[each])
        return
    names = _texts(listed)
    if names is not None:
        for each in names:
            reading.module.bind(each, _member(reading.world, module, each))
        return
    for each, value in list(module.names.items()):
        reason = f"`__all__` of {module.name} is computed, so `import *` may bind `{each}` or not"
        reading.module.bind(each, Unknown(reason, may_be_task=may_be_task(value)))


def _import_all_of_library(reading: Reading, name: str) -> None:
    public = libraries.public_names(name)
    if public is not None:
        for each in public:
            reading.module.bind(each, libraries.member(name, each))
        return
    for each, value in list(reading.module.names.items()):
        if not isinstance(value, Unknown):
            reason = f"`from {name} import *` may bind `{each}` again; import the names that you need"
            reading.module.bind(each, Unknown(reason, may_be_task=may_be_task(value)))
    for each, value in libraries.UNDERSTOOD.get(name, {}).items():
        reading.module.bind(each, value)


def _texts(value: Value) -> list[str] | None:
    if not isinstance(value, Collection) or value.changed_at is not None:
        return None
    texts = [item.value for item in value.items if isinstance(item, Constant) and isinstance(item.value, str)]
    return texts if len(texts) == len(value.items) else None
