"""Interprobe's imports beside the program's: neither finds what belongs to the other."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path


def run(folder: Path, source: str) -> list[str]:
    """Run code in a fresh interpreter whose path does not begin with its folder."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(source)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_program_gets_its_own_module(tmp_path: Path) -> None:
    (tmp_path / "fractions.py").write_text("HOME = 'here'\n")
    lines = run(
        tmp_path,
        """
        import fractions, os, sys
        from interprobe.cli.launch.isolation import Imports
        library = fractions
        imports = Imports(os.getcwd())
        sys.path.insert(0, os.getcwd())
        import fractions
        own = fractions
        print(own.HOME, own is library)
        with imports.own():
            import fractions
            print(fractions is library)
        import fractions
        print(fractions is own)
        """,
    )
    assert lines == ["here False", "True", "True"]


def test_interprobe_gets_the_library_s_module(tmp_path: Path) -> None:
    (tmp_path / "fractions.py").write_text("HOME = 'here'\n")
    (tmp_path / "colorsys.py").write_text("HOME = 'here'\n")
    lines = run(
        tmp_path,
        """
        import os, sys
        from interprobe.cli.launch.isolation import Imports
        imports = Imports(os.getcwd())
        sys.path.insert(0, os.getcwd())
        import fractions
        with imports.own():
            from fractions import Fraction
            import colorsys
            print(hasattr(colorsys, "HOME"), os.getcwd() in sys.path)
        import colorsys
        print(fractions.HOME, colorsys.HOME, os.getcwd() in sys.path)
        with imports.own():
            import colorsys
            print(hasattr(colorsys, "HOME"))
        """,
    )
    assert lines == ["False False", "here here True", "False"]


def test_a_package_of_the_program_goes_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text("from json import part\n")
    (tmp_path / "json" / "part.py").write_text("")
    lines = run(
        tmp_path,
        """
        import os, sys
        from interprobe.cli.launch.isolation import Imports
        imports = Imports(os.getcwd())
        sys.path.insert(0, os.getcwd())
        import json.part
        with imports.own():
            import json.decoder
            print("json.part" in sys.modules, json.loads("[1]"))
        print("json.part" in sys.modules, "json.decoder" in sys.modules)
        """,
    )
    assert lines == ["False [1]", "True False"]


def test_a_folder_without_code_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "fractions").mkdir()
    lines = run(
        tmp_path,
        """
        import fractions, os, sys
        from interprobe.cli.launch.isolation import Imports
        library = fractions
        Imports(os.getcwd())
        print(sys.modules["fractions"] is library)
        """,
    )
    assert lines == ["True"]


def test_a_path_that_python_does_not_extend_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "fractions.py").write_text("HOME = 'here'\n")
    lines = run(
        tmp_path,
        """
        import fractions, sys
        from interprobe.cli.launch.isolation import Imports
        Imports(None)
        print("fractions" in sys.modules)
        """,
    )
    assert lines == ["True"]


def test_nothing_of_the_program_s_main_module_is_kept(tmp_path: Path) -> None:
    (tmp_path / "keeper.py").write_text("import __main__\n")
    lines = run(
        tmp_path,
        """
        import os, sys
        sys.path.append(os.getcwd())
        from interprobe.cli.launch.isolation import Imports
        main = sys.modules["__main__"]
        with Imports(None).own():
            import keeper
        print(keeper.__main__ is main, sys.modules["__main__"] is main)
        del sys.modules["__main__"], sys.modules["keeper"]
        with Imports(None).own():
            import keeper
        print("__main__" in sys.modules)
        """,
    )
    assert lines == ["False True", "False"]
