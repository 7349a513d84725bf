# What `angreal fuzz` uses of atheris, which is a compiled module without type information.

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

def instrument_imports(*, include: Sequence[str] = ...) -> AbstractContextManager[None]: ...
def Setup(arguments: Sequence[str], test_one_input: Callable[[bytes], None], /) -> list[str]: ...  # noqa: N802
def Fuzz() -> None: ...  # noqa: N802
