"""A client of the session API of the CANFAR Science Platform.

>>> from sessions_app.client import AsyncSession, Session
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, values
    from .pools import AsyncPool, Pool
    from .retries import Retries
    from .sessions import AsyncSession, Session
    from .wire import Outcome

__all__ = ["AsyncPool", "AsyncSession", "Outcome", "Pool", "Retries", "Session", "errors", "values"]

_HOMES = {
    "AsyncPool": "pools",
    "AsyncSession": "sessions",
    "Outcome": "wire",
    "Pool": "pools",
    "Retries": "retries",
    "Session": "sessions",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: who wants the values need not wait for the rest."""
    if name in {"errors", "values"}:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
