"""The portal's web process with room for as many sockets of one person as a load test opens: `manage.py` otherwise.

`python -m tests.load.roomy up …`; CANFARWEB_SOCKETS_PER_PERSON says how many.
"""

from __future__ import annotations

import resource

import manage


def main() -> None:
    """Raise the limit of open files, then do what `manage.py` does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    manage.main()


if __name__ == "__main__":
    main()
