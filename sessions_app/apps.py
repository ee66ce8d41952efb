"""Django's handle on the application."""

from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    """The portal."""

    name = "sessions_app"
    default_auto_field = "django.db.models.BigAutoField"
