"""Starting the process of an execution environment, with nothing of the engine in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import iotrules.handlers
from iotrules.functions.template import FunctionSettings

_BOOTSTRAP = Path(iotrules.handlers.__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all environments of a service have in common; times in seconds."""

    client: str
    region: str
    idle_seconds: float
    init_seconds: float


def spawn(settings: FunctionSettings, conditions: Conditions, address: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """The process, leader of a session of its own, its pidfd, the read end of its output; or OSError."""
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-X", "utf8", str(_BOOTSTRAP), "--parent", str(os.getpid()), "--client"]
    try:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and file, no shell
            [*command, conditions.client],
            cwd=settings.code,
            env=_variables(settings, conditions, address),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            close_fds=True,
            start_new_session=True,
        )
        exit_descriptor = _watch_exit(process)
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, exit_descriptor, reading


def _watch_exit(process: subprocess.Popen[bytes]) -> int:
    """A descriptor that is readable once the process has ended."""
    try:
        return os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.wait()
        raise


def _variables(settings: FunctionSettings, conditions: Conditions, address: str) -> dict[str, str]:
    """The variables of a handler: Lambda's, the template's, PATH and LANG of ours, and no other."""
    today = time.strftime("%Y/%m/%d", time.gmtime())
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TZ": ":UTC",
        **settings.variables,
        "_HANDLER": settings.handler,
        "AWS_DEFAULT_REGION": conditions.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": settings.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{today}/[$LATEST]{os.urandom(16).hex()}",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_REGION": conditions.region,
        "LAMBDA_RUNTIME_DIR": str(_BOOTSTRAP.parent),
        "LAMBDA_TASK_ROOT": str(settings.code),
    }
