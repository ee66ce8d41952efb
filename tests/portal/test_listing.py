"""Which lines the list has, in which order and how they are counted: no platform, no database."""

import gc
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.http import QueryDict

from sessions_app.connections import Row
from sessions_app.templatetags.portal import span
from sessions_app.views import groups, listing
from sessions_app.views.columns import columns
from sessions_app.views.groups import Group
from sessions_app.views.lines import lines_html

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def row(name: str, state: str = "running", **changes) -> Row:
    values = {
        "slug": f"slug-{name}",
        "name": name,
        "kind": "headless",
        "image": "images.canfar.net/skaha/terminal:latest",
        "state": state,
        "status": state.capitalize(),
        "reason": "",
        "seen": NOW,
        "started": NOW,
        "expires": NOW + timedelta(days=14),
        "requested_cores": 1.0,
        "requested_ram_gib": 2.0,
        "cores_in_use": 0.5,
        "ram_in_use_gib": 1.0,
        "gpus": None,
        "fixed": True,
        "connectable": False,
    }
    return Row(**{**values, **changes})


def shown(rows: list[Row], query: str = "") -> listing.Shown:
    return listing.shown(rows, listing.Filter.of(QueryDict(query)))


def names(found: listing.Shown) -> list[str]:
    return [line.item.name for line in found.lines]


FORTY = [row(f"fit-{n}", "failed" if n <= 3 else "running" if n <= 9 else "completed") for n in range(1, 41)]


def test_a_launch_of_many_is_one_line_that_counts_its_states():
    found = shown([*FORTY, row("alone")])
    assert names(found) == ["alone", "fit-1…40"]
    [group] = [line.item for line in found.lines if isinstance(line.item, Group)]
    assert [(state, count) for state, count, _ in group.counts] == [
        ("completed", 31),
        ("running", 6),
        ("failed", 3),
    ]
    assert (found.total, found.tabs[0].count) == (41, 41)


def test_a_group_is_opened_by_its_address_in_the_order_of_its_numbers():
    found = shown([*FORTY, row("alone")], "group=fit")
    assert names(found) == [f"fit-{n}" for n in range(1, 41)]
    assert found.group is not None
    assert len(found.group.rows) == 40


def test_a_group_is_opened_in_its_place_too():
    closed = shown([*FORTY[:2], row("alone")])
    [toggle] = [line.toggle for line in closed.lines if line.toggle]
    found = shown([*FORTY[:2], row("alone")], toggle.removeprefix("?"))
    assert names(found) == ["alone", "fit-1…2", "fit-1", "fit-2"]
    assert [line.toggle for line in found.lines if line.toggle] == ["?"]


def test_two_launches_of_the_same_name_are_two_groups():
    first = [row(f"fit-{n}", launch="monday") for n in (1, 2)]
    second = [row(f"fit-{n}", launch="tuesday", slug=f"other-{n}") for n in (1, 2)]
    found = shown(first + second)
    assert names(found) == ["fit-1…2", "fit-1…2"]
    keys = {line.item.key for line in found.lines}
    assert keys == {"fit~monday", "fit~tuesday"}
    assert shown(first + second, "group=fit").total == 4
    assert shown(first + second, "group=fit~monday").total == 2


def test_one_of_two_groups_of_the_same_name_is_named_without_the_other_wherever_they_came_from():
    here = [row(f"fit-{n}", launch="monday") for n in (1, 2)]
    elsewhere = [row(f"fit-{n}", slug=f"other-{n}") for n in (1, 2)]
    third = [row(f"fit-{n}", slug=f"third-{n}", image="images.canfar.net/other/image:1") for n in (1, 2)]
    everything = here + elsewhere + third
    for mine in (here, elsewhere, third):
        [key] = [line.item.key for line in shown(everything).lines if line.item.rows == tuple(mine)]
        found = shown(everything, f"group={quote(key)}")
        assert [line.item for line in found.lines] == mine
        assert [each for each in everything if groups.belongs(each, key)] == mine


def test_a_group_tells_when_the_last_of_it_ended_once_all_have():
    first, last = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    over = [row("fit-1", "completed", ended=first), row("fit-2", "failed", ended=last)]
    [line] = shown(over).lines
    assert line.item.ended == last
    assert 'data-label="Ended"' in lines_html([line])[0]
    assert " ago</td>" in lines_html([line])[0]
    [line] = shown([*over, row("fit-3")]).lines
    assert line.item.ended is None


