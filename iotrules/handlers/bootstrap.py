"""The runtime interface client: asks the Lambda Runtime API for events and gives each to the handler.

Run as `python -I bootstrap.py --parent PID [--client awslambdaric]` with the variables that Lambda sets.
Nothing but the standard library is imported, and what only failures need is imported when they happen.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

TYPE_CHECKING = False
if TYPE_CHECKING:  # `logging` costs 2 ms of every cold start, and many handlers don't log
    import logging

Handler = Callable[[Any, "Context"], Any]
PREFIX = "/2018-06-01/runtime"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class ClientContext:
    """What a mobile client sent along; all None unless the invocation has it."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.client, self.custom, self.env = fields.get("client"), fields.get("custom"), fields.get("env")


class Identity:
    """The Cognito identity of the caller; None for everything that a rule invokes."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.cognito_identity_id = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id = fields.get("cognitoIdentityPoolId")


class Context:
    """The second argument of a handler, with the names and types that Lambda's has."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        client, identity = (
            headers.get("lambda-runtime-client-context"),
            headers.get("lambda-runtime-cognito-identity"),
        )
        self.client_context = ClientContext(json.loads(client)) if client else None
        self.identity = Identity(json.loads(identity) if identity else {})
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until this invocation is killed; never negative."""
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        """Write to the function's log as it is, without a line end."""
        sys.stdout.write(str(message))


