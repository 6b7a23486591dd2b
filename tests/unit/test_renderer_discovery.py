"""Renderers are found by being there, and finding them loads nothing heavy."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import interprobe.renderers
from interprobe.renderers import renderers


def test_every_file_of_the_folder_is_a_renderer_with_a_name_of_its_own() -> None:
    files = list(pkgutil.iter_modules(interprobe.renderers.__path__))
    assert {"svg", "terminal"} <= set(renderers())
    assert len(renderers()) == len(files)


def test_names_are_sorted_and_belong_to_their_renderers() -> None:
    found = renderers()
    assert list(found) == sorted(found)
    assert all(name == renderer.NAME for name, renderer in found.items())


def test_finding_the_renderers_does_not_load_rich() -> None:
    code = (
        "import sys; from interprobe.renderers import renderers; renderers();"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
