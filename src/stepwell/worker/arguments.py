"""From a step's input to the arguments of a function.

Arguments are taken from the input by name and converted to the annotated types. A function with exactly one
parameter whose annotation describes an object (dataclass, msgspec.Struct, TypedDict, dict) gets the whole
input, unless the input has a member of that parameter's name. A parameter annotated `WorkRequest` gets the
request itself.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

import msgspec

from stepwell.worker.wire import WorkRequest

Bind = Callable[[WorkRequest], dict[str, Any]]
"""Gives the keyword arguments for one request. Raises InputMismatch."""

_Parameters = list[inspect.Parameter]


class InputMismatch(ValueError):
    """The input of a step does not fit the function that should do it."""


def binder(function: Callable[..., Any]) -> Bind:
    """Raises TypeError for a function whose arguments cannot be given by name."""
    taken, request_names, takes_rest = _sort_parameters(function)
    if len(taken) == 1 and not takes_rest and _is_whole_type(taken[0].annotation):
        arguments = _whole_input(taken[0])
    else:
        arguments = _by_name(taken, takes_rest)
    if not request_names:
        return arguments
    return lambda request: arguments(request) | dict.fromkeys(request_names, request)


def _sort_parameters(function: Callable[..., Any]) -> tuple[_Parameters, list[str], bool]:
    """Those from the input, the names of those that get the request, and whether there is `**rest`."""
    taken: _Parameters = []
    request_names: list[str] = []
    takes_rest = False
    for parameter in _resolved_parameters(function):
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise TypeError(f"{_name(function)}: `{parameter}` cannot be given by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_rest = True
        elif parameter.annotation is WorkRequest or (
            parameter.name == "work_request" and parameter.annotation is parameter.empty
        ):
            request_names.append(parameter.name)
        else:
            taken.append(parameter)
    return taken, request_names, takes_rest


def _resolved_parameters(function: Callable[..., Any]) -> _Parameters:
    try:
        return list(inspect.signature(function, eval_str=True).parameters.values())
    except NameError as error:
        raise TypeError(f"{_name(function)}: cannot resolve an annotation: {error}") from error


def _by_name(taken: _Parameters, takes_rest: bool) -> Bind:
    names = tuple(parameter.name for parameter in taken)
    if not names:
        return (lambda request: dict(request.input)) if takes_rest else (lambda request: {})
    kind = msgspec.defstruct("Arguments", [_field(parameter) for parameter in taken], kw_only=True)
    msgspec.json.Decoder(kind)  # a type that can never be converted is told now, not at the first step

    def bind(request: WorkRequest) -> dict[str, Any]:
        values = _convert(request.input, kind)
        arguments = dict(request.input) if takes_rest else {}
        for name in names:
            value = getattr(values, name)
            if value is not msgspec.UNSET:
                arguments[name] = value
        return arguments

    return bind


def _field(parameter: inspect.Parameter) -> Any:
    """A parameter with a default may be left out; Python itself then supplies the default."""
    kind = Any if parameter.annotation is parameter.empty else parameter.annotation
    if parameter.default is parameter.empty:
        return (parameter.name, kind)
    if kind is not Any and parameter.default is None:
        kind = typing.Optional[kind]  # noqa: UP045 - built at run time, from any kind of annotation
    if kind is not Any:
        kind = typing.Union[kind, msgspec.UnsetType]  # noqa: UP007
    return (parameter.name, kind, msgspec.UNSET)


def _whole_input(parameter: inspect.Parameter) -> Bind:
    name, kind = parameter.name, parameter.annotation
    own = _member_names(kind)

    def bind(request: WorkRequest) -> dict[str, Any]:
        value: Any = request.input
        if name in value and name not in own:
            return {name: _convert(value[name], kind, f"$.{name}")}
        return {name: _convert(value, kind)}

    return bind


def _convert(value: Any, kind: Any, where: str = "$") -> Any:
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except (msgspec.ValidationError, RecursionError) as error:
        message = str(error).replace("`$", f"`{where}", 1)
        if where not in message:
            message = f"{message} - at `{where}`"
        raise InputMismatch(message if where != "$" else str(error)) from error


def _is_whole_type(annotation: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    return (
        is_dataclass(kind)
        or typing.is_typeddict(kind)
        or issubclass(kind, (msgspec.Struct, dict))
        or kind is Mapping
    )


def _member_names(annotation: Any) -> frozenset[str]:
    kind = typing.get_origin(annotation) or annotation
    if issubclass(kind, msgspec.Struct):
        return frozenset(kind.__struct_encode_fields__)
    if is_dataclass(kind):
        return frozenset(field.name for field in dataclass_fields(kind))
    if typing.is_typeddict(kind):
        return frozenset(kind.__annotations__)
    return frozenset()


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
