"""What people paste: it is understood, or what is in the way is named where it stands."""

from __future__ import annotations

import doctest

import pytest

from sessions_app import pasted, variables
from sessions_app.connections.offers import Surroundings
from sessions_app.forms import LaunchForm
from sessions_app.variables import environment
from tests.portal.conftest import launch_values

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary==\nA=B\n-----END RSA PRIVATE KEY-----"


def filled(**changes: str) -> LaunchForm:
    form = LaunchForm(launch_values(**changes), around=Surroundings(hosts=["images.canfar.net"]))
    form.is_valid()
    return form


def test_the_examples_of_the_module_hold():
    assert doctest.testmod(pasted).failed == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fit\u200b-1", "a zero-width space (U+200B) after “fit”"),
        ("\ufefffit", "a byte order mark (U+FEFF) at the beginning"),
        ("fit\u00a01", "a no-break space (U+00A0) after “fit”"),
        ("fit\u20131", "an en dash (U+2013) after “fit”"),
        ("fit\u22121", "a minus sign (U+2212) after “fit”"),
        (
            "a\u200bb\u2011c",
            "a zero-width space (U+200B) after “a”, a non-breaking hyphen (U+2011) after “ab”",
        ),
    ],
)
def test_what_nobody_sees_in_a_name_is_named_where_it_stands(name, said):
    assert filled(name=name).errors["name"] == [
        f"A name has letters, digits and hyphens only; this one has {said}."
    ]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("https://images.canfar.net/skaha/x:1", "Take away “https://” in front:"),
        ("docker pull skaha/x:1", "Take away “docker pull” in front:"),
        ("$ sudo podman run --rm -it skaha/x:1", "Take away “$ sudo podman run --rm -it” in front:"),
        (
            "singularity pull docker://skaha/x:1",
            "Take away “singularity pull” in front and “docker://” in front:",
        ),
        ('"skaha/x:1",', "Take away the quotes around it:"),
        ("“skaha/x:1”", "Take away the quotes around it:"),
        ("skaha/x:1,", "Take away “,” at its end:"),
        ("image: skaha/x:1", "Take away “image:” in front:"),
        ("skaha/\u200bx:1", "There is a zero-width space (U+200B) after “skaha/”, which no image has."),
        (
            "https://images.canfar.net/harbor/projects/3/repositories/x",
            "This is the address of a page.",
        ),
    ],
)
def test_what_is_to_be_taken_away_from_a_pasted_image_is_said_at_the_field(image, said):
    [told] = filled(other_image=image).errors["other_image"]
    assert told.startswith(said)


def test_blanks_around_an_image_are_no_trouble():
    assert filled(other_image="\tskaha/x:1 \n").cleaned_data["image"] == "images.canfar.net/skaha/x:1"


def test_lines_of_an_env_file_are_understood_and_what_was_read_is_told():
    text = (
        "# the key of the archive\n\nexport A=1\nB = 2\nC='a b'\nD=\"x=y\"\n  # more\nE=it's\nF=a # b\n"
        'G="-----BEGIN X-----\\n-----END X-----"'
    )
    form = filled(env=text)
    assert form.errors == {}
    assert form.request().env == {
        "A": "1",
        "B": "2",
        "C": "a b",
        "D": "x=y",
        "E": "it's",
        "F": "a # b",
        "G": "-----BEGIN X-----\\n-----END X-----",
    }
    assert form.remarks["env"] == [
        "B: the blanks around its “=” are left out.",
        "C: the quotes around its value are left out.",
        "D: the quotes around its value are left out.",
        "F: what follows the # is part of its value.",
        "G: the quotes around its value are left out.",
        "G: what stands between them is passed on as it is: no shell reads it.",
    ]


def test_what_is_no_variable_is_named_line_by_line():
    form = filled(env="A=1\nset B 2\nC: 3\n1D=4\nE\u00a0F=5\nwords")
    assert form.errors["env"] == [
        "Environment, line 2: leave out “set” and write NAME=value.",
        "Environment, line 3: write NAME=value, with = in place of the colon.",
        (
            "Environment, line 4: a name has letters, digits and _ only, and begins with none of the digits. "
            "Write NAME=value."
        ),
        (
            "Environment, line 5: there is a no-break space (U+00A0) after “E” in the name. "
            "Take it away, or type it anew."
        ),
        "Environment, line 6: write NAME=value.",
    ]


@pytest.mark.parametrize("before", ["", "KEY=", 'KEY="'])
def test_a_key_of_many_lines_is_told_once_and_nothing_of_it_is_repeated(before):
    form = filled(env=f"A=1\n{before}{PEM}\nB=2")
    [said] = form.errors["env"]
    assert said.startswith("Environment, lines 2 to 5: this is a key or certificate of several lines")
    assert "canary" not in str(form.errors) + str(form.remarks)
    assert environment(f"A=1\n{before}{PEM}\nB=2") == {"A": "1", "B": "2"}


