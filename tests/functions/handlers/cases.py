"""Handlers that do what handlers must not, for the tests of the Lambda service. They run in environments."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

calls = 0


def echo(event: Any, context: Any) -> Any:
    return event


def count(event: Any, context: Any) -> int:
    global calls
    calls += 1
    return calls


def describe(event: Any, context: Any) -> dict[str, Any]:
    return {
        "request": context.aws_request_id,
        "function": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "client_context": context.client_context,
        "identity": context.identity.cognito_identity_id,
        "remaining": context.get_remaining_time_in_millis(),
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "session": os.getsid(0) == os.getpid(),
        "descriptors": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()),
    }


def _descriptors() -> list[str]:
    listed = os.listdir("/proc/self/fd")
    return [fd for fd in listed if os.path.exists(f"/proc/self/fd/{fd}") or int(fd) < 3]


def fail(event: Any, context: Any) -> None:
    raise ZeroDivisionError(event["words"])


def hang(event: Any, context: Any) -> None:
    while True:
        time.sleep(60)  # hanging is the case


def hang_with_child(event: Any, context: Any) -> None:
    leave_children(event, context)
    hang(event, context)


def leave_children(event: Any, context: Any) -> list[int]:
    """One child in our group, one in a session of its own whose parent is gone; their ids, also into a file."""
    inside = subprocess.Popen(["sleep", "600"])
    daemon = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=2).pid)"
    outside = int(subprocess.run([sys.executable, "-c", daemon], stdout=subprocess.PIPE, check=True).stdout)
    Path(event["pids"]).write_text(f"{inside.pid} {outside}")
    return [inside.pid, outside]


def allocate(event: Any, context: Any) -> int:
    return len(b"x" * event["bytes"])


def allocate_in_child(event: Any, context: Any) -> None:
    subprocess.run([sys.executable, "-c", f"x = b'x' * {event['bytes']}; input()"], stdin=subprocess.PIPE, check=True)


def allocate_briefly(event: Any, context: Any) -> None:
    bytearray(b"x" * event["bytes"])


def leave(event: Any, context: Any) -> None:
    os._exit(event["code"])


def leave_politely(event: Any, context: Any) -> None:
    sys.exit(event["code"])


def crash(event: Any, context: Any) -> None:
    os.abort()


def flood(event: Any, context: Any) -> str:
    line = "a line of a log that nobody will ever read to its end\n" * 1000
    for _ in range(event["times"]):
        sys.stdout.write(line)
    sys.stderr.write("to stderr\n")
    print("the last line")
    return "done"


def log(event: Any, context: Any) -> None:
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger(__name__).info("half full")
    context.log("as it is\n")


def give_nan(event: Any, context: Any) -> dict[str, float]:
    return {"temp": float("nan")}


def give_set(event: Any, context: Any) -> set[int]:
    return {1}


def give_bytes(event: Any, context: Any) -> bytes:
    return bytes(event["bytes"], "utf-8")


def give_text(event: Any, context: Any) -> str:
    return "x" * int(event["length"])


def wait_for_file(event: Any, context: Any) -> int:
    """Says that it runs, and returns when it may."""
    (Path(event["folder"]) / f"running-{event['n']}").touch()
    while not (Path(event["folder"]) / f"go-{event['n']}").exists():
        time.sleep(0.005)  # between two looks for a file that the test makes
    return os.getpid()
