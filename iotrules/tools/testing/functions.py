"""The real handlers of a SAM template, called in this process.

House rule: what a handler leaves behind in this process (modules, variables, its path) is taken back after each call or
case, so that no case depends on the one before.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from iotrules.functions.template import FunctionSettings, read_template
from iotrules.handlers.bootstrap import Context, Handler, InitError, load
from iotrules.model.errors import FunctionError


class LocalHandlers:
    """The functions of one template; ConfigError or FileError if that can't be used. No template: no functions."""

    def __init__(self, template: Path | None) -> None:
        self._settings = read_template(template) if template else {}
        self._loaded: dict[str, Handler] = {}

    def forget(self) -> None:
        """Begin anew: the next call of each function is a cold start."""
        self._loaded.clear()

    def invoke(self, function: str, event: bytes, request_id: str) -> bytes:
        """The answer, as JSON. FunctionError: no such function, or it raised, or answered what is no JSON."""
        settings = self._settings.get(function)
        if settings is None:
            known = ", ".join(sorted(self._settings)) or "none (name a template by --functions)"
            detail = (
                f"the functions of the template are {known}; or give its answer in the case: answers: {{{function}: …}}"
            )
            raise FunctionError("no such function", detail)
        with _surroundings(settings), redirect_stdout(io.StringIO()):
            return _call(self._handler(settings), settings, event, request_id)

    def _handler(self, settings: FunctionSettings) -> Handler:
        found = self._loaded.get(settings.name)
        if found is None:
            found = self._loaded[settings.name] = _load(settings)
        return found


def _load(settings: FunctionSettings) -> Handler:
    try:
        return load(settings.handler)
    except InitError as error:
        raise FunctionError(error.kind, str(error)) from error
    except Exception as error:  # whatever the module raises is its author's, and fails the case
        raise FunctionError(type(error).__name__, str(error)) from error


def _call(handler: Handler, settings: FunctionSettings, event: bytes, request_id: str) -> bytes:
    deadline = round(time.time() * 1000) + settings.timeout * 1000
    headers = {"lambda-runtime-aws-request-id": request_id, "lambda-runtime-deadline-ms": str(deadline)}
    try:
        answer = handler(json.loads(event), Context(headers))
    except Exception as error:  # whatever a handler raises is its author's, and fails the case
        raise FunctionError(type(error).__name__, str(error)) from error
    try:
        return json.dumps(answer, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FunctionError("Runtime.MarshalError", f"the answer is not JSON: {error}") from error


@contextmanager
def _surroundings(settings: FunctionSettings) -> Iterator[None]:
    """The import path and the variables that the handler's environment would have."""
    before = dict(os.environ)
    top = settings.handler.replace("/", ".").partition(".")[0]
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == top}
    path, modules = list(sys.path), set(sys.modules)
    os.environ |= _variables(settings)
    sys.path.insert(0, str(settings.code))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if _is_below(settings.code, sys.modules[name]):
                del sys.modules[name]
        sys.modules.update(hidden)  # another module of that name may be in use here
        os.environ.clear()
        os.environ.update(before)


def _variables(settings: FunctionSettings) -> Mapping[str, str]:
    return {
        "AWS_LAMBDA_FUNCTION_NAME": settings.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "LAMBDA_TASK_ROOT": str(settings.code),
        **settings.variables,
    }


def _is_below(folder: Path, module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).resolve().is_relative_to(folder)
