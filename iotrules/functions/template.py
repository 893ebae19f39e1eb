"""The SAM template that declares the functions: what runs here is checked, the rest refused at its line.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from iotrules.model.errors import ConfigError, FileError, Problem
from iotrules.yamlfile import Node, Place, Source, entry, load_document, node_at, parse, quoted

_RESERVED = re.compile(
    r"_HANDLER|_X_AMZN_TRACE_ID|AWS_LAMBDA_\w+|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|LAMBDA_(TASK_ROOT|RUNTIME_DIR)"
)


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """One function, as its environments are built: timeout in seconds; `concurrency` None: no limit of its own."""

    name: str
    code: Path
    handler: str
    memory_mb: int
    timeout: int
    concurrency: int | None
    variables: Mapping[str, str]


def _matching(pattern: str, expected: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{quoted(text)} is not {expected}")
        return text

    return AfterValidator(check)


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w+", name, re.ASCII):
        raise ValueError(
            f"{quoted(name)} is not a name for a variable: two or more letters, digits and _, a letter first"
        )
    if _RESERVED.fullmatch(name):
        raise ValueError(f"{quoted(name)} is set by Lambda itself: choose another name")
    return name


_Runtime = Annotated[str, _matching(r"python3\.\d+", "a Python runtime: only those run here, like python3.12")]
_Handler = Annotated[str, _matching(r"[\w./-]+\.\w+", "a handler: write it as module.function")]
_Name = Annotated[str, _matching(r"[A-Za-z0-9_-]{1,64}", "a name for a function: letters, digits, - and _, at most 64")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Environment(_Part):
    Variables: dict[Annotated[str, AfterValidator(_variable)], str | int | float | bool] = Field(default_factory=dict)


class _Shared(_Part):
    """What `Globals` may say for all functions."""

    CodeUri: str | None = None
    Handler: _Handler | None = None
    Runtime: _Runtime | None = None
    MemorySize: int | None = Field(default=None, ge=128, le=10_240)
    Timeout: int | None = Field(default=None, ge=1, le=900)
    Environment: _Environment = Field(default_factory=_Environment)


class _Properties(_Shared):
    FunctionName: _Name | None = None
    Description: str = ""
    ReservedConcurrentExecutions: int | None = Field(default=None, ge=0)


class _Function(_Part):
    Type: Literal["AWS::Serverless::Function"]
    Properties: _Properties
    Metadata: dict[str, Any] = Field(default_factory=dict)


class _Globals(_Part):
    Function: _Shared = Field(default_factory=_Shared)


class _Template(_Part):
    AWSTemplateFormatVersion: Literal["2010-09-09"] = "2010-09-09"
    Transform: Literal["AWS::Serverless-2016-10-31"]
    Description: str = ""
    Metadata: dict[str, Any] = Field(default_factory=dict)
    Globals: _Globals = Field(default_factory=_Globals)
    Resources: dict[str, _Function]


def read_template(path: Path) -> dict[str, FunctionSettings]:
    """The functions of a template by the name that rules call them.

    ConfigError: the file can't be read. FileError: every part of it that is wrong or that doesn't run here.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read the SAM template {path}: {error}; give the path of a template.yaml") from error
    template = load_document(text, str(path), _Template)
    root, source = parse(text, str(path)), Source.of(text, str(path))
    functions: dict[str, FunctionSettings] = {}
    problems: list[Problem] = []
    for logical, function in template.Resources.items():
        settings = _settings(logical, function.Properties, template.Globals.Function, path.parent)
        for where, message in _conflicts(settings, functions, function.Properties, template.Globals.Function):
            problems.append(source.problem(_place(root, logical, where), message))
        functions[settings.name] = settings
    if problems:
        raise FileError(problems)
    return functions


def _settings(logical: str, own: _Properties, shared: _Shared, folder: Path) -> FunctionSettings:
    variables = shared.Environment.Variables | own.Environment.Variables
    return FunctionSettings(
        name=own.FunctionName or logical,
        code=(folder / (own.CodeUri or shared.CodeUri or ".")).resolve(),
        handler=own.Handler or shared.Handler or "",
        memory_mb=own.MemorySize or shared.MemorySize or 128,
        timeout=own.Timeout or shared.Timeout or 3,
        concurrency=own.ReservedConcurrentExecutions,
        variables={name: _text(value) for name, value in variables.items()},
    )


def _conflicts(
    settings: FunctionSettings, before: Mapping[str, FunctionSettings], own: _Properties, shared: _Shared
) -> Iterator[tuple[str, str]]:
    """(property, message) for what no single value of the template shows."""
    if settings.name in before:
        yield "FunctionName", f"another function is called {quoted(settings.name)} already"
    if not settings.handler:
        yield "Handler", 'the key "Handler" is missing, here and in Globals'
    if not (own.Runtime or shared.Runtime):
        yield "Runtime", 'the key "Runtime" is missing, here and in Globals'
    if not settings.code.is_dir():
        yield "CodeUri", f"there is no folder {settings.code}: only folders beside the template run here"


def _place(root: Node, logical: str, name: str) -> Place:
    """Where a property stands; the resource's own line when it is absent."""
    for path in (("Resources", logical, "Properties", name), ("Globals", "Function", name)):
        if found := node_at(root, path):
            return found.place
    key = entry(node_at(root, ("Resources",)), logical)
    return key[0].place if key else root.place


def _text(value: str | int | float | bool) -> str:
    """A variable's value as CloudFormation hands it on."""
    return str(value).lower() if isinstance(value, bool) else str(value)
