"""Immutable values, made fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a slotted dataclass that is compared and hashed by its content and must not be changed.

    That is checked where it costs nothing: mypy takes it for a frozen one. Python's own frozen dataclasses set each
    field through ``object.__setattr__``, which takes several times as long as all the rest of making a value; a command
    makes dozens of them.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
