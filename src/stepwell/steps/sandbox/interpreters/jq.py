"""JQ programs by libjq. It has no limits of its own: the host's clock and the child's memory limit stop it."""

import json
from functools import lru_cache

import jq

from stepwell.steps.sandbox.interpreters.answer import Answer, Question, with_result

_compiled = lru_cache(maxsize=64)(jq.compile)
"""A program keeps nothing from one input to the next, and making one costs a millisecond."""


def run(question: Question) -> Answer:
    """No output gives null, one gives that, several give an array."""
    outputs: list[str] = []
    room = question.output
    try:
        for value in _compiled(question.text).input_text(question.arguments):
            outputs.append(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
            room -= len(outputs[-1])
            if room < 0:
                return Answer(limit="output")
    except (ValueError, RecursionError) as error:
        return Answer(error=str(error).strip() or "the program failed")
    text = outputs[0] if len(outputs) == 1 else "[" + ",".join(outputs) + "]" if outputs else "null"
    return with_result(text.encode("utf-8", "replace"), question)
