"""The laws of the machines' physics."""

from dataclasses import replace
from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from device_sim.machine import Drive, Machine, MachineState, load_at, repaired, signals, step, warm

BOILER = Machine(
    ambient=21,
    run_temp=62,
    time_constant=5,
    pressure=6,
    vibration=2,
    rpm=1480,
    load_period=60,
    load_amplitude=0.05,
    load_phase=0,
)
STOPPED = Drive(running=False, load=1)
RUNNING = Drive(running=True, load=1)

temperatures = st.floats(-40, 150)
durations = st.floats(0, 1e6)
drives = st.builds(
    Drive,
    running=st.booleans(),
    load=st.floats(0.1, 1.9),
    heat_to=st.none() | temperatures,
    leak=st.floats(0, 10),
)


@given(temperatures, st.floats(0, 100), drives, durations)
def test_every_signal_stays_finite_whatever_happens(temp: float, pressure: float, drive: Drive, seconds: float) -> None:
    state = step(BOILER, MachineState(temp, pressure), drive, seconds)
    read = signals(BOILER, state, drive)
    assert all(isfinite(value) for value in (read.temp, read.pressure, read.vibration, read.rpm))
    assert read.pressure >= 0
    assert read.vibration >= 0


@given(temperatures, durations)
def test_a_stopped_machine_comes_nearer_to_ambient_and_never_passes_it(temp: float, seconds: float) -> None:
    after = step(BOILER, MachineState(temp, 6), STOPPED, seconds).temp
    assert min(temp, BOILER.ambient) - 1e-9 <= after <= max(temp, BOILER.ambient) + 1e-9
    assert abs(after - BOILER.ambient) <= abs(temp - BOILER.ambient) + 1e-9


@given(temperatures, drives, st.floats(0, 100), st.floats(0, 100))
def test_two_steps_are_one_long_step(temp: float, drive: Drive, first: float, second: float) -> None:
    start = MachineState(temp, 6)
    twice = step(BOILER, step(BOILER, start, drive, first), drive, second)
    once = step(BOILER, start, drive, first + second)
    assert abs(twice.temp - once.temp) < 1e-6
    assert abs(twice.pressure - once.pressure) < 1e-6
    assert abs(twice.leaked - once.leaked) < 1e-6


def test_a_stopped_machine_turns_no_more_and_cools_to_ambient() -> None:
    cold = step(BOILER, warm(BOILER), STOPPED, 60)
    read = signals(BOILER, cold, STOPPED)
    assert (read.rpm, read.vibration) == (0, 0)
    assert abs(read.temp - 21) < 0.01


def test_heat_shows_in_the_vibration() -> None:
    hot = step(BOILER, warm(BOILER), replace(RUNNING, heat_to=112.0), 100)
    assert signals(BOILER, hot, RUNNING).vibration > 1.9 * signals(BOILER, warm(BOILER), RUNNING).vibration


def test_more_load_is_warmer() -> None:
    low = step(BOILER, warm(BOILER), Drive(running=True, load=0.9), 100)
    high = step(BOILER, warm(BOILER), Drive(running=True, load=1.1), 100)
    assert low.temp < BOILER.run_temp < high.temp


def test_load_swings_around_one_with_its_period() -> None:
    assert load_at(BOILER, 0) == 1
    assert abs(load_at(BOILER, 15) - 1.05) < 1e-9
    assert abs(load_at(BOILER, 60) - 1) < 1e-9


def test_a_leak_takes_pressure_at_its_rate_until_it_is_repaired() -> None:
    leaking = step(BOILER, warm(BOILER), replace(RUNNING, leak=0.1), 20)
    assert abs(signals(BOILER, leaking, RUNNING).pressure - 4) < 1e-9
    assert abs(signals(BOILER, repaired(leaking), RUNNING).pressure - 6) < 1e-9


def test_a_leak_can_take_no_more_than_there_is() -> None:
    empty = step(BOILER, warm(BOILER), replace(RUNNING, leak=0.1), 1e6)
    assert signals(BOILER, empty, RUNNING).pressure == 0
