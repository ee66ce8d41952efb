"""Take a session's id out of what its log and events say: programs print it, and it opens the session."""

HIDDEN = "[session id]"


def hidden(text: str, secret: str) -> str:
    """Return the text without the secret."""
    return text.replace(secret, HIDDEN) if secret else text
