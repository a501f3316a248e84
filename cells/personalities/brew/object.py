"""An object of the personality that a module holds by counted references, and the account of what a module holds.

    bitmap = module.objects.add(Bitmap(module, 16, 16))     # one reference
    bitmap.add_ref()
    bitmap.release(); bitmap.release()                      # gone: its address means nothing any more

Theory: an ARM module knows an object by an address in its space, whose first word points to the interface's vtable. These
pages are not writable for the module, and what the object is stands only here, so that a module can break nothing but itself.
An address is used again as late as possible: a call after the last Release finds nothing there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, TypeVar

from cells.personalities.brew.codes import Error
from cells.personalities.brew.crime import Refusal
from cells.personalities.brew.method import method

if TYPE_CHECKING:
    from cells.personalities.brew.module import Module

LIMIT = 512
"""Objects of one module: more than any applet needs, and little enough that leaks end."""
SLOT = 64
"""Bytes of an object as a module sees it: the pointer to its vtable, and room for public fields (IDIB)."""
REFERENCES = 1 << 16
"""Most references to one object."""
O = TypeVar("O", bound="Object")  # noqa: E741


class Object:
    """What all interfaces have (IBase). `address`: for its module, 0 before it is held. `FREE`: functions without an object."""

    NAME: ClassVar[str] = "IBase"
    FREE: ClassVar[bool] = False
    names: ClassVar[frozenset[str]] = frozenset()
    """Interfaces that it can be used as."""

    def __init_subclass__(cls) -> None:
        cls.names = frozenset(each.NAME for each in cls.__mro__ if issubclass(each, Object))

    def __init__(self, module: Module) -> None:
        self.module = module
        self.references = 1
        self.address = 0

    def __int__(self) -> int:
        return self.address

    @method("word AddRef()")
    def add_ref(self) -> int:
        """One reference more; how many there are."""
        if self.references >= REFERENCES:
            raise Refusal(self.references)
        self.references += 1
        return self.references

    @method("word Release()")
    def release(self) -> int:
        """One less; with the last one the object is gone."""
        self.references -= 1
        if not self.references and self.module.objects.get(self.address) is self:  # not while all are released at once
            self.module.objects.remove(self)
            self.gone()
        return self.references

    def gone(self) -> None:
        """The last reference has been released."""


class Objects:
    """What one module holds. `show(object)` makes it visible at its address, `hide(address)` ends that."""

    def __init__(self, base: int, show: Callable[[Object], None], hide: Callable[[int], None]) -> None:
        self._free = deque(range(base, base + LIMIT * SLOT, SLOT))
        self._held: dict[int, Object] = {}
        self._show, self._hide = show, hide
        self.get = self._held.get
        """The object at an address, or None."""

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._held.values()))

    def add(self, new: O) -> O:
        """Hold it by the one reference that it has.

        Raises:
            Refusal: ENOMEMORY, it holds too many.
        """
        if not self._free:
            raise Refusal(Error.ENOMEMORY)
        new.address = self._free.popleft()
        self._held[new.address] = new
        self._show(new)
        return new

    def remove(self, old: Object) -> None:
        """It is not held any more."""
        del self._held[old.address]
        self._free.append(old.address)
        self._hide(old.address)

    def clear(self) -> Counter[str]:
        """Release all that is left; references by the interface."""
        left: Counter[str] = Counter()
        for each in list(self._held.values()):
            left[each.NAME] += each.references
            if each.address in self._held:  # one may have gone with another
                self.remove(each)
                each.gone()
        return left
