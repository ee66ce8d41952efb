"""Find the programs that the tests run beside the portal, or install them; print nothing when they are there."""

import os
import shutil
import subprocess
import sys

# A desktop for the local platform, and the smallest shell that an image may have.
PROGRAMS = {
    "Xtigervnc": "tigervnc-standalone-server",
    "vncpasswd": "tigervnc-tools",
    "jwm": "jwm",
    "xterm": "xterm",
    "dash": "dash",
    "bash": "bash",
    "busybox": "busybox",
}


def missing() -> list[str]:
    """Return the packages whose program is not there."""
    return [package for program, package in PROGRAMS.items() if not shutil.which(program)]


def install(packages: list[str]) -> None:
    """Install Debian's packages, which needs root."""
    print(f"Installing {', '.join(packages)} for the tests …", flush=True)
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
        "The tests start real desktops and shells, which need packages that are not there: install "
        f"{' '.join(missing())}."
    )
if not shutil.which("npm"):
    sys.exit(
        "The tests of the local platform install npm packages, and npm is not there: install Node 20 or newer."
    )
