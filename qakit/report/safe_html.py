"""Safe HTML: text is escaped, invisible characters are marked, and a content security policy blocks the rest."""

import re
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

# Characters that show nothing though Unicode calls them printable: fillers, variation selectors, the braille blank.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_IDEOGRAPHIC_SPACE = "\u3000"


def template(name: str, **filters: Callable[[Any], Any]) -> Template:
    """A template with autoescaping and the filters `seen`, `plain` and `filters`."""
    environment = Environment(
        loader=PackageLoader("qakit.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seen": escape, "plain": partial(escape, mark=_bracketed), **filters}
    return environment.get_template(name)


def template_text(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("qakit.report") / "template" / name).read_text(encoding="utf-8")


def security_policy(*, style: str, script: str | None = None) -> str:
    """The content security policy that allows this style and this script, and nothing else."""
    rules = {"default-src": "'none'"} | ({} if script is None else {"script-src": _hash(script)})
    rules |= {"style-src": _hash(style), "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def image_address(svg: str | None) -> str:
    """An SVG as a `data:` address for `<img>`, where a browser runs no script and loads nothing; empty for None."""
    return "" if not svg else f"data:image/svg+xml;base64,{b64encode(svg.encode('utf-8')).decode('ascii')}"


def escape(text: object, *, mark: Callable[[str], str] | None = None) -> Markup:
    """Escape a text; each invisible character becomes a mark, such as `U+202E` in a box."""
    marked = mark or _boxed
    return Markup("").join(marked(character) if _is_invisible(character) else character for character in str(text))


def _boxed(character: str) -> Markup:
    return Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")


def _bracketed(character: str) -> str:
    """The mark for places without markup, such as attributes."""
    return f"[U+{ord(character):04X}]"


def _is_invisible(character: str) -> bool:
    return _INVISIBLE.match(character) is not None or not (character.isprintable() or character == _IDEOGRAPHIC_SPACE)
