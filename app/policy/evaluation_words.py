"""Why an expression gave no value for a case, in words: reviewers read it beside the rule's own text."""

from __future__ import annotations

import re

_KINDS = {
    "string": "text",
    "str": "text",
    "double": "a number",
    "float": "a number",
    "int": "a number",
    "uint": "a number",
    "bool": "yes or no",
    "list": "a list",
    "map": "several values",
    "dict": "several values",
    "NoneType": "nothing",
}
_ABSENT = re.compile(r'(?:no such key: |key not found in map : )"?(.+?)"?$', re.IGNORECASE)
_OVERLOAD = re.compile(r"no matching overloads? .*\((.*)\)$", re.IGNORECASE)


def in_words(message: str) -> str:
    """The library's message for a reader who knows the case and not the expression.

    >>> in_words("no such key: tenure_days"), in_words('Key not found in map : "receipts"')
    ('tenure_days is not given', 'receipts is not given')
    >>> in_words("No matching overloads found : _>_(string, double)")
    'text and a number do not go together'
    >>> in_words("No matching overloads found : !_")
    'a fact is of another kind than expected'
    >>> in_words("divide by zero")
    'divide by zero'
    """
    if absent := _ABSENT.search(message):
        return f"{absent[1]} is not given"
    if "matching overload" not in message.lower():
        return message
    found = _OVERLOAD.search(message)
    kinds = list(dict.fromkeys(kind(one.strip()) for one in found[1].split(","))) if found else []
    if len(kinds) < 2:
        return "a fact is of another kind than expected"
    return f"{' and '.join(kinds)} do not go together"


def kind(name: str) -> str:
    """A type of the expression language, or of a value, as people say it.

    >>> kind("str"), kind("timestamp")
    ('text', 'timestamp')
    """
    return _KINDS.get(name, name)
