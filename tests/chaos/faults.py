"""What is done to a running world: a function for each fault of the matrix in docs/reliability.md.

House rule: a fault is over when the engine acknowledges again, and the histories say when it began and ended.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

from tests.chaos.plant import edited, write_bad_rules
from tests.chaos.processes import ChaosError, wait_until
from tests.chaos.world import READY, World
from tests.stores.disks import SmallDisk

Fault: TypeAlias = Callable[[World, Random], None]

SECURITY = Path(__file__).parents[1] / "data" / "security"
KEEP_ALIVE = 20
POINT_PATIENCE = 60
CLIENTS = 30
ROWS_TO_A_SNAPSHOT = 600


def kill(world: World, dice: Random) -> None:
    """F1: SIGKILL, at any moment."""
    time.sleep(dice.uniform(0, 0.3))  # any moment is the point
    world.down("engine")
    world.engine.kill()
    world.buried()
    _restart(world, "F1")


def crash_at(world: World, dice: Random, point: str, *, revive: bool = True) -> None:
    """F2: the next life of the engine ends itself at this point, after a number of passings.

    Without `revive` it stays dead: the next life has a crash point of its own.
    """
    rare = point.startswith(("snapshot", "reload", "write.effects", "publish"))
    passings = 1 if rare else dice.randint(1, 40)
    world.down("engine")
    if not world.engine.ended():
        world.engine.kill()
        world.buried()
    world.start(at=f"{point}:{passings}")
    if point.startswith(("reload", "snapshot")):
        wait_until(
            lambda: world.engine.ended() or READY in world.engine.said(), POINT_PATIENCE, lambda: "it is never ready"
        )
    if point.startswith("reload"):
        world.use_rules(edited(world.rules, dice.choice((81.5, 82.0, 82.5, 84.0)) + dice.random() / 10))
        world.engine.signal(signal.SIGHUP)
    if point.startswith("snapshot") and not world.engine.ended():
        fill_journal(world)
    wait_until(world.engine.ended, POINT_PATIENCE, lambda: f"never came to {point}:\n{world.engine.said()[-2000:]}")
    if world.engine.process.returncode != -signal.SIGKILL:
        raise ChaosError(f"ended with {world.engine.process.returncode} before {point}:\n{world.engine.said()[-2000:]}")
    world.buried()
    if revive:
        _restart(world, "F2")


def fill_journal(world: World) -> None:
    """Ask the engine for what it refuses, a journal row each time, until it has ended or a snapshot must be due."""
    line = b'{"request": "approve", "command": "no such command", "who": "chaos"}\n'
    clients = []
    try:
        for _ in range(CLIENTS):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.settimeout(10)
            clients.append(client)
            client.connect(f"{world.store}.sock")
        for _ in range(ROWS_TO_A_SNAPSHOT // CLIENTS + 1):
            for client in clients:
                client.sendall(line)
            for client in clients:
                if not client.recv(4096):
                    return
    except OSError:
        return  # it has ended
    finally:
        for client in clients:
            client.close()


def pause(world: World, dice: Random, seconds: float | None = None) -> None:
    """F3: SIGSTOP, longer than the broker waits for a sign of life."""
    world.down("engine")
    world.engine.signal(signal.SIGSTOP)
    time.sleep(KEEP_ALIVE * 1.5 + dice.uniform(2, 15) if seconds is None else seconds)  # the pause is the fault
    since = time.monotonic_ns()
    world.engine.signal(signal.SIGCONT)
    world.wait_accepting("F3", since)
    world.up("engine")


def broker_restart(world: World, dice: Random) -> None:
    """F4: the broker ends in good order, and comes back."""
    _bounce(world, dice, "F4", signal.SIGTERM)


def broker_kill(world: World, dice: Random) -> None:
    """F4: the broker is killed; what it had not saved is gone, and nobody but the fleet's counts can tell."""
    world.broker_kept = False
    _bounce(world, dice, "F4 -9", signal.SIGKILL)


def cut(world: World, dice: Random) -> None:
    """F5: the connection is reset."""
    _network(world, "cut", "cut", 0)


def refuse(world: World, dice: Random, seconds: float | None = None) -> None:
    """F5: no way to the broker for a while."""
    _network(world, "refused", "refuse", dice.uniform(0.5, 4) if seconds is None else seconds)


def silence(world: World, dice: Random, seconds: float | None = None) -> None:
    """F5: half-open, nothing passes and nothing is closed."""
    _network(world, "half-open", "silence", dice.uniform(1, 40) if seconds is None else seconds)


def delay(world: World, dice: Random) -> None:
    """F5: each read takes 500 ms to pass."""
    _network(world, "delay", "delay", dice.uniform(1, 3), delay=0.5)


def split(world: World, dice: Random) -> None:
    """F5: bytes pass one by one."""
    _network(world, "split", "split", dice.uniform(0.5, 2))


