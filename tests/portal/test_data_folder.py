"""The data folder is judged before it is used: own, private and without links, else refused by name."""

import json
import os
import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from canfarweb import folder, keys
from tests.portal.test_starting import refused

SOMEBODY = 12345


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def made(path, how=0o755):
    path.mkdir()
    path.chmod(how)
    return path


def given_away(path, monkeypatch):
    """Let it belong to another user, which takes root; without it, look at it as another user would."""
    if os.geteuid() == 0:
        os.chown(path, SOMEBODY, SOMEBODY)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)


@pytest.mark.parametrize("how", [0o755, 0o770, 0o777, 0o1777])
def test_a_folder_of_ours_is_made_private(tmp_path, how):
    data = made(tmp_path / "data", how)
    assert folder.judged(data) == data
    assert mode(data) == 0o700
    assert mode(data / folder.DATABASE) == 0o600


def test_what_an_earlier_version_left_readable_is_made_private(tmp_path):
    data = made(tmp_path / "data")
    for name in ("keys.json", "portal.sqlite3", "portal.sqlite3-wal", "started.json"):
        (data / name).write_text("")
        (data / name).chmod(0o644)
    (data / "spool").mkdir(mode=0o755)
    (data / "spool" / "a.log").write_text("")
    folder.judged(data)
    assert {mode(each) for each in data.iterdir() if each.is_file()} == {0o600}
    assert (mode(data / "spool"), mode(data / "spool" / "a.log")) == (0o700, 0o600)


@pytest.mark.parametrize(
    "name", ["", "keys.json", "portal.sqlite3", "portal.sqlite3-wal", "static/a.js", "spool/a.log"]
)
def test_what_belongs_to_somebody_else_is_refused_by_name(tmp_path, monkeypatch, name):
    data = made(tmp_path / "data", 0o777)
    folder.judged(data)
    planted = data / name
    if name:
        planted.parent.mkdir(exist_ok=True)
        planted.touch()
    given_away(planted, monkeypatch)
    with pytest.raises(ImproperlyConfigured, match="another user") as refusal:
        folder.judged(data)
    assert str(planted) in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["", "keys.json", "portal.sqlite3", "up.lock", "started.json", "spool", "static"]
)
def test_a_link_is_refused_by_name(tmp_path, name):
    target = made(tmp_path / "elsewhere")
    data = tmp_path / "data"
    if name:
        data.mkdir(mode=0o700)
    (data / name).symlink_to(target if name in {"", "spool", "static"} else target / "file")
    with pytest.raises(ImproperlyConfigured, match="is a link") as refusal:
        folder.judged(data)
    assert str(data / name) in str(refusal.value)
    assert mode(target) == 0o755
    assert list(target.iterdir()) == []


def test_a_folder_that_others_could_exchange_is_refused(tmp_path):
    above = made(tmp_path / "above", 0o777)
    with pytest.raises(ImproperlyConfigured, match=f"exchange what is in {above}"):
        folder.judged(above / "data")


def test_a_folder_that_others_use_too_is_neither_used_nor_closed_to_them(tmp_path):
    home = made(tmp_path / "home")
    (home / "letter.txt").write_text("")
    with pytest.raises(ImproperlyConfigured, match="holds other things"):
        folder.judged(home)
    assert mode(home) == 0o755


def test_a_start_says_in_one_line_which_folder_it_refuses(tmp_path):
    (tmp_path / "data").symlink_to(made(tmp_path / "elsewhere"))
    said = refused("up", "--no-browser", "--data", str(tmp_path / "data"))
    assert said == f"canfarweb: {tmp_path / 'data'} is a link, or no folder at all, so it is not used."


def test_keys_that_are_no_keys_are_not_taken(tmp_path):
    (tmp_path / "keys.json").write_text(
        json.dumps({"secret_key": "x", "credential_keys": [], "lookup_key": "z"})
    )
    with pytest.raises(ImproperlyConfigured, match="damaged"):
        keys.from_file(tmp_path / "keys.json")
