"""A production start that is none is refused by name, and one that is passes Django's own judgement."""

import base64
import hashlib
import os
import subprocess
import sys

import pytest

from tests.platforms import ROOT
from tests.portal.test_starting import command, refused


def key(word: str) -> str:
    """Return a key that looks like chance and that Fernet takes, the same in every process that shares the tests."""
    return base64.urlsafe_b64encode(hashlib.sha256(word.encode()).digest()).decode()


SITE = {
    "CANFARWEB_PRODUCTION": "true",
    "CANFARWEB_SECRET_KEY": key("secret") + key("of Django"),
    "CANFARWEB_CREDENTIAL_KEYS": key("credentials"),
    "CANFARWEB_LOOKUP_KEY": key("lookup"),
    "CANFARWEB_HOSTS": "portal.example.org",
    "CANFARWEB_PLATFORM": "https://ws.example.org/skaha/v1",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CANFARWEB_SECRET_KEY", ""),
        ("CANFARWEB_SECRET_KEY", "x"),
        ("CANFARWEB_SECRET_KEY", "x" * 60),
        ("CANFARWEB_SECRET_KEY", "django-insecure-" + key("insecure") + key("still")),
        ("CANFARWEB_LOOKUP_KEY", ""),
        ("CANFARWEB_LOOKUP_KEY", "z"),
        ("CANFARWEB_LOOKUP_KEY", "ab" * 30),
        ("CANFARWEB_LOOKUP_KEY", SITE["CANFARWEB_SECRET_KEY"]),
        ("CANFARWEB_CREDENTIAL_KEYS", ""),
        ("CANFARWEB_CREDENTIAL_KEYS", ","),
        ("CANFARWEB_CREDENTIAL_KEYS", "y"),
        ("CANFARWEB_CREDENTIAL_KEYS", "A" * 43 + "="),
        ("CANFARWEB_CREDENTIAL_KEYS", SITE["CANFARWEB_CREDENTIAL_KEYS"] + ",y"),
        ("CANFARWEB_HOSTS", ""),
        ("CANFARWEB_HOSTS", "*"),
        ("CANFARWEB_HOSTS", ".example.org"),
        ("CANFARWEB_HOSTS", "portal.example.org, *"),
        ("CANFARWEB_HOSTS", "https://portal.example.org"),
        ("CANFARWEB_ORIGINS", "*"),
        ("CANFARWEB_ORIGINS", "http://portal.example.org"),
        ("CANFARWEB_PLATFORM", ""),
        ("CANFARWEB_PLATFORM", "http://ws.example.org/skaha/v1"),
        ("CANFARWEB_PLATFORM", "http://localhost:8001/skaha/v1"),
        ("CANFARWEB_DEBUG", "true"),
        ("CANFARWEB_CA_FILE", "/nowhere/ca.pem"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("CANFARWEB_PROXY", "socks5://proxy:1080"),
        ("CANFARWEB_PROXY", "proxy.example.org:3128"),
    ],
)
def test_a_production_start_that_is_none_names_the_variable(tmp_path, name, value):
    said = refused("check", CANFARWEB_DATA=str(tmp_path), **{**SITE, name: value})
    assert name in said
    # A key is not repeated, however bad it is.
    assert "KEY" not in name or len(value) < 20 or value not in said


def test_a_production_start_passes_the_check_for_deployment_without_a_warning(tmp_path):
    words, environment = command("check", "--deploy", "--fail-level", "WARNING")
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**environment, **SITE, "CANFARWEB_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


LOOK = """
import os, subprocess, sys
import canfarweb.settings as settings
print(settings.SECRET_KEY)
print(open("/proc/self/environ", "rb").read())
print(dict(os.environ))
print(subprocess.run(["env"], capture_output=True, text=True).stdout)
"""


def test_the_keys_are_taken_out_of_the_environment_once_they_were_read(tmp_path):
    environment = {**os.environ, **SITE, "CANFARWEB_DATA": str(tmp_path), "CANARY": "stays"}
    words = [sys.executable, "-c", LOOK]
    told = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    read, _, seen = told.stdout.partition("\n")
    assert read == SITE["CANFARWEB_SECRET_KEY"], told.stderr
    assert seen.count("stays") == 3
    for name in ("CANFARWEB_SECRET_KEY", "CANFARWEB_CREDENTIAL_KEYS", "CANFARWEB_LOOKUP_KEY"):
        assert SITE[name] not in seen
