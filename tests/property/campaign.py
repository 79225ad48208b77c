"""Many definitions against the reference, and what is said of those that differ.

python -m tests.property.campaign 200000          seeds 0 … 199,999 on two processes
python -m tests.property.campaign 200000 1        the same on one
python -m tests.property.campaign --seed 1234     one of them again, made as small as it can be

What agreed is kept in `.property/`, for the code it was played with: started again, it goes on with the rest.
"""

import sys
from collections.abc import Iterator
from copy import deepcopy
from multiprocessing import Pool
from random import Random
from time import monotonic

import yaml

from tests.property.agreed import Agreed
from tests.property.random_definitions import Step, draw_definitions, sequences, walk
from tests.property.telling import Telling

CHUNK = 250
REPORTED = 5
"""Of so many differences a campaign tells everything; of the others only the seed."""
CALM = 3
"""Of so many seeds one is calm: decisions are cut into slices there."""


def tell(seed: int, definitions: dict[str, Step] | None = None, *, watch: bool = False) -> Telling:
    """Play one seed. What went wrong, if anything did, stands in its `failure`."""
    calm = seed % CALM == 0
    telling = Telling(seed, definitions or draw_definitions(Random(seed), calm=calm), calm=calm, watch=watch)
    telling.play()
    return telling


def report(seed: int) -> str:
    """Everything about a seed that fails: the smallest definition, what happened, the difference, the command."""
    definitions = _shrunk(seed, draw_definitions(Random(seed), calm=seed % CALM == 0))
    telling = tell(seed, definitions, watch=True)
    if not telling.failure:
        telling = tell(seed, definitions)
    written = "---\n".join(
        yaml.dump(each, Dumper=_Plain, sort_keys=False, width=110) for each in definitions.values()
    )
    return "\n".join(
        (
            f"seed {seed}",
            written,
            *telling.history,
            telling.failure,
            f"again: .venv/bin/python -m tests.property.campaign --seed {seed}",
        )
    )


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _shrunk(seed: int, definitions: dict[str, Step]) -> dict[str, Step]:
    """Leave out steps and settings while it still fails."""
    raised, smaller = tell(seed, definitions).raised, True
    while smaller:
        smaller = False
        for candidate in _smaller(definitions):
            telling = tell(seed, candidate)
            if telling.failure and telling.raised == raised:
                definitions, smaller = candidate, True
                break
    return definitions


def _smaller(definitions: dict[str, Step]) -> Iterator[dict[str, Step]]:
    for name in definitions:
        if name != "story":
            yield {other: each for other, each in definitions.items() if other != name}
        for key in ("defaultInput", "defaultOutput", "outputMapping", "configuration", "metadata"):
            if key in definitions[name]:
                copy = deepcopy(definitions)
                del copy[name][key]
                yield copy
        for number in range(len(walk(definitions[name]["steps"]))):
            yield from _without(definitions, name, number)


def _without(definitions: dict[str, Step], name: str, number: int) -> Iterator[dict[str, Step]]:
    """The nth step gone, then its children in its place, then without what it need not have."""
    for inner in (False, True):
        copy = deepcopy(definitions)
        ref = walk(copy[name]["steps"])[number]["ref"]
        for steps in sequences(copy[name]["steps"]):
            found = next((step for step in steps if step["ref"] == ref), None)
            if found is not None and (not inner or found.get("children")):
                at = steps.index(found)
                steps[at : at + 1] = found["children"] if inner else []
        _cut_edges(copy[name])
        if copy != definitions and all(
            len(s["children"]) == 1 for s in walk(copy[name]["steps"]) if s["type"] == "FOREACH"
        ):
            yield copy
    for key in ("configuration", "optional"):
        copy = deepcopy(definitions)
        if walk(copy[name]["steps"])[number].pop(key, None):
            yield copy
    step = walk(definitions[name]["steps"])[number]
    for key in step["input"] if step["type"] != "PERSISTED_STATE" else ():
        copy = deepcopy(definitions)
        del walk(copy[name]["steps"])[number]["input"][key]
        yield copy


def _cut_edges(definition: Step) -> None:
    """No edge from or to a top-level step that is gone."""
    top = {step["ref"] for step in definition["steps"]}
    entries = definition.get("metadata", {}).get("dependencies", [])
    entries[:] = [
        {
            "ref": entry["ref"],
            "deps": ",".join(dep for dep in entry["deps"].replace(" ", "").split(",") if dep in top),
        }
        for entry in entries
        if entry["ref"] in top
    ]


def _play(chunk: range) -> tuple[range, list[int]]:
    """The seeds of a chunk that differ."""
    return chunk, [seed for seed in chunk if tell(seed).failure]


def campaign(count: int, processes: int) -> int:
    """Play what has not agreed yet, on so many processes; tell of every seed that differs, and how many did."""
    agreed, begun = Agreed(), monotonic()
    chunks = [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    open_ = [chunk for chunk in chunks if chunk not in agreed]
    done, differ = count - sum(map(len, open_)), list[int]()
    print(f"{done:,} of {count:,} definitions agreed before", flush=True)
    with Pool(processes) as pool:
        for chunk, failed in pool.imap_unordered(_play, open_):
            done += len(chunk) - len(failed)
            if not failed:
                agreed.add(chunk)
            for seed in failed[: REPORTED - len(differ)]:
                print(f"\n{report(seed)}", flush=True)
            differ += failed
            print(
                f"\r{done:,} of {count:,} agree, {len(differ)} differ, {monotonic() - begun:.0f} s",
                end="",
                flush=True,
            )
    print("".join(f"\nseed {seed} differs" for seed in differ))
    return 1 if differ else 0


def main(words: list[str]) -> int:
    if words[:1] == ["--seed"]:
        seed = int(words[1])
        print(report(seed) if tell(seed).failure else f"seed {seed}: they agree")
        return 0
    return campaign(int(words[0]), int(words[1]) if words[1:] else 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
