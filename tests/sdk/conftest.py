"""One server, one worker and one client of the published SDK for the whole folder."""

from collections.abc import Iterator

import pytest

from tests.journeys.harness import ServerProcess
from tests.sdk.published import SdkClient, SdkWorker


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def client(server: ServerProcess) -> Iterator[SdkClient]:
    with SdkClient(server, server.folder) as client:
        yield client


@pytest.fixture(scope="session")
def worker(server: ServerProcess) -> Iterator[SdkWorker]:
    with SdkWorker(server, server.folder) as worker:
        yield worker
