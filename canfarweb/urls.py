"""Where the application is mounted."""

from django.urls import include, path

from sessions_app.views import errors

urlpatterns = [path("", include("sessions_app.urls"))]

handler400 = errors.bad_request
handler403 = errors.not_allowed
handler404 = errors.not_found
handler500 = errors.broken