def test_the_kept_markup_of_a_group_keeps_none_of_its_sessions():
    def rendered() -> weakref.ref[Group]:
        [line] = shown([row(f"kept-{n}") for n in range(1, 4)]).lines
        assert "kept-1…3" in lines_html([line])[0]
        return weakref.ref(line.item)

    group = rendered()
    listing._latest.clear()
    gc.collect()
    assert group() is None


def test_a_group_is_sent_again_only_where_its_line_shows_something_else():
    rows = [row(f"fit-{n}") for n in range(1, 4)]
    for changes, is_news in [
        ({"cores_in_use": 0.51}, False),
        ({"cores_in_use": 0.9}, True),
        ({"state": "failed"}, True),
    ]:
        changed = shown([replace(rows[0], **changes), *rows[1:]])
        assert (changed.face != shown(rows).face) == is_news, changes


@pytest.mark.parametrize("changes", [{"kind": "notebook"}, {"image": "images.canfar.net/other/image:1"}])
def test_what_does_not_belong_together_is_not_put_together(changes):
    assert len(shown([row("fit-1"), row("fit-2", **changes)]).lines) == 2


def test_one_of_a_group_that_is_left_is_a_line_of_its_own():
    assert names(shown([row("fit-7")])) == ["fit-7"]


def test_what_is_under_way_comes_first_then_the_newest():
    rows = [
        row("old-failure", "failed", started=NOW - timedelta(hours=2)),
        row("new-failure", "failed"),
        row("old-runner", started=NOW - timedelta(days=3)),
        row("waiting", "pending", started=None, seen=NOW - timedelta(hours=1)),
    ]
    assert names(shown(rows)) == ["waiting", "old-runner", "new-failure", "old-failure"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["a-2", "a-10", "b"]),
        ("-name", ["b", "a-10", "a-2"]),
        ("age", ["b", "a-10", "a-2"]),
        ("-age", ["a-2", "a-10", "b"]),
        ("-cores", ["a-10", "b", "a-2"]),
        ("ends", ["a-2", "b", "a-10"]),
        ("nonsense", ["b", "a-10", "a-2"]),
    ],
)
def test_each_column_sorts_by_its_address(sort, expected):
    rows = [
        row("a-2", kind="notebook", started=NOW - timedelta(hours=9), cores_in_use=0.1, expires=NOW),
        row("a-10", kind="notebook", started=NOW - timedelta(hours=1), cores_in_use=8.0),
        row("b", kind="notebook", cores_in_use=1.0, expires=NOW + timedelta(hours=1)),
    ]
    assert names(shown(rows, f"sort={sort}")) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86399, "23 h 59 min"),
        (86400 + 3599, "1 d"),
        (3 * 86400 + 4 * 3600 + 59, "3 d 4 h"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds, words):
    assert span(seconds) == words


def test_a_head_turns_the_order_round_and_gives_the_usual_one_back():
    seen = []
    query = ""
    for _ in range(3):
        [name] = [each for each in columns(listing.Filter.of(QueryDict(query))) if each.title == "Name"]
        query = name.address.removeprefix("?")
        seen.append(query)
    assert seen == ["sort=name", "sort=-name", ""]


def test_finished_ones_can_be_hidden_and_counts_say_what_their_address_shows():
    rows = [row("runs"), row("waits", "pending"), row("done", "completed"), row("broke", "failed")]
    for query in ("", "ended=hide", "ended=hide&state=failed", "q=o", "state=running"):
        found = shown(rows, query)
        for tab in found.tabs:
            assert shown(rows, tab.address.removeprefix("?")).total == tab.count, (query, tab)
    assert names(shown(rows, "ended=hide")) == ["runs", "waits"]
    assert shown(rows, "ended=hide").ended == 2


def test_the_address_keeps_what_was_chosen():
    wanted = listing.Filter.of(
        QueryDict("q=fit&sort=-age&ended=hide&group=fit&open=a&open=b&state=running&page=2")
    )
    again = listing.Filter.of(QueryDict(wanted.address().removeprefix("?")))
    assert again == wanted
