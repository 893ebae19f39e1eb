"""MqttTransport beyond the contract: against a real mosquitto, and against brokers that misbehave."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from iotrules.model.errors import ConfigError, UnavailableError
from iotrules.transports.address import BrokerAddress
from iotrules.transports.mqtt import MqttTransport
from tests.mosquitto import free_port, mosquitto_program, running_mosquitto
from tests.transports.certificates import Pair, authority, signed
from tests.transports.scripted import (
    CONNECT,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    WELCOME,
    ScriptedBroker,
    publish,
    welcome_and_subscribe,
)
from tests.transports.worlds import PATIENCE, Inbox


def transport(port: int, client_id: str = "engine", **options: float) -> MqttTransport:
    return MqttTransport(BrokerAddress("127.0.0.1", port), client_id=client_id, **options)  # type: ignore[arg-type]  # floats only


async def refusal(address: BrokerAddress, connect_timeout: float = 10.0) -> str:
    client = MqttTransport(address, client_id="refused", connect_timeout=connect_timeout)
    with pytest.raises(UnavailableError) as caught:
        await client.start(["t"], Inbox(client))
    assert not client.connected
    await client.stop()
    return str(caught.value)


async def test_a_publish_waits_for_a_broker_that_restarts() -> None:
    statuses: list[str] = []
    with running_mosquitto() as broker:
        address = BrokerAddress.parse(broker.url)
        client = MqttTransport(address, client_id="engine", publish_timeout=PATIENCE, on_status=statuses.append)
        inbox = Inbox(client)
        await client.start(["t"], inbox)
        broker.stop()
        waiting = asyncio.gather(*(client.publish("t", b"%d" % number) for number in range(20)))
        broker.start()
        await waiting
        await inbox.have(20)
        await client.stop()
    assert inbox.payloads == [b"%d" % number for number in range(20)]
    assert client.generation == 2
    assert [text.split(",")[0] for text in statuses[1:2]] == ["not connected to the broker"]


async def test_a_publish_that_is_given_up_on_is_not_sent_later() -> None:
    with running_mosquitto() as broker:
        client = transport(broker.port, publish_timeout=0.2)
        inbox = Inbox(client)
        await client.start(["t"], inbox)
        broker.stop()
        with pytest.raises(UnavailableError, match=r"did not take a message to t within 0\.2 s"):
            await client.publish("t", b"given up")
        broker.start()
        await asyncio.wait_for(publish_until_taken(client, "t", b"later"), PATIENCE)
        await inbox.until(lambda: b"later" in inbox.payloads)
        await client.stop()
    assert inbox.payloads == [b"later"]


async def publish_until_taken(client: MqttTransport, topic: str, payload: bytes) -> None:
    while True:
        try:
            return await client.publish(topic, payload)
        except UnavailableError:
            continue


async def test_a_client_whose_id_was_taken_stays_away_and_says_so() -> None:
    # mosquitto 2.0.11 closes the first connection without the reason that the specification asks for.
    taken_over = b"\xe0\x02\x8e\x00"

    def answer(kind: int, body: bytes) -> bytes:
        return taken_over if kind == PUBLISH else welcome_and_subscribe(kind, body)

    async with ScriptedBroker(answer) as broker:
        statuses: list[str] = []
        address = BrokerAddress("127.0.0.1", broker.port)
        client = MqttTransport(address, client_id="x", on_status=statuses.append)
        await client.start(["t"], Inbox(client))
        with pytest.raises(UnavailableError, match="another client has connected with our client id 'x'"):
            await client.publish("t", b"")
        with pytest.raises(UnavailableError, match="another client"):
            await client.publish("t", b"")
        assert client.failure == statuses[-1]
        assert not client.connected
        assert broker.count(CONNECT) == 1
        await client.stop()


class Statuses:
    """What clients say, and a way to wait for it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, status: str) -> None:
        self.said.append(status)
        self._changed.set()

    async def until(self, words: str) -> str:
        """Wait until these are said; the whole of it."""
        async with asyncio.timeout(60):
            while not (found := [status for status in self.said if words in status]):
                self._changed.clear()
                await self._changed.wait()
        return found[0]


