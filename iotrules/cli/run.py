"""`iotrules run`: the composition root of the engine's process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import structlog

from iotrules.cli.failures import reported
from iotrules.cli.keeping import retention
from iotrules.cli.logs import set_up_logs
from iotrules.cli.options import broker_options, functions_option, registry_option, rules_option
from iotrules.cli.sources import read_sources
from iotrules.functions import LocalFunctions
from iotrules.history.sqlite import SqliteHistory
from iotrules.language import load_files
from iotrules.model.errors import ConfigError, FileError, HeldError, LostLeaseError, Problem, RuleError
from iotrules.model.inputs import Reload
from iotrules.model.rules import InvokeStep, RuleSet
from iotrules.ports import Clock, Store, Transport
from iotrules.runtime.clock import SystemClock
from iotrules.runtime.control import ControlServer, control_path
from iotrules.runtime.housekeeping import PACE, Pace
from iotrules.runtime.logging import LogObserver
from iotrules.runtime.loop import Runtime
from iotrules.runtime.metrics import EngineMetrics
from iotrules.runtime.prompt import stay_prompt
from iotrules.runtime.reloading import Outcome, Reloading, beside
from iotrules.runtime.standby import wait_for_turn
from iotrules.stores.lease import StoreLease
from iotrules.stores.letters import StoredLetters
from iotrules.stores.sqlite import SqliteStore
from iotrules.transports.address import BrokerAddress
from iotrules.transports.mqtt import MqttTransport

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `iotrules run` was asked for. `metrics_port` 0 takes a free one."""

    rules: Path
    registry: Path | None
    functions: Path | None
    store: Path
    broker: BrokerAddress
    name: str
    metrics_port: int
    dry_run: bool
    watch: bool
    keep: tuple[str, ...] = ()
    standby: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """What each adapter is put behind; as shipped, nothing.

    Who calls the command with one of these as click's `obj` sees what passes an adapter, or has it fail.
    """

    store: Callable[[Store], Store] = lambda store: store
    transport: Callable[[Transport], Transport] = lambda transport: transport
    clock: Callable[[Clock], Clock] = lambda clock: clock
    pace: Pace = PACE


@click.command("run", short_help="run the engine")
@broker_options
@rules_option
@registry_option
@functions_option
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path(".iotrules/store.db"),
    show_default=True,
    help="Where state is kept.",
)
@click.option(
    "--name",
    default="iotrules-engine",
    show_default=True,
    help="Client id at the broker; the session there belongs to it.",
)
@click.option(
    "--metrics-port",
    type=int,
    default=9464,
    show_default=True,
    help="Port of /metrics on 127.0.0.1; 0 takes a free one.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="TABLE=AGE,ROWS",
    help="How long and how much of what is over is kept, as in dead_letters=30d,100000 (docs/operations.md).",
)
@click.option("--dry-run", is_flag=True, help="Evaluate and show, but invoke and command nothing.")
@click.option(
    "--watch",
    is_flag=True,
    help="Use rule files and the registry as soon as they are changed, as SIGHUP does when asked.",
)
@click.option(
    "--standby", is_flag=True, help="While another engine is active on the store, wait, and take over when it ends."
)
def command(
    rules: Path,
    registry: Path | None,
    functions: Path | None,
    store: Path,
    broker: BrokerAddress,
    name: str,
    metrics_port: int,
    dry_run: bool,
    watch: bool,
    keep: tuple[str, ...],
    standby: bool,
) -> None:
    """Watch the broker's telemetry by the rules, until told to stop (SIGINT, SIGTERM).

    Of several engines on one store one is active. Another one ends and says which (exit code 4); with --standby it
    waits, and takes over when the active one ends, is killed, or gives no sign of life for 5 s.

    SIGHUP reads the rule files and the registry again: if they load they are used, else the problems are logged and
    the old ones stay.
    """
    set_up_logs()
    options = RunOptions(rules, registry, functions, store, broker, name, metrics_port, dry_run, watch, keep, standby)
    with reported():
        asyncio.run(_run(options, click.get_current_context().find_object(Parts) or Parts()))


async def _run(options: RunOptions, parts: Parts) -> None:
    functions = LocalFunctions(options.functions)
    _, rules = _read_rules(options, functions.names())  # what is wrong with them is better said now than at a takeover
    metrics = EngineMetrics()
    metrics.know(rules, functions.names())
    port = _serve_metrics(metrics, options.metrics_port)
    loop, told_to_stop = asyncio.get_running_loop(), asyncio.Event()
    lease = StoreLease(options.store, options.name)
    while True:
        loop.add_signal_handler(signal.SIGHUP, log.info, "standby: rules are read when this engine becomes active")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told_to_stop.set)
        if not await wait_for_turn(lease.claim, patient=options.standby, stopped=told_to_stop):
            return
        try:
            await _lead(options, parts, functions, metrics, port, lease)
            return
        except HeldError:  # another one that waited was quicker, or the stopped one runs on
            if not options.standby:
                raise


