"""The course of one session: get its image, start it, notice when it answers, notice how it ended."""

import asyncio
import itertools
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from . import catalogue, machine
from .catalogue import Image, Program
from .events import NORMAL, WARNING
from .kinds import base_path
from .place import Site, environment, settle_in
from .probe import answers
from .process import End, Process, Spec, launch, read_end, seal_of
from .pull import PullError
from .room import Room
from .session import COMPLETED, FAILED, PENDING, RUNNING, Session

log = logging.getLogger("sessions_app.local")

DEADLINE, DELETED, OUT_OF_MEMORY = "DeadlineExceeded", "Deleted", "OOMKilled"
LONGEST_BACKOFF = 300.0
START_ROOM = 60.0
PROBE_EVERY = 0.25
TOO_LONG = "Was active longer than its deadline allows, and was ended"
NO_COMMAND = "This image runs the command that it is given, and none was given."


class Life:
    """One session on its way; a task of the engine runs it."""

    def __init__(
        self,
        session: Session,
        site: Site,
        say: Callable[..., None],
        keep: Callable[[], Awaitable[None]],
        clean: Callable[[], Awaitable[None]],
        room: Room,
        process: Process | None = None,
    ) -> None:
        self.session, self.process, self.room = session, process, room
        self._site, self._say, self._keep, self._clean = site, say, keep, clean
        self._starting = False
        self._cause = ""
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Live from where we are to the end."""
        try:
            end = await (self._whole() if self.process is None else self._again(self.process))
        except asyncio.CancelledError:
            if not self._cause:
                raise
            end = None
        except (
            Exception
        ) as error:  # A session must not wait for ever because of our mistake, or of a full disk.
            log.exception("Session %s could not be run", self.session.id)
            if self._starting or self.process:
                await self._clean()
            end = End(time.time(), problem=f"could not be started: {error}")
        self._site.cores.give_back(self.session.id)
        await self._settle(end)

    def end(self, cause: str, number: int = signal.SIGTERM) -> bool:
        """Ask for the end, of the wait or of the processes; answer whether there is a process to wait for."""
        self._cause = self._cause or cause
        if self.process is not None:
            self.process.send(number)
        elif not self._starting and self.task:
            self.task.cancel()
        return self.process is not None or self._starting

    async def _again(self, process: Process) -> End:
        """Go on where an earlier run of the platform stopped."""
        self._site.cores.note(self.session.id, process.pid)
        program = self._program()
        if self.session.status == PENDING and (program is None or not program.probe):
            await self._runs()
        return await self._follow(process)

    async def _whole(self) -> End:
        image, root = await self._image()
        await self.room.get()
        program = image.programs.get(self.session.kind)
        async with self._site.heavy_starts if program and program.probe else self._site.starts:
            self._starting = True
            process, problem = await self._start(image, program, root)
            self._starting = False
            if self._cause:
                process.send(signal.SIGTERM)
            if not problem:
                await self._started(program)
            following = asyncio.create_task(self._follow(process))
            try:
                # A heavy program keeps its place in the queue while it starts, so that not all start at once.
                await self._answered_or(following, program)
            except asyncio.CancelledError:
                following.cancel()
                raise
        return await _hold(following)

    async def _image(self) -> tuple[Image, Path | None]:
        """Get the image, however often that takes."""
        reference = self.session.image
        for delay in _delays(self._site.limits.backoff):
            if not self._site.puller.has(reference, self.session.kind):
                self.room.give_back()  # A pull needs none, and it may take for ever.
            image = catalogue.find(reference)
            try:
                if image is None:
                    name = catalogue.short_name(reference)
                    raise PullError(f"there is no such image: `{name}` is not in this platform's catalogue")
                return image, await self._pulled(image)
            except (PullError, OSError) as error:
                self._say(WARNING, "Failed", f'Failed to pull image "{reference}": {error}')
                self._say(WARNING, "Failed", "Error: ErrImagePull")
            self._say(NORMAL, "BackOff", f'Back-off pulling image "{reference}"')
            self._say(WARNING, "Failed", "Error: ImagePullBackOff")
            await asyncio.sleep(delay)
        raise AssertionError("there is always another try")

    async def _pulled(self, image: Image) -> Path | None:
        if self.session.kind not in image.kinds:
            serves = " and ".join(image.kinds)
            raise PullError(
                f"it serves {serves} sessions; nothing in it runs as a {self.session.kind} session"
            )
        here = self._site.puller.folder(image)
        if lacking := image.lacks(here is not None):
            raise PullError(lacking)
        if not image.recipe:
            return None
        if here:
            self._say(NORMAL, "Pulled", f'Image "{image.id}" is already present on this machine')
            return here
        began = time.monotonic()
        self._say(NORMAL, "Pulling", f'Pulling image "{image.id}"')
        folder = await self._site.puller.pull(image, self._progress)
        self._say(NORMAL, "Pulled", f'Pulled image "{image.id}" in {time.monotonic() - began:.1f} s')
        return folder

    def _progress(self, text: str) -> None:
        self._say(NORMAL, "Progress", text, replace=True)

    async def _start(self, image: Image, program: Program | None, root: Path | None) -> tuple[Process, str]:
        session, folder = self.session, self._site.folder(self.session)
        home = self._site.home(session.user)
        await asyncio.to_thread(_make, folder, home)
        place = settle_in(self._site, session, program, root)
        (folder / "status").unlink(missing_ok=True)
        self._say(NORMAL, "Created", "Created its folder and its environment")
        spec = Spec(
            argv=program.argv(place) if program else session.command or ["echo", NO_COMMAND],
            env=environment(self._site, session, root),
            cwd=str(home),
            log=str(folder / "log"),
            status=str(folder / "status"),
            grace=self._site.limits.grace,
            cpus=self._site.cores.take(session.id, session.cores),
            data=int(session.ram * machine.GIB) if session.ram else 0,
            seal=seal_of(self._site.platform, session.id),
        )
        front = self._site.enforcement.front(session.cores, session.ram)
        process, problem = await launch(spec, f"{self._site.platform}/{session.id}", folder, front)
        (folder / "spec").unlink(missing_ok=True)  # It was read, and holds a person's variables.
        session.pid, session.ticks, session.boot = process.pid, process.ticks, machine.boot_id()
        self.process = process
        await self._keep()
        return process, problem

    async def _started(self, program: Program | None) -> None:
        if limits := self._limits():
            self._say(NORMAL, "Limits", f"{limits}, held by {self._site.enforcement.means}")
        self._say(NORMAL, "Started", f"Started process {self.process.pid if self.process else '?'}")
        if program is None or not program.probe:
            await self._runs()

    def _limits(self) -> str:
        cores, ram = self.session.cores, self.session.ram
        memory = f"{ram * machine.GIB / 1e9:.2f} GB" if ram else ""
        return " and ".join(filter(None, [f"{cores:g} core{'s' * (cores != 1)}" if cores else "", memory]))

    async def _runs(self) -> None:
        self.session.status = RUNNING
        await self._keep()

    async def _answered_or(self, following: "asyncio.Task[End]", program: Program | None) -> None:
        deadline = time.monotonic() + (START_ROOM if program else 0)
        while self.session.status == PENDING and not following.done() and time.monotonic() < deadline:
            await asyncio.wait([following], timeout=PROBE_EVERY)

    async def _follow(self, process: Process) -> End:
        """Wait for the end; until the program answers, ask it now and then."""
        began = time.monotonic()
        ended = asyncio.create_task(process.ended())
        try:
            while self.session.status == PENDING and not ended.done():
                if await self._ready():
                    self._say(NORMAL, "Ready", f"Answers, {time.monotonic() - began:.1f} s after its start")
                    await self._runs()
                await asyncio.wait([ended], timeout=PROBE_EVERY)
            await ended
        finally:
            ended.cancel()
            process.close()
        end = read_end(self._site.folder(self.session) / "status")
        if end is None or end.left:  # Nobody has ended what it started.
            await self._clean()
        return end or End(time.time(), problem="ended without leaving its status: it was killed from outside")

    def _program(self) -> Program | None:
        image = catalogue.find(self.session.image)
        return image.programs.get(self.session.kind) if image else None

    async def _ready(self) -> bool:
        program = self._program()
        if program is None:
            return False
        base = base_path(self.session.kind, self.session.id)
        return await answers(self.session.address, base + program.probe)

    async def _settle(self, end: End | None) -> None:
        session = self.session
        session.ended = end.at if end else time.time()
        session.status = COMPLETED if end and end.code == 0 and not self._cause else FAILED
        if self._cause == DEADLINE:
            self._say(WARNING, DEADLINE, TOO_LONG)
        elif end and self._cause != OUT_OF_MEMORY:  # That one is told where it is decided.
            fine = session.status == COMPLETED
            self._say(NORMAL if fine else WARNING, session.status, sentence(end.text))
        await self._keep()


async def _hold(task: "asyncio.Task[End]") -> End:
    """Wait for a task of ours; when we are cancelled, so is it."""
    try:
        return await task
    finally:
        task.cancel()


def _delays(first: float) -> "itertools.chain[float]":
    growing = itertools.takewhile(
        lambda delay: delay < LONGEST_BACKOFF, (first * 2**n for n in itertools.count())
    )
    return itertools.chain(growing, itertools.repeat(LONGEST_BACKOFF))


def sentence(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


def _make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
