"""Notebooks: JupyterLab and marimo."""

import os

from .recipe import PYTHON, Image, Place, Program, program_files

NO_NEWS = (
    '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}\n'
)
NO_PORT = "1"  # The command line wants one, and then has none for this program to listen on.


def _jupyterlab(place: Place) -> list[str]:
    root = ["--allow-root"] if os.getuid() == 0 else []
    return [
        *(*PYTHON, "jupyterlab", "--no-browser", *root),
        f"--ServerApp.sock={place.socket}",
        "--ServerApp.sock_mode=0600",
        f"--ServerApp.base_url={place.base}",
        f"--ServerApp.root_dir={place.home}",
        # Without this, Jupyter refuses every name but localhost.
        f"--ServerApp.local_hostnames={place.host}",
        "--ServerApp.local_hostnames=localhost",
        "--ServerApp.local_hostnames=127.0.0.1",
    ]


def _marimo(place: Place) -> list[str]:
    return [
        *(*PYTHON, "session_programs.notebook", place.socket, "-q", "edit", place.home, "--headless"),
        *("--skip-update-check", "--no-sandbox", "--host", "127.0.0.1", "--port", NO_PORT),
        *("--base-url", place.base, "--token-password-file", place.secret_file),
    ]


JUPYTERLAB = Image(
    "skaha/base-notebook:latest",
    ("notebook", "headless"),
    "base-notebook",
    {"notebook": Program(_jupyterlab, "/api", "/lab?token={id}")},
    # A first start asks about news of Jupyter; in a session that lives an hour that is in the way.
    {"share/jupyter/lab/settings/overrides.json": NO_NEWS},
)
MARIMO = Image(
    "skaha/marimo:latest",
    ("contributed",),
    "marimo",
    {"contributed": Program(_marimo, "/health", "/?access_token={id}")},
    program_files("__init__.py", "notebook.py"),
)
