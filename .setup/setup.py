"""Make the virtual environment and install the locked packages, unless that is done already.

Runs on the system's Python with its standard library alone. A stamp holds the digest of what was installed.
"""

import hashlib
import subprocess
import sys
from pathlib import Path


def main() -> None:
    venv, lock = Path(sys.argv[1]), Path(sys.argv[2])
    if sys.version_info < (3, 11):
        sys.exit(f"canfarweb needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / f".installed-{lock.stem}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not (venv / "bin" / "python").exists():
        make(venv)
    install(venv, lock)
    for other in venv.glob(".installed-*"):
        other.unlink()
    stamp.write_text(wanted)
    # The lock for tests holds all of the other.
    if lock.stem == "requirements-dev":
        runtime = lock.with_name("requirements.lock")
        (venv / f".installed-{runtime.stem}").write_text(
            hashlib.sha256(runtime.read_bytes() + sys.version.encode()).hexdigest()
        )


def make(venv: Path) -> None:
    print("Making the virtual environment …", flush=True)
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit("The virtual environment could not be made. On Debian and Ubuntu: apt install python3-venv.")


def install(venv: Path, lock: Path) -> None:
    print(f"Installing what {lock} names …", flush=True)
    pip = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        str(lock),
    ]
    if subprocess.run([*pip, "--disable-pip-version-check"]).returncode != 0:
        sys.exit("The packages could not be installed; what pip said stands above. Nothing else was changed.")


if __name__ == "__main__":
    main()
