"""The portal's web process with room for as many sockets of one person as a load test opens: `manage.py` otherwise.

`python -m tests.load.roomy up …`; CANFARWEB_SOCKETS_PER_PERSON says how many.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import replace

import django

import manage


def main() -> None:
    """Raise both limits, then do what `manage.py` does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "canfarweb.settings")
    manage._apply_early_options(sys.argv[1:])
    django.setup()
    from sessions_app.live.consumers import LiveConsumer

    room = int(os.environ["CANFARWEB_SOCKETS_PER_PERSON"])
    if hasattr(LiveConsumer.limits, "sockets_per_person"):
        LiveConsumer.limits = replace(LiveConsumer.limits, sockets_per_person=room)
    manage.main()


if __name__ == "__main__":
    main()
