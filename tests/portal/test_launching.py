"""The launch form: what is said at its fields, and that one form launches once."""

import asyncio
import re
import shlex
from html import unescape

import pytest
from django.utils.html import escape

from sessions_app.client.values import Context, Image
from sessions_app.connections.offers import Surroundings
from sessions_app.forms import LaunchForm, environment, suggested_name
from sessions_app.models import Operation, Record, Step
from sessions_app.templatetags.portal import image_name, image_project
from tests.conftest import until
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
        ("cmd", {"cmd": "", "args": ""}, "Without a command the image's own runs."),
        (
            "cmd",
            {"cmd": "ls fits | wc", "args": ""},
            "No shell reads this line: “|” reaches the command as it is.",
        ),
        ("cmd", {"cmd": "ls $HOME", "args": ""}, "“$HOME” reaches the command as it is"),
        ("args", {"cmd": "", "args": "--all"}, "these go to the image's own"),
        ("env", {"cmd": "", "args": "", "env": "A=b=c"}, "may lose or change empty values"),
        ("env", {"env": "REPLICA_ID=7"}, "is overwritten"),
    ],
)
def test_what_the_platform_makes_of_a_value_is_remarked_without_stopping_the_launch(field, changes, part):
    assert part in " ".join(remarks_of(**changes)[field])


def test_an_environment_line_without_a_name_is_an_error():
    assert errors_of(env="GOOD=1\nbad line")["env"] == ["Environment, line 2: write NAME=value."]


@pytest.mark.parametrize(
    ("field", "changes", "said"),
    [
        (
            "cores",
            {"resources": "fixed", "cores": "many", "ram": "1"},
            "Cores: give a whole number from 1 to 10,000.",
        ),
        ("replicas", {"replicas": "513"}, "Replicas: give a whole number from 1 to 512."),
    ],
)
def test_a_number_that_is_none_is_said_with_the_name_of_its_field(field, changes, said):
    assert errors_of(**changes)[field] == [said]


def test_a_size_that_is_not_asked_for_stands_in_nobodys_way():
    assert errors_of(resources="flexible", cores="many") == {}


def test_an_environment_keeps_what_follows_the_first_equals_sign():
    assert environment("A=b=c\n\nB=") == {"A": "b=c", "B": ""}


def test_an_image_of_a_foreign_host_is_refused_where_it_was_typed():
    around = Surroundings(hosts=["images.canfar.net"])
    said = errors_of(around, other_image="docker.example.org/a/b:1")["other_image"]
    assert said == ["The platform takes images from images.canfar.net only."]


def test_a_full_account_names_what_fills_it():
    context = Context.parse({"maxInteractiveSessions": "2"})
    around = Surroundings(context=context, interactive=("a", "b"))
    assert "You have 2 of 2 interactive sessions: a, b." in errors_of(around, kind="notebook")["__all__"][0]
    assert "__all__" not in errors_of(around, kind="headless")


def test_a_suggested_name_is_free():
    assert suggested_name("notebook", {"notebook-1", "notebook-2"}) == "notebook-3"


UNPACKABLE = "".join(map(chr, range(300, 9000)))
TERMINAL = "images.canfar.net/skaha/terminal:latest"
LISTED = [
    Image(TERMINAL, ("headless",), ""),
    Image("images.canfar.net/skaha/lab:1", ("notebook", "headless"), ""),
]


def said_of_image(
    image: str, kind: str = "notebook", *, anyway: str = "", is_local: bool = False
) -> tuple[list, list]:
    """Return what is said of an image: what stops a launch, and what is only remarked."""
    around = Surroundings(images=LISTED, hosts=["images.canfar.net"], is_local=is_local)
    form = LaunchForm(launch_values(kind=kind, other_image=image, anyway=anyway), around=around)
    form.is_valid()
    return form.errors.get("other_image", []), form.remarks["other_image"]