async def test_of_two_clients_with_one_id_one_gives_up_though_the_broker_says_nothing() -> None:
    """This mosquitto closes the older connection without a reason, so that each comes back and takes the id again."""
    statuses = Statuses()
    with running_mosquitto() as broker:
        address = BrokerAddress.parse(broker.url)
        clients = [MqttTransport(address, client_id="x", on_status=statuses) for _ in range(2)]
        for client in clients:
            await client.start(["t"], Inbox(client))
        said = await statuses.until("another client uses our client id 'x'")
        assert "give each its own client id (--name)" in said
        assert sorted(client.failure or "" for client in clients) == ["", said]
        (left,) = [client for client in clients if client.failure is None]
        await asyncio.wait_for(publish_until_taken(left, "t", b""), PATIENCE)
        for client in clients:
            await client.stop()


async def test_a_client_that_may_not_connect_does_not() -> None:
    """Another engine may have its id by now."""
    statuses, allowed = Statuses(), [True]
    with running_mosquitto() as broker:
        address = BrokerAddress.parse(broker.url)
        client = MqttTransport(address, client_id="x", on_status=statuses, permitted=lambda: allowed[0])
        await client.start(["t"], Inbox(client))
        allowed[0] = False
        broker.stop()
        broker.start()
        await statuses.until("another engine may have taken over: not connecting")
        assert client.generation == 1
        allowed[0] = True
        await asyncio.wait_for(publish_until_taken(client, "t", b""), PATIENCE)
        await client.stop()


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    mosquitto_program()
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", file, "engine", "right"], check=True)
    file.chmod(0o644)
    return file


async def test_a_wrong_password_is_named_and_a_right_one_is_let_in(passwords: Path) -> None:
    with running_mosquitto(f"allow_anonymous false\npassword_file {passwords}\n") as broker:
        for password in ("wrong", None):
            address = BrokerAddress.parse(broker.url, username="engine", password=password)
            assert "check --broker-user" in await refusal(address)
        client = MqttTransport(BrokerAddress.parse(broker.url, username="engine", password="right"), client_id="e")
        await client.start(["t"], Inbox(client))
        await client.stop()


async def test_a_subscription_that_the_broker_forbids_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite allowed/#\n")
    rules.chmod(0o644)
    with running_mosquitto(f"allow_anonymous true\nacl_file {rules}\n") as broker:
        client = transport(broker.port)
        # mosquitto answers such subscriptions with success and delivers nothing, unless they are refused by a plug-in.
        await client.start(["allowed/#"], Inbox(client))
        with pytest.raises(UnavailableError, match="refused a message to secret: not authorized"):
            await client.publish("secret", b"")
        await client.publish("allowed/x", b"")
        await client.stop()


async def test_nothing_listening_is_named() -> None:
    assert "nothing listens" in await refusal(BrokerAddress("127.0.0.1", free_port()))


async def test_a_host_name_that_does_not_resolve_is_named() -> None:
    assert "'no-such-host.invalid' can't be resolved" in await refusal(BrokerAddress("no-such-host.invalid", 1883))
    assert "can't be resolved" in await refusal(BrokerAddress("x" * 70 + ".invalid", 1883))


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    directory = tmp_path_factory.mktemp("certificates")
    ours, other = authority(directory, "ours"), authority(directory, "other")
    return {
        "ours": ours,
        "other": other,
        "right": signed(directory, "right", ours, host="IP:127.0.0.1"),
        "elsewhere": signed(directory, "elsewhere", ours, host="DNS:broker.example"),
        "expired": signed(directory, "expired", ours, host="IP:127.0.0.1", days=-1),
        "foreign": signed(directory, "foreign", other, host="IP:127.0.0.1"),
        "client": signed(directory, "client", ours),
    }


def tls_lines(server: Pair, authority: Pair, *, ask: bool = False) -> str:
    server.key.chmod(0o644)
    return (
        f"allow_anonymous true\ncertfile {server.certificate}\nkeyfile {server.key}\n"
        f"cafile {authority.certificate}\nrequire_certificate {'true' if ask else 'false'}\n"
    )


