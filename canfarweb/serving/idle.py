"""Connections on which nothing is asked: a few hundred of one address, the oldest of which make room for new ones."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from django.conf import settings

from canfarweb.serving import limits


class Idle:
    """The idle connections by address, the oldest first."""

    def __init__(self) -> None:
        self._of: dict[str, OrderedDict[Any, None]] = {}

    def add(self, channel: Any) -> None:
        """Count an idle connection; if its address has too many, its oldest is closed."""
        address = _address_of(channel)
        if not address or settings.BEHIND_PROXY:
            return
        mine = self._of.setdefault(address, OrderedDict())
        mine[channel] = None
        if len(mine) > limits.IDLE_OF_ONE_ADDRESS:
            oldest, _ = mine.popitem(last=False)
            oldest.abort()

    def remove(self, channel: Any) -> None:
        """Count it no more: something is asked on it, or it is gone."""
        address = _address_of(channel)
        mine = self._of.get(address)
        if mine is not None:
            mine.pop(channel, None)
            if not mine:
                del self._of[address]


def _address_of(channel: Any) -> str:
    """Return the address that the channel remembers of its peer: a lost connection has none any more."""
    if not hasattr(channel, "came_from"):
        channel.came_from = str(getattr(channel.transport.getPeer(), "host", "")) if channel.transport else ""
    return str(channel.came_from)