def test_a_key_without_its_end_takes_what_is_left():
    [found] = variables.read("-----BEGIN CERTIFICATE-----\nMII=\nMII=")
    assert str(found).startswith("Environment, lines 1 to 3:")


def test_equal_names_are_told_with_their_lines():
    form = filled(env="A=1\nB=2\nA=3\nexport A=4")
    assert form.remarks["env"] == ["A is given 3 times, in lines 1, 3 and 4: the last one counts."]
    assert form.request().env == {"A": "4", "B": "2"}


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_a_line_break_ends_a_line(sign):
    form = filled(env=f"A=one{sign}B=2\r\nC=3")
    assert environment(form["env"].value()) == {"A": f"one{sign}B=2", "C": "3"}
    assert form.errors == {}
    assert f"(U+{ord(sign):04X}) after “A=one”. It is sent as it is." in form.remarks["env"][0]


def test_what_nobody_sees_in_a_command_is_named_and_sent_as_it_is():
    form = filled(cmd="python3 fit.py \u2013title\u00a0M31", args="")
    assert form.errors == {}
    assert form.remarks["cmd"] == [
        "There is an en dash (U+2013) after “python3 fit.py ”. It is sent as it is.",
        "There is a no-break space (U+00A0) after “python3 fit.py title”. It is sent as it is.",
    ]
    script = filled(cmd="", args="", script="ls\necho\u00a0x\n")
    assert script.remarks["script"] == [
        "In line 2 there is a no-break space (U+00A0) after “echo”. It is sent as it is."
    ]


def test_what_nobody_sees_is_named_beside_what_is_wrong():
    form = filled(env="wrong\nA=b\u200bc")
    assert form.errors["env"] == ["Environment, line 1: write NAME=value."]
    assert form.remarks["env"] == [
        "In line 2 there is a zero-width space (U+200B) after “A=b”. It is sent as it is."
    ]


def test_letters_of_other_alphabets_are_nobodys_trouble():
    assert pasted.invisible("Größe, Straße, 東京\t") == []


@pytest.mark.parametrize(
    "text",
    [
        "abc.DEF-1==",
        " abc.DEF-1==\n",
        "\ufeffabc.DEF-1==\u200b",
        "bearer abc.DEF-1==",
        "Bearer  abc.DEF-1==",
        "BEARER: abc.DEF-1==",
        "Authorization: Bearer abc.DEF-1==",
        "authorization:bearer abc.DEF-1==",
        "curl -H 'Authorization: Bearer abc.DEF-1==' https://x/y",
        "export CANFAR_TOKEN=abc.DEF-1==",
        'export CANFAR_TOKEN="abc.DEF-1=="',
        "CANFAR_TOKEN=abc.DEF-1==;",
        "setenv CANFAR_TOKEN abc.DEF-1==",
        "export CANFAR_URL=http://localhost:8001/skaha/v1 CANFAR_TOKEN=abc.DEF-1==",
        "export CANFAR_URL=http://localhost:8001/skaha/v1export CANFAR_TOKEN=abc.DEF-1==",
        "export CANFAR_TOKEN=abc.DEF-1==export CANFAR_URL=http://localhost:8001/skaha/v1",
        '{"access_token": "abc.DEF-1==", "expires_in": 3600}',
    ],
)
def test_a_token_is_found_in_the_line_that_it_was_copied_with(text):
    assert pasted.token_of(text) == "abc.DEF-1=="


@pytest.mark.django_db(transaction=True)
class TestSigningIn:
    @pytest.mark.parametrize("before", ["bearer ", "Authorization: Bearer ", "export CANFAR_TOKEN="])
    async def test_a_token_is_taken_with_the_words_before_it(
        self, platform, anonymous, connections_closed, before
    ):
        answer = await anonymous.post("/signin", {"token": f"{before}{platform.token}\n"})
        assert (answer.status_code, answer.url) == (302, "/")

    async def test_what_nobody_sees_in_a_token_is_named_without_repeating_it(self, anonymous):
        answer = await anonymous.post("/signin", {"token": "canary\u200b4711"})
        assert answer.status_code == 400
        assert "There is a zero-width space (U+200B) as character 7, which no token has." in answer.text
        assert "canary" not in answer.text

    async def test_a_token_that_no_header_holds_is_refused_at_its_field(self, anonymous):
        answer = await anonymous.post("/signin", {"token": "x" * 7001})
        assert answer.status_code == 400
        assert "too long to be a token" in answer.text
