"""Brackets and quotation marks that come in pairs."""

CLOSING_OF = dict(zip("「『《〈（【〔“‘([{", "」』》〉）】〕”’)]}", strict=True))
OPENING_OF = {closing: opening for opening, closing in CLOSING_OF.items()}


def unpaired(text: str, start: int = 0, end: int | None = None) -> tuple[list[int], list[int]]:
    """Places of opening and of closing characters in `start` to `end` (exclusive) whose other half is not there."""
    opened: list[int] = []
    closed: list[int] = []
    for place in range(start, len(text) if end is None else end):
        character = text[place]
        if character in CLOSING_OF:
            opened.append(place)
        elif character in OPENING_OF:
            if opened and text[opened[-1]] == OPENING_OF[character]:
                opened.pop()
            else:
                closed.append(place)
    return opened, closed
