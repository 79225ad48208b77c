"""Error policies: what happens when a step fails or is late."""

from typing import Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from stepwell.definition.read import read_policy
from stepwell.model.client import Permission
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Invalid, NotFound
from stepwell.runtime.catalog import delete_policy, put_policy
from stepwell.server.asks import Ask, answer, caller_of, desk_of, query_of, written_of
from stepwell.server.declare import declare


@post(
    "/api/errorPolicies",
    status_code=200,
    opt=declare(
        Permission.DEFINE,
        "Store an error policy.",
        body=ErrorPolicy,
        answer=ErrorPolicy,
        tag="error policies",
    ),
)
async def create(request: Ask) -> Response[bytes]:
    return await _put(request)


@put(
    "/api/errorPolicies",
    opt=declare(
        Permission.DEFINE,
        "Replace an error policy.",
        body=ErrorPolicy,
        answer=ErrorPolicy,
        tag="error policies",
    ),
)
async def update(request: Ask) -> Response[bytes]:
    return await _put(request)


@get(
    "/api/errorPolicies",
    opt=declare(
        Permission.READ,
        "All error policies, or those of a namespace.",
        answer=list[ErrorPolicy],
        query={"namespace": str},
        tag="error policies",
    ),
)
async def listed(request: Ask) -> Response[bytes]:
    namespace = query_of(request).text("namespace")
    return answer(await desk_of(request).runtime.read(lambda reads: reads.policies(namespace)))


@get(
    "/api/errorPolicies/{namespace:str}/{name:str}",
    opt=declare(
        Permission.READ,
        "One error policy: as it is now, or that version of it, also of a deleted one.",
        answer=ErrorPolicy,
        query={"version": int},
        tag="error policies",
    ),
)
async def one(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    version = query_of(request).number("version")
    if version is None:
        return answer(await _stored(request, namespace, name))
    runtime = desk_of(request).runtime
    found = await runtime.read(lambda reads: reads.policy_version(namespace, name, version))
    if found is None:
        raise NotFound(f"there is no version {version} of error policy {name!r} in namespace {namespace!r}")
    return answer(found)


@get(
    "/api/errorPolicies/{namespace:str}/{name:str}/versions",
    opt=declare(
        Permission.READ, "The version numbers of an error policy.", answer=list[int], tag="error policies"
    ),
)
async def versions(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    policy = await _stored(request, namespace, name)
    # The store counts them up one by one and drops none.
    return answer(list(range(1, policy.version + 1)))


@delete(
    "/api/errorPolicies/{namespace:str}/{name:str}",
    status_code=200,
    opt=declare(Permission.DEFINE, "Delete an error policy.", answer=dict[str, Any], tag="error policies"),
)
async def remove(request: Ask, namespace: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    by = caller_of(request).client_id
    await desk_of(request).runtime.write(lambda turn, now: delete_policy(turn, now, namespace, name, by))
    return answer({"namespace": namespace, "name": name, "deleted": True})


async def _put(request: Ask) -> Response[bytes]:
    policy, problems = read_policy(await written_of(request))
    if policy is None:
        raise Invalid(problems=tuple(problems))
    by = caller_of(request).client_id
    return answer(await desk_of(request).runtime.write(lambda turn, now: put_policy(turn, now, policy, by)))


async def _stored(request: Ask, namespace: str, name: str) -> ErrorPolicy:
    policy = await desk_of(request).runtime.read(lambda reads: reads.policy(namespace, name))
    if policy is None:
        raise NotFound(f"there is no error policy {name!r} in namespace {namespace!r}")
    return policy


HANDLERS = (create, update, listed, one, versions, remove)
