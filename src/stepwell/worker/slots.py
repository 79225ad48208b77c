"""How many more steps each queue can take: its slots are free, busy with a step, or promised to a poll."""

from collections.abc import Mapping

from stepwell.model.work import QueueName

Asked = dict[QueueName, int]
"""Slots promised to one poll."""


class Slots:
    def __init__(self, concurrency: Mapping[QueueName, int]) -> None:
        self._free = dict(concurrency)

    def ask(self, limit: int) -> Asked:
        """What a poll may ask for now, at most `limit` a queue. Nothing is promised yet."""
        return {queue: min(free, limit) for queue, free in self._free.items() if free > 0}

    def promise(self, asked: Asked) -> None:
        for queue, count in asked.items():
            self._free[queue] -= count

    def give_back(self, asked: Asked) -> None:
        """The poll has been answered: what it got is taken with `take`."""
        for queue, count in asked.items():
            self._free[queue] += count

    def take(self, queue: QueueName) -> None:
        """A step began. More than was asked for makes the count negative for a while."""
        self._free[queue] -= 1

    def leave(self, queue: QueueName) -> None:
        self._free[queue] += 1