async def _lead(
    options: RunOptions,
    parts: Parts,
    functions: LocalFunctions,
    metrics: EngineMetrics,
    port: int,
    lease: StoreLease,
) -> None:
    """Be the active engine until told to stop, or until another has taken over."""
    files = _rules_now(options, functions.names())
    transport = MqttTransport(
        options.broker,
        client_id=options.name,
        on_status=lambda status: _on_status(runtime, status),
        permitted=lease.valid,
    )
    runtime = Runtime(
        files=files,
        store=parts.store(SqliteStore(options.store, lease, retention=retention(options.keep))),
        transport=parts.transport(transport),
        functions=functions,
        history=SqliteHistory(Path(f"{options.store}.history")),
        clock=parts.clock(SystemClock()),
        observers=[metrics, LogObserver()],
        name=options.name,
        control=ControlServer(control_path(options.store)),
        on_trouble=metrics.store_trouble,
        lease=lease,
        letters=StoredLetters(options.store),
        pace=parts.pace,
    )
    loop = asyncio.get_running_loop()
    lease.when_lost(lambda lost: _call(loop, runtime.fail, lost))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, runtime.stop)

    def told(outcome: Outcome, now: RuleSet | None) -> None:
        metrics.reloaded(outcome)
        if now is not None:
            metrics.know(now, functions.names())

    reloading = Reloading(lambda: _read_rules(options, functions.names())[0], runtime.reload, told, files or Reload({}))
    loop.add_signal_handler(signal.SIGHUP, reloading.ask)
    watched = [options.rules, *([options.registry] if options.registry else ())]
    aides = [reloading.run(), reloading.watch(*watched)] if options.watch else [reloading.run()]

    def ready() -> None:
        stay_prompt()
        rules = runtime.rules
        metrics.know(rules, functions.names())
        metrics.activated(lease.epoch, lease.succession)
        log.info(
            "ready",
            epoch=lease.epoch,
            rules=len(rules.rules),
            devices=None if rules.registry is None else len(rules.registry.devices),
            functions=len(functions.names()),
            broker=options.broker.url,
            metrics=f"http://127.0.0.1:{port}/metrics",
            dry_run=options.dry_run,
        )

    try:
        async with beside(*aides):
            await runtime.run(ready)
    finally:
        metrics.ended()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[LostLeaseError], None], lost: LostLeaseError) -> None:
    """From the lease's thread to the loop's."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: the engine has ended already
        loop.call_soon_threadsafe(function, lost)


def _rules_now(options: RunOptions, functions: frozenset[str]) -> Reload | None:
    """The rule files as they are now. None where they have problems and we stood by: the store has the active one's."""
    try:
        return _read_rules(options, functions)[0]
    except (FileError, ConfigError) as error:
        if not options.standby:
            raise
        log.error("the rule files have problems; going on with the rules of the engine before", problems=str(error))
        return None


def _read_rules(options: RunOptions, functions: frozenset[str]) -> tuple[Reload, RuleSet]:
    """The rule files, and what they say. RuleError or ConfigError if they can't be used."""
    sources = read_sources((options.rules,), options.registry)
    files = Reload(sources.files, options.dry_run, sources.registry)
    rules = load_files(files.files, files.registry)
    _check_functions(rules, files, functions)
    return files, rules


def _on_status(runtime: Runtime, status: str) -> None:
    log.info("broker", status=status)
    runtime.wake()


def _serve_metrics(metrics: EngineMetrics, port: int) -> int:
    try:
        return metrics.serve("127.0.0.1", port)
    except OSError as error:
        raise ConfigError(
            f"port {port} for /metrics on 127.0.0.1: {error.strerror}; choose another with --metrics-port"
        ) from error


def _check_functions(rules: RuleSet, files: Reload, known: frozenset[str]) -> None:
    """Every function that a rule invokes is there: better said now than at three in the morning."""
    problems = []
    for rule in rules.rules.values():
        missing = {step.function for step in rule.steps if isinstance(step, InvokeStep)} - known
        for name in sorted(missing):
            where = rule.location
            problems.append(
                Problem(
                    where.file,
                    where.line,
                    1,
                    f'rule "{rule.name}" invokes "{name}", which the template of functions does not have',
                    hint=f"it has: {', '.join(sorted(known)) or 'none'}",
                    source=files.files[where.file].splitlines()[where.line - 1],
                )
            )
    if problems:
        raise RuleError(problems)
