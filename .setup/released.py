"""Install released canfar clients, each into an environment of its own under var/released, to compare ours with.

``python .setup/released.py [VERSION …]``: without one, every version that has a lock beside the client's tests.
Runs on the system's Python with its standard library alone. A stamp holds the digest of what was installed.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "tests" / "client"
HOMES = ROOT / "var" / "released"


def main() -> None:
    known = {lock.stem.removeprefix("released-"): lock for lock in sorted(LOCKS.glob("released-*.lock"))}
    for version in sys.argv[1:] or known:
        if version not in known:
            sys.exit(f"There is no lock for canfar {version}, only for {', '.join(known)}.")
        provide(version, known[version])


def provide(version: str, lock: Path) -> None:
    home = HOMES / version
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    stamp = home / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing canfar {version} to compare with …", flush=True)
    # What another lock installed must not stay behind.
    make = [sys.executable, "-m", "venv", "--clear", str(home)]
    done = subprocess.run(make, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(f"An environment for canfar {version} could not be made; what Python said stands above.")
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--require-hashes", "-r", str(lock)]).returncode != 0:
        sys.exit(
            f"canfar {version} could not be installed; what pip said stands above. Nothing else was changed."
        )
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
