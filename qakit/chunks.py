"""Streams in chunks, so that memory holds one chunk at a time (`itertools.batched` needs Python 3.12)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, in order; the last one may be shorter, and none is empty."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
