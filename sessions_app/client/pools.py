"""The connections to one platform, shared by all people. A pool holds no credential but a certificate."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .retries import Retries
from .wire import base_address

if TYPE_CHECKING:
    from .drivers.asynchronous import AsyncDriver
    from .drivers.blocking import Driver

USUAL_CONCURRENCY = 32
MOST_CONCURRENCY = 128


class _Pool:
    def __init__(
        self,
        *,
        url: str | None = None,
        server: str | None = None,
        version: str = "v1",
        concurrency: int | str | None = None,
        certificate: str | Path | bytes | None = None,
        authorities: str | Path | None = None,
        proxy: str | None = None,
        retries: Retries | None = None,
        transport: Any = None,
    ) -> None:
        self.url = base_address(url=url, server=server, version=version)
        """The platform's address, version included."""
        self.concurrency = _places(concurrency)
        self.has_certificate = certificate is not None
        self._wiring: dict[str, Any] = {
            "concurrency": self.concurrency,
            "certificate": certificate,
            "authorities": authorities,
            "proxy": proxy,
            "retries": retries or Retries(),
            "transport": transport,
        }
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Name the platform."""
        return f"{type(self).__name__}(url={self.url!r}, concurrency={self.concurrency})"


class AsyncPool(_Pool):
    """The connections to one platform for ``AsyncSession``; at most ``concurrency`` requests at a time.

    ``url`` names the platform with its version; or ``server`` and ``version`` do, in two parts. ``certificate`` is a
    PEM with its key, as a path or as bytes; a pool with one belongs to one person. ``authorities`` is a PEM file of
    those whose word is taken for the platform's certificate, in place of the usual ones; ``proxy`` is the address of an
    http proxy, with its name and password if it wants them. Each event loop that it is used on has connections and
    places of its own, which are closed at the latest with the loop.

    >>> pool = AsyncPool(url="http://localhost:8001/skaha/v1", concurrency=32)
    >>> await pool.aclose()
    """

    driver: AsyncDriver

    def _open(self) -> None:
        # Imported here, so that the package is quick to import for those who only want its values.
        from .drivers.asynchronous import AsyncDriver

        self.driver = AsyncDriver(self.url, **self._wiring)

    async def aclose(self) -> None:
        """Close this event loop's connections. The next call opens new ones."""
        await self.driver.aclose()

    async def __aenter__(self) -> Self:
        """Return the pool; it is closed at the end of the block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()


class Pool(_Pool):
    """As ``AsyncPool``, for ``Session``; it may be shared by threads.

    >>> pool = Pool(url="http://localhost:8001/skaha/v1", concurrency=32)
    >>> pool.close()
    """

    driver: Driver

    def _open(self) -> None:
        from .drivers.blocking import Driver

        self.driver = Driver(self.url, **self._wiring)

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self.driver.close()

    def __enter__(self) -> Self:
        """Return the pool; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()


def _places(concurrency: int | str | None) -> int:
    if concurrency is None:
        return USUAL_CONCURRENCY
    if isinstance(concurrency, str) and concurrency.strip().isdecimal():
        # As the released client takes it.
        concurrency = int(concurrency.strip()[:9])
    if isinstance(concurrency, bool) or not isinstance(concurrency, int):
        raise TypeError("concurrency must be a whole number.")
    if not 1 <= concurrency <= MOST_CONCURRENCY:
        raise ValueError(f"concurrency must be from 1 to {MOST_CONCURRENCY}.")
    return concurrency
