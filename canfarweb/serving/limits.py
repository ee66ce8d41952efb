"""What one connection may cost; times in seconds, sizes in bytes."""

from __future__ import annotations

# A request's body; as much as Django takes (`DATA_UPLOAD_MAX_MEMORY_SIZE`).
BODY = 1024 * 1024
# What is read at most of one that is refused: a client that is still sending does not read the answer.
READ_OF_REFUSED = BODY + 64 * 1024
# How long a client that was refused has to read the answer.
FAREWELL = 2.0
# How long the head and the body of a request may take together, from the connection or its first byte on.
ARRIVAL = 15.0
# How long what is sent may wait for a client that does not read. About a thousand bytes a second are enough.
STALLED = 60.0

# The longest message of a browser. Those of more than 8 KiB are refused with a code, longer ones without.
MESSAGE = 16 * 1024
# Frames of any kind, also pings and pieces of a message: so many at once, and so many a second for long.
FRAMES_AT_ONCE = 240
FRAMES_A_SECOND = 60.0

# Connections that wait for the portal to take them, as far as the system lets so many wait: beyond, a browser hears
# nothing and tries again after a second, then after three.
BACKLOG = 1024
# Of one address so many connections may be open on which nothing is asked: beyond, the oldest is closed. Behind a proxy
# all are the proxy's, which keeps them open for a reason.
IDLE_OF_ONE_ADDRESS = 200