def test_an_image_of_the_kind_is_taken_without_a_word():
    assert said_of_image("images.canfar.net/skaha/lab:1") == ([], [])
    assert said_of_image("skaha/lab:1") == ([], [])


def test_an_image_for_another_kind_is_refused_before_the_launch():
    refused = ["This image is for Batch, not for Notebook."]
    assert said_of_image(TERMINAL) == (refused, [])
    assert said_of_image(TERMINAL, anyway=TERMINAL) == (refused, [])


@pytest.mark.parametrize(
    ("image", "part"),
    [
        ("images.canfar.net/skaha/lab:2", "lists images.canfar.net/skaha/lab:1, but not this tag"),
        ("images.canfar.net/skaha/secret:1", "does not list this image"),
    ],
)
def test_an_image_that_is_not_listed_is_launched_only_when_that_is_said_once_more(image, part):
    [error], remarks = said_of_image(image)
    assert part in error
    assert remarks == []
    assert said_of_image(image, anyway=image) == ([], [error])
    assert said_of_image(image, anyway=f"{image}-other")[0] == [error]


DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    "image",
    [
        "images.canfar.net/team/sub/astro:1.2",
        f"images.canfar.net/team/astro@{DIGEST}",
        f"images.canfar.net/team/sub/astro:1.2@{DIGEST}",
    ],
)
def test_an_image_in_a_folder_of_a_project_or_by_digest_is_one_typed_or_listed(image):
    around = Surroundings(images=[Image(image, ("notebook",), "")], hosts=["images.canfar.net"])
    for field in ("image", "other_image"):
        form = LaunchForm(launch_values(kind="notebook", **{"image": "", field: image}), around=around)
        assert form.errors == {}
        assert form.request().image == image


def test_an_image_by_the_digest_of_a_listed_one_is_that_one():
    listed = [Image("images.canfar.net/team/astro:1.2", ("notebook",), DIGEST)]
    around = Surroundings(images=listed, hosts=["images.canfar.net"])
    for image in (f"team/astro@{DIGEST}", f"team/astro:1.2@{DIGEST}", f"team/astro:9@{DIGEST}"):
        form = LaunchForm(launch_values(kind="notebook", other_image=image), around=around)
        assert form.errors == {}
        assert form.request().image == f"images.canfar.net/{image}"
    other = DIGEST.replace("0a", "0b")
    [said] = errors_of(around, kind="notebook", other_image=f"team/astro@{other}")["other_image"]
    assert "but not this tag of it" in said


def test_a_port_names_a_registry_in_the_form_too():
    around = Surroundings(
        images=[Image("localhost:5000/x:latest", ("notebook",), "")], hosts=["localhost:5000"]
    )
    form = LaunchForm(launch_values(kind="notebook", other_image=" localhost:5000/x\t"), around=around)
    assert form.errors == {}
    assert form.request().image == "localhost:5000/x:latest"
    foreign = errors_of(Surroundings(hosts=["images.canfar.net"]), other_image="localhost:5000/x")
    assert foreign["other_image"] == ["The platform takes images from images.canfar.net only."]


@pytest.mark.parametrize(
    ("image", "name", "project"),
    [
        ("images.canfar.net/skaha/lab:1", "lab:1", "skaha"),
        ("images.canfar.net/team/sub/astro:1.2", "astro:1.2", "team/sub"),
        (f"images.canfar.net/team/astro:1.2@{DIGEST}", "astro:1.2@sha256:0a0a0a0a0a0a…", "team"),
        ("localhost:5000/x:1", "x:1", ""),
        ("x@sha256:0a", "x@sha256:0a", ""),
    ],
)
def test_an_image_is_shown_by_its_name_and_its_project(image, name, project):
    assert (image_name(image), image_project(image)) == (name, project)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("a//b", "Write an image as project/name"),
        ("skaha/x:", "The tag after “:” is missing."),
        ("skaha/\u200bx", "There is a zero-width space (U+200B) after “skaha/”, which no image has."),
        ("docker pull skaha/x", "Take away “docker pull” in front:"),
    ],
)
def test_what_can_be_no_image_is_told_at_the_field(image, told):
    [said] = errors_of(Surroundings(hosts=["images.canfar.net"]), other_image=image)["other_image"]
    assert said.startswith(told)


