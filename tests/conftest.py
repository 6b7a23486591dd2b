"""Fixtures for all tests: the installed package is what is tested, and no probe outlives a test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the folder of the source tree first, whose interprobe is not compiled.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

# pytest --hypothesis-profile=thorough: for a night, not for every change.
settings.register_profile(
    "thorough", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def no_probe_left_installed() -> Iterator[None]:
    """Fail a test that leaves a hook in NumPy or ctypes behind."""
    from interprobe import native, probes

    yield
    assert native.installed() == []
    assert probes.in_use() == 0
