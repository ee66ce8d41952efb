"""What both drivers put on the wire: a request's headers, and the TLS settings."""

from __future__ import annotations

import logging
import ssl
from importlib import metadata
from pathlib import Path

import httpx

from ..answers import kept
from ..credentials import load_certificate
from ..wire import Request

Certificate = str | Path | bytes

# Idle connections are dropped after this, so that a platform that moved is found at its new address.
KEEPALIVE = 15.0

# At INFO these print whole addresses, and ours hold the variables of a session.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def headers_of(credential: dict[str, str]) -> dict[str, str]:
    """Return the headers of a request: everything is in the query, the body is empty and of form type."""
    return {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": _USER_AGENT,
        **credential,
    }


def prepared(request: Request, url: httpx.URL | str, headers: dict[str, str]) -> httpx.Request:
    """Return the request as httpx has it."""
    made = httpx.Request(request.method, url, headers=headers)
    # Said once, it need not be found out by trying to decode every header.
    made.headers.encoding = "ascii"
    return made


def kept_headers(response: httpx.Response) -> dict[str, str]:
    """Return the headers of an answer that mean something to us."""
    response.headers.encoding = "iso-8859-1"
    return kept(response.headers.multi_items())


def tls_context(
    base: str, certificate: Certificate | None, authorities: str | Path | None = None
) -> ssl.SSLContext:
    """Return the TLS settings; for http:// a context that trusts nobody, as making a real one takes a while.

    A certificate is read for http:// too: whoever names one that is not there learns of it at once. Whoever names
    authorities trusts those in place of the usual ones.
    """
    if base.startswith("https:"):
        usual = authorities is None
        context = httpx.create_ssl_context(trust_env=False) if usual else trusting(authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is not None:
        load_certificate(context, certificate)
    return context


def trusting(authorities: str | Path | None) -> ssl.SSLContext:
    """Return settings that trust the authorities of a PEM file; raises ``ValueError`` where it holds none."""
    try:
        return ssl.create_default_context(cafile=authorities)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file of authorities at {authorities}.") from None
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f"{authorities} holds no certificate of an authority.") from error


def _version() -> str:
    try:
        return metadata.version("canfarweb")
    except metadata.PackageNotFoundError:
        return "0"


_USER_AGENT = f"canfarweb/{_version()}"