def test_the_local_platform_is_known_to_take_every_tag_of_an_image_it_has():
    remark = "This tag is not listed here: images.canfar.net/skaha/lab:1 stands for it."
    for image in ("images.canfar.net/skaha/lab:9", "images.canfar.net/skaha/lab@sha256:12ab"):
        assert said_of_image(image, is_local=True) == ([], [remark])
    wrong = "images.canfar.net/skaha/terminal:1.1.2"
    assert said_of_image(wrong, is_local=True)[0] == ["This image is for Batch, not for Notebook."]
    assert "has no such image" in said_of_image("images.canfar.net/skaha/no:1", is_local=True)[0][0]


def gpu_form(options: list[int], gpu: str) -> LaunchForm:
    context = Context.parse({"gpus": {"options": options}})
    form = LaunchForm(launch_values(gpu=gpu), around=Surroundings(context=context))
    form.is_valid()
    return form


def test_a_gpu_is_asked_for_where_there_is_one_and_told_where_there_is_none():
    assert gpu_form([1, 2], "2").request().gpu == 2
    assert gpu_form([1, 2], "4").errors["gpu"] == ["GPUs: this platform offers 1, 2."]
    without = gpu_form([], "1")
    assert without.remarks["gpu"] == ["1 GPU is asked for, but this platform has none: it starts without."]
    assert without.request().gpu is None


@pytest.mark.parametrize(
    ("field", "changes", "said"),
    [
        ("cmd", {"cmd": 'bash -c "echo', "args": ""}, "A quote is not closed."),
        ("script", {"script": "ls"}, "Give a command or a script, not both."),
        (
            "args",
            {"cmd": "", "args": '-c "a b"'},
            "The platform would split or change these arguments. Give the command too, and they arrive whole.",
        ),
        (
            "env",
            {"env": "CANFARWEB_SCRIPT=x"},
            "Environment, line 1: the portal uses CANFARWEB_SCRIPT itself",
        ),
        (
            "script",
            {"cmd": "", "args": "", "script": "".join(map(chr, range(300, 9000)))},
            "This is too long to be sent",
        ),
        ("cmd", {"args": "x" * 7950}, "where 8,000 fit"),
        ("env", {"env": f"A={'x' * 7950}"}, "where 8,000 fit"),
        ("env", {"env": "\n".join(f"A{n}={'é' * 20}" for n in range(70))}, "where 8,000 fit"),
        # A long script that packs well is not what is in the way.
        (
            "env",
            {"cmd": "", "args": "", "script": "ls\n" * 3000, "env": f"A={'x' * 7950}"},
            "where 8,000 fit",
        ),
    ],
)
def test_a_command_that_cannot_be_sent_is_said_at_its_field(field, changes, said):
    assert said in errors_of(**changes)[field][0]


