"""The portal's settings for tests: a data folder and a platform port of their own."""

import atexit
import os
import shutil
import tempfile

from tests.platforms import free_port

if "CANFARWEB_TEST_DATA" not in os.environ:
    os.environ["CANFARWEB_TEST_DATA"] = tempfile.mkdtemp(prefix="canfarweb-")
    atexit.register(shutil.rmtree, os.environ["CANFARWEB_TEST_DATA"], ignore_errors=True)

for _name in [name for name in os.environ if name.startswith("CANFARWEB_") and name != "CANFARWEB_TEST_DATA"]:
    if _name not in {"CANFARWEB_TEST_IMAGES", "CANFARWEB_CHROMIUM"}:
        del os.environ[_name]
os.environ["CANFARWEB_DATA"] = os.environ["CANFARWEB_TEST_DATA"]
os.environ["CANFARWEB_PLATFORM_PORT"] = str(free_port())

from canfarweb.settings import *  # noqa: E402, F403

ALLOWED_HOSTS = ["localhost", "testserver"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT.mkdir(exist_ok=True)  # noqa: F405
# A destroy that can be taken back is waited for by many tests.
UNDO_SECONDS = 0.0
