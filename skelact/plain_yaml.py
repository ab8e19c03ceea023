"""YAML of strangers: plain values only, and no more of them than the text has room for."""

from __future__ import annotations

from typing import Any

import yaml

_MOST_BYTES = 4 << 20  # of a text; configurations and cards take kilobytes
_MOST_ALIASED = 10  # how many times more values than characters aliases may make of it


def load_plain(text: str) -> Any:
    """Read YAML into plain values.

    Aliases make a text of a kilobyte stand for billions of values, which are made as soon as somebody copies or
    shows them; so their number is bounded first.

    Raises:
        yaml.YAMLError: if it is no YAML, too large, or nested too deeply or in itself.
    """
    if len(text) > _MOST_BYTES:
        raise yaml.YAMLError(f"{len(text)} characters are too many; at most {_MOST_BYTES} are read")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > _MOST_ALIASED * len(text) + 100:
            raise yaml.YAMLError(
                "its aliases stand for far more values than it has characters; write them out"
            )
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply, or within itself") from None
    except (ValueError, OverflowError, TypeError) as error:  # dates and numbers that are none
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Values of a tree with its aliases written out; a tree within itself ends in a RecursionError."""
    if id(node) not in known:
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(node)]