def test_a_program_text_of_eight_thousand_characters_fits():
    script = "".join(f"print('line {number} of a table', {number} * {number})\n" for number in range(220))
    assert len(script) > 8000
    assert errors_of(cmd="", args="", script=script) == {}


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
        # What does not count for this kind and size is not what it was made for.
        again = await alice.post("/launch", launch_values(suggested="x", cores="7", anyway=TERMINAL))
        assert again.url == first.url
        assert await Operation.objects.acount() == 1

    async def test_a_refused_launch_keeps_what_was_typed(self, alice):
        answer = await alice.post("/launch", launch_values(name="a_b", args="one two", env="A=1"))
        assert answer.status_code == 422
        assert "letters, digits and hyphens only" in answer.text
        for kept in ('value="a_b"', 'value="one two"', "A=1</textarea>"):
            assert kept in answer.text
        assert not await Operation.objects.aexists()

    async def test_replicas_end_on_the_list_of_their_group_and_have_an_outcome_each(self, alice):
        answer = await alice.post("/launch", launch_values(replicas="4"))
        operation = await Operation.objects.aget()
        assert answer.url == f"/?group=fit~{operation.slug}"
        assert "fit-1…4" in (await alice.get(answer.url)).text
        page = await alice.get(f"/operations/{operation.slug}")
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
            'value="sleep 1 2"',
            'name="name" value="fit"',
            "A=\nB=</textarea>",
            "A, B: their values were not kept. Type them again, or remove their lines.",
            'aria-disabled="true"',
            'max="512" value="2"',
        ):
            assert kept in page.text, kept
        assert re.search(r'value="headless" checked', page.text)
        assert re.search(r'value="fixed" checked', page.text)
        assert re.search(r'<option value="2" selected', page.text)
        assert "The values of A, B are not kept" in page.text
        assert "one of 2 replicas" in page.text
        assert "secret" not in page.text.replace("may be secrets", "").replace("give secrets", "")

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

    async def test_the_example_of_the_documentation_runs_from_the_form(self, alice):
        asked = {
            "other_image": "images.canfar.net/skaha/terminal:1.1.1",
            "cmd": "env",
            "args": "",
            "gpu": "1",
        }
        values = launch_values(**asked, resources="fixed", cores="1", ram="1", env="TEST=test", replicas="2")
        answer = await alice.post("/launch", values)
        assert answer.url.startswith("/?group=fit~")

        async def both_ended() -> bool:
            page = await alice.get(answer.url, headers=FRAGMENT)
            return "2 completed" in page.text

        await until(both_ended, what="both to complete")

    async def test_a_command_with_quotes_runs_whole_and_comes_back_as_it_was_typed(self, alice):
        line = 'bash -c "echo hello; sleep 0.1; echo \\"it\'s a=b\\""'
        answer = await alice.post("/launch", launch_values(cmd=line, args="", env="A=b=c"))
        record = await Record.objects.aget()
        assert answer.url == f"/s/{record.slug}"

        async def log() -> str:
            text = await alice.get(f"/s/{record.slug}/log.txt")
            written = b"".join([piece async for piece in text.streaming_content]).decode()
            return written if "it's" in written else ""

        assert await until(log, what="the log") == "hello\nit's a=b\n"
        operation = await Operation.objects.aget()
        assert (operation.request["cmd"], operation.request["args"]) == (line, None)
        assert "b=c" not in str(operation.request)
        page = await alice.get(f"/launch?again={record.slug}")
        assert f'name="cmd" value="{escape(line)}"' in page.text

    async def test_what_an_older_portal_launched_with_a_lone_quote_comes_back_too(self, alice):
        await alice.post("/launch", launch_values())
        await Operation.objects.aupdate(
            request={"kind": "headless", "image": TERMINAL, "name": "fit", "cmd": "echo", "args": '"a b'}
        )
        page = await alice.get(f"/launch?again={(await Record.objects.aget()).slug}")
        assert f'name="cmd" value="{escape(shlex.join(["echo", chr(34) + "a", "b"]))}"' in page.text

    async def test_a_script_comes_back_as_it_was_written(self, alice):
        script = '\n#!/bin/sh\nfor n in 1 2; do\n  echo "$n <b>"\ndone\n'
        await alice.post("/launch", launch_values(cmd="", args="", script=script))
        record = await Record.objects.aget()
        page = await alice.get(f"/launch?again={record.slug}")
        # The line break behind the tag is the page's own; a browser leaves it out.
        assert f">\n{escape(script)}</textarea>" in page.text

    async def test_variables_that_were_emptied_are_never_sent_again(self, alice):
        await alice.post("/launch", launch_values(env="A=secret\nB=2"))
        record = await Record.objects.aget()
        page = await alice.get(f"/launch?again={record.slug}")
        lost = re.search(r'name="lost" value="([^"]+)"', page.text)[1]
        values = launch_values(key="second", name="second", env="A=\nB=3", lost=lost)
        answer = await alice.post("/launch", values)
        assert answer.status_code == 422
        assert "A: its value was not kept." in answer.text
        assert await Operation.objects.acount() == 1
        for number, resolved in enumerate(("A=new\nB=3", "B=3")):
            answer = await alice.post("/launch", {**values, "key": f"k{number}", "env": resolved})
            assert answer.status_code == 302

    async def test_the_check_says_a_script_as_a_command_of_the_platform(self, alice):
        values = launch_values(cmd="echo 'a b'", args="")
        answer = await alice.post("/launch/check", values, headers=FRAGMENT)
        assert "It travels as a script" in answer.text
        line = unescape(re.search(r'summary__command"[^>]*>([^<]+)</pre>', answer.text)[1])
        words = shlex.split(line)
        assert words[words.index("--env") + 1].startswith("CANFARWEB_SCRIPT=")
        assert words[words.index("--") + 1 :][:2] == ["sh", "-c"]
        assert "It travels" not in (await alice.post("/launch/check", launch_values(), headers=FRAGMENT)).text

    async def test_the_summary_stays_while_something_is_wrong(self, alice):
        answer = await alice.post("/launch/check", launch_values(name="a_b"), headers=FRAGMENT)
        assert "This stands in the way:" in answer.text
        assert '<dd class="code">sleep 60</dd>' in answer.text

    async def test_a_kind_chosen_on_a_page_that_was_drawn_for_another_launches_nothing(self, alice):
        notebook = await alice.get("/launch?type=notebook")
        assert 'name="drawn" value="notebook" autocomplete="off"' in notebook.text
        lab = "images.canfar.net/skaha/base-notebook:latest"
        # As without scripts, or where a browser filled in the kind again but not the fields of it.
        values = launch_values(image=lab, cmd="", args="", drawn="notebook")
        answer = await alice.post("/launch", values)
        assert answer.status_code == 422
        assert "The page showed the fields of Notebook, so nothing was launched." in answer.text
        assert 'data-drawn="headless"' in answer.text
        assert 'name="name" value="fit"' in answer.text
        assert not await Operation.objects.aexists()
        looked_at = await alice.post("/launch", {**values, "drawn": "headless", "cmd": "true"})
        assert looked_at.status_code == 302

    async def test_no_browser_fills_in_again_what_belongs_to_a_page(self, alice):
        page = await alice.get("/launch")
        form = re.search(r'<form id="launch".*?</form>', page.text, re.DOTALL)[0]
        hidden = re.findall(r'<input type="hidden"[^>]*>', form)
        assert {re.search(r'name="(\w+)"', each)[1] for each in hidden} == {
            "csrfmiddlewaretoken",
            "key",
            "suggested",
            "lost",
            "drawn",
        }
        assert all('autocomplete="off"' in each for each in hidden)

    async def test_what_a_batch_session_runs_is_in_the_page_of_every_kind(self, alice):
        values = launch_values(kind="notebook", script="ls\n", env="A=1", redraw="1")
        own = await alice.post("/launch", values, headers=FRAGMENT)
        for kept in ('name="cmd" value="sleep"', "ls\n</textarea>", "A=1</textarea>"):
            assert kept in own.text
        assert re.search(r'<fieldset class="group" hidden>\s*<legend>What it runs', own.text)

    async def test_another_kind_leaves_the_image_of_the_first_behind(self, alice):
        values = launch_values(kind="notebook", redraw="1")
        answer = await alice.post("/launch", values, headers=FRAGMENT)
        assert 'value="images.canfar.net/skaha/base-notebook:latest" checked' in answer.text
        assert 'name="other_image" value=""' in answer.text
