"""The driver and its checkpoints with a toy stage: what is interrupted ends like what is not."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import fit_toy
import pytest
import torch
from fit_toy import IDENTITY, go

from repousse.apps.common import InputError
from repousse.apps.fit.checkpoint import Checkpoint, Checkpoints, digest
from repousse.apps.fit.driver import run


class Interrupted(Exception):
    pass


def check_equal(result: dict | None, expected, folder: Path) -> None:
    found = result or torch.load(folder / "result.pt")
    assert torch.equal(found["positions"], expected.stage.mesh().positions)
    assert found["curves"] == expected.curves


def as_result(outcome) -> dict:
    return {"positions": outcome.stage.mesh().positions, "curves": outcome.curves}


def make(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def test_all_steps_of_all_stages(tmp_path):
    """Breaks if a step is left out or taken twice, or a stage does not start from the one before."""
    seen = []
    outcome = go(tmp_path, watch=lambda stage, step: seen.append((stage.title, step)))
    assert seen == [(title, step) for title in ("shape", "appearance") for step in range(1, 41)]
    assert outcome.curves["shape: index"] == outcome.curves["appearance: index"] == [float(i) for i in range(40)]
    assert outcome.steps == 80 and not outcome.stopped
    assert outcome.stage.title == "appearance"


@pytest.mark.parametrize("at", [("shape", 3), ("shape", 17), ("shape", 40), ("appearance", 1), ("appearance", 39)])
def test_resume_ends_like_a_fit_without_interruption(tmp_path, at):
    """Breaks if a checkpoint forgets something: moments of Adam, generators, the curves, the stage."""
    expected = go(make(tmp_path, "whole"))
    folder = make(tmp_path, "torn")

    def tear(stage, step):
        if (stage.title, step) == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        go(folder, watch=tear)
    torch.manual_seed(99)  # a new process has other random numbers
    if at == ("shape", 3):
        with pytest.raises(InputError, match="nothing to resume"):
            go(folder, resume=True)
        return
    outcome = go(folder, resume=True)
    check_equal(as_result(outcome), expected, folder)


def test_resume_of_a_finished_fit_takes_no_step(tmp_path):
    """Breaks if a finished fit is begun again, or its result is lost."""
    expected = go(tmp_path)
    outcome = go(tmp_path, resume=True, watch=lambda *_: pytest.fail("a step was taken"))
    check_equal(as_result(outcome), expected, tmp_path)
    assert outcome.steps == 80


def test_ctrl_c_finishes_the_step_and_keeps_it(tmp_path):
    """Breaks if Ctrl-C cuts a step in two, is an error, or loses what was done."""
    expected = go(make(tmp_path, "whole"))
    folder = make(tmp_path, "stopped")

    def press(stage, step):
        if (stage.title, step) == ("shape", 12):
            os.kill(os.getpid(), signal.SIGINT)

    outcome = go(folder, watch=press)
    assert outcome.stopped
    assert 12 <= outcome.steps <= 13
    assert len(outcome.curves["shape: loss"]) == outcome.steps
    check_equal(as_result(go(folder, resume=True)), expected, folder)


def test_a_second_ctrl_c_ends_the_program(tmp_path):
    """Breaks if a step that hangs cannot be left."""

    def press_twice(stage, step):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # signals are seen between two instructions
            pass
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, watch=press_twice)


def test_other_settings_are_not_resumed(tmp_path):
    """Breaks if a fit goes on with settings it was not begun with, or the message does not name them."""
    go(tmp_path)
    with pytest.raises(InputError, match="with steps 40, not 50; views unset, not 8") as error:
        run(fit_toy.plan(), Checkpoints(tmp_path), {"steps": "50", "views": "8"}, resume=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "gone"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, damage):
    """Breaks if damage goes unnoticed, or the older checkpoint is not used."""
    expected = go(tmp_path)
    latest = tmp_path / "checkpoint.pt"
    content = bytearray(latest.read_bytes())
    if damage == "gone":
        latest.unlink()
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        latest.write_bytes(content)
    else:
        latest.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "foreign": b"P6 8 8 255"}[damage])
    check_equal(as_result(go(tmp_path, resume=True)), expected, tmp_path)


def test_two_damaged_checkpoints_are_one_clear_line(tmp_path):
    """Breaks if a parser's message or a traceback reaches the user."""
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (tmp_path / name).write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"checkpoint.pt is damaged .* nothing to resume") as error:
        Checkpoints(tmp_path).load(IDENTITY)
    assert "\n" not in str(error.value)


def test_a_new_fit_leaves_no_old_checkpoint(tmp_path):
    """Breaks if a later --resume could go on with what an earlier fit has left."""
    go(tmp_path)
    with pytest.raises(Interrupted):
        go(tmp_path, watch=lambda *_: (_ for _ in ()).throw(Interrupted))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_clear_line(tmp_path):
    """Breaks if a checkpoint that cannot be written is a traceback."""
    with pytest.raises(InputError, match="cannot write the checkpoint"):
        Checkpoints(tmp_path / "missing").save(Checkpoint(IDENTITY))


def test_digest_sees_shape_dtype_and_values():
    """Breaks if two inputs that differ have one fingerprint."""
    one = torch.zeros(2, 3)
    others = [torch.zeros(3, 2), torch.zeros(2, 3, dtype=torch.int32), torch.tensor([[0.0, 0, 0], [0, 0, 1e-9]])]
    assert digest(one) == digest(one.clone())
    assert len({digest(tensor) for tensor in [one, *others]}) == 4


def test_killed_three_times(tmp_path):
    """Breaks if SIGKILL at any moment costs more than what came after the latest checkpoint, or changes the result."""
    expected = go(make(tmp_path, "whole"))
    folder = make(tmp_path, "killed")
    command = [sys.executable, str(Path(fit_toy.__file__)), str(folder)]
    dice = random.Random(5)
    reached = 0
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            title, step = line.split()
            lines.append(40 * (title == "appearance") + int(step))
            if len(lines) == 1 and reached:
                assert lines[0] >= reached - 6  # at most five steps, and the one under way, are taken again
            if len(lines) >= 8 + dice.randrange(10):
                break
        reached = lines[-1]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (folder / "result.pt").exists()
    subprocess.run(command, check=True, capture_output=True)
    check_equal(None, expected, folder)
