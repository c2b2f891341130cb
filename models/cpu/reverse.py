"""An error that says what to write where only reverse-mode derivatives exist.

JAX's own error mentions `custom_vjp`, which users of a network have not written.
"""

from typing import Any, NoReturn

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

MESSAGE = """\
the layers of `models` can be differentiated in reverse mode only (jax.grad, jax.vjp, \
jax.jacrev), any number of times, but not by jax.jvp, jax.jacfwd, jax.linearize or \
jax.hessian. For a function f of the parameters p and a direction v, write
  jax.jacrev(jax.jacrev(f))(p)                               for the Hessian,
  jax.grad(lambda p: optax.tree.vdot(jax.grad(f)(p), v))(p)  for its product with v,
  y, vjp = jax.vjp(f, p); (dy,) = jax.vjp(vjp, y)[1]((v,))   for the tangent of jvp."""


def reverse_only(*arrays: jax.Array) -> list[jax.Array]:
    """The arrays, unchanged; forward-mode derivatives by them raise TypeError.

    For the arguments of a `jax.custom_vjp` function, and also in its forward rule,
    which derivatives of derivatives go through.
    """
    return [_mark.bind(x) for x in arrays]


# Reverse mode transposes the tangent's operation and never runs it. So anything that
# runs, compiles or maps it is forward mode.
_mark, _tangent = Primitive("reverse_only"), Primitive("reverse_only_tangent")


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(MESSAGE)


_mark.def_impl(lambda x: x)
_mark.def_abstract_eval(lambda x: x)
ad.deflinear2(_tangent, lambda g, _: [g])
ad.primitive_jvps[_mark] = lambda primals, tangents: (
    _mark.bind(*primals),
    _tangent.bind(*tangents),
)
batching.defvectorized(_mark)
mlir.register_lowering(_mark, lambda _, x: [x])
_tangent.def_impl(_refuse)
_tangent.def_abstract_eval(lambda x: x)
batching.primitive_batchers[_tangent] = _refuse
mlir.register_lowering(_tangent, _refuse)
