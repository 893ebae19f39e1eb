"""`iotrules demo`: the main job by one command, closed loop included."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from device_sim.cli import DurationOption
from iotrules.cli.failures import reported
from iotrules.cli.options import functions_option, registry_option, rules_option
from iotrules.demonstration.processes import Part, check_parts, start_part, stop_part
from iotrules.demonstration.report import read_report, summary_lines
from iotrules.demonstration.screen import Screen, open_screen
from iotrules.model.errors import ConfigError, IotrulesError
from iotrules.stores.views import StoreView
from iotrules.transports.address import BrokerAddress
from iotrules.transports.broker import LocalBroker

OWN_BROKERS: dict[str, Literal["auto", "mosquitto", "iotcore"]] = {
    "auto": "auto",
    "mosquitto": "mosquitto",
    "embedded": "iotcore",
}
UPDATE_EVERY = 0.5
START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `iotrules demo` was asked for; `seconds` None runs until it is interrupted."""

    seconds: float | None
    broker: str | None
    port: int
    replay: Path | None
    speed: float
    rules: Path
    registry: Path | None
    functions: Path | None
    directory: Path


@click.command("demo", short_help="run everything")
@click.option(
    "--for",
    "seconds",
    type=DurationOption(),
    help="End by itself after so long (60s) with a summary; exit 0 only if the closed loop happened.",
)
@click.option("--broker", metavar="URL", help="A broker to use; or `mosquitto` or `embedded`, to have one started.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8700,
    show_default=True,
    help="Port of the dashboard on 127.0.0.1.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Also play back this recorded series (CSV: timestamp,value).",
)
@click.option("--speed", type=float, default=3600.0, show_default=True, help="How many times faster than recorded.")
@rules_option
@registry_option
@functions_option
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".iotrules/demo"),
    show_default=True,
    help="Store and logs; begun anew each time.",
)
def command(
    seconds: float | None, broker: str | None, port: int, replay: Path | None, speed: float, rules: Path,
    registry: Path | None, functions: Path | None, directory: Path,
) -> None:  # fmt: skip
    """Run broker, engine, functions, fifty simulated machines and the dashboard, and watch what happens."""
    options = DemoOptions(seconds, broker, port, replay, speed, rules, registry, functions, directory)
    with reported():
        sys.exit(asyncio.run(_demonstrate(options)))


async def _demonstrate(options: DemoOptions) -> int:
    console = Console(highlight=False)
    stop = _stop_signal()
    _begin_directory(options.directory)
    _check_port(options.port)
    async with AsyncExitStack() as stack:
        url = await _broker(options, stack, console)
        parts = await _start_parts(options, url, stack, console)
        address = f"http://127.0.0.1:{options.port}/"
        console.print(f"dashboard  {address}", markup=False)
        view = await _open_view(options.directory / "store.db", parts, stack)
        with open_screen(console, address) as screen:
            await _watch(screen, view, parts, stop, options.seconds)
        report = await read_report(view)
    for line in summary_lines(report):
        console.print(line, markup=False, soft_wrap=True)
    return 0 if report.closed or options.seconds is None else 1


async def _broker(options: DemoOptions, stack: AsyncExitStack, console: Console) -> str:
    """The address of the broker to use; it is started unless it is somebody else's."""
    kind = OWN_BROKERS.get(options.broker or "auto")
    if kind is None:
        return BrokerAddress.parse(options.broker or "").url
    broker = await stack.enter_async_context(
        LocalBroker(kind, directory=options.directory / "broker", on_status=console.print)
    )
    console.print(f"broker     {broker.kind} on {broker.address.url}", markup=False)
    return broker.address.url


async def _start_parts(options: DemoOptions, url: str, stack: AsyncExitStack, console: Console) -> list[Part]:
    """Start the parts in the order in which they need one another; they end in the opposite order."""
    store = str(options.directory / "store.db")
    commands = {
        "engine": [
            "run", "--broker", url, "--store", store, "--rules", str(options.rules),
            *_registry(options), *_functions(options), "--name", "iotrules-demo", "--metrics-port", "0",
        ],
        "dashboard": ["dashboard", "--store", store, "--port", str(options.port), "--no-open"],
        "fleet": ["sim", "demo", "--broker", url, *_replay(options)],
    }  # fmt: skip
    parts = []
    for name, arguments in commands.items():
        part = await start_part(name, arguments, options.directory)
        stack.push_async_callback(stop_part, part)
        parts.append(part)
        console.print(f"{name:<10} started, log in {part.log}", markup=False)
    return parts


def _registry(options: DemoOptions) -> list[str]:
    return [] if options.registry is None else ["--registry", str(options.registry)]


def _functions(options: DemoOptions) -> list[str]:
    return [] if options.functions is None else ["--functions", str(options.functions)]


def _replay(options: DemoOptions) -> list[str]:
    return [] if options.replay is None else ["--replay", str(options.replay), "--speed", str(options.speed)]


def _begin_directory(directory: Path) -> None:
    """An empty directory of the demo's own. Only what an earlier demo made is removed."""
    marker = directory / "demo"
    try:
        if directory.exists() and any(directory.iterdir()) and not marker.exists():
            raise ConfigError(f"{directory} holds files that are not of a demo; name another with --directory")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        marker.touch()
    except OSError as error:
        raise ConfigError(f"{directory} can't be used: {error.strerror}; name another with --directory") from error


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(f"port {port} for the dashboard: {error.strerror}; choose another with --port") from error


def _stop_signal() -> asyncio.Event:
    """Set by Ctrl-C or a termination."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _open_view(store: Path, parts: list[Part], stack: AsyncExitStack) -> StoreView:
    """The view of the engine's store, as soon as the engine has made it."""
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT
    while True:
        check_parts(parts)
        try:
            return await stack.enter_async_context(StoreView(store))
        except IotrulesError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.1)


async def _watch(
    screen: Screen, view: StoreView, parts: list[Part], stop: asyncio.Event, seconds: float | None
) -> None:
    """Keep the screen up to date until the time is over, somebody ends it, or a part dies."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while not stop.is_set() and (end is None or loop.time() < end):
        check_parts(parts)
        await screen.update(view)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UPDATE_EVERY):
                await stop.wait()
