"""The known causes, as data: where each shows, what to say of it, why it happens and what a person can do.

The rules are tried in order, so a narrower one stands before a wider one. The words in the patterns are those of
Kubernetes (scheduler, kubelet, job controller), of Kueue, of container registries and of the local platform; a test
holds one real message to each. A message is cut at ``LONGEST`` characters before it is searched and no pattern holds
one repetition inside another, so that none can be made slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1000

# How bad it is: it goes on by itself; it takes long; it waits for a person; it cannot start as it was asked for, so it
# has to be changed and launched again; it is over.
MOVING, SLOW, STUCK, FAILING, OVER = "moving", "slow", "stuck", "failing", "over"


@dataclass(frozen=True, slots=True)
class Rule:
    """One known cause; ``{0}`` in its words is the first group of its message pattern."""

    states: frozenset[str]
    reason: re.Pattern[str]
    message: re.Pattern[str]
    sentence: str
    cause: str = ""
    advice: str = ""
    severity: str = MOVING
    # Seconds for which the session has waited at least.
    after: float = 0.0


def _rule(
    states: str,
    reason: str,
    message: str,
    sentence: str,
    cause: str = "",
    advice: str = "",
    severity: str = MOVING,
    after: float = 0.0,
) -> Rule:
    return Rule(
        frozenset(states.split()),
        re.compile(reason),
        re.compile(f"(?i){message}"),
        sentence,
        cause,
        advice,
        severity,
        after,
    )


WAIT_OR_SMALLER = (
    "It starts as soon as enough is free. Fixed resources wait longest: ask for less, or take flexible."
)
CANNOT_START = "Cancel the launch, and ask whoever runs the platform if it happens again."
LOOK_AT_LOG = "See the last lines of its log for what the program said."
AGAIN = "Launch it again."
ASK_MORE = "Launch it again with more memory, or let the work take less at a time."
FREE_HOME = "Delete what you no longer need in your home folder, then launch it again."
PULL = r"Failed|ErrImagePull|ImagePullBackOff|BackOff|InspectFailed|InvalidImageName"
SCHEDULING = r"FailedScheduling|Pending|Suspended|NotTriggerScaleUp|Unschedulable"
ANY = r".*"


def _exit(code: int, sentence: str, cause: str, advice: str) -> Rule:
    return _rule(
        "failed",
        ANY,
        rf"\bexit(?:ed)?(?: with)?(?: exit)?(?: code| status)?:? {code}\b",
        sentence,
        cause,
        advice,
        OVER,
    )


RULES: tuple[Rule, ...] = (
    # How it ended.
    _rule(
        "failed",
        ANY,
        r"out of memory|oomkill|exit code:? 137 \(oom",
        "Ended: it ran out of memory.",
        "It used more memory than it had asked for, and was ended at that moment.",
        ASK_MORE,
        OVER,
    ),
    _rule(
        "failed",
        r"OOMKilled|OOMKilling|OutOfMemory",
        r".*",
        "Ended: it ran out of memory.",
        "It used more memory than it had asked for, and was ended at that moment.",
        ASK_MORE,
        OVER,
    ),
    _rule(
        "failed",
        r"DeadlineExceeded",
        r".*",
        "Ended: it reached its end time.",
        "Every session has an end time, and nobody renewed this one before it came.",
        "Launch it again, and renew it before its time is up.",
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"(?:active|specified|its) (?:longer than )?.{0,40}deadline",
        "Ended: it reached its end time.",
        "Every session has an end time, and nobody renewed this one before it came.",
        "Launch it again, and renew it before its time is up.",
        OVER,
    ),
    _rule(
        "failed",
        r"Evicted",
        r"ephemeral|local storage|diskpressure",
        "Ended: it was put off its machine, which ran out of disk.",
        "It, or its neighbours, wrote more to /scratch or /tmp than the machine has.",
        "Launch it again and write large files to your project folder instead.",
        OVER,
    ),
    _rule(
        "failed",
        r"Evicted",
        r"low on resource: memory",
        "Ended: it was put off its machine, which ran out of memory.",
        "The sessions of that machine together used more memory than it has.",
        "Launch it again; with fixed resources its memory is its own.",
        OVER,
    ),
    _rule(
        "failed",
        r"Preempted|Preempting|Evicted.+|TaintManagerEviction|NodeNotReady|NodeLost|NodeShutdown|Shutdown",
        ANY,
        "Ended: the platform took its machine away.",
        "The machine failed, was shut down, or was needed for something more urgent. It is not your doing.",
        AGAIN,
        OVER,
    ),
    _rule(
        "pending failed",
        ANY,
        r"disk quota exceeded|errno 122\b",
        "Your home folder is full.",
        "A session writes into the home folder as it starts, and there was no room left.",
        FREE_HOME,
        STUCK,
    ),
    _rule(
        "pending failed",
        ANY,
        r"no space left on device|errno 28\b",
        "There is no space left where it wanted to write.",
        "Either your home folder or the disk of the machine is full.",
        FREE_HOME,
        STUCK,
    ),
    # Folders that do not come.
    _rule(
        "pending failed",
        r"FailedMount|FailedAttachVolume|VolumeFailedDelete|FailedMapVolume",
        r".*",
        "Its folders cannot be attached.",
        "The storage behind your home and project folders does not answer, or does not have them.",
        "The platform tries again. If it lasts more than a few minutes, ask whoever runs the platform.",
        STUCK,
    ),
    # The image.
    _rule(
        "pending failed",
        r"InspectFailed|InvalidImageName|Failed",
        r"InvalidImageName|couldn't parse image|invalid reference format",
        "The image's name is not a valid one.",
        "It has a letter or a part that no image name can have.",
        "Change the name to one from the list of images, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        ANY,
        r"toomanyrequests|too many requests|pull rate limit|rate ?limit exceeded",
        "The registry lets nobody pull more images for now.",
        "Too many images were pulled from it in a short time.",
        "The platform tries again by itself; wait, or choose an image that was used lately.",
        SLOW,
    ),
    _rule(
        "pending failed",
        PULL,
        r"unauthorized|403 forbidden|access denied|insufficient_scope|authorization failed|no basic auth"
        r"|authentication required|requires authentication",
        "The image is not open to you.",
        "Its registry asks for rights that were not given, or does not say whether the image exists.",
        "Check its name; if it is private, launch it again with your registry's user name and secret.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"(?:exec: \"|could not run ')(?:/\S{0,40}/)?(?:ba|da)?sh[\"'].{0,60}(?:not found|no such file)",
        "The image has no “sh”.",
        "Commands with quotes, and scripts, are run by the shell of the image, and this one has none.",
        "Choose an image with a shell, or give a command without quotes, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"executable file not found|no such file or directory: unknown|could not run '.{1,200}?': no such file",
        "The command was not found in the image.",
        "The image has no program of that name on its path.",
        "Check the spelling of the command, and that the image has it.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"this machine lacks (.{1,200})",
        "The image cannot be pulled: this machine lacks {0}.",
        "The image needs a program that is not installed here.",
        "Install it on this machine; the platform tries again by itself.",
        STUCK,
    ),
    _rule(
        "pending failed",
        PULL,
        r"serves (.{1,80}?) sessions; nothing in it runs as a (\S{1,40}) session",
        "The image serves {0} sessions, not {1} ones.",
        "It was made for another kind of session, so it cannot start.",
        "Change the image or the kind, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"nothing in it runs as a (\S{1,40}) session",
        "The image does not run as a {0} session.",
        "It was made for another kind of session, so it cannot start.",
        "Change the image or the kind, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"dial tcp|i/o timeout|connection (?:refused|reset)|no such host|tls handshake|deadline exceeded|timed? ?out"
        r"|name resolution|network is unreachable|temporary failure|max retries exceeded|enotfound|econnre",
        "The registry of the image does not answer.",
        "The network between the platform and the registry, or the registry itself, is in trouble.",
        "The platform tries again by itself.",
        SLOW,
    ),
    _rule(
        "pending failed",
        PULL,
        r"manifest unknown|no such image|unknown image|(?:pull|image|manifest|reference).{0,600}not found|repository"
        r" does not exist",
        "The image was not found: check its name and tag.",
        "Its registry has no image of that name and tag.",
        "Change the image to one from the list of images, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"no match for platform|exec format error",
        "The image was made for another kind of processor.",
        "It has no part that runs on the platform's machines.",
        "Choose another image, or build it for linux/amd64, and launch again.",
        FAILING,
    ),
    _rule(
        "pending failed",
        PULL,
        r"(pull.*)",
        "The image cannot be pulled; the platform tries again.",
        "The registry said no, or broke off. The event below has its words.",
        "If it goes on, check the image's name, or choose another one.",
        STUCK,
    ),
    # It ends as soon as it starts.
    _rule(
        "pending failed",
        r"BackOff|CrashLoopBackOff|BackoffLimitExceeded",
        r"restarting failed container|backoff limit",
        "It ends again each time it is started.",
        "The program inside stops by itself just after its start.",
        LOOK_AT_LOG,
        STUCK,
    ),
    _rule(
        "pending",
        r"Failed|CreateContainerConfigError|CreateContainerError|RunContainerError",
        r"secret .{1,200}not found|configmap .{1,200}not found|CreateContainerConfigError|couldn't find key",
        "The platform lacks something it needs to start it.",
        "A secret or a setting that the platform makes for a session is missing.",
        CANNOT_START,
        STUCK,
    ),
    _rule(
        "pending",
        r"FailedCreatePodSandBox|FailedSync|NetworkNotReady",
        r".*",
        "The machine that should run it cannot prepare its network.",
        "The machine is in trouble; it is not your doing.",
        "The platform tries again. If it lasts, cancel the launch and launch again: it may come to another machine.",
        SLOW,
    ),
    # How it ended, by its number.
    _exit(
        126,
        "Ended with exit code 126: the command could not be run.",
        "The file is there, but is not a program, or may not be run.",
        "Make it executable, and check its first line.",
    ),
    _exit(
        127,
        "Ended with exit code 127: the command was not found.",
        "There is no program of that name in the image, or a script calls one.",
        "Check the spelling, and that the image has it.",
    ),
    _exit(
        130,
        "Ended with exit code 130: it was interrupted.",
        "It got what Ctrl-C sends.",
        AGAIN,
    ),
    _exit(
        134,
        "Ended with exit code 134: it gave up on itself.",
        "The program found itself in a state that must not be, and aborted.",
        LOOK_AT_LOG,
    ),
    _exit(
        137,
        "Ended with exit code 137.",
        "It was killed (signal 9): mostly because it used more memory than it had asked for.",
        ASK_MORE,
    ),
    _exit(
        139,
        "Ended with exit code 139.",
        "The program crashed: it touched memory that is not its own (a segmentation fault).",
        LOOK_AT_LOG,
    ),
    _exit(
        143,
        "Ended with exit code 143.",
        "It was asked to end (signal 15): by a person, by the platform, or at the end of its time.",
        AGAIN,
    ),
    _rule(
        "failed",
        ANY,
        r"exit(?:ed)?(?: with)?(?: exit)?(?: code| status)?:? (\d+)",
        "Ended with exit code {0}.",
        "The program itself reported an error.",
        LOOK_AT_LOG,
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"signal (9\b|SIGKILL)",
        "Ended by signal {0}.",
        "It was killed: mostly because it used more memory than there was.",
        ASK_MORE,
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"signal (11\b|SIGSEGV)",
        "Ended by signal {0}.",
        "The program crashed: it touched memory that is not its own (a segmentation fault).",
        LOOK_AT_LOG,
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"signal (\d+|SIG\w+)",
        "Ended by signal {0}.",
        "Somebody or something ended it from outside.",
        AGAIN,
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"without leaving its status|left no status",
        "Ended: it was killed from outside.",
        "It left no word of how it ended, which happens when a machine stops or kills at once.",
        AGAIN,
        OVER,
    ),
    _rule(
        "failed",
        ANY,
        r"could not be (?:started|run): (.{1,200})",
        "It could not be started: {0}.",
        "",
        "Check its command, and that there is room in your home folder.",
        OVER,
    ),
    # Waiting for room.
    _rule(
        "pending",
        r"Waiting",
        r"(waits for its turn.{0,400})",
        "{0}.",
        "It asks for room that is kept for whoever came first.",
        "It starts by itself. Flexible resources, or less, would start sooner.",
        SLOW,
    ),
    _rule(
        "pending",
        r"Waiting",
        r"(waits for .{1,400})",
        "{0}.",
        "There is not as much free as it asks for.",
        "It starts by itself as soon as there is. To start sooner, destroy what you no longer need, or launch it again "
        "with less or with flexible resources.",
        SLOW,
    ),
    _rule(
        "pending",
        ANY,
        r"exceeded quota|quota exceeded|maximum number of sessions",
        "The quota is used up.",
        "You, or your group, already hold as much as the platform allows.",
        "Destroy a session that you no longer need; then this one starts.",
        STUCK,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"> maximum capacity|exceeds? (?:the )?maximum",
        "It asks for more than the platform has.",
        "No machine, or no queue, is as large as what it asks for.",
        "Ask for less, and launch again.",
        FAILING,
    ),
    _rule(
        "pending",
        r"Pending|Inadmissible",
        r"(?:local|cluster)queue .{0,200}(?:doesn't exist|is inactive|not found|is stopped)",
        "The queue it was put into takes nothing now.",
        "Whoever runs the platform has closed or not made that queue.",
        CANNOT_START,
        STUCK,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"insufficient (?:unused )?(?:quota for )?(?:nvidia\.com/gpu|\S{0,40}gpu)",
        "Waiting for a free GPU.",
        "All GPUs of the kind it asks for are taken.",
        "It starts as soon as one is free. Without a GPU it would start sooner.",
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"insufficient (?:unused )?(?:quota for )?cpu",
        "Waiting for free cores.",
        "No machine has as many free cores as it asks for.",
        WAIT_OR_SMALLER,
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"insufficient (?:unused )?(?:quota for )?memory",
        "Waiting for free memory.",
        "No machine has as much free memory as it asks for.",
        WAIT_OR_SMALLER,
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"insufficient (?:unused )?(?:quota for )?ephemeral-storage",
        "Waiting for a machine with free disk.",
        "No machine has as much free /scratch as the platform gives to a session.",
        "It starts as soon as other sessions end.",
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"\bgpu",
        "Waiting for a free GPU.",
        "All GPUs of the kind it asks for are taken.",
        "It starts as soon as one is free. Without a GPU it would start sooner.",
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"unbound immediate persistentvolumeclaims|volume node affinity",
        "Waiting for its folders.",
        "The storage for it is not ready yet.",
        "The platform tries again. If it lasts, ask whoever runs the platform.",
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"untolerated taint|node affinity|node selector|affinity/selector|unschedulable|didn't match|cordon",
        "Waiting: no machine takes it now.",
        "Machines are closed for maintenance, or none fits what it asks for.",
        "It starts when one opens. If it lasts, ask for less, or ask whoever runs the platform.",
        SLOW,
    ),
    _rule(
        "pending",
        SCHEDULING,
        r"too many pods|insufficient pods",
        "Waiting for a free machine.",
        "Every machine already runs as many sessions as it takes.",
        "It starts as soon as other sessions end.",
        SLOW,
    ),
    _rule(
        "pending",
        r"Suspended|Pending|QueueReserved|CreatedWorkload|Preempted|EvictedDueToPreempted|Requeued",
        r".*",
        "Waiting in the platform's queue.",
        "Others came first; the platform starts sessions as room becomes free.",
        "It starts by itself. It already counts towards your limit of sessions.",
        SLOW,
    ),
    # On its way.
    _rule(
        "pending",
        r"Progress",
        r"(.+)",
        "Pulling the image: {0}.",
        "It is the first use of this image here for some time, so all of it is fetched.",
        "The next start of it will be quick.",
        MOVING,
        after=180,
    ),
    _rule("pending", r"Progress", r"(.+)", "Pulling the image: {0}."),
    _rule(
        "pending",
        r"Pulling",
        r".*",
        "Pulling the image.",
        "It is the first use of this image on that machine, and large ones take minutes.",
        "Nothing is wrong; the next start of it will be quick.",
        MOVING,
        after=180,
    ),
    _rule("pending", r"Pulling", r".*", "Pulling the image."),
    _rule("pending", r"Pulled|Created", r".*", "The image is here; starting."),
    _rule(
        "pending",
        r"Started|Ready|Unhealthy|ProbeWarning|Limits",
        r".*",
        "Started; waiting for the application to answer.",
        "The program runs but does not answer yet, for longer than most need.",
        "See its log. If nothing moves there, destroy it and launch it again.",
        SLOW,
        after=300,
    ),
    _rule(
        "pending",
        r"Started|Ready|Unhealthy|ProbeWarning|Limits",
        r".*",
        "Started; waiting for the application to answer.",
    ),
    _rule(
        "pending",
        r"Scheduled|Accepted|Queued|QuotaReserved|Admitted|Resumed|Started|SuccessfulCreate",
        r".*",
        "Accepted; about to start.",
    ),
)


def _said(reason: str, message: str, sentence: str) -> tuple[re.Pattern[str], re.Pattern[str], str]:
    return re.compile(reason), re.compile(f"(?i){message}"), sentence


# What a single event says in our words, where it is no trouble.
SAYINGS: tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...] = (
    _said(r"Waiting", r"waits for (.{1,400})", "It waits for {0}."),
    _said(r"StandsFor", r"(.{1,400})", "{0}."),
    _said(r"WithoutGPU", r"asked for (.{1,200})", "It asked for {0}."),
    _said(r"Scheduled", r".*", "The platform found a place for it."),
    _said(r"QuotaReserved|Admitted", r".*", "Its turn in the queue came."),
    _said(r"Resumed|SuccessfulCreate|JobCreated", r".*", "The platform set it up."),
    _said(r"Suspended|CreatedWorkload", r".*", "It waits in the platform's queue."),
    _said(r"Progress", r"(.+)", "{0}."),
    _said(r"Pulling", r".*", "Pulling of the image began."),
    _said(r"Pulled", r"already present", "The image was there already."),
    _said(r"Pulled", r"\bin (\d[\d.]{0,12}) ?s\b", "The image was pulled in {0} s."),
    _said(r"Pulled", r".*", "The image was pulled."),
    _said(r"Failed", r"^Error: ErrImagePull$", "The pull failed."),
    _said(r"Failed", r"^Error: ImagePullBackOff$", "It waits for the next pull."),
    _said(r"BackOff", r"^Back-off pulling image", "The platform pauses before it pulls again."),
    _said(r"Created", r".*", "Its folder and its environment were made."),
    _said(r"Limits", r"(.{1,80}), held by", "It is held to {0}."),
    _said(r"Started", r".*", "The program was started."),
    _said(r"Unhealthy|ProbeWarning", r".*", "It did not answer yet."),
    _said(r"Ready", r"([\d.]{1,12}) s after", "It answers, {0} s after its start."),
    _said(r"Ready", r".*", "It answers."),
    _said(r"Killing", r".*", "It is being ended."),
    _said(r"Completed", r".*", "It ended by itself, without an error."),
    _said(r"SandboxChanged", r".*", "The machine set it up anew."),
    _said(r"ProvisioningSucceeded|SuccessfulAttachVolume", r".*", "Its folders are attached."),
)
