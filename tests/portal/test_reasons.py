"""Why a session is pending or how it ended, from what the platform tells."""

from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.client.values import Event
from sessions_app.reasons import cannot_start, explain, notes, rule_for, says, sentence
from sessions_app.reasons.rules import LONGEST, RULES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def told(*events: tuple[str, str, str]) -> list[Event]:
    """Return events one second apart, each (type, reason, message)."""
    moments = (NOON + timedelta(seconds=number) for number in range(len(events)))
    return [Event(*event, moment, moment) for event, moment in zip(events, moments, strict=True)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Exited with code 3", "Ended with exit code 3."),
        ("Container exited with exit code 137", "Ended with exit code 137."),
        ("Ended by signal 9", "Ended by signal 9."),
        ("OOMKilled", "Ended: it ran out of memory."),
        ("Job was active longer than specified deadline", "Ended: it reached its end time."),
    ],
)
def test_an_end_is_told_in_one_sentence(message, said):
    assert sentence("failed", told(("Normal", "Started", "Started"), ("Warning", "Failed", message))) == said


def test_a_missing_image_is_named_as_the_cause_although_the_last_event_only_says_back_off():
    events = told(
        ("Normal", "Scheduled", "Accepted"),
        ("Warning", "Failed", 'Failed to pull image "h/p/nope:1": image not found'),
        ("Normal", "BackOff", 'Back-off pulling image "h/p/nope:1"'),
    )
    assert sentence("pending", events) == "The image was not found: check its name and tag."


def test_what_is_on_its_way_is_told_by_the_last_event_in_time_not_in_place():
    events = told(("Normal", "Scheduled", "Accepted"), ("Normal", "Pulling", "Pulling image"))
    assert sentence("pending", events[::-1]) == "Pulling the image."


def test_of_events_in_the_same_second_the_later_row_is_the_newer():
    events = [Event("Normal", reason, "…", NOON, NOON) for reason in ("Scheduled", "Created", "Started")]
    assert sentence("pending", events) == "Started; waiting for the application to answer."


def test_a_pull_tells_how_far_it_is():
    events = told(("Normal", "Progress", "Downloaded 40 of 91 packages"))
    assert sentence("pending", events) == "Pulling the image: Downloaded 40 of 91 packages."


def test_a_reason_that_no_rule_knows_is_shown_as_it_came():
    assert sentence("failed", told(("Warning", "Evicted", "The node was low on disk"))) == (
        "Evicted: The node was low on disk"
    )


def test_a_failure_without_events_says_that_there_is_no_reason():
    assert sentence("failed", []) == "The platform gives no reason."


def test_a_running_session_needs_no_reason():
    assert sentence("running", told(("Normal", "Started", "Started"))) == ""


IMAGE = "images.canfar.net/skaha/nope:1"
UNPACK = (
    f'Failed to pull image "{IMAGE}": rpc error: code = Unknown desc = failed to pull and unpack image "{IMAGE}": '
    f'failed to resolve reference "{IMAGE}": '
)
NODES = "preemption: 0/12 nodes are available: 12 No preemption victims found for incoming pod."

