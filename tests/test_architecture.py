"""Who may import whom: read from the sources, so that a breach fails before it runs."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = ROOT / "sessions_app"

# Each package and the others of ours, and the frameworks, that it may import.
ALLOWED = {
    "client": {"client"},
    "local": {"local"},
    "signin": {"signin", "client", "django"},
    "models": {"models", "signin", "django"},
    "connections": {"connections", "access", "client", "models", "reasons", "signin", "django"},
    "access": {"models", "django"},
    "reasons": {"reasons"},
    "kept": {"kinds", "django"},
    "guarding": {"kept", "connections", "client", "models", "django"},
    "plain_text": {"models", "django"},
    "live": {
        "live",
        "access",
        "connections",
        "client",
        "models",
        "reasons",
        "guarding",
        "heads",
        "limiter",
        "plain_text",
        "django",
        "channels",
    },
    "views": {
        "views",
        "templatetags",
        "forms",
        "frame",
        "access",
        "connections",
        "models",
        "client",
        "guarding",
        "heads",
        "kept",
        "pasted",
        "limiter",
        "live",
        "log_lines",
        "plain_text",
        "django",
    },
    "forms": {"batch_checks", "client", "connections", "django", "kinds", "pasted", "variables"},
    "batch_checks": {"connections", "django", "pasted", "variables"},
    "variables": {"pasted"},
    "pasted": set(),
    "kinds": set(),
    "frame": {"django"},
    "heads": {"django"},
    "log_lines": {"django"},
    "limiter": {"models", "django"},
}
OURS = {path.stem for path in APP.iterdir() if path.suffix == ".py" or path.is_dir()}


def modules_of(part: str) -> list[Path]:
    folder = APP / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imported(path: Path) -> set[str]:
    """Return the full names that a module imports."""
    names: set[str] = set()
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level)[0] + "." if node.level else ""
            module = f"{base}{node.module or ''}".rstrip(".")
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def parts_of(path: Path) -> set[str]:
    """Return which of our packages and which frameworks a module imports."""
    found = set()
    for name in imported(path):
        words = name.split(".")
        if words[0] == "sessions_app" and len(words) > 1 and words[1] in OURS:
            found.add(words[1])
        elif words[0] in {"django", "django_htmx", "asgiref"}:
            found.add("django")
        elif words[0] in {"channels", "canfarweb"}:
            found.add(words[0])
    return found


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_part_imports_only_what_it_may(part):
    breaches = {
        str(path.relative_to(ROOT)): sorted(parts_of(path) - ALLOWED[part])
        for path in modules_of(part)
        if parts_of(path) - ALLOWED[part]
    }
    assert breaches == {}


def test_only_the_drivers_import_the_http_library():
    users = {
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        if any(name.split(".")[0] in {"httpx", "httpx_aiohttp", "aiohttp"} for name in imported(path))
    }
    assert users
    assert {user.rpartition("/")[0] for user in users} == {"client/drivers"}


def test_the_local_platform_needs_nothing_but_the_standard_library_psutil_and_its_server():
    import sys

    allowed = set(sys.stdlib_module_names) | {"psutil", "uvicorn", "sessions_app"}
    own = [path for path in modules_of("local") if path.parent.name != "programs"]
    foreign = {name for path in own for name in imported(path) if name.split(".")[0] not in allowed}
    assert foreign == set()


def test_what_runs_as_a_session_needs_only_the_packages_of_its_image():
    import sys

    allowed = set(sys.stdlib_module_names) | {"tornado", "terminado", "marimo", "uvicorn"}
    programs = APP / "local" / "programs"
    foreign = {
        name
        for path in programs.glob("*.py")
        for name in imported(path)
        if name.split(".")[0] not in allowed and not name.startswith("sessions_app.local.programs.")
    }
    assert foreign == set()


def test_only_the_connections_unseal_a_session_id():
    users = {
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        if "id_sealed" in path.read_text(encoding="utf-8") and "migrations" not in path.parts
    }
    assert users == {
        "models/record.py",
        *(f"connections/{name}.py" for name in ("connection", "launch", "redaction")),
    }


def test_the_top_level_holds_what_the_design_names():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {line.split("/")[0] for line in listed.splitlines() if "/" in line}
    visible = {folder for folder in folders if not folder.startswith(".")}
    assert visible == {"canfarweb", "sessions_app", "templates", "static", "tests"}
