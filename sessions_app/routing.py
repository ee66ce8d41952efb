"""Where sockets are mounted: one for everything."""

from django.urls import path

from sessions_app.live.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/", LiveConsumer.as_asgi())]