# What Kubernetes, Kueue, a registry or the local platform tells, as they word it, and the sentence for it:
# (state, reason, message, sentence).
WORDINGS = [
    (
        "failed",
        "OOMKilled",
        "Used 4.31 GB of the 4.29 GB it asked for, and was ended",
        "Ended: it ran out of memory.",
    ),
    (
        "failed",
        "Failed",
        "Memory cgroup out of memory: Killed process 4321 (python) total-vm:9000kB",
        "Ended: it ran out of memory.",
    ),
    (
        "failed",
        "DeadlineExceeded",
        "Was active longer than its deadline allows, and was ended",
        "Ended: it reached its end time.",
    ),
    ("failed", "Failed", "Job was active longer than specified deadline", "Ended: it reached its end time."),
    (
        "failed",
        "Evicted",
        "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
        "Ended: it was put off its machine, which ran out of disk.",
    ),
    (
        "failed",
        "Evicted",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. ",
        "Ended: it was put off its machine, which ran out of memory.",
    ),
    (
        "failed",
        "Preempted",
        "Preempted by pod 7d1 on node node7",
        "Ended: the platform took its machine away.",
    ),
    (
        "failed",
        "Failed",
        "could not be started: [Errno 122] Disk quota exceeded: '/home/alice/.jupyter'",
        "Your home folder is full.",
    ),
    (
        "pending",
        "Failed",
        "Error: failed to create containerd task: write /var/lib/x: no space left on device: unknown",
        "There is no space left where it wanted to write.",
    ),
    (
        "pending",
        "FailedMount",
        'MountVolume.SetUp failed for volume "cavern" : mount failed: exit status 32',
        "Its folders cannot be attached.",
    ),
    (
        "pending",
        "FailedAttachVolume",
        'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node',
        "Its folders cannot be attached.",
    ),
    (
        "pending",
        "InspectFailed",
        'Failed to apply default image tag "Nope:1": couldn\'t parse image name "Nope:1": invalid reference format',
        "The image's name is not a valid one.",
    ),
    (
        "pending",
        "Failed",
        (
            f"{UNPACK}unexpected status code 429 Too Many Requests - Server message: toomanyrequests: You have reached "
            "your pull rate limit."
        ),
        "The registry lets nobody pull more images for now.",
    ),
    (
        "pending",
        "Failed",
        (
            f"{UNPACK}pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed"
        ),
        "The image is not open to you.",
    ),
    ("pending", "Failed", f"{UNPACK}unexpected status: 401 Unauthorized", "The image is not open to you."),
    (
        "pending",
        "Failed",
        'Error: failed to create containerd task: exec: "fit": executable file not found in $PATH: unknown',
        "The command was not found in the image.",
    ),
    (
        "failed",
        "Failed",
        "Could not run 'fit': No such file or directory",
        "The command was not found in the image.",
    ),
    (
        "pending",
        "Failed",
        'Failed to pull image "images.canfar.net/skaha/desktop:1": this machine lacks Xvnc: install tigervnc',
        "The image cannot be pulled: this machine lacks Xvnc: install tigervnc.",
    ),
    (
        "pending",
        "Failed",
        f'Failed to pull image "{IMAGE}": nothing in it runs as a carta session',
        "The image does not run as a carta session.",
    ),
    (
        "pending",
        "Failed",
        f'{UNPACK}failed to do request: Head "https://images.canfar.net/v2/": dial tcp 10.0.0.1:443: i/o timeout',
        "The registry of the image does not answer.",
    ),
    ("pending", "Failed", f"{UNPACK}{IMAGE}: not found", "The image was not found: check its name and tag."),
    (
        "pending",
        "Failed",
        f'Failed to pull image "{IMAGE}": {IMAGE}: image not found',
        "The image was not found: check its name and tag.",
    ),
    (
        "pending",
        "Failed",
        "Failed to pull image: no match for platform in manifest: sha256:12",
        "The image was made for another kind of processor.",
    ),
    ("pending", "Failed", "Error: ErrImagePull", "The image cannot be pulled; the platform tries again."),
    (
        "pending",
        "BackOff",
        f'Back-off pulling image "{IMAGE}"',
        "The image cannot be pulled; the platform tries again.",
    ),
    (
        "pending",
        "BackOff",
        "Back-off restarting failed container skaha in pod notebook-x_ns(12)",
        "It ends again each time it is started.",
    ),
    (
        "failed",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
        "It ends again each time it is started.",
    ),
    (
        "pending",
        "Failed",
        'Error: secret "registry-1" not found',
        "The platform lacks something it needs to start it.",
    ),
    (
        "pending",
        "FailedCreatePodSandBox",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network",
        "The machine that should run it cannot prepare its network.",
    ),
    ("failed", "Failed", "Exited with code 126", "Ended with exit code 126: the command could not be run."),
    ("failed", "Failed", "Exited with code 127", "Ended with exit code 127: the command was not found."),
    ("failed", "Failed", "Exited with code 130", "Ended with exit code 130: it was interrupted."),
    ("failed", "Failed", "Exited with code 134", "Ended with exit code 134: it gave up on itself."),
    ("failed", "Failed", "Container exited with exit code 137", "Ended with exit code 137."),
    ("failed", "Failed", "Exited with code 139", "Ended with exit code 139."),
    ("failed", "Failed", "Exited with code 143", "Ended with exit code 143."),
    ("failed", "Failed", "Exited with code 3", "Ended with exit code 3."),
    ("failed", "Failed", "Exited with code 12", "Ended with exit code 12."),
    ("failed", "Failed", "Ended by signal 9 (SIGKILL)", "Ended by signal 9."),
    ("failed", "Failed", "Ended by signal 11 (SIGSEGV)", "Ended by signal 11."),
    ("failed", "Failed", "Ended by signal 15 (SIGTERM)", "Ended by signal 15."),
    (
        "failed",
        "Failed",
        "Ended while the platform was away, and left no status",
        "Ended: it was killed from outside.",
    ),
    (
        "failed",
        "Failed",
        "Could not be started: [Errno 13] Permission denied",
        "It could not be started: [Errno 13] Permission denied.",
    ),
    (
        "pending",
        "FailedCreate",
        'Error creating: pods "x" is forbidden: exceeded quota: compute, requested: cpu=8, used: cpu=96',
        "The quota is used up.",
    ),
    (
        "pending",
        "Pending",
        (
            "couldn't assign flavors to pod set main: insufficient quota for cpu in flavor default, request > maximum "
            "capacity (128 > 64)"
        ),
        "It asks for more than the platform has.",
    ),
    (
        "pending",
        "Inadmissible",
        "LocalQueue interactive doesn't exist",
        "The queue it was put into takes nothing now.",
    ),
    (
        "pending",
        "FailedScheduling",
        f"0/12 nodes are available: 12 Insufficient nvidia.com/gpu. {NODES}",
        "Waiting for a free GPU.",
    ),
    (
        "pending",
        "FailedScheduling",
        f"0/12 nodes are available: 3 node(s) had untolerated taint {{role: control}}, 9 Insufficient cpu. {NODES}",
        "Waiting for free cores.",
    ),
    (
        "pending",
        "Pending",
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor default, 2 more needed",
        "Waiting for free cores.",
    ),
    (
        "pending",
        "FailedScheduling",
        f"0/12 nodes are available: 12 Insufficient memory. {NODES}",
        "Waiting for free memory.",
    ),
    (
        "pending",
        "FailedScheduling",
        f"0/12 nodes are available: 12 Insufficient ephemeral-storage. {NODES}",
        "Waiting for a machine with free disk.",
    ),
    ("pending", "FailedScheduling", "no node has the GPU model asked for", "Waiting for a free GPU."),
    (
        "pending",
        "FailedScheduling",
        "0/12 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "Waiting for its folders.",
    ),
    (
        "pending",
        "FailedScheduling",
        "0/12 nodes are available: 12 node(s) didn't match Pod's node affinity/selector.",
        "Waiting: no machine takes it now.",
    ),
    (
        "pending",
        "FailedScheduling",
        "0/12 nodes are available: 12 Too many pods.",
        "Waiting for a free machine.",
    ),
    ("pending", "Suspended", "Kueue managed child job suspended", "Waiting in the platform's queue."),
    (
        "pending",
        "Progress",
        "Downloaded 40 of 91 packages",
        "Pulling the image: Downloaded 40 of 91 packages.",
    ),
    ("pending", "Pulling", f'Pulling image "{IMAGE}"', "Pulling the image."),
    (
        "pending",
        "Pulled",
        f'Image "{IMAGE}" is already present on this machine',
        "The image is here; starting.",
    ),
    (
        "pending",
        "Failed",
        f'Failed to pull image "{IMAGE}": it serves headless sessions; nothing in it runs as a notebook session',
        "The image serves headless sessions, not notebook ones.",
    ),
    ("failed", "Failed", "Could not run 'sh': No such file or directory", "The image has no “sh”."),
    (
        "pending",
        "Waiting",
        "Waits for 2 cores; `test-2` holds them",
        "Waits for 2 cores; “test-2” holds them.",
    ),
    (
        "pending",
        "Waiting",
        "Waits for its turn; `large` came first and needs the room",
        "Waits for its turn; “large” came first and needs the room.",
    ),
    ("pending", "Started", "Started process 4711", "Started; waiting for the application to answer."),
    ("pending", "Scheduled", "Accepted by tycho", "Accepted; about to start."),
    (
        "pending",
        "QuotaReserved",
        "Quota reserved in ClusterQueue cq, wait time since queued was 3s",
        "Accepted; about to start.",
    ),
]


