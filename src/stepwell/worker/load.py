"""Find the worker in a module: `package.module`, `path/to/file.py`, either with `:name`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from stepwell.model.errors import Invalid, NotFound
from stepwell.worker.worker import Worker


def load(module: str) -> Worker:
    """Import the module and return its Worker.

    Raises NotFound when there is no such module or no worker in it, Invalid when there are several and none
    is named. An error inside the module itself comes through as it is.
    """
    place, name = _split(module)
    found = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if name:
        worker = getattr(found, name, None)
        if not isinstance(worker, Worker):
            raise NotFound(f"'{name}' in {place} is not a Worker")
        return worker
    return _only_worker(found, place)


def _split(module: str) -> tuple[str, str]:
    place, colon, name = module.rpartition(":")
    return (place, name) if colon and name.isidentifier() else (module, "")


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # an installed command does not look into the current folder
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise NotFound(f"there is no module '{name}'") from error
        raise


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise NotFound(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _only_worker(module: ModuleType, place: str) -> Worker:
    workers = {id(value): name for name, value in vars(module).items() if isinstance(value, Worker)}
    if not workers:
        raise NotFound(f"there is no Worker in {place}")
    if len(workers) > 1:
        names = ", ".join(f"{place}:{name}" for name in workers.values())
        raise Invalid(f"there are several workers in {place}; say which: {names}")
    worker: Worker = getattr(module, next(iter(workers.values())))
    return worker
