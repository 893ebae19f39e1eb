"""The physics of one machine: load drives temperature, temperature drives vibration. Pure.

Temperature and pressure follow their targets with first order lags, solved exactly: a step has any length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, pi, sin

PRESSURE_LAG = 2.0
"""Time constant of the pressure, s."""
PRESSURE_PER_LOAD = 0.02
"""Share of the nominal pressure by which a change of the load by 1 moves it."""
HEAT_PER_VIBRATION = 50.0
"""Degrees above the normal temperature that double the vibration."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine is built as: temperatures in °C, pressure in bar, vibration in mm/s, times in s."""

    ambient: float
    run_temp: float
    time_constant: float
    pressure: float
    vibration: float
    rpm: float
    load_period: float
    load_amplitude: float
    load_phase: float
    """In turns, 0 to 1: machines of a group don't breathe in step."""


@dataclass(frozen=True, slots=True)
class MachineState:
    """What a machine is like at an instant: temperature (°C), pressure, and what has leaked away (bar)."""

    temp: float
    pressure: float
    leaked: float = 0.0


@dataclass(frozen=True, slots=True)
class Drive:
    """What acts on a machine during a step: whether it runs, and what is wrong with it.

    `heat_to` replaces its normal temperature while it runs; `leak` is in bar per second.
    """

    running: bool
    load: float
    heat_to: float | None = None
    leak: float = 0.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What its sensors would read without noise."""

    temp: float
    pressure: float
    vibration: float
    rpm: float


def load_at(machine: Machine, seconds: float) -> float:
    """The load at an instant, `seconds` after the start: 1 is nominal."""
    turns = seconds / machine.load_period + machine.load_phase
    return 1.0 + machine.load_amplitude * sin(2 * pi * turns)


def warm(machine: Machine) -> MachineState:
    """A machine that has been running for long."""
    return MachineState(temp=machine.run_temp, pressure=machine.pressure)


def step(machine: Machine, state: MachineState, drive: Drive, seconds: float) -> MachineState:
    """The state `seconds` later, with `drive` constant meanwhile."""
    return MachineState(
        temp=_approach(state.temp, target_temp(machine, drive), machine.time_constant, seconds),
        pressure=_approach(state.pressure, _target_pressure(machine, drive), PRESSURE_LAG, seconds),
        leaked=_leaked(machine, state, drive, seconds),
    )


def target_temp(machine: Machine, drive: Drive) -> float:
    """Where the temperature is heading, °C."""
    if not drive.running:
        return machine.ambient
    if drive.heat_to is not None:
        return drive.heat_to
    return machine.ambient + (machine.run_temp - machine.ambient) * drive.load


def signals(machine: Machine, state: MachineState, drive: Drive) -> Signals:
    """What the sensors of a machine in this state would read."""
    pressure = max(0.0, state.pressure - state.leaked)
    if not drive.running:
        return Signals(temp=state.temp, pressure=pressure, vibration=0.0, rpm=0.0)
    heat = max(0.0, state.temp - machine.run_temp) / HEAT_PER_VIBRATION
    vibration = machine.vibration * drive.load * (1 + heat)
    return Signals(temp=state.temp, pressure=pressure, vibration=vibration, rpm=machine.rpm * drive.load)


def repaired(state: MachineState) -> MachineState:
    """The same machine with its leak closed and refilled."""
    return replace(state, leaked=0.0)


def _target_pressure(machine: Machine, drive: Drive) -> float:
    if not drive.running:
        return 0.0
    return machine.pressure * (1 + PRESSURE_PER_LOAD * (drive.load - 1))


def _leaked(machine: Machine, state: MachineState, drive: Drive, seconds: float) -> float:
    return min(machine.pressure, state.leaked + drive.leak * seconds)


def _approach(value: float, target: float, lag: float, seconds: float) -> float:
    return target + (value - target) * exp(-seconds / lag)