def tls_address(port: int, ca: Pair, client: Pair | None = None) -> BrokerAddress:
    return BrokerAddress.parse(
        f"mqtts://127.0.0.1:{port}",
        ca_file=ca.certificate,
        cert_file=client.certificate if client else None,
        key_file=client.key if client else None,
    )


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("elsewhere", "another address"),
        ("expired", "its certificate has expired"),
        ("foreign", "signed by an unknown authority: give that authority with --broker-ca"),
    ],
)
async def test_a_certificate_that_can_not_be_trusted_is_refused(
    authorities: dict[str, Pair], server: str, words: str
) -> None:
    with running_mosquitto(tls_lines(authorities[server], authorities["ours"])) as broker:
        assert words in await refusal(tls_address(broker.port, authorities["ours"]))


async def test_a_certificate_for_another_host_name_is_refused(authorities: dict[str, Pair]) -> None:
    with running_mosquitto(tls_lines(authorities["right"], authorities["ours"])) as broker:
        ca = authorities["ours"].certificate
        address = BrokerAddress.parse(f"mqtts://localhost:{broker.port}", ca_file=ca)
        assert "its certificate is for another host name" in await refusal(address)


async def test_tls_with_a_client_certificate_carries_messages(authorities: dict[str, Pair]) -> None:
    with running_mosquitto(tls_lines(authorities["right"], authorities["ours"], ask=True)) as broker:
        address = tls_address(broker.port, authorities["ours"], authorities["client"])
        client = MqttTransport(address, client_id="engine")
        inbox = Inbox(client)
        await client.start(["t"], inbox)
        await asyncio.gather(*(client.publish("t", bytes(5000)) for _ in range(50)))
        await inbox.have(50)
        await client.stop()


async def test_a_missing_client_certificate_and_plain_text_to_a_tls_port_are_refused(
    authorities: dict[str, Pair],
) -> None:
    with running_mosquitto(tls_lines(authorities["right"], authorities["ours"], ask=True)) as broker:
        assert "certificate required" in (await refusal(tls_address(broker.port, authorities["ours"]))).lower()
        assert await refusal(BrokerAddress("127.0.0.1", broker.port))
    with running_mosquitto() as broker:
        assert "is this its TLS port?" in await refusal(tls_address(broker.port, authorities["ours"]))


async def test_files_that_are_no_certificates_are_named(tmp_path: Path, authorities: dict[str, Pair]) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    client = MqttTransport(BrokerAddress.parse("mqtts://127.0.0.1", ca_file=bad), client_id="x")
    with pytest.raises(ConfigError, match="CA file"):
        await client.start([], Inbox(client))
    address = BrokerAddress.parse("mqtts://127.0.0.1", cert_file=authorities["client"].certificate, key_file=bad)
    with pytest.raises(ConfigError, match="can't be used"):
        await MqttTransport(address, client_id="x").start([], Inbox(client))


@pytest.mark.parametrize(
    ("code", "words"),
    [(0x84, "does not speak MQTT 5"), (0x85, "client id"), (0x86, "bad user name"), (0x89, "busy"), (0x97, "quota")],
)
async def test_the_brokers_refusal_is_put_in_words(code: int, words: str) -> None:
    async with ScriptedBroker(lambda kind, body: bytes((0x20, 3, 0, code, 0))) as broker:
        assert words in await refusal(BrokerAddress("127.0.0.1", broker.port))


async def test_a_broker_that_accepts_and_says_nothing_is_given_up_on() -> None:
    async with ScriptedBroker(lambda kind, body: b"") as broker:
        assert "did not answer within 0.2 s" in await refusal(BrokerAddress("127.0.0.1", broker.port), 0.2)


