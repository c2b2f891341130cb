"""Thresholds that several test modules run through."""

import landmod_jax as lm

THRESHOLDS = {
    "running_min": lm.running_min(),
    "constant": lm.constant(0.5),
    "smoothed_min": lm.smoothed_min(0.5),
    "windowed_min": lm.windowed_min(3),
}
