"""Where in a TOML text a key stands: the line number that an operator looks for when a policy is refused.

Owns the finding of lines alone; what the text means is tomllib's. Expects a text that tomllib has accepted.
"""

import re

Place = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and numbers within arrays, as ("limits", 0, "window")."""

_WORD = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # strings of several lines first, or their quotes pass for empty strings
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[A-Za-z0-9_-]+"
    r"|[^\S\n]+"
    r"|.",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of every table, key, inline table's key and array's entry."""
    return _Finder(text).found


class _Finder:
    """One pass over the words of the text.

    `_base` is the table of the last header, `_arrays` the latest entry of each array of tables.
    """

    def __init__(self, text: str) -> None:
        self.found: dict[Place, int] = {(): 1}
        self._line = 1
        self._base: Place = ()
        self._arrays: dict[Place, int] = {}
        self._words: list[str] = [
            word
            for word in _WORD.findall(text)
            if word == "\n" or not (word.isspace() or word.startswith("#"))
        ]
        self._at = 0
        while self._at < len(self._words):
            self._statement()

    def _statement(self) -> None:
        """One line's header or key with its value, which may go over several lines."""
        word = self._words[self._at]
        if word == "\n":
            self._next()
        elif word == "[":
            self._header()
        else:
            self._key_and_value(self._base)

    def _next(self) -> str:
        word = self._words[self._at]
        self._at += 1
        self._line += word.count("\n")
        return word

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else "\n"

    def _header(self) -> None:
        self._next()
        many = self._peek() == "["
        if many:
            self._next()
        place: Place = ()
        for name in self._dotted("]"):
            place = self._within((*place, name))
        self._next()
        if many:
            self._next()
            bare = place[:-1] if isinstance(place[-1], int) else place
            number = self._arrays.get(bare, -1) + 1
            self._arrays[bare] = number
            self.found.setdefault(bare, self._line)
            place = (*bare, number)
        self.found.setdefault(place, self._line)
        self._base = place

    def _within(self, place: Place) -> Place:
        """`place`, or its latest entry where it is an array of tables."""
        return (*place, self._arrays[place]) if place in self._arrays else place

    def _dotted(self, end: str) -> list[str]:
        names = []
        while self._peek() != end:
            word = self._next()
            if word != ".":
                names.append(word[1:-1] if word[0] in "\"'" else word)
        return names

    def _key_and_value(self, base: Place) -> None:
        place = base
        for name in self._dotted("="):
            place = (*place, name)
            self.found.setdefault(place, self._line)
        self._next()
        self._value(place)

    def _value(self, place: Place) -> None:
        """One value; what is not an array or an inline table is over at a comma, a bracket or the line's end."""
        opening = self._peek()
        if opening not in {"[", "{"}:
            while self._peek() not in {"\n", ",", "]", "}"}:
                self._next()
            return
        self._next()
        closing = "]" if opening == "[" else "}"
        number = 0
        while (word := self._peek()) != closing:
            if word in {"\n", ","}:
                self._next()
            elif opening == "{":
                self._key_and_value(place)
            else:
                self.found[(*place, number)] = self._line
                self._value((*place, number))
                number += 1
        self._next()
