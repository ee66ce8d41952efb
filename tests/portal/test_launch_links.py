"""Links that fill the launch form, by our names and by those of the present portal."""

import re

import pytest
from django.http import QueryDict

from sessions_app.client.values import Image
from sessions_app.connections.offers import Surroundings
from sessions_app.models import Operation
from sessions_app.views.launch_links import read

LAB = "images.canfar.net/skaha/base-notebook:latest"
AROUND = Surroundings(
    images=[
        Image("images.canfar.net/other/lab:1", ("notebook",), ""),
        Image(LAB, ("notebook", "headless"), ""),
    ],
    hosts=["images.canfar.net"],
)


def fields(query: str) -> dict[str, str]:
    return read(QueryDict(query), AROUND).fields


def test_the_present_portals_names_are_understood():
    query = f"tab=advanced&type=notebook&project=skaha&image={LAB}&name=m31&memory=8&cores=2&gpus=1"
    assert fields(query) == {
        "kind": "notebook",
        "image": LAB,
        "name": "m31",
        "ram": "8",
        "cores": "2",
        "gpu": "1",
        "resources": "fixed",
    }


@pytest.mark.parametrize(
    "query",
    [
        f"image={LAB}",
        "image=skaha/base-notebook:latest",
        "image=skaha/base-notebook",
        "project=skaha&image=base-notebook:latest",
        "type=notebook&project=skaha",
    ],
)
def test_an_image_is_named_in_full_or_in_parts(query):
    assert fields(query)["image"] == LAB


def test_a_long_command_of_a_link_is_never_cut():
    assert fields(f"kind=headless&cmd={'x' * 5000}")["cmd"] == "x" * 5000


def test_what_a_link_says_in_vain_is_told():
    link = read(QueryDict("type=spaceship&colour=red&project=nowhere&tab=standard"), AROUND)
    assert link.fields == {}
    told = " ".join(link.remarks)
    for part in ("“colour”, which this page does not know", "the kind “spaceship”", "project “nowhere”"):
        assert part in told
    assert "tab" not in told


@pytest.mark.django_db(transaction=True)
class TestOnThePlatform:
    async def test_a_link_fills_the_form_and_launches_nothing(self, alice):
        page = await alice.get(
            f"/launch?tab=standard&type=notebook&project=skaha&image={LAB}&name=m31&memory=1&cores=1&gpus=1"
        )
        assert page.status_code == 200
        for held in (r'value="notebook" checked', r'name="name" value="m31"', r'value="fixed" checked'):
            assert re.search(held, page.text), held
        assert f'value="{LAB}" checked' in page.text
        assert '<option value="1" selected>1, not offered</option>' in page.text
        assert "1 GPU is asked for, but this platform has none: it starts without." in page.text
        assert not await Operation.objects.aexists()

    async def test_wrong_values_of_a_link_are_said_at_their_fields(self, alice):
        page = await alice.get("/launch?type=notebook&name=a_b&memory=lots&cores=999&flavour=x")
        assert "letters, digits and hyphens only" in page.text
        assert '<option value="999" selected>999, not offered</option>' in page.text
        assert '<option value="lots" selected>lots, not offered</option>' in page.text
        assert "“flavour”, which this page does not know" in page.text
        assert 'aria-disabled="true"' in page.text

    async def test_an_image_that_is_not_here_is_told_at_once(self, alice):
        page = await alice.get("/launch?type=notebook&image=images.canfar.net/skaha/no-such:1")
        assert "This platform has no such image" in page.text
        assert 'name="anyway" value="images.canfar.net/skaha/no-such:1"' in page.text
        wrong = await alice.get("/launch?type=carta&image=images.canfar.net/skaha/terminal:1.1.2")
        assert "This image is for Batch, not for CARTA." in wrong.text
        assert 'name="anyway"' not in wrong.text

    async def test_an_image_alone_chooses_a_kind_that_it_serves(self, alice):
        page = await alice.get("/launch?image=skaha/terminal:1.1.1")
        assert re.search(r'value="headless" checked', page.text)
        assert "This image is for" not in page.text

    async def test_a_batch_link_keeps_its_command_and_number(self, alice):
        page = await alice.get("/launch?kind=headless&cmd=python3+fit.py+%22a+b%22&replicas=3")
        assert 'name="cmd" value="python3 fit.py &quot;a b&quot;"' in page.text
        assert 'name="replicas" type="number" min="1" max="512" value="3"' in page.text

    async def test_a_command_that_is_too_long_is_refused_whole(self, alice):
        page = await alice.get(f"/launch?kind=headless&cmd=echo+{'x' * 9000}")
        assert page.status_code == 200
        assert 'aria-disabled="true"' in page.text
        assert "at most 8000 characters" in page.text