@pytest.mark.parametrize(("state", "reason", "message", "said"), WORDINGS)
def test_each_wording_of_a_platform_is_told_in_our_words(state, reason, message, said):
    events = told(("Warning" if state == "failed" else "Normal", reason, message))
    explanation = explain(state, events)
    assert explanation.sentence == sentence(state, events) == said
    assert explanation.raw == f"{reason}: {message}"


def test_every_rule_is_shown_by_one_of_these_wordings():
    shown = set()
    for state, reason, message, _ in WORDINGS:
        for age in (0.0, 1000.0):
            found = rule_for(state, told(("Normal", reason, message)), age)
            assert found is not None
            shown.add(found[0])
    assert [rule.sentence for rule in RULES if rule not in shown] == []


def test_whatever_is_in_trouble_comes_with_advice():
    assert [
        rule.sentence
        for rule in RULES
        if rule.severity in {"slow", "stuck", "failing", "over"} and not rule.advice
    ] == []


def test_a_long_silence_is_explained_and_a_short_one_is_not():
    assert not explain("pending", [], 100)
    said = explain("pending", [], 130)
    assert (said.sentence, said.severity) == ("The platform has told nothing of it yet.", "slow")
    assert "queue" in said.cause


def test_a_pull_that_takes_long_is_called_a_first_use_and_not_a_fault():
    events = told(("Normal", "Pulling", "Pulling image"))
    assert explain("pending", events, 10).advice == ""
    late = explain("pending", events, 200)
    assert (late.sentence, late.severity) == ("Pulling the image.", "moving")
    assert "first use" in late.cause


