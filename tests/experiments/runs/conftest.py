import pytest

from experiments.train.problem import make_problem
from experiments.train.trainer import Trainer
from tests.helpers import SHORT, SHORT_EPOCH, few_images, train_short


@pytest.fixture(scope="session")
def trainer():
    return Trainer(make_problem(SHORT, SHORT_EPOCH), few_images(50), 8)


@pytest.fixture(scope="session")
def whole(trainer, tmp_path_factory):
    """The short run, left alone."""
    path = tmp_path_factory.mktemp("whole") / "run"
    train_short(trainer, path, checkpoint_minutes=60.0)
    return path
