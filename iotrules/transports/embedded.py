"""The broker that comes with us, from the package iotcore: its configuration, and its child process.

What it does not do (version 0.4): keep anything on disk, honour Receive Maximum, serve `$SYS`. A keep-alive
of 0, a client id with `/` or `$`, or a filter that begins with `$` gets the connection closed. The same
refused client id a second time, and it is deaf for everybody while its process lives on: hence the probe.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path

_PAYLOAD_LIMIT = 1_048_576  # its default is 20,480 bytes
_IN_FLIGHT = 1000
_SEGMENTS, _SEGMENT_BYTES = 10, 10_485_760


def embedded_available() -> bool:
    """Whether the package is installed (there are no wheels of it for some platforms)."""
    return importlib.util.find_spec("iotcore") is not None


def embedded_command(directory: Path, port: int) -> list[str]:
    """Write the configuration into `directory`, and give the command that runs the broker with it."""
    file = directory / "iotcore.toml"
    file.write_text(_configuration(port), encoding="utf-8")
    # -P: the working directory must not shadow a package.
    return [sys.executable, "-P", "-m", "iotrules.transports.embedded", str(file)]


def _configuration(port: int) -> str:
    # Only a v5 listener, and only on loopback: what it starts by default is 3.1.1 on every interface.
    return f"""\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = {_SEGMENT_BYTES}
max_segment_count = {_SEGMENTS}

[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {_PAYLOAD_LIMIT}
max_inflight_count = {_IN_FLIGHT}
"""


def _end_with_parent() -> None:
    """Standard input is a pipe that only our parent holds: its end is the parent's end, however that came."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Run the broker with the configuration file given as the argument, until standard input ends."""
    from iotcore import IotCoreBroker  # only in the child: it is a large native library

    threading.Thread(target=_end_with_parent, daemon=True).start()
    IotCoreBroker(config_path=sys.argv[1]).run_forever()


if __name__ == "__main__":
    main()
