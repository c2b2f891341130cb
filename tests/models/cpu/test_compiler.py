"""Compiler options that this jaxlib and backend take, or none."""

import platform

import jax

import models
from models.cpu import compiler


def test_an_option_that_this_jaxlib_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "ONEDNN", "xla_cpu_of_another_version")
    assert models.compiler_options() == {}


def test_an_option_without_effect_is_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "ONEDNN", "xla_cpu_enable_fast_min_max")
    assert models.compiler_options() == {}


def test_an_option_that_brings_onednn_is_given():
    expected = jax.__version_info__ >= (0, 12) and "x86" in platform.machine()
    assert bool(models.compiler_options()) == expected


def test_accelerators_are_compiled_for_as_ever(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert models.compiler_options() == {}


def test_what_is_given_may_be_changed():
    models.compiler_options()["xla_cpu_of_another_version"] = True
    assert "xla_cpu_of_another_version" not in models.compiler_options()
