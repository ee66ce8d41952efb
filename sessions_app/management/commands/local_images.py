"""`manage.py local_images`: list, pull and prune the images of the local platform."""

from sessions_app.management.local import LocalCommand


class Command(LocalCommand):
    """Pass the arguments on to the platform's own command."""

    help = __doc__
    word = "image"
