# The part of the API that the commands use: the compiled module has no type information.

from collections.abc import Callable
from typing import TypeVar

_Function = TypeVar("_Function", bound=Callable[..., None])

def command(*, name: str, about: str) -> Callable[[_Function], _Function]: ...
def command_group(name: str, about: str | None = None) -> Callable[[], Callable[[_Function], _Function]]: ...
def argument(
    *,
    name: str,
    help: str,  # noqa: A002 - the name is theirs
    long: str | None = None,
    short: str | None = None,
    required: bool = False,
    takes_value: bool = True,
    is_flag: bool = False,
    multiple_values: bool = False,
    default_value: str | None = None,
) -> Callable[[_Function], _Function]: ...
