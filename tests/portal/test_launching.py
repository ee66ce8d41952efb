"""The launch form: what is said at its fields, and that one form launches once."""

import asyncio
import re

import pytest

from sessions_app.forms import LaunchForm, Surroundings, environment, suggested_name
from sessions_app.models import Operation, Record, Step
from tests.portal.conftest import FRAGMENT, launch_values


def errors_of(around: Surroundings | None = None, **changes) -> dict[str, list[str]]:
    form = LaunchForm(launch_values(**changes), around=around or Surroundings())
    form.is_valid()
    return dict(form.errors)


def remarks_of(**changes) -> dict[str, list[str]]:
    form = LaunchForm(launch_values(**changes), around=Surroundings(names=frozenset({"taken"})))
    assert form.is_valid(), form.errors
    return dict(form.remarks)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Give the session a name."),
        ("a_b", "A name has letters, digits and hyphens only; this one has “_”."),
        ("a b", "A name has letters, digits and hyphens only; this one has a space."),
        ("-a", "A name begins and ends with a letter or a digit."),
        ("a-", "A name begins and ends with a letter or a digit."),
        ("x" * 64, "At most 63 characters fit; this makes 64."),
    ],
)
def test_a_name_that_the_platform_would_refuse_is_said_at_the_field(name, said):
    assert errors_of(name=name)["name"] == [said]


def test_the_number_of_a_replica_counts_into_the_length_of_its_name():
    assert errors_of(name="x" * 61, replicas="10")["name"] == ["At most 63 characters fit; this makes 64."]


@pytest.mark.parametrize(
    ("field", "changes", "part"),
    [
        ("name", {"name": "MyFit"}, "lists it as “myfit”"),
        ("name", {"name": "taken"}, "You have a session “taken” already"),
        ("cmd", {"cmd": "python3 fit.py"}, "one word"),
        ("cmd", {"cmd": "", "args": ""}, "Without a command the image's own runs."),
        ("args", {"args": "-c 'a b'"}, "also between quotes"),
        ("args", {"args": "$HOME"}, "may refuse or change"),
        ("args", {"args": "a  b"}, "empty argument"),
        ("env", {"env": "A=b=c"}, "drops empty values and values with “=”"),
        ("env", {"env": "REPLICA_ID=7"}, "is overwritten"),
    ],
)
def test_what_the_platform_makes_of_a_value_is_remarked_without_stopping_the_launch(field, changes, part):
    assert part in " ".join(remarks_of(**changes)[field])


def test_an_environment_line_without_a_name_is_an_error():
    assert errors_of(env="GOOD=1\nbad line")["env"] == ["Line 2: write NAME=value."]


def test_an_environment_keeps_what_follows_the_first_equals_sign():
    assert environment("A=b=c\n\nB=") == {"A": "b=c", "B": ""}


def test_an_image_of_a_foreign_host_is_refused_where_it_was_typed():
    around = Surroundings(hosts=["images.canfar.net"])
    said = errors_of(around, other_image="docker.example.org/a/b:1")["other_image"]
    assert said == ["The platform takes images from images.canfar.net only."]


def test_a_full_account_names_what_fills_it():
    from sessions_app.client.values import Context

    context = Context.parse({"maxInteractiveSessions": "2"})
    around = Surroundings(context=context, interactive=("a", "b"))
    assert "You have 2 of 2 interactive sessions: a, b." in errors_of(around, kind="notebook")["__all__"][0]
    assert "__all__" not in errors_of(around, kind="headless")


def test_a_suggested_name_is_free():
    assert suggested_name("notebook", {"notebook-1", "notebook-2"}) == "notebook-3"


