"""What docs/simulator.md says is what there is."""

import re
from pathlib import Path
from typing import get_args

from device_sim.cli import sim_options
from device_sim.commands import COMMANDS
from device_sim.documents import AnyFault, Group, MachineDocument
from device_sim.faults import SignalName
from device_sim.fleetfile import load_fleet

DOCS = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_the_fleet_file_of_the_docs_loads() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    documents = [load_fleet(text, "docs/simulator.md") for text in examples]
    assert [document.seed for document in documents] == [7]


def test_every_fault_signal_command_and_key_is_documented() -> None:
    kinds = [get_args(model.model_fields["kind"].annotation)[0] for model in get_args(get_args(AnyFault)[0])]
    words = [*kinds, *get_args(SignalName), *COMMANDS]
    assert len(kinds) == 7
    assert [word for word in words if f"`{word}`" not in DOCS] == []
    keys = [*Group.model_fields, *MachineDocument.model_fields]
    assert [key for key in keys if f" {key}:" not in DOCS] == []


def test_every_option_is_documented() -> None:
    parameters = getattr(sim_options(lambda: None), "__click_params__")  # noqa: B009 - click's own, not in its types
    names = [name for parameter in parameters for name in parameter.opts if name.startswith("--")]
    assert len(names) == 12
    assert [name for name in names if f"`{name}" not in DOCS] == []
