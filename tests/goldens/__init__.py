"""What is pinned, and what compares it with what the code gives now."""

# The tests' devices and compiler, before JAX starts.
from tests import conftest as conftest
