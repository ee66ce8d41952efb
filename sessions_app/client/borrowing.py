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

    @wraps(operation)
    async def method(self: Awaiting, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._pool.driver.run(operation(*args, **kwargs), self._manner)

    _sign(method, operation)
    return method


def blocking(operation: Callable[P, Operation[T]]) -> Callable[Concatenate[Blocking, P], T]:
    """Make a method of an operation."""

    @wraps(operation)
    def method(self: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._pool.driver.run(operation(*args, **kwargs), self._manner)

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


def _sign(method: Any, operation: Callable[..., Any], given: int = 0) -> None:
    """Give the method the operation's signature, with ``self`` and with what is returned in the end."""
    signature = inspect.signature(operation)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returned = str(signature.return_annotation).removeprefix("Operation[").removesuffix("]")
    parameters = list(signature.parameters.values())[given:]
    method.__signature__ = signature.replace(parameters=[self, *parameters], return_annotation=returned)
    method.__name__ = operation.__name__.removesuffix("_outcomes")
    del method.__wrapped__
