"""Find a Chromium and a Firefox for the browser journeys, or install them; print nothing when they are there."""

import os
import shutil
import subprocess
import sys

FIREFOXES = ("firefox-esr", "firefox")
# Chromium without a window to draw costs a quarter of the time of the whole one.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """Return the browser to use, if there is one."""
    wanted = os.environ.get("CANFARWEB_CHROMIUM")
    if wanted:
        return wanted if os.access(wanted, os.X_OK) else None
    return next((path for path in map(shutil.which, NAMES) if path), None) or bundled()


def bundled() -> str | None:
    """Return Playwright's own browser where it was installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def install() -> None:
    """Install Chromium: from Debian's packages as root, else Playwright's own build."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests …", flush=True)
        install_packages("chromium-headless-shell", "fonts-dejavu-core")
    if not found():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def install_packages(*packages: str) -> None:
    """Install Debian's packages, which needs root."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-y"]
    subprocess.run([*quiet, "update"], env=environment, check=False)
    install = [*quiet, "install", "--no-install-recommends", *packages]
    subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False)


def has_firefox() -> bool:
    """Say whether the journeys in Firefox can run."""
    return any(map(shutil.which, FIREFOXES))


if not found():
    install()
    if not found():
        sys.exit(
            "The browser tests need Chromium and none could be installed. Install the package "
            "`chromium-headless-shell` or `chromium`, or name a browser with CANFARWEB_CHROMIUM."
        )

if not has_firefox() and os.geteuid() == 0 and shutil.which("apt-get"):
    print("Installing Firefox for the browser tests …", flush=True)
    install_packages("firefox-esr", "fonts-dejavu-core")
if not has_firefox():
    sys.exit(
        "Some browser tests need Firefox and none could be installed. Install the package `firefox-esr` (or `firefox`)."
    )
