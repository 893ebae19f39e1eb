"""The simulator as a command: its options, what it shows while it runs, and how it ends."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from device_sim.documents import parse_duration
from device_sim.fleetfile import read_fleet
from device_sim.runner import Replay, Setup, Watcher, simulate
from iotrules.model.errors import IotrulesError, UnavailableError
from iotrules.model.times import SECOND
from iotrules.ports import Transport
from iotrules.transports.address import BrokerAddress
from iotrules.transports.mqtt import MqttTransport

BAD_FILE, NO_BROKER = 3, 4
"""Exit codes, those of `iotrules --help`: a file can't be used; the broker stayed away."""

F = TypeVar("F", bound=Callable[..., Any])


class DurationOption(click.ParamType[float]):
    """`10s`, `2m30s` → seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value) / SECOND
        except ValueError as error:
            self.fail(f"{value!r} is {error}", param, ctx)


class SpeedOption(click.ParamType[float]):
    """A finite number from 0 on."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            speed = float(value)
        except ValueError:
            speed = math.nan
        if not math.isfinite(speed) or speed < 0:
            self.fail(f"{value!r} is not a speed: expected 1 for real time, 60, …, or 0 for full speed", param, ctx)
        return speed


_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.argument("fleet", required=False, metavar="[FLEET.yaml]"),
    click.option("--for", "seconds", type=DurationOption(), help="Stop after this time, such as 60s."),
    click.option("--seed", type=int, help="Instead of the fleet file's seed."),
    click.option("--replay", type=_FILE, metavar="FILE.csv", help="Replay a recorded series."),
    click.option("--speed", type=SpeedOption(), default=1.0, show_default=True, help="Of the replay; 0: full speed."),
    click.option("--columns", metavar="TIME,VALUE", help="The replay's columns, if not timestamp,value."),
    click.option("--no-host", is_flag=True, help="Leave out this computer's own metrics."),
    click.option("--wait", type=DurationOption(), default="10s", show_default=True, help="For a broker that is away."),
    click.option("--labels", type=_FILE, metavar="FILE", help="Append the faults that begin, as JSON lines."),
    click.option("--journal", type=_FILE, metavar="FILE", help="Append what was published and executed."),
    click.option("--memory", type=_FILE, metavar="FILE", help="Where devices remember commands across restarts."),
    click.option("--quiet", is_flag=True, help="Show nothing but errors."),
    click.option("--json", "as_json", is_flag=True, help="End with a summary as JSON, and nothing else."),
)


def sim_options(function: F) -> F:
    """Add the simulator's argument and options (all but the broker's) to a click command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def run_command(
    broker: BrokerAddress,
    fleet: str | None,
    seconds: float | None,
    seed: int | None,
    replay: Path | None,
    speed: float,
    columns: str | None,
    no_host: bool,
    wait: float,
    labels: Path | None,
    journal: Path | None,
    memory: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the simulator as its options say; exits 3 for a file that can't be used, 4 without a broker."""
    if fleet is None and replay is None:
        raise click.UsageError("nothing to simulate: give a fleet file (or `demo`), or --replay FILE.csv")
    try:
        setup = Setup(
            fleet=read_fleet(fleet) if fleet is not None else None,
            seed=seed,
            host=not no_host,
            replay=Replay(replay, speed, _columns(columns)) if replay is not None else None,
            seconds=seconds,
            wait=wait,
            labels=labels,
            journal=journal,
            memory=memory,
        )
        if not quiet and not as_json:
            click.echo(f"{_what(setup)} to {broker.url}; Ctrl-C ends it")
        with _watcher(quiet, as_json) as watcher:
            counts = asyncio.run(_until_signal(setup, broker, watcher))
    except UnavailableError as error:
        _fail(f"the broker could not be reached within {wait:g} s: {error}", NO_BROKER)
    except IotrulesError as error:
        _fail(str(error), BAD_FILE)
    if as_json:
        click.echo(json.dumps(summary(counts)))
    elif not quiet:
        click.echo(summary_line(counts))


def summary(counts: Counter[str]) -> dict[str, Any]:
    """The counts of a run, as they are printed by --json."""
    return {
        "published": counts["published"],
        "acknowledged": counts["acknowledged"],
        "retried": counts["retried"],
        "dropped": counts["dropped"],
        "commands": {
            "executed": counts["executed"],
            "rejected": counts["rejected"],
            "failed": counts["failed"],
            "duplicates": counts["duplicate"],
            "malformed": counts["malformed command"],
            "unknown_device": counts["unknown device"],
        },
        "replay": {"rows": counts["rows"], "bad_rows": counts["bad rows"]},
    }


def summary_line(counts: Counter[str]) -> str:
    """The counts of a run for people: zeros that would only worry are left out."""
    whole = summary(counts)
    sent = _words({name: whole[name] for name in ("published", "acknowledged", "retried", "dropped")}, keep=2)
    commands = _words(whole["commands"], keep=4)
    replay = _words(whole["replay"], keep=0)
    return f"{sent}; commands: {commands}" + (f"; replay: {replay}" if replay else "")


def _words(counts: dict[str, int], keep: int) -> str:
    shown = [f"{n} {name.replace('_', ' ')}" for i, (name, n) in enumerate(counts.items()) if n or i < keep]
    return ", ".join(shown)


async def _until_signal(setup: Setup, broker: BrokerAddress, watcher: Watcher) -> Counter[str]:
    """Run until the setup's end, SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # Of this run alone: a session that outlives it would bring its commands to the next run's devices.
    client_id = f"iotrules-sim-{secrets.token_hex(6)}"
    patience = min(max(setup.wait, 1.0), 10.0)

    def connect(*, persistent: bool) -> Transport:
        # A command that was retained is an old one: nobody knows how old.
        return MqttTransport(
            broker, client_id=client_id, persistent=persistent, connect_timeout=patience, retained=False
        )

    return await simulate(setup, connect, stop, watcher)


@contextmanager
def _watcher(quiet: bool, as_json: bool) -> Iterator[Watcher]:
    """Shows one live line on a terminal, a line every few seconds elsewhere, or nothing."""
    if quiet or as_json:
        yield Watcher(status=lambda counts: None, warn=_warn)
    elif sys.stdout.isatty():
        with Live(Text("connecting"), console=Console(), transient=True, auto_refresh=False) as live:
            yield Watcher(status=lambda counts: live.update(Text(summary_line(counts)), refresh=True), warn=_warn)
    else:
        yield Watcher(status=lambda counts: click.echo(summary_line(counts)), warn=_warn)


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)


def _fail(message: str, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def _columns(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    time, comma, value = text.partition(",")
    if not (comma and time.strip() and value.strip()):
        raise click.UsageError(f"--columns takes two names, such as timestamp,value, not {text!r}")
    return time.strip(), value.strip()


def _what(setup: Setup) -> str:
    parts = []
    if setup.fleet is not None:
        parts.append(f"{sum(group.count for group in setup.fleet.fleet.values())} devices")
        parts += ["this computer"] if setup.host else []
    if setup.replay is not None:
        parts.append(f"{setup.replay.file.name} replayed")
    return " and ".join(parts)
