"""What sets up the tests writes where it says and nowhere else."""

import runpy
import tarfile
from io import BytesIO
from pathlib import Path

from tests.platforms import ROOT


def test_an_archive_writes_its_tests_and_nothing_outside_their_folder(tmp_path: Path) -> None:
    archive, outside = tmp_path / "canfar-1.tar.gz", tmp_path / "outside"
    inside = "canfar-1/tests/"
    with tarfile.open(archive, "w:gz") as made:
        for name in (f"{inside}a/b.py", f"{inside}../up.py", f"{inside}{outside}", "canfar-1/c.py"):
            member = tarfile.TarInfo(name)
            member.size = 4
            made.addfile(member, BytesIO(b"True"))
        link = tarfile.TarInfo(f"{inside}link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        made.addfile(link)
    runpy.run_path(str(ROOT / ".setup" / "released.py"))["unpack"](archive, inside, tmp_path / "live")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == [
        archive,
        tmp_path / "live" / "tests" / "a" / "b.py",
    ]
