"""A broker of our own on loopback: mosquitto if installed, else the embedded one; watched and restarted.

It ends with us: mosquitto by the kernel's parent-death signal (`setpriv --pdeathsig`), the embedded one
by watching a pipe. Without `setpriv` (part of util-linux) a mosquitto would outlive a killed engine; then
auto takes the embedded one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.transports.address import BrokerAddress
from iotrules.transports.embedded import embedded_available, embedded_command

Kind: TypeAlias = Literal["mosquitto", "iotcore"]

_HOST = "127.0.0.1"
_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 5.0
_PROBE_EVERY = 5.0
_PROBE_TIMEOUT = 3.0
_RETRY_FIRST, _RETRY_LAST = 0.2, 5.0
_LIVED = 30.0
_CONNACK = 0x20
_DISCONNECT = b"\xe0\x00"


class LocalBroker:
    """Owns a broker process while the context is entered. `port` 0: a free one; `directory` is for its files.

    mosquitto saves its sessions each second, so that a kill -9 of it (not of us) can lose a second of what it had
    taken and nobody had fetched yet. The embedded one saves nothing.
    `restarts` counts how often it had died or gone deaf; `on_status` is told of that, on the event loop.
    """

    def __init__(
        self,
        kind: Literal["auto"] | Kind = "auto",
        port: int = 0,
        *,
        directory: Path,
        on_status: Callable[[str], None] | None = None,
        probe_every: float = _PROBE_EVERY,
    ) -> None:
        self.kind: Kind = _choose(kind)
        self._port = port
        self._directory = directory
        self._on_status = on_status
        self._probe_every = probe_every
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.restarts = 0

    @property
    def address(self) -> BrokerAddress:
        """Where it listens, once entered."""
        return BrokerAddress(_HOST, self._port)

    @property
    def pid(self) -> int | None:
        """The broker's process, if there is one now."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> LocalBroker:
        """Start it. ConfigError: unusable port or directory. UnavailableError: it does not come up."""
        self._port = _claim(self._port)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"the broker's directory {self._directory} can't be used: {error}") from error
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="local broker")
        return self

    async def __aexit__(self, *_error: object) -> None:
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait({supervisor})
        await self._stop()

    async def probe(self) -> bool:
        """Whether it answers an MQTT CONNECT: a listening socket alone does not say that it works."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                return await _mqtt_connect(self._port)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return False

    async def _start(self) -> None:
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.PIPE,  # the embedded broker ends when it closes
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop it, after the clients
            )
        await self._come_up(self._process)

    def _command(self) -> list[str]:
        if self.kind == "iotcore":
            return embedded_command(self._directory, self._port)
        return _mosquitto_command(self._directory, self._port)

    async def _come_up(self, process: asyncio.subprocess.Process) -> None:
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT
        while not await self.probe():
            if process.returncode is not None:
                raise UnavailableError(
                    f"the broker {self.kind} ended at its start with code {process.returncode}: see {self._log_file}"
                )
            if asyncio.get_running_loop().time() > deadline:
                raise UnavailableError(
                    f"the broker {self.kind} did not answer within {_START_TIMEOUT:g} s: see {self._log_file}"
                )
            await asyncio.sleep(0.02)

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        # Only now: the supervisor may be cancelled while it waits above, and then the next call has to finish.
        self._process = None

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        delay = _RETRY_FIRST
        while True:
            since = loop.time()
            reason = await self._until_broken()
            delay = _RETRY_FIRST if loop.time() - since > _LIVED else min(2 * delay, _RETRY_LAST)
            self._say(f"the broker {self.kind} {reason}: starting it again in {delay:.1f} s")
            await self._stop()
            await asyncio.sleep(delay)
            self.restarts += 1
            try:
                await self._start()
            except (UnavailableError, OSError) as error:
                self._say(str(error))

    async def _until_broken(self) -> str:
        """Wait until the process is gone or deaf, and say which."""
        process = self._process
        if process is None:
            return "did not start"
        ended = asyncio.ensure_future(process.wait())
        try:
            deaf = 0
            while deaf < 2:
                await asyncio.wait({ended}, timeout=self._probe_every)
                if ended.done():
                    return f"ended with code {ended.result()}"
                deaf = 0 if await self.probe() else deaf + 1
            return "does not answer any more"
        finally:
            ended.cancel()

    @property
    def _log_file(self) -> Path:
        return self._directory / f"{self.kind}.log"

    def _say(self, text: str) -> None:
        if self._on_status is not None:
            self._on_status(text)


def mosquitto_program() -> str | None:
    """The path of mosquitto, if installed; Debian puts it where ordinary users don't look."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _choose(kind: Literal["auto"] | Kind) -> Kind:
    if kind == "auto":
        return "mosquitto" if mosquitto_program() and shutil.which("setpriv") else "iotcore"
    if kind == "mosquitto" and mosquitto_program() is None:
        raise ConfigError("mosquitto is not installed: install it (apt-get install mosquitto), or choose iotcore")
    if kind == "iotcore" and not embedded_available():
        raise ConfigError("the package iotcore is not installed: install it, or choose mosquitto")
    return kind


def _claim(port: int) -> int:
    """A port that can be listened on now: `port`, or a free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} on {_HOST} is in use: stop what listens there, choose another port, "
                    f"or use that broker with --broker mqtt://{_HOST}:{port}"
                ) from error
            raise ConfigError(f"port {port} on {_HOST} can't be listened on: {error.strerror}") from error
        claimed: int = probe.getsockname()[1]
        return claimed


def _mosquitto_command(directory: Path, port: int) -> list[str]:
    """Write the configuration into `directory`, and give the command that runs mosquitto with it."""
    file = directory / "mosquitto.conf"
    file.write_text(_mosquitto_configuration(directory.resolve(), port), encoding="utf-8")
    program = mosquitto_program()
    assert program is not None  # noqa: S101 - _choose has seen it
    lifeline = shutil.which("setpriv")
    prefix = [lifeline, "--pdeathsig", "TERM", "--"] if lifeline else []
    return [*prefix, program, "-c", str(file)]


def _mosquitto_configuration(directory: Path, port: int) -> str:
    # Its default is to save each half hour, and until then a kill loses the sessions with all they hold. Saving at
    # every change costs a tenth to a hundredth of the speed, and is still later than the acknowledgement.
    # As root it would change to a user of its own, who can't write here; that also clears the death signal.
    user = "user root\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    return f"""\
listener {port} {_HOST}
allow_anonymous true
{user}persistence true
persistence_location {directory}/
autosave_interval 1
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
log_dest stderr
"""


async def _mqtt_connect(port: int) -> bool:
    reader, writer = await asyncio.open_connection(_HOST, port)
    try:
        writer.write(_connect_packet(f"iotrules-probe-{os.getpid()}"))
        kind, length = await reader.readexactly(2)
        body = await reader.readexactly(length)
        writer.write(_DISCONNECT)
        await writer.drain()
        return kind == _CONNACK and len(body) >= 2 and body[1] == 0
    finally:
        writer.close()


def _connect_packet(client_id: str) -> bytes:
    """MQTT 5 §3.1: clean start, keep-alive 10 s, no properties."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x05\x02\x00\x0a\x00" + len(name).to_bytes(2, "big") + name
    return bytes((0x10, len(body))) + body
