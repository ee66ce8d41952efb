"""What is judged once for many sockets, and what makes it be judged anew."""

import asyncio

import pytest

from sessions_app import access
from sessions_app.live.judging import FRESH, Judge
from sessions_app.models import Person, Record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the slugs that are really looked up."""
    looked_up, record_for = [], access.record_for

    async def counting(person: Person, slug: str) -> Record:
        looked_up.append(slug)
        return await record_for(person, slug)

    monkeypatch.setattr(access, "record_for", counting)
    return looked_up


async def test_who_asks_at_the_same_moment_shares_one_look(
    alice: Person, alices: Record, judged: list[str]
) -> None:
    judge = Judge()
    assert set(await asyncio.gather(*(judge.record(alice, alices.slug) for _ in range(9)))) == {alices}
    assert len(judged) == 1
    await asyncio.sleep(FRESH + 0.1)
    await judge.record(alice, alices.slug)
    assert len(judged) == 2


async def test_a_change_of_rights_is_judged_once_however_many_sockets_tell_of_it(
    alice: Person, alices: Record, judged: list[str]
) -> None:
    judge = Judge()
    await judge.record(alice, alices.slug)
    await alices.adelete()
    for change in ("one", "one", "another", "one"):
        judge.forget(change)
        with pytest.raises(access.NotThereError):
            await judge.record(alice, alices.slug)
    assert len(judged) == 3
