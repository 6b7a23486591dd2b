"""Fixtures of the checks on wheels of other projects."""

import importlib.util
from pathlib import Path

import pytest
from witness import Evidence, build_malloc_log, examine


@pytest.fixture(scope="session")
def wheels_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where programs run, beside the log of malloc."""
    folder = tmp_path_factory.mktemp("wheels")
    build_malloc_log(folder)
    return folder


@pytest.fixture(scope="class")
def evidence(request: pytest.FixtureRequest, wheels_folder: Path) -> Evidence:
    """What the program of the test's class left; skips where one of its wheels is missing."""
    checks = request.cls
    missing = [name for name in checks.modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: python3 -m pip install '.[wheels]'")
    return examine(checks.program, wheels_folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case that a class describes."""
    if "copying_case" in metafunc.fixturenames:
        metafunc.parametrize("copying_case", sorted(metafunc.cls.copies))
    if "calling_case" in metafunc.fixturenames:
        metafunc.parametrize("calling_case", sorted(metafunc.cls.calls))
