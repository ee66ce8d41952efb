"""All sessions of the platform: create, find, renew, delete, expire, and take over from an earlier run."""

import asyncio
import logging
import shutil
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import psutil

from . import catalogue, machine
from .events import NORMAL, WARNING, Event, one_line
from .life import DEADLINE, DELETED, OUT_OF_MEMORY, TOO_LONG, Life, sentence
from .logs import Logs
from .place import Site, tidy
from .process import End, Process, adopt_marked, kill_marked, marked, read_end
from .reaper import Reaper
from .room import Room, Rooms
from .session import COMPLETED, FAILED, Session, app_id, new_app
from .store import Store
from .usage import Usage
from .watch import watch

log = logging.getLogger("sessions_app.local")

TICK = 1.0


@dataclass(frozen=True)
class Wanted:
    """What a person asks for when they create a session, checked."""

    user: str
    name: str
    kind: str
    image: str
    command: list[str]
    env: list[str]
    cores: float | None
    ram: float | None
    parent: str = ""
    gpus: int = 0


class Engine:
    """The sessions, each with a task that follows it, and one clock for deadlines and leftovers."""

    def __init__(self, store: Store, site: Site) -> None:
        self.site, self.usage = site, Usage()
        self.logs = Logs(lambda session: site.folder(session) / "log", site.limits.log_size)
        self._store, self._rooms = store, Rooms(site.limits, self._let_in, self._tell_waiting)
        self._sessions: dict[str, Session] = {}
        self._slugs: dict[str, Session] = {}
        self._events: dict[str, list[Event]] = {}
        self._lives: dict[str, Life] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper = Reaper(site.platform, site.limits.grace)

    # Reading

    def mine(self, user: str) -> list[Session]:
        """List a person's sessions, in the order of the real platform: by kind, then id (contract 2.1)."""
        return [session for session in self.all() if session.user == user]

    def all(self) -> list[Session]:
        """List everybody's sessions."""
        self._look()
        shown = (session for session in self._sessions.values() if not session.deleted)
        return sorted(shown, key=lambda session: (session.kind, session.user, session.id))

    def find(self, user: str, session: str) -> Session | None:
        """Find a session of this person; another's is as good as none."""
        self._look()
        found = self.by_id(session)
        return found if found and found.user == user and not found.parent else None

    def find_app(self, user: str, desktop: str, app: str) -> Session | None:
        """Find an app of a desktop of this person."""
        found = self.by_id(app_id(desktop, app))
        return found if found and found.user == user else None

    def apps(self, desktop: Session) -> list[Session]:
        """List the apps of a desktop."""
        if desktop.kind != "desktop":
            return []
        return [
            session
            for session in self._sessions.values()
            if session.parent == desktop.id and not session.deleted
        ]

    def by_id(self, session: str) -> Session | None:
        """Find a session by its id."""
        found = self._sessions.get(session)
        return found if found and not found.deleted else None

    def by_slug(self, slug: str) -> Session | None:
        """Find a session by the name of its host."""
        found = self._slugs.get(slug)
        return found if found and not found.deleted else None

    def events(self, session: Session) -> list[Event]:
        """List what happened to a session."""
        return self._events.get(session.id, [])

    # Changing

    async def create(self, wanted: Wanted) -> Session:
        """Take on a session: from the answer on, it is not forgotten."""
        session = Session(
            user=wanted.user,
            name=wanted.name,
            kind=wanted.kind,
            image=wanted.image,
            command=wanted.command,
            env=wanted.env,
            cores=wanted.cores,
            ram=wanted.ram,
            gpus=wanted.gpus,
            created=time.time(),
            expires=0,
        )
        if wanted.parent:
            session.parent, session.app = wanted.parent, self._new_app(wanted.parent)
            session.id = app_id(session.parent, session.app)
        await self._store.keep(session)
        self._add(session)
        self._say_what_differs(session)
        self._arrive(session)
        self._rooms.admit()
        return session

    async def renew(self, session: Session) -> None:
        """Move the deadline to a full lifetime from now, never back; its apps' too (contract 6)."""
        for each in [session, *self.apps(session)]:
            if each.active:
                each.expires = max(each.expires, int(time.time()) + self.site.limits.lifetime)
                await self._store.keep(each)

    async def delete(self, session: Session) -> None:
        """Take a session off the list at once, with its apps; its processes end in the background."""
        for app in self.apps(session):
            await self.delete(app)
        session.deleted = True
        await self._store.keep(session)
        self._end(session, DELETED)
        self._rooms.admit()

    # Starting and stopping the platform

    async def start(self) -> None:
        """Take over what an earlier run left: adopt what lives, settle what ended, begin what waited."""
        began = time.monotonic()
        for session in self._store.sessions():
            self._add(session)
        for event in self._store.events():
            self._events.setdefault(event.session, []).append(event)
        adopted = {session.id for session in self._sessions.values() if self._take_over(session)}
        left = [session for session in self._sessions.values() if session.id not in adopted]
        lost = [session for session in left if session.active and not session.deleted]
        if lost or any(session.deleted for session in self._sessions.values()):
            await self._recover(lost)
        if adopted:
            log.info("Adopted %d sessions in %.1f ms", len(adopted), (time.monotonic() - began) * 1000)
        self._rooms.admit()
        self._run(self._clock())
        self._run(watch(self._fixed, self._out_of_memory))

    async def stop(self) -> None:
        """Stop following; the sessions go on without us."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.site.puller.stop()

    def _take_over(self, session: Session) -> bool:
        if session.pid is None or session.ticks is None or session.boot != machine.boot_id():
            return False
        if not (session.active or session.deleted):
            return False
        process = Process.adopt(session.pid, session.ticks)
        if process is None:
            return False
        self._rooms.hold(session)
        self._begin(session, process)
        if session.deleted:
            self._end(session, DELETED)
        return True

    async def _recover(self, lost: list[Session]) -> None:
        """Settle the sessions whose process is not where their row says, and then end what is left of them."""
        deleted = [s for s in self._sessions.values() if s.deleted and s.id not in self._lives]
        gone = {session.id for session in (*lost, *deleted)}
        found = await asyncio.to_thread(marked, self.site.platform, gone)
        ended = [session for session in lost if not self._resume(session, found.get(session.id, []))]
        left = {session.id for session in (*ended, *deleted)}
        # First of all, because a row that says that it is over is not looked at again.
        await asyncio.to_thread(kill_marked, self.site.platform, left)
        for session in ended:
            self._enter(session)
            await self._close(session, read_end(self.site.folder(session) / "status"))
        for session in deleted:
            await self._forget(session)

    def _resume(self, session: Session, found: list[psutil.Process]) -> bool:
        """Go on with a session that has no process in its row, unless it has ended; answer whether it goes on."""
        if session.pid is not None or read_end(self.site.folder(session) / "status"):
            return False
        # Killed between a launch and its row, or before: the mark tells which.
        process = adopt_marked(found)
        if found and process is None:
            return False
        if process is None:
            self._arrive(session)
            return True
        self._enter(session)
        session.pid, session.ticks, session.boot = process.pid, process.ticks, machine.boot_id()
        self._rooms.hold(session)
        self._begin(session, process)
        return True

    async def _close(self, session: Session, end: End | None) -> None:
        """Settle a session that ended while nobody looked."""
        late = end is not None and end.at >= session.expires
        session.status = COMPLETED if end and end.code == 0 and not late else FAILED
        session.ended = end.at if end else time.time()
        text = sentence(end.text) if end else "Ended while the platform was away, and left no status"
        fine = session.status == COMPLETED
        reason, text = (DEADLINE, TOO_LONG) if late else (session.status, text)
        self._say(session, NORMAL if fine else WARNING, reason, text)
        await self._store.keep(session)

    # The course of things

    def _say_what_differs(self, session: Session) -> None:
        """Tell what a session gets in place of what was asked for: an image, and GPUs that are not here."""
        image = catalogue.find(session.image)
        if image and (text := catalogue.stand_in(session.image, image)):
            self._say(session, NORMAL, "StandsFor", text)
        if session.gpus > (here := machine.gpus()):
            asked = f"{session.gpus} GPU{'s' * (session.gpus > 1)}"
            what = f"has {here}, it runs with no more" if here else "has none, it runs without"
            self._say(session, NORMAL, "WithoutGPU", f"Asked for {asked}; this machine {what}")

    def _arrive(self, session: Session) -> None:
        """Let a session wait for room; one whose image is not here pulls that first, which needs no room."""
        if self.site.puller.has(session.image, session.kind):
            self._rooms.wait(session)
        else:
            self._enter(session)
            self._store.keep(session)
            self._begin(session)

    def _let_in(self, session: Session) -> None:
        self._enter(session)
        self._store.keep(session)
        self._say(session, NORMAL, "Scheduled", f"Accepted by {self.site.hostname}")
        if session.id not in self._lives:
            self._begin(session)

    def _tell_waiting(self, session: Session, text: str) -> None:
        """Tell for what a session waits; its time does not run meanwhile."""
        if session.started is not None:
            session.started = None
            self._store.keep(session)
        self._say(session, NORMAL, "Waiting", text, replace=True)

    def _enter(self, session: Session) -> None:
        """Let a session's time begin, if it has not."""
        if session.started is None:
            session.started = time.time()
            session.expires = int(session.started) + self.site.limits.lifetime_of(session.kind)

    def _begin(self, session: Session, process: Process | None = None) -> None:
        def say(type: str, reason: str, message: str, replace: bool = False) -> None:  # noqa: A002
            self._say(session, type, reason, message, replace)

        async def keep() -> None:
            await self._store.keep(session)

        async def clean() -> None:
            await self._reaper.clean(session.id)

        room = Room(self._rooms, session)
        life = self._lives[session.id] = Life(session, self.site, say, keep, clean, room, process)
        life.task = self._run(self._live(life))

    async def _live(self, life: Life) -> None:
        session = life.session
        await life.run()
        del self._lives[session.id]
        self._rooms.give_back(session)
        self._reaper.ended(session.id)
        tidy(self.site, session)
        if session.deleted:
            await self._forget(session)

    def _end(self, session: Session, cause: str, number: int = signal.SIGTERM) -> None:
        life = self._lives.get(session.id)
        if life is None:
            if session.deleted:
                self._run(self._forget(session))
        elif life.end(cause, number):
            self._reaper.expect(session.id)

    async def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        self._slugs.pop(session.slug, None)
        self._events.pop(session.id, None)
        await self._store.forget(session.id)
        tidy(self.site, session)  # Its last process may have been killed while we were away.
        await asyncio.to_thread(shutil.rmtree, self.site.folder(session), ignore_errors=True)

    async def _clock(self) -> None:
        while True:
            for step in (self._keep_time, self._reaper.reap, self._look_at_logs):
                try:
                    await step()
                except Exception:  # The clock goes on, whatever one step meets.
                    log.exception("The clock missed a step")
            await asyncio.sleep(TICK)

    async def _keep_time(self) -> None:
        """End what is beyond its deadline, and forget what was listed long enough."""
        now = time.time()
        for session in list(self._sessions.values()):
            if session.active:
                if not session.queued and session.expires <= now and session.id not in self._reaper:
                    self._end(session, DEADLINE)
            elif session.ended and session.ended + self.site.limits.keep_of(session.kind) <= now:
                session.deleted = True
                await self._forget(session)

    async def _look_at_logs(self) -> None:
        live = [life.session for life in self._lives.values() if life.process]
        await self.logs.look(live, self._store.keep)

    def _fixed(self) -> dict[str, tuple[int, int]]:
        lives = [(life.session, life.process) for life in self._lives.values()]
        return {s.id: (process.pid, int(s.ram * machine.GIB)) for s, process in lives if process and s.ram}

    def _out_of_memory(self, name: str, used: int) -> None:
        """End a session at once, as a container's limit would."""
        if (life := self._lives.get(name)) is None:
            return
        session = life.session
        allowed = (session.ram or 0) * machine.GIB
        text = f"Used {used / 1e9:.2f} GB of the {allowed / 1e9:.2f} GB it asked for, and was ended"
        self._say(session, WARNING, OUT_OF_MEMORY, text)
        self._end(session, OUT_OF_MEMORY, signal.SIGUSR1)

    # Small things

    def _look(self) -> None:
        self.usage.look({life.session.id: life.process.pid for life in self._lives.values() if life.process})

    def _new_app(self, desktop: str) -> str:
        while app_id(desktop, app := new_app()) in self._sessions:
            pass
        return app

    def _add(self, session: Session) -> None:
        self._sessions[session.id] = self._slugs[session.slug] = session

    def _run(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _say(self, session: Session, type: str, reason: str, message: str, replace: bool = False) -> None:  # noqa: A002
        """Note what happened; what happened before gets a later time, and progress replaces itself."""
        events, now, message = self._events.setdefault(session.id, []), time.time(), one_line(message)
        for event in events:
            if event.reason == reason and (replace or event.message == message):
                event.message, event.last = message, now
                break
        else:
            event = Event(session.id, len(events), type, reason, message, now, now)
            events.append(event)
        self._store.note(event)
