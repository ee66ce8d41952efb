"""The portal's addresses. A page and its fragment share one, but for a fragment that is a thing of its own."""

from django.urls import include, path

from sessions_app.live import downloads, over_http
from sessions_app.views import connect, health, launch, operations, sessions, signin, stats, texts, theme

signin_patterns = (
    [
        path("signin", signin.start, name="start"),
        path("welcome", signin.welcome, name="welcome"),
        path("signout", signin.leave, name="leave"),
    ],
    "signin",
)

session_patterns = (
    [
        path("", sessions.listing, name="list"),
        path("stats", stats.strip, name="stats"),
        path("launch", launch.form, name="launch"),
        path("launch/check", launch.check, name="launch-check"),
        path("renew", operations.renew, name="renew"),
        path("destroy", operations.destroy, name="destroy"),
        path("operations/<slug:slug>", operations.outcome, name="operation"),
        path("operations/<slug:slug>/undo", operations.undo, name="undo"),
        path("operations/<slug:slug>/again", operations.again, name="again"),
        path("s/<slug:slug>", sessions.detail, name="detail"),
        path("s/<slug:slug>/open", connect.connect, name="open"),
        path("s/<slug:slug>/log.txt", downloads.log, name="log"),
        path("s/<slug:slug>/log/kept.txt", downloads.log_kept, name="log-kept"),
        path("s/<slug:slug>/log/search", over_http.log_search, name="log-search"),
        path("s/<slug:slug>/log/lines", over_http.log_lines, name="log-lines"),
        path("s/<slug:slug>/log/since", over_http.log_since, name="log-since"),
        path("s/<slug:slug>/events/since", over_http.events_since, name="events-since"),
        path("s/<slug:slug>/events.txt", texts.events, name="events"),
    ],
    "sessions",
)

urlpatterns = [
    path("", include(signin_patterns)),
    path("", include(session_patterns)),
    path("theme", theme.choose, name="theme"),
    path("healthz", health.alive, name="healthz"),
]
