"""Find what the desktop of the local platform needs for its tests, or install it; print nothing when it is there."""

import os
import shutil
import subprocess
import sys

PROGRAMS = {
    "Xtigervnc": "tigervnc-standalone-server",
    "vncpasswd": "tigervnc-tools",
    "jwm": "jwm",
    "xterm": "xterm",
}


def missing() -> list[str]:
    """Return the packages whose program is not there."""
    return [package for program, package in PROGRAMS.items() if not shutil.which(program)]


def install(packages: list[str]) -> None:
    """Install Debian's packages, which needs root."""
    print("Installing a desktop for the tests of the local platform …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-y"]
    subprocess.run([*quiet, "update"], env=environment, check=False)
    subprocess.run(
        [*quiet, "install", "--no-install-recommends", *packages],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )


if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
    install(missing())
if missing():
    sys.exit(
        "The tests of the local platform start real desktops, which need packages that are not there: install "
        f"{' '.join(missing())}."
    )
if not shutil.which("npm"):
    sys.exit(
        "The tests of the local platform install npm packages, and npm is not there: install Node 20 or newer."
    )
