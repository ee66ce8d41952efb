"""The OpenAPI document of everything that is served."""

from typing import Any


def document() -> dict[str, Any]:
    """Compose the document."""
    return {"openapi": "3.1.0"}
