"""Take a session's id out of what its log and events say: programs print it, and it opens the session."""

from sessions_app.models import Person, Record
from sessions_app.signin import vault

HIDDEN = "[session id]"


def hidden(text: str, secret: str) -> str:
    """Return the text without the secret."""
    return text.replace(secret, HIDDEN) if secret else text


def secret_of(person: Person, record: Record) -> str:
    """Return the id to be taken out of texts about this session; nothing where it can no longer be known."""
    try:
        return vault.unseal(person.owner_key, record.id_sealed)
    except vault.VaultError:
        return ""
