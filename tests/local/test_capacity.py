"""Who may start beside whom: of the rule that lets small sessions pass large ones, its three promises."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.local.capacity import Queue, Share, Taken, share_of
from sessions_app.local.kinds import Limits
from sessions_app.local.session import COMPLETED, Session
from sessions_app.local.turns import sentences

PASSING = 60.0
LIMITS = Limits(capacity_cores=4, capacity_ram=8, gpus=1, passing=PASSING)
NONE = Share(0, 0)


@dataclass
class Machine:
    """A machine on which time passes as the test says."""

    limits: Limits = LIMITS
    now: float = 1000.0
    running: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(self.limits, lambda: self.now)

    def ask(
        self, cores: float | None = None, ram: float | None = None, gpus: int = 0, name: str = ""
    ) -> Session:
        self.now += 0.001
        session = Session("alice", name, "headless", "", self.now, 0, cores=cores, ram=ram, gpus=gpus)
        self.queue.add(session)
        self.admit()
        return session

    def end(self, session: Session) -> None:
        session.status = COMPLETED
        self.running.remove(session)
        self.admit()

    def admit(self) -> None:
        while session := self.queue.next(self.running):
            self.running.append(session)

    def told(self) -> list[tuple[Session, str]]:
        return list(sentences(self.queue.waiting(), self.running, self.queue.whole))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_small_ones_pass_a_large_one_for_a_minute_and_then_the_room_is_kept_for_it(machine: Machine) -> None:
    holding = machine.ask(cores=3)
    large = machine.ask(cores=4)
    early = machine.ask(cores=1)
    assert machine.running == [holding, early]
    machine.now += PASSING
    machine.end(early)
    late = machine.ask(cores=1)
    assert machine.running == [holding]
    machine.end(holding)
    assert machine.running == [large]
    machine.end(large)
    assert machine.running == [late]


def test_what_takes_nothing_that_the_large_one_waits_for_passes_it_at_any_time(machine: Machine) -> None:
    machine.ask(cores=3, ram=6)
    machine.ask(cores=4, ram=4)
    machine.now += 10 * PASSING
    flexible = machine.ask()
    memory = machine.ask(ram=1)
    machine.end(machine.running[0])  # The large one starts.
    assert [flexible, memory] == machine.running[:2]
    assert machine.running[2].cores == 4


def test_what_would_let_the_large_one_wait_longer_does_not_pass_it(machine: Machine) -> None:
    holding = machine.ask(cores=1, ram=3)
    large = machine.ask(ram=6, name="large")
    machine.now += 10 * PASSING
    fine, too_much = machine.ask(ram=2), machine.ask(ram=1)
    assert machine.running == [holding, fine]
    assert machine.told()[-1] == (too_much, "Waits for its turn; `large` came first and needs the room")
    machine.end(holding)
    assert machine.running == [fine, large]


def test_room_is_kept_for_each_who_waits_long_also_while_the_oldest_waits_for_something_else(
    machine: Machine,
) -> None:
    machine.ask(gpus=1, name="never ends")
    small = machine.ask(cores=1)
    machine.ask(gpus=1, name="oldest")
    large = machine.ask(cores=4, name="large")
    machine.now += PASSING
    late = machine.ask(cores=1)
    assert machine.running[1:] == [small]
    assert machine.told()[-1] == (late, "Waits for its turn; `large` came first and needs the room")
    machine.end(small)
    assert machine.running[1:] == [large]


def test_a_session_larger_than_the_machine_runs_alone_and_flexible_ones_beside_its_cores(
    machine: Machine,
) -> None:
    large = machine.ask(cores=64)
    flexible, fixed = machine.ask(), machine.ask(cores=1)
    assert machine.running == [large, flexible]
    machine.end(large)
    assert fixed in machine.running


def test_gpus_are_counted_where_there_are_some_and_else_are_not_waited_for(machine: Machine) -> None:
    first, second = machine.ask(gpus=1), machine.ask(gpus=1)
    assert machine.running == [first]
    [(waits, text)] = sentences([second], machine.running, machine.queue.whole)
    assert (waits, text) == (second, "Waits for 1 GPU; `` holds it")
    none = Machine(Limits(capacity_cores=4, capacity_ram=8, gpus=0))
    assert [none.ask(gpus=1) in none.running for _ in range(2)] == [True, True]


def test_who_takes_more_than_there_is_now_holds_up_only_those_who_want_the_same(machine: Machine) -> None:
    going_on = [machine.ask(cores=3, name="three"), machine.ask(cores=1, name="one")]
    smaller = Machine(Limits(capacity_cores=2, capacity_ram=8), running=[*going_on])
    flexible, fixed = smaller.ask(), smaller.ask(cores=1)
    assert smaller.running == [*going_on, flexible]
    [(waits, text)] = sentences(smaller.queue.waiting(), smaller.running, smaller.queue.whole)
    assert (waits, text) == (fixed, "Waits for 1 core; `three` holds it")


ASKED = st.tuples(
    st.sampled_from([None, 0.1, 1, 1.5, 2, 3, 4, 9]),
    st.sampled_from([None, 1, 2, 5, 8, 20]),
    st.sampled_from([0, 0, 0, 1]),
)
STEP = st.one_of(
    st.tuples(st.just("ask"), ASKED),
    st.tuples(st.just("end"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 20.0, 70.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_no_overcommit_no_idle_room_and_nobody_starves(steps: list) -> None:
    machine = Machine()
    whole = machine.queue.whole
    # Who ran when somebody who waits had been passed for long enough.
    before: dict[str, set[str]] = {}
    for what, value in steps:
        if what == "ask":
            machine.ask(*value)
        elif what == "end" and machine.running:
            machine.end(machine.running[value % len(machine.running)])
        elif what == "wait":
            machine.now += value
            machine.admit()
        taken = Taken(machine.running, whole).together
        assert taken.fits(NONE, whole)
        waiting = machine.queue.waiting()
        for session in waiting:
            if share_of(session, whole).fits(taken, whole):
                # Room that somebody could take is kept only for older ones, and only when those have waited long.
                assert session is not waiting[0]
                assert machine.now - waiting[0].created >= PASSING
        for session in waiting:
            if machine.now - session.created < PASSING:
                continue
            then = before.setdefault(session.id, {each.id for each in machine.running})
            later = [
                each for each in machine.running if each.id not in then and each.created > session.created
            ]
            # Whoever came later never stands in its way, but who ran before its time was over.
            assert starts_beside(session, later, machine)


def starts_beside(waits: Session, later: list[Session], machine: Machine) -> bool:
    queue = Queue(LIMITS, lambda: machine.now)
    queue.add(waits)
    return queue.next(later) is waits


@settings(max_examples=200, deadline=None)
@given(st.lists(ASKED, min_size=1, max_size=40))
def test_whoever_waits_has_one_sentence_without_an_empty_part(asked: list) -> None:
    machine = Machine()
    for number, (cores, ram, gpus) in enumerate(asked):
        machine.ask(cores, ram, gpus, name=f"n{number}")
    told = list(sentences(machine.queue.waiting(), machine.running, machine.queue.whole))
    assert [session for session, _ in told] == machine.queue.waiting()
    for _, text in told:
        assert text.startswith("Waits for ")
        assert "; `n" in text
        assert "  " not in text


def test_those_are_named_whose_end_makes_room_and_not_whoever_has_a_little(machine: Machine) -> None:
    machine.ask(name="little")
    machine.ask(cores=4, ram=4, name="large")
    machine.ask(ram=1, name="small")
    waits = machine.ask(cores=4, ram=7)
    [(_, text)] = sentences([waits], machine.running, machine.queue.whole)
    assert text == "Waits for 4 cores and 7 GiB of memory; `large` and `small` hold them"
