"""The platform does what its OpenAPI document says: cases made from the document, asked of a served platform."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from sessions_app.local import openapi

from .harness import TERMINAL, Platform, running

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "40"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
KNOWN = {"name": "alice"}

schema = schemathesis.openapi.from_dict(openapi.document())


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    """Launch nothing but `true`: what is made up must neither run nor be pulled."""
    if isinstance(body, dict) and "image" in body:
        body = {**body, "image": TERMINAL, "cmd": "true"}
    return body


@schema.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Name what is there, every other time."""
    if not isinstance(path_parameters, dict):
        return path_parameters
    return {
        name: KNOWN[name] if name in KNOWN and len(str(value)) % 2 else value
        for name, value in path_parameters.items()
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("openapi") / "data", "--grace", "1") as platform:
        KNOWN["id"] = platform.alice.create("sleep", "600")
        yield platform


def described(method: str, path: str) -> Callable[..., None]:
    """Return the test of one operation."""

    @schema.include(method=method, path=path).parametrize()
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers_are_as_described(case: schemathesis.Case, served: Platform) -> None:
        answer = case.call(
            base_url=f"http://localhost:{served.port}",
            headers={"Authorization": f"Bearer {served.alice.token}"},
            allow_redirects=False,
        )
        prescribed = answer.status_code == 500 and "desktop-app is started inside" in answer.text
        case.validate_response(answer, checks=CHECKS[1:] if prescribed else CHECKS)

    return answers_are_as_described


# One function for each, as all that are made of one function have its id, and a shared run drops all but one.
for _path, _methods in openapi.document()["paths"].items():
    for _method in (word for word in _methods if word != "parameters"):
        _name = re.sub(r"\W+", "_", f"test_{_method}{_path}").strip("_")
        globals()[f"{_name}_answers_as_described"] = described(_method.upper(), _path)


def test_the_document_is_served_and_linked(platform: Platform) -> None:
    root = f"http://localhost:{platform.port}"
    assert "/skaha/openapi.json" in httpx.get(root).text
    assert httpx.get(f"{root}/skaha/openapi.json").json() == openapi.document()


def test_every_resource_that_answers_is_described() -> None:
    from sessions_app.local.app import APP, RESOURCES

    paths = openapi.document()["paths"]
    described = {path: {word.upper() for word in paths[path]} - {"PARAMETERS"} for path in paths}
    for name, handlers in RESOURCES.items():
        assert described[f"/skaha/v1/{name}"] == set(handlers)
    assert described["/skaha/v1/session/{id}/app/{app}"] == set(APP)