def test_a_probe_that_fails_while_it_starts_is_no_trouble():
    events = told(
        ("Warning", "FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."),
        ("Normal", "Started", "Started container skaha"),
        (
            "Warning",
            "Unhealthy",
            'Readiness probe failed: Get "http://10.1.2.3:5000/": connect: connection refused',
        ),
    )
    said = explain("pending", events, 20)
    assert (said.sentence, said.severity) == ("Started; waiting for the application to answer.", "moving")


@pytest.mark.parametrize(
    "part", ["pull ", "image", "exit ", "secret ", "active its ", "not found ", "a" * 40, "{0}", "%s"]
)
def test_no_message_however_made_keeps_the_rules_busy(part):
    # A pattern that went back and forth would not come to an end here.
    message = part * (100_000 // len(part))
    for state in ("pending", "failed"):
        for reason in ("Failed", "BackOff", "FailedScheduling", "Progress", message):
            assert explain(state, told(("Warning", reason, message))).raw
    assert len(explain("failed", told(("Warning", "Odd", message))).sentence) <= LONGEST


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("Scheduled", "Accepted by tycho", "The platform found a place for it."),
        ("Pulled", 'Image "x" is already present on this machine', "The image was there already."),
        ("Pulled", 'Pulled image "x" in 12.4 s', "The image was pulled in 12.4 s."),
        (
            "Pulled",
            'Successfully pulled image "x" in 12.4s (12.4s including waiting)',
            "The image was pulled in 12.4 s.",
        ),
        ("Limits", "2 cores and 4.29 GB, held by CPU affinity", "It is held to 2 cores and 4.29 GB."),
        ("Ready", "Answers, 3.1 s after its start", "It answers, 3.1 s after its start."),
        ("Unhealthy", "Readiness probe failed", "It did not answer yet."),
        ("Failed", "Exited with code 3", "Ended with exit code 3."),
        ("Failed", "Error: ErrImagePull", "The pull failed."),
        ("BackOff", 'Back-off pulling image "x"', "The platform pauses before it pulls again."),
        ("Curious", "Something new", ""),
    ],
)
def test_a_single_event_is_told_in_our_words_where_they_are_known(reason, message, said):
    assert says("Normal", reason, message) == said


