"""Where sockets are mounted: one for everything."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from sessions_app.live.browsers import FewSockets
from sessions_app.live.consumers import LiveConsumer
from sessions_app.live.handshake import PersonOfSession
from sessions_app.live.nowhere import nowhere
from sessions_app.live.origins import OwnOriginsOnly

# Applications stand where Django's types expect views.
live: Any = OwnOriginsOnly(FewSockets(PersonOfSession(LiveConsumer.as_asgi())))
# Without the second one Channels raises an error, which costs twenty lines of log for each try.
elsewhere: Any = nowhere
sockets = URLRouter([path("ws/", live), re_path(r"", elsewhere)])