class InitError(Exception):
    """The handler can't be loaded; `kind` is Lambda's word for why."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace or []


class Connection:
    """One kept-alive connection to the Runtime API. A closed one means that the engine is gone: so do we."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._host = address
        self._socket = socket.create_connection((host, int(port or 80)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def get(self, path: str) -> bytes:
        """The bytes of a GET request."""
        return f"GET {PREFIX}{path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode()

    def post(self, path: str, body: bytes, kind: str = "") -> bytes:
        """The bytes of a POST request with a JSON body; `kind` is the type of the error that it reports."""
        error = f"Lambda-Runtime-Function-Error-Type: {kind}\r\n" if kind else ""
        head = (
            f"POST {PREFIX}{path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"{error}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("ascii", "replace") + body

    def send(self, data: bytes) -> None:
        """Send whole requests; several in one write save a round trip."""
        try:
            self._socket.sendall(data)
        except OSError:
            leave()

    def receive(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer, in the order of the requests: status, headers (lower case), body."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._buffer += self._read()
        status, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts, missing = [self._buffer[end + 4 :]], int(headers.get("content-length", "0"))
        missing -= len(parts[0])
        while missing > 0:
            parts.append(self._read())
            missing -= len(parts[-1])
        body = b"".join(parts)
        size = int(headers.get("content-length", "0"))
        self._buffer = body[size:]
        return int(status.split(" ", 2)[1]), headers, body[:size]

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(262_144)
        except OSError:
            data = b""
        return data or leave()


def main(arguments: list[str]) -> None:
    """Tie this process to the engine, then serve events until it goes away."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--parent" in options:
        die_with(int(options["--parent"]))
    limit_resources()
    extra = os.environ.get("PYTHONPATH", "")  # `-I` keeps Python from reading it, Lambda honours it
    sys.path[0:0] = [os.environ["LAMBDA_TASK_ROOT"], *filter(None, extra.split(os.pathsep))]
    if options.get("--client") == "awslambdaric":
        run_awslambdaric()
    else:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is the text file of a pipe
        serve(Connection(os.environ["AWS_LAMBDA_RUNTIME_API"]))


def die_with(parent: int) -> None:
    """Have the kernel kill us when the engine ends, even by SIGKILL, and keep orphans below this process."""
    if sys.platform != "linux":
        return
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def limit_resources() -> None:
    """No core files, and as many open files as Lambda allows."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = 1024 if hard == resource.RLIM_INFINITY else min(1024, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def run_awslambdaric() -> None:
    """Hand over to AWS's own client, which is run unmodified in this process."""
    import runpy

    sys.argv = ["awslambdaric", os.environ["_HANDLER"]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


def serve(connection: Connection) -> NoReturn:
    """Load the handler, then one event after another."""
    try:
        handler = load(os.environ["_HANDLER"])
    except InitError as error:
        refuse(connection, error_body(str(error), error.kind, error.trace))
    except Exception as error:  # noqa: BLE001  # whatever the module raised is its author's, and is reported
        refuse(connection, raised(error))
    connection.send(connection.get("/invocation/next"))
    while True:
        status, headers, event = connection.receive()
        if status != 200:
            leave()
        answer = run(connection, handler, event, Context(headers))
        sys.stdout.flush()
        connection.send(answer + connection.get("/invocation/next"))
        if connection.receive()[0] not in (202, 413):  # 413: the answer was too large, and that is its result
            leave()


def load(name: str) -> Handler:
    """The function that `module.function` names; InitError with Lambda's word for what is wrong."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise InitError("Runtime.MalformedHandlerName", f"Bad handler '{name}': write it as module.function")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise InitError("Runtime.UserCodeSyntaxError", message, trace) from error
    try:
        found: Handler = getattr(module, function)
    except AttributeError as error:
        raise InitError("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'") from error
    return found


def run(connection: Connection, handler: Handler, body: bytes, context: Context) -> bytes:
    """Call the handler once; the request that reports its answer or its error."""
    log_as_lambda(context.aws_request_id)
    try:
        event = json.loads(body)
    except ValueError as error:
        return failed(connection, context, error_body(f"Unable to unmarshal input: {error}", "Runtime.UnmarshalError"))
    try:
        answer = handler(event, context)
    except Exception as error:  # noqa: BLE001  # whatever a handler raises is its own, and is reported
        return failed(connection, context, raised(error))
    try:
        encoded = answer if isinstance(answer, bytes) else json.dumps(answer, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return failed(connection, context, error_body(f"Unable to marshal response: {error}", "Runtime.MarshalError"))
    return connection.post(f"/invocation/{context.aws_request_id}/response", encoded)


def failed(connection: Connection, context: Context, error: dict[str, Any]) -> bytes:
    """The request that reports an error of this invocation."""
    error["requestId"] = context.aws_request_id
    print_error(error)
    path = f"/invocation/{context.aws_request_id}/error"
    return connection.post(path, json.dumps(error).encode(), error["errorType"])


def refuse(connection: Connection, error: dict[str, Any]) -> NoReturn:
    """Report that the handler could not be loaded, and end."""
    print_error(error)
    sys.stdout.flush()
    connection.send(connection.post("/init/error", json.dumps(error).encode(), error["errorType"]))
    connection.receive()
    leave()


def error_body(message: str, kind: str, trace: list[str] | None = None) -> dict[str, Any]:
    """An error in the form that Lambda gives to callers."""
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": trace or []}


def raised(error: BaseException) -> dict[str, Any]:
    """The error body of an exception, with the frames that are the handler's."""
    return error_body(str(error), type(error).__name__, frames(error.__traceback__))


def frames(trace: TracebackType | None) -> list[str]:
    """The printed frames of a traceback, without those of this file and of the import system."""
    import traceback

    ours = (__file__, importlib.__file__)
    kept = [
        frame
        for frame in traceback.extract_tb(trace)
        if frame.filename not in ours and "importlib._bootstrap" not in frame.filename
    ]
    return traceback.format_list(kept)


def print_error(error: Mapping[str, Any]) -> None:
    """The error as Lambda logs it: one line and the traceback."""
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error["stackTrace"]:
        lines += [
            "Traceback (most recent call last):",
            *(frame.rstrip("\n") for frame in error["stackTrace"]),
        ]
    print("\n".join(lines))


_request_id = ""


def log_as_lambda(request_id: str) -> None:
    """Give the root logger Lambda's format, once the handler has imported logging and set up none itself."""
    global _request_id
    _request_id = request_id
    logging = sys.modules.get("logging")
    if logging is None or logging.root.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_with_request_id)
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.root.addHandler(handler)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.aws_request_id = _request_id
    return True


def leave() -> NoReturn:
    """End without waiting for the handler's threads: nobody is there to hear them."""
    sys.stdout.flush()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
