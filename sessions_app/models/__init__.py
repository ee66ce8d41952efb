"""What the portal keeps, one module per thing."""

from sessions_app.models.credential import Credential
from sessions_app.models.journal import Operation, Step
from sessions_app.models.person import Person
from sessions_app.models.record import Record
from sessions_app.models.welcome import WelcomeKey

__all__ = ["Credential", "Operation", "Person", "Record", "Step", "WelcomeKey"]
