"""A fleet in virtual time: what its devices send, what goes wrong with them, and how they obey."""

from collections.abc import Sequence
from typing import Any

import msgspec

from device_sim.device import Publication
from device_sim.faults import Label
from device_sim.fleet import Fleet, Happened, advance, begun, build_fleet, deliver, next_due, skip
from device_sim.fleetfile import load_fleet, read_fleet
from iotrules.model.times import SECOND

START = 1_700_000_000 * SECOND
FLEET = """
seed: 3
fleet:
  boilers:
    count: 4
    sites: [A, B]
    id: "boiler-{{n:02}}"
    topic: site/{{site}}/dev/{{device}}/env
    commands: site/{{site}}/dev/{{device}}/cmd
    ack: site/{{site}}/dev/{{device}}/cmd/ack
    interval: 1s
    jitter: 100ms
    machine: {{run_temp: 62, time_constant: 5s}}
faults: [{faults}]
"""


def fleet_with(faults: str = "", seed: int | None = None) -> Fleet:
    return build_fleet(load_fleet(FLEET.format(faults=faults), "fleet.yaml"), START, seed)


def send(fleet: Fleet, seconds: float, device: int, command: str, id: str = "k", **more: Any) -> Happened:
    """Everything up to an instant, then a command at it; both together."""
    at = START + round(seconds * SECOND)
    site = "AB"[(device - 1) % 2]
    before = advance(fleet, at)
    wire = msgspec.json.encode({"id": id, "command": command, **more})
    after = deliver(fleet, f"site/{site}/dev/boiler-{device:02}/cmd", wire, at)
    return Happened(
        before.publications + after.publications,
        before.executed + after.executed,
        before.counts + after.counts,
    )


def readings(publications: Sequence[Publication], device: str) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(sent.payload)
        for sent in publications
        if sent.seq is not None and not sent.bad and f"/{device}/" in sent.topic
    ]


def answers(publications: Sequence[Publication]) -> list[tuple[str, str]]:
    return [
        (body["status"], body["detail"])
        for body in (msgspec.json.decode(sent.payload) for sent in publications if sent.seq is None)
    ]


def timeline(seed: int | None = None) -> list[Publication]:
    fleet = fleet_with("{device: boiler-02, kind: overheat, at: 2s, to: 115}", seed)
    sent = send(fleet, 4.5, 2, "shutdown", "k1").publications
    sent += send(fleet, 9.25, 2, "restart", "k2").publications
    return sent + advance(fleet, START + 20 * SECOND).publications


def test_the_same_seed_start_and_commands_give_the_same_bytes() -> None:
    assert timeline() == timeline()
    assert timeline(seed=3) == timeline()


def test_another_seed_gives_other_bytes() -> None:
    assert timeline(seed=4) != timeline()


def test_how_often_it_is_driven_changes_nothing() -> None:
    coarse, fine = fleet_with(), fleet_with()
    small_steps = [sent for ms in range(0, 10_001, 7) for sent in advance(fine, START + ms * 1_000_000).publications]
    assert small_steps == advance(coarse, START + 9_996 * 1_000_000).publications


def test_a_message_says_when_who_and_what() -> None:
    first = readings(advance(fleet_with(), START + 2 * SECOND).publications, "boiler-01")[0]
    assert list(first) == ["ts", "boot", "seq", "temp", "pressure", "vibration", "fan", "motor", "state"]
    assert START // 1_000_000 <= first["ts"] <= START // 1_000_000 + 1100
    assert (first["seq"], first["fan"], first["state"]) == (1, "running", "running")
    assert 1400 < first["motor"]["rpm"] < 1600
    assert 58 < first["temp"] < 66


def test_every_device_counts_without_a_gap_and_forward_in_time() -> None:
    sent = advance(fleet_with(), START + 60 * SECOND).publications
    for number in range(1, 5):
        read = readings(sent, f"boiler-{number:02}")
        assert [message["seq"] for message in read] == list(range(1, len(read) + 1))
        assert [message["ts"] for message in read] == sorted({message["ts"] for message in read})
        assert 59 <= len(read) <= 61


def test_devices_are_dealt_to_the_sites_in_turn() -> None:
    topics = {sent.topic for sent in advance(fleet_with(), START + 2 * SECOND).publications}
    assert topics == {f"site/{site}/dev/boiler-0{n}/env" for n, site in enumerate("ABAB", start=1)}


