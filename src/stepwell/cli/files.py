"""Texts that people hand over: definitions and inputs, from files, standard input or the command line."""

import json
import sys
from pathlib import Path
from typing import Any

import click


def documents(path: str) -> list[dict[str, Any]]:
    """The objects in a JSON or YAML file: one, a list, or several YAML documents. `-` is standard input."""
    from stepwell.definition.parse import parse
    from stepwell.model.errors import Invalid

    found: list[Any] = []
    for piece in _pieces(_text(path), path):
        try:
            document = parse(piece)
        except Invalid as error:
            raise click.ClickException(f"{path}: {error.message}") from error
        found += document if isinstance(document, list) else [document]
    if not found or not all(isinstance(item, dict) for item in found):
        raise click.ClickException(f"{path}: there must be an object, or a list of them")
    return found


def one_document(path: str) -> dict[str, Any]:
    """The only object in a file."""
    found = documents(path)
    if len(found) != 1:
        raise click.ClickException(f"{path}: there must be one definition, not {len(found)}")
    return found[0]


def _pieces(text: str, path: str) -> list[str]:
    """The YAML documents of a file. Empty lines stand for those before, so that line numbers stay right."""
    if path.endswith(".json"):
        return [text]
    pieces: list[list[str]] = [[]]
    for number, line in enumerate(text.splitlines()):
        if line.rstrip() == "---":
            pieces.append([""] * (number + 1))
        else:
            pieces[-1].append(line)
    return ["\n".join(lines) for lines in pieces if any(_says_something(line) for line in lines)]


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def json_input(given: str | None) -> dict[str, Any]:
    """`{"a": 1}` itself, `@file`, or `-` for standard input; nothing is an empty object."""
    if given is None:
        return {}
    text = _text(given[1:]) if given.startswith("@") else _text("-") if given == "-" else given
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--input is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError("--input must be a JSON object")
    return value


def given_value(given: str | None, as_text: bool) -> Any:
    """A value from the command line: JSON, else text. None and `-` are standard input."""
    text = sys.stdin.read() if given in (None, "-") else str(given)
    if as_text:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8 text") from error
