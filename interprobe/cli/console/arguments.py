"""Reads options, and says what is wrong with them in one sentence."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any, NoReturn


class UsageError(Exception):
    """The command cannot be carried out as given; the message is one sentence for the user."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises :class:`UsageError` instead of printing and exiting."""

    def __init__(self, **settings: Any) -> None:
        """Take the settings of :class:`argparse.ArgumentParser`; abbreviations are off."""
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse ``args``.

        Raises:
            UsageError: An option is unknown, incomplete or out of range.
        """
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            word = rest[0].partition("=")[0] if rest[0].startswith("-") else rest[0]
            see = f"see '{self.prog} --help'"
            if not word.startswith("-"):
                raise UsageError(f"'{self.prog}' takes no {word!r} here; {see}.")
            flags = [flag for action in self._actions for flag in action.option_strings]
            raise unknown(f"'{self.prog}' has no option", word, flags, otherwise=see)
        return options

    def count_leading_options(self, words: list[str], stop: tuple[str, ...]) -> int:
        """How many of ``words`` are options and their values, before the first other word.

        Args:
            words: A command line.
            stop: Beginnings of words that look like options and are none.
        """
        valued = {
            flag for action in self._actions if action.nargs != 0 for flag in action.option_strings
        }
        position = 0
        while position < len(words):
            word = words[position]
            if word in ("-", "--") or not word.startswith("-") or word.startswith(stop):
                break
            position += 2 if word in valued else 1
        return min(position, len(words))

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong as one sentence."""
        text = message.removeprefix("argument ")
        raise UsageError(f"{text[:1].upper()}{text[1:]}; see '{self.prog} --help'.")


def usage_error(error: Exception) -> UsageError:
    """The same complaint as a :class:`UsageError`, with a capital and a full stop."""
    text = str(error)
    return UsageError(f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}")


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that ``word`` most likely was meant to be, or None."""
    import difflib

    folded = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return folded[matches[0]] if matches else None


def unknown(problem: str, word: str, choices: Iterable[str], *, otherwise: str) -> UsageError:
    """The error of a name that does not exist.

    Args:
        problem: How the sentence begins: ``There is no rule``.
        word: The name as given.
        choices: The names that exist.
        otherwise: How the sentence ends where none of them is near.
    """
    choice = nearest(word, choices)
    ending = f"did you mean {choice!r}?" if choice else f"{otherwise}."
    return UsageError(f"{problem} {word!r}; {ending}")


def positive(text: str) -> int:
    """Convert an option's value to a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def writable(path: str, *, replace: bool) -> str:
    """The absolute path of a file to write later, checked as far as is possible now.

    Args:
        path: As given on the command line.
        replace: Whether the file will be replaced as a whole instead of written into.

    Raises:
        UsageError: The file could not be written.
    """
    # A symbolic link stays one: what it points to is written.
    absolute = os.path.realpath(path)
    folder = os.path.dirname(absolute)
    exists = os.path.exists(absolute)
    reason = None
    if os.path.isdir(absolute) or path.endswith("/"):
        reason = "it is a directory"
    elif not os.path.isdir(folder):
        reason = f"there is no directory {folder!r}"
    elif replace and exists and not os.path.isfile(absolute):
        reason = "it is not a regular file"
    elif exists and not os.access(absolute, os.W_OK):
        reason = "it is write-protected"
    elif (replace or not exists) and not os.access(folder, os.W_OK | os.X_OK):
        reason = f"the directory {folder!r} is write-protected"
    if reason:
        raise UsageError(f"Cannot write {path!r}: {reason}.")
    return absolute


def check_headers(headers: list[str]) -> None:
    """Make sure that the files of ``--header`` can be read.

    Raises:
        UsageError: One cannot.
    """
    for header in headers:
        if not os.path.isfile(header):
            raise UsageError(f"There is no header {header!r}.")
        if not os.access(header, os.R_OK):
            raise UsageError(f"The header {header!r} cannot be read.")
