"""The operations of a training step, counted from the network's definition."""

import math
from typing import Any


def operations_a_step(model: str, batch: int) -> int:
    """Floating-point operations of a training step's convolutions and dense layers.

    There are two for each multiply-add of the forward pass, times three, because the
    gradients by the input and by the weights each cost as much as the forward pass.
    (The first layer needs no gradient by its input, which saves under 2% in these
    networks.) A formulation that computes less than the definition, such as Winograd's,
    can exceed the machine's rate. Batch norm, pooling and the optimizer are not
    counted.
    """
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    import models
    from models.layers import Conv, Dense

    products = 0

    def count(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        nonlocal products
        y = call(*args, **kwargs)
        module = context.module
        if context.method_name == "__call__" and isinstance(module, Conv | Dense):
            inputs = args[0].shape[-1]
            kernel = module.kernel**2 if isinstance(module, Conv) else 1
            products += math.prod(y.shape) * kernel * inputs
        return y

    net = models.create(model)
    with nn.intercept_methods(count):
        jax.eval_shape(
            lambda: net.init(jax.random.key(0), jnp.zeros((batch, 32, 32, 3)))
        )
    return 3 * 2 * products