async def test_a_topic_that_is_not_utf_8_arrives_readable_and_can_be_acknowledged() -> None:
    def answer(kind: int, body: bytes) -> bytes:
        extra = publish(b"t/\xff\xfe", 7, b"x") if kind == SUBSCRIBE else b""
        return welcome_and_subscribe(kind, body) + extra

    async with ScriptedBroker(answer) as broker:
        client = transport(broker.port)
        inbox = Inbox(client)
        await client.start(["t/#"], inbox)
        assert [body[:2] for body in await broker.until(PUBACK, 1)] == [b"\x00\x07"]
        await client.stop()
    assert inbox.topics == ["t/\\xff\\xfe"]


async def test_acknowledgements_leave_in_the_order_in_which_they_were_given() -> None:
    def answer(kind: int, body: bytes) -> bytes:
        extra = b"".join(publish(b"t", number) for number in range(1, 101)) if kind == SUBSCRIBE else b""
        return welcome_and_subscribe(kind, body) + extra

    async with ScriptedBroker(answer) as broker:
        client = transport(broker.port)
        inbox = Inbox(client, acknowledge=False)
        await client.start(["t"], inbox)
        await inbox.have(100)
        client.acknowledge(inbox.tokens())
        acknowledged = await broker.until(PUBACK, 100)
        await client.stop()
    assert [int.from_bytes(body[:2], "big") for body in acknowledged] == list(range(1, 101))


@pytest.mark.parametrize(
    "garbage", [b"\xf0\x00", b"\x32\x02\x00\x09", b"\x40\x00", b"\x32\x05\x00\x01t\x00\x01", b"\x00\x00"]
)
async def test_after_a_malformed_packet_the_client_connects_again(garbage: bytes) -> None:
    def answer(kind: int, body: bytes) -> bytes:
        first = len(broker.packets) <= 2
        return welcome_and_subscribe(kind, body) + (garbage if kind == SUBSCRIBE and first else b"")

    async with ScriptedBroker(answer) as broker:
        client = transport(broker.port)
        await client.start(["t"], Inbox(client))
        await broker.until(SUBSCRIBE, 2)
        await client.stop()


async def test_a_publish_is_at_qos_1_not_retained_and_carries_its_expiry() -> None:
    def answer(kind: int, body: bytes) -> bytes:
        return b"\x40\x02" + body[3:5] if kind == PUBLISH else welcome_and_subscribe(kind, body)

    async with ScriptedBroker(answer) as broker:
        client = transport(broker.port)
        await client.start([], Inbox(client))
        await client.publish("t", b"payload", expires_in=59.5)
        with pytest.raises(UnavailableError, match="expired before the broker took it"):
            await client.publish("t", b"", expires_in=0)
        await client.stop()
        assert (await broker.until(PUBLISH, 1)) == [b"\x00\x01t\x00\x01\x05\x02\x00\x00\x00\x3cpayload"]


async def test_no_more_is_under_way_than_the_broker_takes_at_once() -> None:
    window_of_two = b"\x20\x06\x00\x00\x03\x21\x00\x02"

    def answer(kind: int, body: bytes) -> bytes:
        return window_of_two if kind == CONNECT else b""

    async with ScriptedBroker(answer) as broker:
        client = transport(broker.port, publish_timeout=0.3)
        await client.start([], Inbox(client))
        results = await asyncio.gather(*(client.publish("t", b"") for _ in range(5)), return_exceptions=True)
        await client.stop()
        assert [type(result) for result in results] == [UnavailableError] * 5
        assert broker.count(PUBLISH) == 2


async def test_more_than_the_brokers_largest_packet_is_not_sent() -> None:
    at_most_100_bytes = b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\x64"

    async with ScriptedBroker(lambda kind, body: at_most_100_bytes) as broker:
        client = transport(broker.port)
        await client.start([], Inbox(client))
        with pytest.raises(ValueError, match="the broker takes no more than 100 bytes"):
            await client.publish("t", bytes(100))
        await client.stop()


async def test_what_is_no_topic_filter_is_a_config_error() -> None:
    async with ScriptedBroker(lambda kind, body: WELCOME) as broker:
        client = transport(broker.port)
        with pytest.raises(ConfigError, match="a/#/b"):
            await client.start(["a/#/b"], Inbox(client))
