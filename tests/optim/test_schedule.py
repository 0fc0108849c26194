"""Which estimator when."""

import pytest

from repousse.gradients import estimator
from repousse.optim import Schedule, Stage, far_to_near


def test_stages_follow_one_another() -> None:
    """Breaks if a stage is one step too long or short, or its learning rate does not fall from its own start."""
    schedule = Schedule((Stage("kato", 4, 0.2), Stage("boundary", 2, 0.1)))
    assert schedule.steps == 6
    assert [schedule(i) for i in range(8)] == ["kato"] * 4 + ["boundary"] * 4
    assert [i for i in range(6) if schedule.begins(i)] == [0, 4]
    rates = [schedule.learning_rate(i) for i in range(6)]
    assert rates[0] == 0.2 and rates[4] == 0.1 and rates[2] == pytest.approx(0.1) and rates[5] == pytest.approx(0.05)
    assert rates[:4] == sorted(rates[:4], reverse=True) and min(rates) > 0


def test_the_recommended_one_scales() -> None:
    """Breaks if it names an estimator that does not exist, or `steps` and `length` are ignored."""
    schedule = far_to_near()
    for stage in schedule.stages:
        assert callable(estimator(stage.gradient))
    short = far_to_near(2.0, steps=27)
    assert short.steps == 27 and len(short.stages) == 2
    assert short.learning_rate(0) == pytest.approx(2 * schedule.learning_rate(0))
    assert far_to_near(steps=2).steps == 2


def test_stages_that_cannot_be() -> None:
    """Breaks if a schedule without steps, or before its beginning, is accepted."""
    with pytest.raises(ValueError, match="`steps` must be at least 1"):
        Stage("kato", 0, 0.1)
    with pytest.raises(ValueError, match="`learning_rate` positive"):
        Stage("kato", 1, 0.0)
    with pytest.raises(ValueError, match="at least one stage"):
        Schedule(())
    with pytest.raises(ValueError, match="`steps` must be at least 1"):
        far_to_near(steps=1)
    with pytest.raises(IndexError, match="step -1 is negative"):
        far_to_near()(-1)
