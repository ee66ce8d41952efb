"""Hold what many viewers are told against what a session wrote: `.venv/bin/python -m tests.load.oracle [--seed N]`.

A headless session on a real local platform writes numbered lines among repeated ones, progress bars, half lines and
bytes that are no text. Between its phases it truncates its own log, once, and lets the platform rotate it: a phase
ends when everything has been read, with a half line longer than the log may still grow, so that a rotation takes
nothing away that was not read. In the end it writes on while the log is rotated, which does take lines away; that
must be told. Viewers are cut at random, half of the time in the middle of a frame, and go on from their place; the
web process is killed and started again on its data. Each viewer's text must be the one that was written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.load import writer
from tests.load.truth import Part, Transcript, WrongError, lines_of
from tests.load.watching import Scene, Viewer, eventually, platform, scene

WHOLE, FEW = 2_000_000, 500
PATIENCE = 120.0
WILD = re.compile(r"wild (\d{7}) ~{86}")


def main() -> None:
    """Perform, and say how it went."""
    parser = argparse.ArgumentParser(description="Hold the viewers of a log against what was written.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=200, help="how long the writing takes (200)")
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=50, help="cuts of each viewer (50)")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--phases", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    play = writer.Play(options.seed, options.lines, options.phases, options.seconds)
    begun, load = time.monotonic(), os.getloadavg()[0]
    with platform("--log-size", str(play.log_size())) as running:
        wrong = asyncio.run(Oracle(play, options).judge(running))
    print(
        f"  {time.monotonic() - begun:.0f} s in all, load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    )
    for each in wrong:
        print(f"WRONG: {each}")
    sys.exit(1 if wrong else 0)


class Follower:
    """One viewer: what it was told, over all its sockets."""

    def __init__(self, number: int, seed: int) -> None:
        self.told = Transcript()
        self.chance = random.Random(f"{seed} viewer {number}")
        # Some pages show little: what they missed in between is a gap to them.
        self.tail = FEW if number % 5 == 4 else WHOLE
        self.cuts = self.refused = self.frames = self.bytes = 0
        self.wrong = ""

    async def follow(self, on: Scene, slug: str, every: float, cuts: int) -> None:
        """Follow until cancelled, cut so often; after that without being cut."""
        while not self.wrong:
            try:
                socket = await on.watch(self.take)
            except (OSError, TimeoutError):
                self.refused += 1
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))
                continue
            socket.follow(slug, tail=self.tail, **self.told.place)
            try:
                await self._stay(socket, every if self.cuts < cuts else None)
            finally:
                socket.cut()
                self.frames, self.bytes = self.frames + socket.frames, self.bytes + socket.bytes
            await asyncio.sleep(self.chance.choice((0, 0, 0.1, 1)))

    async def _stay(self, socket: Viewer, every: float | None) -> None:
        """Wait until the portal closes the socket, or for the moment to cut it."""
        moment = None if every is None else self.chance.uniform(0, 2 * every)
        await asyncio.wait({socket.closed}, timeout=moment)
        if socket.closed.done():
            return
        self.cuts += 1
        if self.chance.random() < 0.5:
            socket.cut_next = True
            await asyncio.wait({socket.closed}, timeout=every)

    def take(self, frame: bytes) -> None:
        """Take a frame in; the first wrong one is kept."""
        try:
            if not self.wrong:
                self.told.take(json.loads(frame))
        except WrongError as error:
            self.wrong = str(error)

    @property
    def place(self) -> str:
        """Where it is, for who reads it."""
        return self.wrong or f"{self.told.place}, {self.told.state.get('text', '')}"


class Oracle:
    """The performance and its judge."""

    def __init__(self, play: writer.Play, options: argparse.Namespace) -> None:
        self.play, self.options = play, options
        self.runs = [lines_of(run) for run in play.runs()]
        self.followers = [Follower(number, play.seed) for number in range(options.viewers)]
        self.killed = self.filled = self.lost = 0

    async def judge(self, running: object) -> list[str]:
        """Perform; return what was wrong."""
        with tempfile.TemporaryDirectory(prefix="canfarweb-load-") as folder:
            async with scene(running, sockets=4 * len(self.followers)) as on:  # type: ignore[arg-type]
                program = Path(writer.__file__)
                play = self.play
                slug = await on.launch(
                    program, "phases", play.seed, play.lines, play.phases, play.seconds, folder
                )
                every = 0.85 * play.seconds / max(1, self.options.cuts)
                tasks = [
                    asyncio.create_task(each.follow(on, slug, every, self.options.cuts))
                    for each in self.followers
                ]
                killing = asyncio.create_task(self._kill(on))
                try:
                    await self._conduct(on, Path(folder))
                    await killing
                    await self._until_ended(on, slug)
                    await self._fill_gaps(on, slug)
                finally:
                    for task in [*tasks, killing]:
                        task.cancel()
                    said = await asyncio.gather(*tasks, killing, return_exceptions=True)
                broken = [
                    f"{each!r}"
                    for each in said
                    if isinstance(each, Exception) and not isinstance(each, asyncio.CancelledError)
                ]
                wrong = broken + self._differences()
                self._report(on)
        return wrong

    async def _conduct(self, on: Scene, folder: Path) -> None:
        """Let the writer go on after each phase, once everybody has read everything."""
        for number in range(self.play.phases):
            await self._everybody(number)
            (folder / f"{number}").touch()
            if self.play.turns(number):
                await self._turn(on, folder, number)

    async def _turn(self, on: Scene, folder: Path, number: int) -> None:
        """See the log rotated behind a phase; where that is wanted, not before its half line was read."""
        begin = self.play.half(number)[:30].decode()

        async def seen() -> bool:
            return any((each.told.partial or "").startswith(begin) for each in self.followers)

        async def turned() -> bool:
            text = await asyncio.to_thread(on.platform.alice.view, on.id, "logs")
            return text.startswith(begin)

        if self.play.seen_before(number):
            await eventually(seen, PATIENCE)
            (folder / f"{number}.seen").touch()
        await eventually(turned, PATIENCE)
        (folder / f"{number}.turned").touch()

    async def _everybody(self, number: int) -> None:
        """Wait until each viewer has the last line of a phase."""
        last = self.runs[number][-1]

        async def all_there() -> bool:
            return all(each.wrong or _last_line(each.told) == last for each in self.followers)

        try:
            await eventually(all_there, PATIENCE + 2 * self.play.seconds)
        except AssertionError:
            places = "\n".join(each.place for each in self.followers)
            raise SystemExit(f"Not everybody read to the end of phase {number}:\n{places}") from None

    async def _kill(self, on: Scene) -> None:
        """Kill the web process, so often, in the time of the writing; start it again on its data."""
        for _ in range(self.options.kills):
            await asyncio.sleep(self.play.seconds / (self.options.kills + 1))
            await asyncio.to_thread(on.web.kill)
            self.killed += 1
            await asyncio.to_thread(on.web.start)

    async def _until_ended(self, on: Scene, slug: str) -> None:
        async def all_ended() -> bool:
            return all(
                each.wrong or (each.told.state.get("state") == "ended" and each.cuts >= self.options.cuts)
                for each in self.followers
            )

        await eventually(all_ended, PATIENCE + 2 * self.play.seconds)

    async def _fill_gaps(self, on: Scene, slug: str) -> None:
        """Ask for the lines of gaps that the portal kept, where it has an answer to that."""

        for part in (part for each in self.followers for part in each.told.parts):
            for begin, end in part.gaps:
                at = begin
                while at <= end:
                    query = {"e": part.epoch, "from": at, "to": end}
                    async with on.client.get(f"{on.web.address}/s/{slug}/log/lines", params=query) as answer:
                        if answer.status != 200:
                            break
                        found = (await answer.json())["lines"]
                    if not found:
                        break
                    part.lines[at - 1 : at - 1 + len(found)] = found
                    at, self.filled = at + len(found), self.filled + len(found)

    def _differences(self) -> list[str]:
        found = []
        for number, each in enumerate(self.followers):
            left_out = each.told.gaps if each.tail == WHOLE else 0
            said = each.wrong or (f"{left_out} gaps" if left_out else self._difference(each.told))
            if said:
                found.append(f"viewer {number}: {said}")
        return found

    def _difference(self, told: Transcript) -> str:
        """Return the first difference between what one viewer was told and what was written."""
        if told.rereads:
            return "it was shown the log anew"
        if any(part.why != "restarted" for part in told.parts[1:]):
            return f"an epoch began as {[part.why for part in told.parts]}"
        parts, run = list(told.parts), 0
        while run < len(self.runs):
            if not parts:
                return f"runs {run} and on were not told"
            used, said = self._runs_in(parts[0], run)
            if not used:
                return said
            run += used
            if self.play.turns(run - 1) and self.play.seen_before(run - 1):
                return f"behind phase {run - 1} the log was rotated and known again, but an epoch began"
            if run == len(self.runs):
                return self._wild_difference(parts, sum(map(len, self.runs[run - used : run])))
            parts.pop(0)
        return ""

    def _runs_in(self, part: Part, first: int) -> tuple[int, str]:
        """Say how many runs an epoch is made of: a rotation that was seen as one goes on in the same epoch."""
        said = ""
        # The first one ends with the truncation, so nothing is ever behind it.
        for end in range(first + 1, 2 if first == 0 else len(self.runs) + 1):
            truth = [line for run in self.runs[first:end] for line in run]
            last = end == len(self.runs)
            said = part.differs_from(truth) if not last else _prefix(part, truth)
            if not said:
                return end - first, ""
        return 0, said

    def _wild_difference(self, parts: list[Part], skip: int) -> str:
        """Check that each epoch of the end is a stretch of what was written, and that it goes to the end."""
        count, here, self.lost = sum(1 for _ in self.play.wild()), -1, 0
        for index, part in enumerate(parts):
            lines = part.lines[skip if index == 0 else 0 :]
            if index < len(parts) - 1 and lines and _wild_number(lines[-1]) is None:
                # The line that was not whole when the log began anew.
                lines.pop()
            numbers = [(at, _wild_number(line)) for at, line in enumerate(lines) if line is not None]
            if not numbers:
                here += len(lines)
                continue
            begin = (numbers[0][1] or 0) - numbers[0][0]
            strays = [at for at, number in numbers if number != begin + at]
            if strays:
                return f"epoch {part.epoch}: {lines[strays[0]]!r} came as {begin + strays[0]}"
            if begin <= here or (index == 0 and begin != 0):
                return f"epoch {part.epoch}: after {here} came {begin}"
            self.lost += begin - here - 1
            here = begin + len(lines) - 1
        return "" if here == count - 1 else f"it ends with {here}, not {count - 1}"

    def _report(self, on: Scene) -> None:
        followers, lines = self.followers, sum(map(len, self.runs))
        cuts = [each.cuts for each in followers]
        print(
            f"seed {self.play.seed}: {lines} lines and {sum(1 for _ in self.play.wild())} that nobody waited for"
        )
        print(f"  log: {sum(map(len, self.play.runs())):,} bytes, rotated beyond {self.play.log_size():,}, ")
        print(
            f"  epochs of each viewer: {sorted({len(each.told.parts) for each in followers})}, truncated once"
        )
        print(f"  lines that the rotation took before anybody read them, each time told: {self.lost}")
        print(
            f"  viewers: {len(followers)}, cut {sum(cuts)} times ({min(cuts)} to {max(cuts)} each)", end=", "
        )
        print(f"turned away {sum(each.refused for each in followers)} times while the portal was down")
        print(f"  web process killed {self.killed} times")
        print(f"  frames: {sum(each.frames for each in followers):,}", end=", ")
        print(
            f"{sum(each.bytes for each in followers):,} bytes; gaps told {sum(e.told.gaps for e in followers)}",
            end=", ",
        )
        print(f"lines in them fetched {self.filled:,}")
        print(f"  upstream: {on.polls} reads of the log, {on.wire.answered:,} bytes as they travel")


def _wild_number(line: str | None) -> int | None:
    found = WILD.fullmatch(line or "")
    return int(found[1]) if found else None


def _last_line(told: Transcript) -> str | None:
    return told.parts[-1].lines[-1] if told.parts and told.parts[-1].lines else None


def _prefix(part: Part, truth: list[str]) -> str:
    """Return the first difference between the beginning of an epoch and the truth."""
    return Part(part.epoch, part.why, part.lines[: len(truth)], part.gaps).differs_from(truth)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