@pytest.mark.parametrize(
    "message",
    [
        'Failed to pull image "h/skaha/nope:1": there is no such image: `skaha/nope` is not in this catalogue',
        'Failed to pull image "h/p/it:1": it serves headless sessions; nothing in it runs as a notebook session',
        'Failed to apply default image tag "H/P:1": couldn\'t parse image reference "H/P:1": invalid reference format',
    ],
)
def test_what_cannot_start_as_it_was_asked_for_says_so_and_to_change_it(message):
    told_so = told(("Warning", "Failed", message), ("Normal", "BackOff", "Back-off pulling image"))
    explained = explain("pending", told_so, 10)
    assert (explained.severity, explained.needs_somebody, explained.cannot_start) == ("failing", True, True)
    assert "launch again" in explained.advice


def test_what_stands_for_an_image_and_a_gpu_that_is_not_there_are_notes_and_never_the_reason():
    events = told(
        (
            "Normal",
            "StandsFor",
            "`skaha/terminal:1.1.1` is not in this catalogue; `skaha/terminal:latest` stands for it",
        ),
        ("Normal", "WithoutGPU", "Asked for 1 GPU; this machine has none, it runs without"),
    )
    assert sentence("pending", events) == ""
    assert notes(events) == [
        "“skaha/terminal:1.1.1” is not in this catalogue; “skaha/terminal:latest” stands for it.",
        "It asked for 1 GPU; this machine has none, it runs without.",
    ]
    ended = [*events, *told(("Warning", "Failed", "Exited with code 3"))]
    assert sentence("failed", ended) == "Ended with exit code 3."


def test_who_waits_is_told_for_what_and_who_has_it():
    waiting = told(("Normal", "Waiting", "Waits for 2 cores; `test-2` holds them"))
    explained = explain("pending", waiting, 1)
    assert explained.sentence == "Waits for 2 cores; “test-2” holds them."
    assert (explained.severity, explained.needs_somebody) == ("slow", False)
    assert says("Normal", "Waiting", waiting[0].message) == "It waits for 2 cores; “test-2” holds them."


@pytest.mark.parametrize(
    "message",
    [
        "Could not run 'sh': No such file or directory",
        "Could not run '/bin/sh': No such file or directory",
        'Error: failed to create containerd task: exec: "sh": executable file not found in $PATH: unknown',
        'Error: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown',
    ],
)
def test_an_image_without_a_shell_is_told_as_such(message):
    assert sentence("failed", told(("Warning", "Failed", message))) == "The image has no “sh”."


def test_a_sentence_tells_whether_what_it_is_about_can_never_start():
    told_so = told(
        (
            "Warning",
            "Failed",
            (
                'Failed to pull image "h/p/it:1": it serves desktop sessions; nothing in it '
                "runs as a notebook session"
            ),
        )
    )
    assert cannot_start(sentence("pending", told_so))
    assert cannot_start("The image was not found: check its name and tag.")
    assert not cannot_start("Waits for 2 cores; “test-2” holds them.")
    assert not cannot_start("")


@pytest.mark.parametrize(
    "message",
    [
        f'Failed to pull image "{"h/p/" + "i" * 900}:1": it serves headless sessions; nothing in it runs as a notebook',
        f'Failed to pull image "h/{"p" * 900}": there is no such image: `{"n" * 900}` is not in this catalogue',
        f"Waits for 2 cores; `{'t' * 900}` holds them",
        "x " * 900,
    ],
)
def test_a_reason_is_never_longer_than_its_place_and_still_says_what_it_means(message):
    told_so = told(("Warning", "Waiting" if message.startswith("Waits") else "Failed", message))
    explained = explain("pending", told_so, 10)
    assert 0 < len(explained.sentence) <= 300
    assert cannot_start(explained.sentence) == explained.cannot_start
