"""What becomes of a session's processes."""

import time

import psutil

from .harness import TERMINAL, Platform, Skaha, eventually, marked

# A daemon: forked twice, in a session of its own, with nothing that ties it to its maker.
DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('daemon', os.getpid(), flush=True)
        time.sleep(100)
    os._exit(0)
os.wait()
time.sleep(SECONDS)
"""


def daemon_of(alice: Skaha, session: str) -> int:
    log = eventually(lambda: "daemon" in (text := alice.view(session, "logs")) and text)
    return int(log.split()[1])


def test_its_output_is_complete_and_in_order(alice: Skaha) -> None:
    code = "import os\nfor n in range(2000): os.write(1 + n % 2, b'line %d\\n' % n)"
    session = alice.python(code)
    assert alice.finished(session) == "Completed"
    assert alice.view(session, "logs") == "".join(f"line {n}\n" for n in range(2000))


def test_its_exit_status_decides_and_is_told(alice: Skaha) -> None:
    session = alice.python("raise SystemExit(3)")
    assert alice.finished(session) == "Failed"
    assert "Exited with code 3" in alice.view(session, "events")


def test_a_signal_that_ends_it_is_told(alice: Skaha) -> None:
    session = alice.python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert alice.finished(session) == "Failed"
    assert "Ended by signal 11 (SIGSEGV)" in alice.view(session, "events")


def test_a_command_that_is_not_there_fails_and_says_so(alice: Skaha) -> None:
    session = alice.create("no-such-program")
    assert alice.finished(session) == "Failed"
    assert "Could not run 'no-such-program': No such file or directory" in alice.view(session, "events")


def test_no_shell_reads_what_it_is_given(alice: Skaha) -> None:
    session = alice.create("echo", "$(id);", "`id`", "'quoted'", env=['A=$HOME "x"=y'])
    alice.finished(session)
    assert alice.view(session, "logs") == "$(id); `id` 'quoted'\n"


def test_its_variables_arrive_whole_and_ours_win(alice: Skaha) -> None:
    given = [
        'EQUALS=a=b "c"',
        "LINES=one\ntwo",
        "EMPTY=",
        "HOME=/nowhere",
        "skaha_username=mallory",
        "NOTHING",
    ]
    session = alice.python("import os; print(dict(os.environ))", env=given)
    alice.finished(session)
    found = eval(alice.view(session, "logs"))
    assert (found["EQUALS"], found["LINES"], found["EMPTY"]) == ('a=b "c"', "one\ntwo", "")
    assert (found["skaha_username"], found["skaha_sessionid"]) == ("alice", session)
    assert found["HOME"] == found["PWD"] != "/nowhere"
    assert "NOTHING" not in found


def test_nothing_of_the_platforms_environment_leaks_into_it(platform: Platform, alice: Skaha) -> None:
    session = alice.python(
        "import os; print([open(f'/proc/{p}/environ').read() for p in ('self', os.getppid())])"
    )
    alice.finished(session)
    assert "CANARY_SECRET" not in alice.view(session, "logs")
    assert alice.token not in alice.view(session, "logs")


def test_a_program_that_writes_to_a_closed_pipe_ends_as_usual(alice: Skaha) -> None:
    session = alice.create("python3", "-c", "import\tsubprocess\nsubprocess.run('yes|head\t-1',shell=True)")
    assert alice.finished(session) == "Completed"


def test_a_fixed_request_limits_its_memory_and_cores(alice: Skaha) -> None:
    code = "import os; print(len(os.sched_getaffinity(0)), flush=True); x = bytearray(3 << 30)"
    session = alice.python(code, cores=1, ram=1)
    assert alice.finished(session) == "Failed"
    assert alice.view(session, "logs").startswith("1\n")
    assert "MemoryError" in alice.view(session, "logs")


def test_a_daemon_that_it_leaves_behind_ends_with_it(alice: Skaha) -> None:
    session = alice.python(DAEMON.replace("SECONDS", "0.3"))
    daemon = daemon_of(alice, session)
    assert alice.finished(session) == "Completed"
    assert not psutil.pid_exists(daemon)


def test_deleting_ends_its_whole_tree_even_what_ignores_it(platform: Platform, alice: Skaha) -> None:
    session = alice.python(DAEMON.replace("SECONDS", "100"))
    daemon = daemon_of(alice, session)
    assert alice.delete(session).status_code == 200
    assert alice.get(f"/session/{session}").status_code == 404
    assert session not in alice.get("/session").text
    eventually(lambda: not psutil.pid_exists(daemon))
    eventually(lambda: not (platform.data / "sessions" / session).exists())


def test_deleting_ends_what_is_left_when_the_shim_was_killed(platform: Platform, alice: Skaha) -> None:
    session = alice.python(DAEMON.replace("SECONDS", "100"))
    daemon = psutil.Process(daemon_of(alice, session))
    shim = next(p for p in marked(platform.data) if session in " ".join(p.cmdline()))
    shim.kill()
    assert alice.finished(session) == "Failed"
    eventually(lambda: not daemon.is_running())


def test_an_unknown_image_waits_and_says_why(alice: Skaha) -> None:
    session = alice.create("true", image="images.canfar.net/skaha/nothing:1")
    events = eventually(lambda: "ImagePullBackOff" in (text := alice.view(session, "events")) and text)
    assert "there is no such image: `skaha/nothing:1` is not in this platform's catalogue" in events
    assert "ErrImagePull" in events
    assert alice.info(session)["status"] == "Pending"
    alice.delete(session)
    assert alice.info(session) == {}


def test_what_it_uses_is_measured_over_its_tree(alice: Skaha) -> None:
    session = alice.create("sh", "-c", "python3\t-c\t'x=bytearray(60<<20)\nwhile\t1:pass'&wait")
    row = eventually(lambda: float((i := alice.info(session)).get("cpuCoresInUse", 0)) > 0.1 and i)
    assert float(row["ramInUse"]) > 0.05
    alice.delete(session)


def test_a_large_log_is_sent_as_it_is_and_packed_if_the_client_likes(alice: Skaha) -> None:
    session = alice.python("for n in range(200_000): print('line', n)")
    alice.finished(session)
    plain = alice.http.get(f"/session/{session}?view=logs", headers={"Accept-Encoding": "identity"})
    packed = alice.http.get(f"/session/{session}?view=logs", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.text == packed.text == "".join(f"line {n}\n" for n in range(200_000))


def test_many_at_once_all_settle(alice: Skaha) -> None:
    began = time.monotonic()
    sessions = [alice.create("echo", str(number)) for number in range(40)]
    for number, session in enumerate(sessions):
        assert alice.finished(session) == "Completed"
        assert alice.view(session, "logs") == f"{number}\n"
    assert time.monotonic() - began < 30


def test_a_command_too_long_for_the_machine_fails_and_says_so(alice: Skaha) -> None:
    body = {"name": "long", "image": TERMINAL, "cmd": "echo", "args": "x" * 300_000}
    session = alice.http.post("/session", data=body).text.strip()
    assert alice.finished(session) == "Failed"
    assert "Argument list too long" in alice.view(session, "events")


def test_a_body_without_end_is_refused(alice: Skaha) -> None:
    assert alice.http.post("/session", data={"name": "x" * (2 << 20)}).status_code == 413
