"""Finding a worker in a module, and what a Worker says before it runs."""

from pathlib import Path

import pytest

from stepwell.model.errors import Invalid, NotFound
from stepwell.worker import Worker, load

ONE = """
from stepwell.worker import Worker
worker = Worker()
alias = worker

@worker.step("hello")
def hello(): ...
"""
TWO = "from stepwell.worker import Worker\nfirst = Worker()\nsecond = Worker()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_by_file_and_by_module(folder: Path) -> None:
    (folder / "one_file.py").write_text(ONE)
    (folder / "some_package").mkdir()
    (folder / "some_package" / "__init__.py").write_text("")
    (folder / "some_package" / "one_module.py").write_text(ONE)
    for place in (
        "one_file.py",
        str(folder / "one_file.py"),
        "one_file.py:worker",
        "some_package.one_module",
    ):
        assert load(place).step_names == ["default/hello"]


def test_several_workers_must_be_told_apart(folder: Path) -> None:
    (folder / "two_workers.py").write_text(TWO)
    with pytest.raises(Invalid, match=r"two_workers.py:first, two_workers.py:second"):
        load("two_workers.py")
    assert load("two_workers.py:second") is not load("two_workers.py:first")


@pytest.mark.parametrize(
    "place", ["nowhere.py", "no_such_package.module", "empty_module", "empty_module:worker", "empty_module:x"]
)
def test_what_is_not_there_is_told(folder: Path, place: str) -> None:
    (folder / "empty_module.py").write_text("x = 1\n")
    with pytest.raises(NotFound):
        load(place)


def test_an_error_inside_the_module_comes_through(folder: Path) -> None:
    (folder / "broken_module.py").write_text("import a_library_nobody_has\n")
    with pytest.raises(ModuleNotFoundError, match="a_library_nobody_has"):
        load("broken_module")


def test_a_name_is_taken_once_per_namespace() -> None:
    worker = Worker()
    worker.step("work")(lambda: None)
    worker.step("work", namespace="other")(lambda: None)
    with pytest.raises(ValueError, match="default/work"):
        worker.step("work")(lambda: None)
    with pytest.raises(ValueError, match="concurrency"):
        worker.step("more", concurrency=0)(lambda: None)


def test_connection_settings_later_ones_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEPWELL_URL", "STEPWELL_CLIENT_ID", "STEPWELL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    worker = Worker()
    with pytest.raises(ValueError, match="STEPWELL_CLIENT_ID"):
        worker.target()
    monkeypatch.setenv("STEPWELL_CLIENT_ID", "from-env")
    monkeypatch.setenv("STEPWELL_TOKEN", "t")
    assert worker.target().client_id == "from-env"
    worker.connect(url="https://example.org", client_id="given")
    worker.connect(token="t2")
    assert (worker.target().url, worker.target().client_id, worker.target().token) == (
        "https://example.org",
        "given",
        "t2",
    )
    worker.connect(url="localhost:8080")
    with pytest.raises(ValueError, match="http://"):
        worker.target()


def test_the_decorated_function_stays_as_it_is() -> None:
    worker = Worker()

    @worker.step("double")
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8
