"""The rules of a FLOW_GATEWAY as one script: its result is the index of the first rule that holds, or -1."""

from typing import Any

from stepwell.model.codec import encode

_HEAD = "(steps, context) => {\n  const rules = ["
_TAIL = """
  ];
  for (let index = 0; index < rules.length; index += 1) {
    const holds = rules[index](steps, context);
    if (holds !== true && holds !== false) {
      throw new TypeError(`the condition of rule ${index + 1} must return true or false`);
    }
    if (holds) return index;
  }
  return -1;
}"""


def compose(rules: list[dict[str, Any]]) -> str:
    """Each condition stays a function of its own. The line break ends a comment that a condition may end with."""
    return _HEAD + ",".join(f"\n(\n{_function(rule['condition'])}\n)" for rule in rules) + _TAIL


def _function(condition: str | bool) -> str:
    return condition if isinstance(condition, str) else f"() => {encode(condition).decode()}"
