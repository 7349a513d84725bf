"""What `@task` returns, records and refuses."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, assert_type

import pytest

from cloacina import Context, InvalidName, InvalidOption, InvalidTask, RetryPolicy, Workflow, task
from cloacina.retry import NO_RETRY
from cloacina.task import task_definition


def test_the_function_itself_is_returned_and_stays_callable() -> None:
    def function(context: Context) -> None:
        context["called"] = True

    context = Context()
    assert task(function) is function
    assert task(id="again")(functools.partial(function)).func is function
    function(context)
    assert context["called"] is True


def test_the_type_of_the_function_is_kept() -> None:
    @task
    def bare(context: Context, flag: bool = False) -> Context:
        return context

    @task(timeout=1)
    async def with_arguments(context: Context) -> None:
        context["a"] = 1

    assert_type(bare(Context(), flag=True), Context)
    coroutine: Coroutine[Any, Any, None] = with_arguments(Context())
    coroutine.close()


def test_a_bare_task_has_the_defaults() -> None:
    @task
    def load(context: Context) -> None:
        """Load the rows.

        From the file.
        """

    definition = task_definition(load)
    assert definition.id == "load"
    assert definition.function is load
    assert definition.dependencies == ()
    assert definition.retry is NO_RETRY
    assert definition.retry.attempts == 1
    assert definition.timeout is None
    assert definition.description == "Load the rows."
    assert definition.is_async is False
    assert definition.requires_handle is False
    assert definition.handle_parameter is None


def test_arguments_are_recorded() -> None:
    policy = RetryPolicy(attempts=4)

    @task
    def first(context: Context) -> None:
        """Come first."""

    @task(
        id="load-rows.v2",
        dependencies=[first, "second", "first"],
        retry=policy,
        timeout=timedelta(minutes=2),
        description="Loads",
    )
    async def load(context: Context) -> None:
        """Not this."""

    definition = task_definition(load)
    assert definition.id == "load-rows.v2"
    assert definition.dependencies == ("first", "second")
    assert definition.retry is policy
    assert definition.timeout == 120.0
    assert definition.description == "Loads"
    assert definition.is_async is True


def test_a_task_without_docstring_has_no_description() -> None:
    @task
    def silent(context: Context) -> None:
        pass

    assert task_definition(silent).description is None


def test_a_unicode_function_name_is_an_id() -> None:
    @task
    def prüfe(context: Context) -> None:
        pass

    assert task_definition(prüfe).id == "prüfe"


@pytest.mark.parametrize("name", ["", "1st", "a b", "-a", ".a", "a/b", "a\n", "x" * 129, "<lambda>"])
def test_unusable_ids_are_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="1 to 128 letters"):
        task(id=name)(functools.partial(lambda context: None))


def test_an_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidName, match=r"^7 cannot be the id of a task"):
        task(id=7)(lambda context: None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("name", ["a", "_a", "a" * 128, "a.b-c_d9"])
def test_usable_ids_are_accepted(name: str) -> None:
    function = functools.partial(lambda context: None)
    assert task_definition(task(id=name)(function)).id == name


def generator(context: Context) -> Iterator[int]:
    yield 1


async def async_generator(context: Context) -> AsyncIterator[int]:
    yield 1


def no_parameter() -> None: ...
def only_a_handle(handle: object) -> None: ...
def context_by_name_only(*, context: Context) -> None: ...
def another_parameter(context: Context, path: str) -> None: ...
def another_keyword(context: Context, *, path: str) -> None: ...
def star_args(*args: object) -> None: ...
def star_kwargs(context: Context, **kwargs: object) -> None: ...
def two_handles(context: Context, handle: object, task_handle: object) -> None: ...


class Class:
    def __init__(self, context: Context) -> None: ...

    def method(self, context: Context) -> None: ...

    def only_self(self) -> None: ...


class GeneratorObject:
    def __call__(self, context: Context) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (generator, "is a generator function"),
        (async_generator, "is a generator function"),
        (GeneratorObject(), "is a generator function"),
        (functools.partial(generator), "is a generator function"),
        (Class, "is a class"),
        (Class.method, "is a method"),
        (Class.only_self, "is a method"),
        (no_parameter, "has no parameter for the context"),
        (only_a_handle, "has no parameter for the context"),
        (context_by_name_only, "has no parameter for the context"),
        (another_parameter, "takes 'path' besides the context 'context'"),
        (another_keyword, "takes 'path' besides the context 'context'"),
        (star_args, r"has the parameter \*args"),
        (star_kwargs, r"has the parameter \*\*kwargs"),
        (two_handles, "takes the handle twice, as 'handle' and 'task_handle'"),
        (Class(Context()).method, "takes no attributes"),
        (print, r"has the parameter \*args"),
        (len, "takes no attributes"),
        (dict.fromkeys, "takes no attributes"),
        (min, "has no signature|has the parameter"),
        (17, "is no function"),
        ("load", r"is no function. Arguments have names: @task\(id='...'\)"),
    ],
    ids=str,
)
def test_what_cannot_be_a_task_is_refused(function: Any, message: str) -> None:
    with pytest.raises(InvalidTask, match=message):
        task(id="refused")(function)


def test_an_object_without_a_name_needs_an_id() -> None:
    with pytest.raises(InvalidTask, match="has no name of its own"):
        task(functools.partial(another_parameter, path="x"))


def test_further_parameters_with_defaults_are_allowed() -> None:
    def function(context: Context, path: str = "x", *, retries: int = 3) -> None:
        context["seen"] = [path, retries]

    context = Context()
    task_definition(task(function)).run_blocking(context)
    assert context["seen"] == ["x", 3]


@pytest.mark.parametrize("dependencies", ["first", None, 3])
def test_dependencies_are_a_list(dependencies: Any) -> None:
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidOption, match="Expected a list of ids or task functions"):
        task(dependencies=dependencies)(function)


@pytest.mark.parametrize("dependency", [1, None, b"a"])
def test_a_dependency_is_an_id_or_a_task(dependency: Any) -> None:
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidOption, match="Expected ids or task functions"):
        task(dependencies=[dependency])(function)


def test_a_dependency_that_is_no_task_is_refused() -> None:
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidTask, match="is not a task"):
        task(dependencies=[another_parameter])(function)


@pytest.mark.parametrize("options", [{"retry": 3}, {"timeout": 0}, {"timeout": -1}, {"timeout": "1"}], ids=str)
def test_other_options_are_checked(options: dict[str, Any]) -> None:
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidOption, match=rf"^{next(iter(options))} is "):
        task(**options)(function)


def test_a_function_is_one_task() -> None:
    @task
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidTask, match="is already the task 'function'"):
        task(id="other")(function)
    assert task_definition(function).id == "function"


def test_a_decorator_above_task_is_refused_where_the_task_is_used() -> None:
    def logged(inner: Callable[[Context], None]) -> Callable[[Context], None]:
        @functools.wraps(inner)
        def outer(context: Context) -> None:
            inner(context)

        return outer

    @logged
    @task
    def function(context: Context) -> None: ...

    with pytest.raises(InvalidTask, match="Put @task above the other decorators"):
        Workflow("workflow", tasks=[function])


def test_a_plain_function_has_no_definition() -> None:
    with pytest.raises(InvalidTask, match="is not a task"):
        task_definition(another_parameter)
