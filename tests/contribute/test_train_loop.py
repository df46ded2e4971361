"""The loop around the arithmetic: looks, early stop, checkpoints, and a loss that is no number."""

import pytest

from folkmoot.contribute import train_state
from folkmoot.contribute.train_fit import Unstable
from folkmoot.contribute.train_loop import run, total_steps
from folkmoot.contribute.train_recipe import Recipe, changes
from folkmoot.contribute.train_state import Progressed
from folkmoot.contribute.train_tokens import Example
from folkmoot.documents import BadInput
from folkmoot.progress import silent

LEARN = [Example((1, 2), (False, True))] * 40
HELD = LEARN[:2]


class Arithmetic:
    """In place of a model: held-out losses as told."""

    def __init__(self, *held, breaks=None):
        self.step, self._held, self._breaks, self.kept = 0, list(held), breaks, []

    def learn(self, batch):
        if self.step == self._breaks:
            raise Unstable
        self.step += 1
        return 1.0

    def loss(self, examples):
        return self._held.pop(0)

    def keep(self):
        self.kept.append(self.step)

    def state(self):
        import torch

        return {"now/w": torch.tensor([float(self.step)])}


def train(tmp_path, fit, held=HELD, **recipe):
    recipe = Recipe(batch=10, **recipe)
    return run(fit, tmp_path, "ana", Progressed({"lr": 1}), LEARN, held, recipe, silent)


def test_it_looks_twice_an_epoch_and_keeps_the_best(tmp_path):
    fit = Arithmetic(3.0, 2.0, 1.0, 1.5, 0.5)
    far = train(tmp_path, fit, epochs=2)
    assert far.held == ((0, 3.0), (2, 2.0), (4, 1.0), (6, 1.5), (8, 0.5))
    assert (fit.kept, far.best, far.step, far.stopped, far.seen) == ([0, 2, 4, 8], 8, 8, "epochs", 80)


def test_it_stops_when_the_held_out_loss_only_rises(tmp_path):
    fit = Arithmetic(3.0, 1.0, 2.0, 2.0, 2.0)
    far = train(tmp_path, fit, epochs=50, patience=3)
    assert (far.step, far.best, far.stopped) == (8, 2, "early")


def test_without_held_out_rows_the_last_step_counts(tmp_path):
    far = train(tmp_path, Arithmetic(), held=[], epochs=2)
    assert (far.step, far.best, far.stopped, far.held) == (8, 8, "epochs", ())


def test_a_loss_that_is_no_number_is_one_line_with_a_remedy_and_the_checkpoint_stays(tmp_path):
    with pytest.raises(BadInput, match=r"after step 5; .* lower --lr \(it was 0.002\) and --restart") as e:
        train(tmp_path, Arithmetic(3.0, 2.0, 1.0, breaks=5), epochs=2)
    assert len(str(e.value).splitlines()) == 1
    found = train_state.read(tmp_path)
    assert found[0].step == 4
    assert found[1]["now/w"].item() == 4.0


def test_the_checkpoint_tells_all_that_was_there(tmp_path):
    far = train(tmp_path, Arithmetic(3.0, 2.0, 1.0), epochs=1)
    found, tensors = train_state.read(tmp_path)
    assert found == far
    assert list(tensors) == ["now/w"]


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_damaged_checkpoint_is_told(tmp_path, content):
    train(tmp_path, Arithmetic(3.0, 2.0, 1.0), epochs=1)
    (train_state.checkpoint(tmp_path) / "state.safetensors").write_bytes(content)
    with pytest.raises(BadInput, match="--restart"):
        train_state.read(tmp_path)


def test_only_one_process_trains_a_folder(tmp_path):
    with train_state.alone(tmp_path), pytest.raises(BadInput, match="another process"), train_state.alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_steps_and_differences():
    assert total_steps(41, Recipe(batch=10, epochs=3)) == 15
    assert changes({"lr": 1, "data": "a", "base": "x"}, {"lr": 2, "data": "b", "base": "x"}) == (
        "lr 1 -> 2, other data (rows, system text or prompt template)"
    )
