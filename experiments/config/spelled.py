"""Shapes f and thresholds c as they are spelled, such as `bounded(2, width=0.5)`.

A spelling is a name in the library, with literal arguments if it takes any. It is
parsed and looked up, never evaluated.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from experiments.errors import UserError

Makers = Mapping[str, Callable[..., Any]]


def shapes() -> Makers:
    """The names that may spell f, each with its function."""
    import landmod_jax as lm

    named = {name: (lambda shape=shape: shape) for name, shape in lm.SHAPES.items()}
    return named | {"power": lm.power, "bounded": lm.bounded}


def thresholds() -> Makers:
    """The names that may spell a threshold, each with its function."""
    import landmod_jax as lm

    makers = (lm.running_min, lm.constant, lm.smoothed_min, lm.windowed_min)
    return {maker.__name__: maker for maker in makers}


def make(option: str, text: str, makers: Makers) -> Any:
    """The shape or threshold that `text` spells.

    Raises:
      UserError: the name is unknown, or the arguments are not literals or do not fit;
        the message names the option.
    """
    name, args, kwargs = _parsed(option, text, makers)
    try:
        return makers[name](*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise UserError(f"{option} {text!r}: {error}") from error


def canonical(option: str, text: str, makers: Makers) -> str:
    """The canonical form of `text`: keyword arguments, without those at defaults.

    Raises:
      UserError: as `make`.
    """
    make(option, text, makers)
    name, args, kwargs = _parsed(option, text, makers)
    signature = inspect.signature(makers[name])
    bound = signature.bind(*args, **kwargs).arguments
    chosen = [
        f"{key}={_number(value)}"
        for key, value in bound.items()
        if value != signature.parameters[key].default
    ]
    return f"{name}({', '.join(chosen)})" if chosen else name


def arguments(option: str, text: str, makers: Makers) -> dict[str, Any]:
    """The arguments in a canonical spelling, by name."""
    return _parsed(option, text, makers)[2]


def _parsed(
    option: str, text: str, makers: Makers
) -> tuple[str, list[Any], dict[str, Any]]:
    wrong = UserError(
        f"{option} takes a name, with any numbers in parentheses, such as "
        f"smoothed_min(0.9) or bounded(2, 0.5); got {text!r}"
    )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        args = [ast.literal_eval(arg) for arg in call.args]
        kwargs = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise wrong from error
    if not isinstance(call.func, ast.Name) or any(k.arg is None for k in call.keywords):
        raise wrong
    if call.func.id not in makers:
        raise UserError(
            f"{option} {call.func.id!r} is none of {', '.join(sorted(makers))}"
        )
    return call.func.id, args, kwargs


def _number(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return repr(int(value) if whole else value)