def test_a_shutdown_stops_cools_and_is_answered() -> None:
    fleet = fleet_with()
    happened = send(fleet, 3, 1, "shutdown", args={"mode": "safe"})
    assert answers(happened.publications) == [("acknowledged", ""), ("succeeded", "shut down")]
    assert happened.publications[-1].topic == "site/A/dev/boiler-01/cmd/ack"
    assert [(e.device, e.id, e.command, e.ts) for e in happened.executed] == [
        ("boiler-01", "k", "shutdown", START // 1_000_000 + 3000)
    ]
    last = readings(advance(fleet, START + 40 * SECOND).publications, "boiler-01")[-1]
    assert (last["state"], last["fan"], last["motor"]["rpm"]) == ("stopped", "stopped", 0)
    assert last["temp"] < 23


def test_a_command_reaches_its_device_only() -> None:
    fleet = fleet_with()
    send(fleet, 3, 1, "shutdown")
    sent = advance(fleet, START + 5 * SECOND).publications
    assert {readings(sent, f"boiler-0{n}")[-1]["state"] for n in (2, 3, 4)} == {"running"}


def test_a_repeat_is_answered_with_its_outcome_and_not_executed() -> None:
    fleet = fleet_with()
    send(fleet, 3, 1, "shutdown")
    send(fleet, 4, 1, "restart", "k2")
    again = send(fleet, 5, 1, "shutdown")
    assert answers(again.publications) == [("succeeded", "shut down")]
    assert again.executed == []
    assert again.counts["duplicate"] == 1
    assert readings(advance(fleet, START + 7 * SECOND).publications, "boiler-01")[-1]["state"] == "running"


def test_an_expired_command_is_rejected() -> None:
    happened = send(fleet_with(), 3, 1, "shutdown", expires=START // 1_000_000 + 2999)
    assert answers(happened.publications) == [("acknowledged", ""), ("rejected", "expired")]
    assert happened.executed == []


def test_a_locked_machine_stays_locked() -> None:
    fleet = fleet_with()
    send(fleet, 3, 1, "lock_out")
    happened = send(fleet, 4, 1, "restart", "k2")
    assert answers(happened.publications)[-1] == ("rejected", "locked out: release it at the machine")
    assert readings(advance(fleet, START + 6 * SECOND).publications, "boiler-01")[-1]["state"] == "locked"


def test_what_is_no_command_is_counted_and_not_answered() -> None:
    fleet = fleet_with()
    happened = deliver(fleet, "site/A/dev/boiler-01/cmd", b"not json", START)
    assert happened.counts == {"malformed command": 1}
    assert happened.publications == []
    assert deliver(fleet, "site/A/dev/boiler-99/cmd", b"{}", START).counts == {"unknown device": 1}


def test_an_offline_device_is_silent_and_obeys_when_it_is_back() -> None:
    fleet = fleet_with("{device: boiler-01, kind: offline, at: 5s, for: 10s}")
    during = send(fleet, 8, 1, "shutdown", expires=START // 1_000_000 + 60_000)
    assert answers(during.publications) == []
    back = advance(fleet, START + 20 * SECOND)
    assert answers(back.publications) == [("acknowledged", ""), ("succeeded", "shut down")]
    times = [(m["ts"] - START // 1_000_000) / 1000 for m in readings(back.publications, "boiler-01")]
    assert min(times) >= 15


def test_a_command_that_expires_while_the_device_is_offline_is_not_executed() -> None:
    fleet = fleet_with("{device: boiler-01, kind: offline, at: 5s, for: 10s}")
    send(fleet, 8, 1, "shutdown", expires=START // 1_000_000 + 9000)
    back = advance(fleet, START + 20 * SECOND)
    assert answers(back.publications)[-1] == ("rejected", "expired")
    assert back.executed == []


def test_a_jammed_device_fails() -> None:
    fleet = fleet_with("{device: boiler-01, kind: jammed, at: 0s}")
    happened = send(fleet, 2, 1, "shutdown")
    assert answers(happened.publications)[-1] == ("failed", "the actuator is jammed")
    assert happened.executed == []


def test_a_stuck_sensor_repeats_itself_while_the_others_move() -> None:
    fleet = fleet_with("{device: boiler-01, kind: stuck, at: 5s, for: 10s, signal: temp}")
    read = readings(advance(fleet, START + 20 * SECOND).publications, "boiler-01")
    during = [m for m in read if 5000 <= m["ts"] - START // 1_000_000 < 15_000]
    assert len({m["temp"] for m in during}) == 1
    assert len({m["vibration"] for m in during}) > 3
    assert len({m["temp"] for m in read[-4:]}) > 1


def test_a_spike_is_read_for_as_long_as_it_lasts() -> None:
    fleet = fleet_with("{device: boiler-01, kind: spike, at: 5s, for: 1s, signal: temp, by: 50}")
    read = readings(advance(fleet, START + 20 * SECOND).publications, "boiler-01")
    assert 1 <= sum(m["temp"] > 100 for m in read) <= 2


def test_bad_payloads_come_now_and_then_with_their_number() -> None:
    fleet = fleet_with("{device: boiler-01, kind: bad_payload, at: 5s, every: 10s}")
    sent = [p for p in advance(fleet, START + 60 * SECOND).publications if "boiler-01" in p.topic]
    bad = [p for p in sent if p.bad]
    assert len(bad) == 6
    assert [p.seq for p in sent] == list(range(1, len(sent) + 1))
    assert all(_broken(p.payload) for p in bad)


def _broken(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True
    return False


def test_faults_become_ground_truth_when_they_begin() -> None:
    fleet = fleet_with(
        "{device: boiler-02, kind: offline, at: 9s, for: 3s},{device: boiler-01, kind: overheat, at: 4s, to: 99}"
    )
    ms = START // 1_000_000
    assert begun(fleet, START + 3 * SECOND) == []
    assert begun(fleet, START + 60 * SECOND) == [
        Label("boiler-01", "overheat", ms + 4000, None),
        Label("boiler-02", "offline", ms + 9000, ms + 12_000),
    ]
    assert begun(fleet, START + 99 * SECOND) == []


def test_after_a_sleep_of_the_computer_nothing_is_made_up_for() -> None:
    fleet = fleet_with()
    advance(fleet, START + 5 * SECOND)
    skip(fleet, START + 3600 * SECOND)
    assert next_due(fleet) >= START + 3600 * SECOND
    assert len(advance(fleet, START + 3601 * SECOND).publications) <= 8


def test_the_demo_trips_twice_within_forty_seconds() -> None:
    """As rules would: shut down above 85, restart below 60. The cause persists, so that it trips again."""
    fleet = build_fleet(read_fleet("demo"), START)
    trips, restarts = _drive_demo(fleet)
    assert len(fleet.devices) == 49
    assert 5.5 < trips[0] < 8.5
    assert len(trips) >= 2
    assert restarts[0] - trips[0] < 8
    assert trips[1] - restarts[0] < 8
    assert trips[1] < 30


def _drive_demo(fleet: Fleet) -> tuple[list[float], list[float]]:
    trips: list[float] = []
    restarts: list[float] = []
    running = True
    for tenth in range(400):
        at = START + tenth * SECOND // 10
        for message in readings(advance(fleet, at).publications, "boiler-03"):
            command = "shutdown" if running and message["temp"] > 85 else ""
            command = "restart" if not running and message["temp"] < 60 else command
            if command:
                (trips if running else restarts).append(tenth / 10)
                running = not running
                wire = msgspec.json.encode({"id": f"k{tenth}", "command": command})
                deliver(fleet, "site/A/dev/boiler-03/cmd", wire, at)
    return trips, restarts


def test_the_demo_is_healthy_but_for_its_faults() -> None:
    sent = advance(build_fleet(read_fleet("demo"), START), START + 120 * SECOND).publications
    healthy = [msgspec.json.decode(p.payload) for p in sent if not p.bad and "boiler-03" not in p.topic]
    assert max(message["temp"] for message in healthy) < 70
    assert max(message["vibration"] for message in healthy) < 3


def test_the_demo_loses_pressure_fast_at_one_pump() -> None:
    sent = advance(build_fleet(read_fleet("demo"), START), START + 54 * SECOND).publications
    read = readings(sent, "pump-07")
    assert read[0]["pressure"] > 7.8
    assert read[-1]["pressure"] < 4.5
