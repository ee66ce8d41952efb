"""Pull the images that the tests start, so that no test waits for a download; print nothing when they are there.

Runs in the virtual environment. The folder is shared by all runs, and `CANFARWEB_TEST_IMAGES` names another.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from sessions_app.local.pull import Puller

FOLDER = Path(os.environ.get("CANFARWEB_TEST_IMAGES", ROOT / "var" / "test-images")).resolve()


def missing() -> list[str]:
    """Return the names of the images that can be pulled and are not here."""
    puller = Puller(FOLDER)
    return [image.id for image in puller.usable() if image.recipe and puller.folder(image) is None]


def main() -> None:
    names = missing()
    if not names:
        return
    print(
        f"Pulling {len(names)} images for the tests into {FOLDER}; once, it takes a minute or two …",
        flush=True,
    )
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    pull = [sys.executable, "-m", "sessions_app.local", "image", "pull", "--images", str(FOLDER), *names]
    began = time.monotonic()
    if subprocess.run(pull, cwd=ROOT, stderr=subprocess.DEVNULL).returncode and missing():
        # Once more, aloud: it may have been the network; if it was not, it says why.
        subprocess.run(pull, cwd=ROOT)
    if missing():
        sys.exit("An image for the tests could not be pulled; why stands above. What was pulled stays.")
    print(f"Pulled in {time.monotonic() - began:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
