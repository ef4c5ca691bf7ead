"""Traditional and Simplified Chinese, by OpenCC."""

from collections.abc import Callable
from functools import cache

from qakit.errors import ConfigError

Convert = Callable[[str], str]


@cache
def converter(name: str, purpose: str) -> Convert:
    """The function that converts a text as one of OpenCC's configurations (`t2s`, `s2tw`, ...) says.

    Args:
        purpose: what it is needed for, for the message where it is missing.

    Raises:
        ConfigError: `opencc` is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise ConfigError(f"{purpose} needs the package opencc: pip install 'qakit[text]'") from None
    convert: Convert = OpenCC(name).convert
    return convert


def simplifier() -> Convert | None:
    """From Traditional to Simplified; None where `opencc` is not installed."""
    try:
        return converter("t2s", "comparing scripts")
    except ConfigError:
        return None
