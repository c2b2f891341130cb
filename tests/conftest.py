"""Before any test: eight CPU devices, so that pmap and meshes have something to map."""

import jax

jax.config.update("jax_num_cpu_devices", 8)
