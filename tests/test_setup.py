"""What sets up the tests writes where it says and nowhere else."""

import runpy
import tarfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

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


@pytest.mark.parametrize("comes", [1, 2, 3])
def test_an_image_is_pulled_once_more_and_then_said_to_be_missing(
    comes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CANFARWEB_TEST_IMAGES", str(tmp_path))
    main, pulls = runpy.run_path(str(ROOT / ".setup" / "images.py"))["main"], []

    def pull(command: list[str], **options: object) -> SimpleNamespace:
        pulls.append(command[-1])
        return SimpleNamespace(returncode=int(len(pulls) < comes))

    monkeypatch.setitem(main.__globals__, "missing", lambda: ["an-image"] if len(pulls) < comes else [])
    monkeypatch.setitem(main.__globals__, "subprocess", SimpleNamespace(run=pull, DEVNULL=None))
    if comes > 2:
        with pytest.raises(SystemExit, match="could not be pulled"):
            main()
    else:
        main()
    assert pulls == ["an-image"] * min(comes, 2)
