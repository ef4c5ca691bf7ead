"""What keeps hostile text inert on all pages: escaping, marks for what does not show, a content security policy."""

import re
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

# What shows nothing though it counts as printable: fillers, variation selectors, the braille blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_IDEOGRAPHIC_SPACE = "\u3000"


def template(name: str, **filters: Callable[[Any], Any]) -> Template:
    """A template that escapes all it is given, with the filters `seen` and `plain` and those named."""
    environment = Environment(
        loader=PackageLoader("qakit.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seen": seen, "plain": partial(seen, mark=_plainly), **filters}
    return environment.get_template(name)


def template_text(name: str) -> str:
    """A file that stands beside the templates, as it is."""
    return (files("qakit.report") / "template" / name).read_text(encoding="utf-8")


def policy(*, style: str, script: str | None = None) -> str:
    """The content security policy of a page that has this style and this script, or none, and may load nothing."""
    rules = {"default-src": "'none'"} | ({} if script is None else {"script-src": _hash(script)})
    rules |= {"style-src": _hash(style), "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def picture(svg: str | None) -> str:
    """An SVG as the address of an image, in which a browser runs nothing and loads nothing; of none an empty one."""
    return "" if not svg else f"data:image/svg+xml;base64,{b64encode(svg.encode('utf-8')).decode('ascii')}"


def seen(text: object, *, mark: Callable[[str], str] | None = None) -> Markup:
    """`text` escaped, with a mark in the place of each character that does not show: `U+202E` in a box."""
    marked = mark or _boxed
    return Markup("").join(marked(character) if _is_unseen(character) else character for character in str(text))


def _boxed(character: str) -> Markup:
    return Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")


def _plainly(character: str) -> str:
    """The mark where no markup can stand, such as in an attribute."""
    return f"[U+{ord(character):04X}]"


def _is_unseen(character: str) -> bool:
    return _UNSEEN.match(character) is not None or not (character.isprintable() or character == _IDEOGRAPHIC_SPACE)