@pytest.mark.django_db(transaction=True)
class TestOnThePlatform:
    async def test_one_form_sent_five_times_at_once_launches_once(self, alice):
        answers = await asyncio.gather(*(alice.post("/launch", launch_values()) for _ in range(5)))
        assert {answer.url for answer in answers} == {answers[0].url}
        assert await Step.objects.acount() == 1
        page = await alice.get("/", headers=FRAGMENT)
        assert page.text.count("data-row") == 1

    async def test_a_form_that_was_sent_leads_to_its_session_again(self, alice):
        first = await alice.post("/launch", launch_values())
        again = await alice.post("/launch", launch_values(name="changed"))
        assert again.url == first.url

    async def test_a_refused_launch_keeps_what_was_typed(self, alice):
        answer = await alice.post("/launch", launch_values(name="a_b", args="one two", env="A=1"))
        assert answer.status_code == 422
        assert "letters, digits and hyphens only" in answer.text
        for kept in ('value="a_b"', 'value="one two"', "A=1</textarea>"):
            assert kept in answer.text
        assert not await Operation.objects.aexists()

    async def test_replicas_have_an_outcome_each(self, alice):
        answer = await alice.post("/launch", launch_values(replicas="4"))
        page = await alice.get(answer.url)
        assert page.text.count("Launched.") == 4
        names = {record.name async for record in Record.objects.all()}
        assert names == {"fit-1", "fit-2", "fit-3", "fit-4"}

    async def test_another_kind_keeps_what_was_typed_but_not_a_name_of_ours(self, alice):
        page = await alice.get("/launch?kind=headless")
        suggested = re.search(r'name="name" value="([^"]+)"', page.text)[1]
        values = launch_values(
            kind="notebook", name=suggested, suggested=suggested, args="one two", redraw="1"
        )
        own = await alice.post("/launch", values, headers=FRAGMENT)
        assert 'name="name" value="notebook-1"' in own.text
        assert 'value="one two"' in own.text
        typed = await alice.post("/launch", {**values, "name": "mine"}, headers=FRAGMENT)
        assert 'name="name" value="mine"' in typed.text

    async def test_the_check_says_the_same_launch_as_a_command(self, alice):
        answer = await alice.post("/launch/check", launch_values(env="A=1", replicas="3"), headers=FRAGMENT)
        assert (
            "canfar create headless images.canfar.net/skaha/terminal:latest"
            " --name fit --env A=1 --replicas 3 -- sleep 60" in answer.text
        )
        assert not await Operation.objects.aexists()

    async def test_what_was_launched_here_is_launched_again_with_all_but_its_secrets(self, alice):
        asked = {"resources": "fixed", "cores": "1", "ram": "2", "replicas": "2", "env": "A=secret\nB=2"}
        await alice.post("/launch", launch_values(args="1 2", **asked))
        record = await Record.objects.afirst()
        page = await alice.get(f"/launch?again={record.slug}")
        for kept in (
            'value="sleep"',
            'value="1 2"',
            'name="name" value="fit"',
            "A=\nB=</textarea>",
            'max="512" value="2"',
        ):
            assert kept in page.text, kept
        assert re.search(r'value="headless" checked', page.text)
        assert re.search(r'value="fixed" checked', page.text)
        assert re.search(r'<option value="2" selected', page.text)
        assert "The values of A, B are not kept" in page.text
        assert "one of 2 replicas" in page.text
        assert "secret" not in page.text.replace("may be secrets", "")

    async def test_what_was_launched_elsewhere_is_offered_with_what_is_known_of_it(self, alice):
        await alice.post("/launch", launch_values(args="1"))
        await Operation.objects.all().adelete()
        record = await Record.objects.aget()
        page = await alice.get(f"/launch?again={record.slug}")
        assert 'name="name" value="fit"' in page.text
        assert "It was not launched from here" in page.text

    async def test_nobody_launches_again_what_is_not_theirs(self, alice, bob):
        await alice.post("/launch", launch_values())
        record = await Record.objects.aget()
        assert (await bob.get(f"/launch?again={record.slug}")).status_code == 404

    async def test_the_check_lists_what_stands_in_the_way(self, alice):
        answer = await alice.post("/launch/check", launch_values(name="a_b"), headers=FRAGMENT)
        assert 'aria-disabled="true"' in answer.text
        assert 'id="says-name"' in answer.text