def disk_full(world: World, dice: Random, disk: SmallDisk) -> None:
    """F7: no room; the engine says so, acknowledges nothing that it can't write, and goes on alone."""
    before = world.engine.said().count("can't commit")
    disk.fill()
    said = True
    try:
        wait_until(lambda: world.engine.said().count("can't commit") > before, 30, lambda: "nothing said")
    except ChaosError:
        said = False
    world.down("engine")
    world.history.add("disk full", said=said)
    time.sleep(dice.uniform(0, 1))  # it stays full for a while
    since = time.monotonic_ns()
    disk.free()
    world.history.add("disk free")
    world.wait_accepting("F7", since)
    world.up("engine")


def write_error(world: World, dice: Random) -> None:
    """F8: an fsync fails with EIO: the engine ends with a message, and the next one recovers."""
    world.down("engine")
    strace = subprocess.Popen(
        [
            strace_program(), "-f", "-qq", "-o", "/dev/null", "-p", str(world.engine.pid),
            "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = world.engine.process.wait(30)
    finally:
        strace.terminate()
        strace.wait(10)
    expected = code == 4 and "can't be used" in world.engine.said()
    world.history.add("engine ended by itself", code=code, expected=expected)
    world.buried()
    _restart(world, "F8")


def strace_program() -> str:
    """The path of strace. ChaosError: there is none."""
    program = shutil.which("strace")
    if program is None:
        raise ChaosError("strace is not installed (Debian: apt-get install strace)")
    return program


def burst(world: World, dice: Random) -> None:
    """F12: what was sent comes again, all at once."""
    world.fleet.tell("burst", count=50 * world.load.devices)
    world.wait_for_more(10)


def poison(world: World, dice: Random, count: int = 1000) -> None:
    """F14, F15: what no device should send, on topics that no device should have, and numbers that are none."""
    world.fleet.tell("not-a-number")
    payloads, topics = SECURITY / "poison_payloads.jsonl", SECURITY / "identifiers.jsonl"
    world.fleet.tell("poison", payloads=str(payloads), topics=str(topics), count=count)
    world.wait_for_more(count // 4)


def replay(world: World, dice: Random) -> None:
    """F18: old commands come again, retained ones too."""
    world.fleet.tell("replay")
    world.wait_for_more(10)


def offline(world: World, dice: Random) -> None:
    """F19: a device goes away while it has commands, and comes back with another boot id."""
    world.fleet.tell("offline", device=dice.randrange(2), seconds=dice.uniform(0.5, 5))
    world.wait_for_more(10)


def reload_good(world: World, dice: Random) -> None:
    """F20: other rules, while messages come."""
    times = world.engine.said().count("rules reloaded")
    world.use_rules(edited(world.rules, 81 + dice.random() * 3))
    since = time.monotonic_ns()
    world.engine.signal(signal.SIGHUP)
    world.engine.wait_for("rules reloaded", times + 1)
    world.wait_accepting("F20 good", since)


def reload_bad(world: World, dice: Random) -> None:
    """F20: a file that does not load changes nothing."""
    times = world.engine.said().count("rules not reloaded: the old ones stay")
    write_bad_rules(world.directory / "rules")
    world.history.add("rules", good=False)
    world.engine.signal(signal.SIGHUP)
    world.engine.wait_for("rules not reloaded: the old ones stay", times + 1)
    world.use_rules(world.rules)
    world.wait_for_more(5)


def reload_many(world: World, dice: Random) -> None:
    """F20: 5,000 rules, and back."""
    for fillers in (5000, 0):
        times = world.engine.said().count("rules reloaded")
        world.use_rules(world.rules, fillers=fillers)
        world.engine.signal(signal.SIGHUP)
        world.engine.wait_for("rules reloaded", times + 1, seconds=120)
        world.wait_accepting("F20 5,000", time.monotonic_ns())


FAULTS: dict[str, tuple[str, Fault]] = {
    "kill": ("F1", kill),
    "pause": ("F3", pause),
    "broker_restart": ("F4", broker_restart),
    "broker_kill": ("F4 -9", broker_kill),
    "cut": ("F5 cut", cut),
    "refuse": ("F5 refused", refuse),
    "silence": ("F5 half-open", silence),
    "delay": ("F5 delay", delay),
    "split": ("F5 split", split),
    "burst": ("F12", burst),
    "poison": ("F14-F15", poison),
    "replay": ("F18", replay),
    "offline": ("F19", offline),
    "reload_good": ("F20 good", reload_good),
    "reload_bad": ("F20 bad", reload_bad),
    "reload_many": ("F20 5,000", reload_many),
}
"""Name → its label in the table, and what it does."""


def _restart(world: World, fault: str) -> None:
    since = time.monotonic_ns()
    world.start()
    world.wait_accepting(fault, since)
    world.up("engine")


def _bounce(world: World, dice: Random, label: str, number: signal.Signals) -> None:
    world.down("broker")
    world.broker.stop(number)
    time.sleep(dice.uniform(0, 2))  # how long it is away is part of the fault
    since = time.monotonic_ns()
    world.broker.start()
    world.wait_accepting(label, since)
    world.up("broker")


def _network(world: World, label: str, what: str, seconds: float, *, delay: float = 0) -> None:
    world.down("network")
    world.tap.tell(what, seconds=delay)
    time.sleep(seconds)  # how long it lasts is part of the fault
    since = time.monotonic_ns()
    world.tap.tell("normal")
    world.wait_accepting(f"F5 {label}", since)
    world.up("network")
