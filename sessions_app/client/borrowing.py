"""How a session borrows its methods: made of an operation, with its signature, its words and its examples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .wire import Operation

if TYPE_CHECKING:
    from .credentials import AsyncTokens, Tokens
    from .pools import AsyncPool, Pool
    from .running import Manner

P = ParamSpec("P")
T = TypeVar("T")
# What the documentation's examples call ``ids``, although the released client takes these from nobody.
OTHER_NAMES = ("id", "session_id")


class Awaiting:
    """What runs operations to be awaited."""

    _pool: AsyncPool
    _manner: Manner[AsyncTokens]


class Blocking:
    """What runs operations and blocks meanwhile."""

    _pool: Pool
    _manner: Manner[Tokens]


class AwaitingApps(Awaiting):
    """As ``Awaiting``, for the apps of one desktop."""

    _desktop: str


class BlockingApps(Blocking):
    """As ``Blocking``, for the apps of one desktop."""

    _desktop: str


def awaited(
    operation: Callable[P, Operation[T]],
) -> Callable[Concatenate[Awaiting, P], Coroutine[Any, Any, T]]:
    """Make a method of an operation, to be awaited."""
    called = _as_documented(operation)

    @wraps(operation)
    async def method(self: Awaiting, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pool.driver.run(called(*args, **kwargs), self._manner)

    _sign(method, operation)
    return method


def blocking(operation: Callable[P, Operation[T]]) -> Callable[Concatenate[Blocking, P], T]:
    """Make a method of an operation."""
    called = _as_documented(operation)

    @wraps(operation)
    def method(self: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._pool.driver.run(called(*args, **kwargs), self._manner)

    _sign(method, operation)
    return method


def awaited_for_desktop(
    operation: Callable[Concatenate[str, P], Operation[T]],
) -> Callable[Concatenate[AwaitingApps, P], Coroutine[Any, Any, T]]:
    """Make a method of an operation on one desktop, to be awaited."""

    @wraps(operation)
    async def method(self: AwaitingApps, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pool.driver.run(operation(self._desktop, *args, **kwargs), self._manner)

    _sign(method, operation, given=1)
    return method


def blocking_for_desktop(
    operation: Callable[Concatenate[str, P], Operation[T]],
) -> Callable[Concatenate[BlockingApps, P], T]:
    """Make a method of an operation on one desktop."""

    @wraps(operation)
    def method(self: BlockingApps, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._pool.driver.run(operation(self._desktop, *args, **kwargs), self._manner)

    _sign(method, operation, given=1)
    return method


def _as_documented(operation: Callable[P, T]) -> Callable[P, T]:
    """Return the operation, which takes ids by the documentation's other names for them too."""
    if "ids" not in inspect.signature(operation).parameters:
        return operation

    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in OTHER_NAMES:
            # What is given twice stays a mistake.
            if name in kwargs and "ids" not in kwargs and not args:
                kwargs["ids"] = kwargs.pop(name)
        return operation(*args, **kwargs)

    return called


def _sign(method: Any, operation: Callable[..., Any], given: int = 0) -> None:
    """Give the method the operation's signature, with ``self`` and with what is returned in the end."""
    signature = inspect.signature(operation)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returned = str(signature.return_annotation).removeprefix("Operation[").removesuffix("]")
    parameters = list(signature.parameters.values())[given:]
    method.__signature__ = signature.replace(parameters=[self, *parameters], return_annotation=returned)
    method.__name__ = operation.__name__.removesuffix("_outcomes")
    del method.__wrapped__
