"""Install released canfar clients, each into an environment of its own under var/released, to compare ours with.

Beside each go the tests that its source archive holds: the live ones are run against the local platform. They are under
another licence than ours, so they are fetched and never kept here.

``python .setup/released.py [VERSION …]``: without one, every version that has a lock beside the client's tests.
Runs on the system's Python with its standard library alone. A stamp holds the digest of what was installed.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
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
        provide_tests(version, known[version].with_suffix(".sdist"))


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


def provide_tests(version: str, pinned: Path) -> None:
    """Unpack the tests of a source archive whose hash is known, unless they are there."""
    home = HOMES / version
    wanted, stamp = hashlib.sha256(pinned.read_bytes()).hexdigest(), home / ".tests"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Fetching the tests of canfar {version} …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            str(home / "bin" / "python"),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
        ]
        only_this = ["--no-deps", "--no-binary", "canfar", "--require-hashes", "-r", str(pinned)]
        if subprocess.run([*pip, *only_this, "--dest", folder]).returncode != 0:
            sys.exit(f"The tests of canfar {version} could not be fetched; what pip said stands above.")
        [archive] = Path(folder).glob("canfar-*.tar.gz")
        # What another archive held must not stay behind.
        shutil.rmtree(home / "live", ignore_errors=True)
        unpack(archive, f"canfar-{version}/tests/", home / "live")
    stamp.write_text(wanted)


def unpack(archive: Path, inside: str, to: Path) -> None:
    """Write the files of one folder of an archive, and nothing outside the folder given."""
    with tarfile.open(archive) as found:
        for member in found:
            name = member.name.removeprefix(inside)
            is_within = ".." not in Path(name).parts and not Path(name).is_absolute()
            if not member.isfile() or name == member.name or not is_within:
                continue
            path = to / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = found.extractfile(member)
            assert content is not None
            path.write_bytes(content.read())


if __name__ == "__main__":
    main()
