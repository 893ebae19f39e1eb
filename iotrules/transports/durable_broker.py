"""A mosquitto.conf for a plant: a broker that is killed and comes back still has what it acknowledged before.

mosquitto 2.0 acknowledges from memory and saves a moment later, so what it acknowledged last may be lost whatever it
is told; devices that count their messages show that (`STREAM/gap`).
"""

from __future__ import annotations

from pathlib import Path

_TEXT = """\
# mosquitto for a plant, as `iotrules broker --mosquitto-conf` prints it.
#
# What mosquitto has acknowledged is in its memory. By default it goes to the disk every half hour, so that a kill or
# a power cut loses every session with all that waits in it. These settings write the file again after each change: slow
# where much waits, and a kill loses no more than what was acknowledged in that very moment. The disk's own cache is not
# forced out: for a power cut use a disk that keeps what it has taken, or a broker that syncs.

persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 1

# Where a queue is full mosquitto drops the newest message, and says so to nobody. Mind its memory: about 1 KB each.
max_queued_messages 1000000
max_inflight_messages 1000
max_packet_size 1048576
set_tcp_nodelay true

# Only this machine. For others add a listener with TLS, a password_file and an acl_file, and allow nobody else.
listener {port} 127.0.0.1
allow_anonymous true
"""


def durable_configuration(directory: Path, port: int) -> str:
    """The file's text; mosquitto must be able to write to `directory`."""
    return _TEXT.format(directory=directory, port=port)
