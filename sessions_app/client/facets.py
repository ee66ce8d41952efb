"""What a session hands out beside its own calls: outcomes for each item, and the apps of a desktop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import apps, operations
from .borrowing import (
    Awaiting,
    AwaitingApps,
    Blocking,
    BlockingApps,
    awaited,
    awaited_for_desktop,
    blocking,
    blocking_for_desktop,
)

if TYPE_CHECKING:
    from .sessions import AsyncSession, Session


class AsyncOutcomes(Awaiting):
    """The calls over many items, with one ``Outcome`` for each item, in order. Nothing is raised for one item."""

    def __init__(self, session: AsyncSession) -> None:
        self._pool, self._manner = session._pool, session._manner

    info = awaited(operations.info_outcomes)
    logs = awaited(operations.logs_outcomes)
    create = awaited(operations.create_outcomes)
    events = awaited(operations.events_outcomes)
    destroy = awaited(operations.destroy_outcomes)
    renew = awaited(operations.renew_outcomes)


class Outcomes(Blocking):
    """The calls over many items, with one ``Outcome`` for each item, in order. Nothing is raised for one item."""

    def __init__(self, session: Session) -> None:
        self._pool, self._manner = session._pool, session._manner

    info = blocking(operations.info_outcomes)
    logs = blocking(operations.logs_outcomes)
    create = blocking(operations.create_outcomes)
    events = blocking(operations.events_outcomes)
    destroy = blocking(operations.destroy_outcomes)
    renew = blocking(operations.renew_outcomes)


class AsyncAppOutcomes(AwaitingApps):
    """The calls over many apps, with one ``Outcome`` for each app, in order. Nothing is raised for one app."""

    def __init__(self, apps: AsyncApps) -> None:
        self._pool, self._manner, self._desktop = apps._pool, apps._manner, apps._desktop

    info = awaited_for_desktop(apps.info_outcomes)
    destroy = awaited_for_desktop(apps.destroy_outcomes)


class AppOutcomes(BlockingApps):
    """The calls over many apps, with one ``Outcome`` for each app, in order. Nothing is raised for one app."""

    def __init__(self, apps: Apps) -> None:
        self._pool, self._manner, self._desktop = apps._pool, apps._manner, apps._desktop

    info = blocking_for_desktop(apps.info_outcomes)
    destroy = blocking_for_desktop(apps.destroy_outcomes)


class AsyncApps(AwaitingApps):
    """The apps of one desktop session."""

    def __init__(self, session: AsyncSession, desktop: str) -> None:
        self._pool, self._manner, self._desktop = session._pool, session._manner, desktop

    fetch = awaited_for_desktop(apps.fetch)
    attach = awaited_for_desktop(apps.attach)
    info = awaited_for_desktop(apps.info)
    destroy = awaited_for_desktop(apps.destroy)

    @property
    def outcomes(self) -> AsyncAppOutcomes:
        """The calls over many apps, with one outcome for each."""
        return AsyncAppOutcomes(self)


class Apps(BlockingApps):
    """The apps of one desktop session."""

    def __init__(self, session: Session, desktop: str) -> None:
        self._pool, self._manner, self._desktop = session._pool, session._manner, desktop

    fetch = blocking_for_desktop(apps.fetch)
    attach = blocking_for_desktop(apps.attach)
    info = blocking_for_desktop(apps.info)
    destroy = blocking_for_desktop(apps.destroy)

    @property
    def outcomes(self) -> AppOutcomes:
        """The calls over many apps, with one outcome for each."""
        return AppOutcomes(self)
