"""The optimizers, one record each: the thesis's four, with PyTorch's semantics."""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import optax


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimizer as a run names it.

    Attributes:
      name: in configurations and on the command line; a function of
        `landmod_jax.torch_optim`.
      label: in tables and pictures.
      learning_rate: the thesis's (tables A.1 and A.2); None if the network sets it.
      momentum: the thesis's; None if the optimizer has none.
    """

    name: str
    label: str
    learning_rate: float | None
    momentum: float | None

    def create(
        self,
        learning_rate: "float | optax.Schedule",
        *,
        momentum: float,
        weight_decay: float,
        ahead: "optax.GradientTransformation | None",
    ) -> "optax.GradientTransformationExtraArgs":
        """The optax chain; `ahead` comes before weight decay."""
        import optax

        from landmod_jax import torch_optim

        options: dict[str, Any] = {"weight_decay": weight_decay}
        if momentum:
            options["momentum"] = momentum
        tx = getattr(torch_optim, self.name)(learning_rate, **options)
        return tx if ahead is None else optax.chain(ahead, tx)


OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", "SGD", None, momentum=0.9),
        Optimizer("adam", "Adam", 1e-3, momentum=None),
        Optimizer("adagrad", "Adagrad", 1e-2, momentum=None),
        Optimizer("rmsprop", "RMSProp", 1e-3, momentum=0.0),
    )
}
if TYPE_CHECKING:
    OptimizerName = str
else:  # the choices that --help lists
    OptimizerName = Literal[tuple(OPTIMIZERS)]
