"""Cases: those of a part, read when they are asked for; the ones used last stay in memory, up to a limit."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What is read of a case: anything that knows how much memory it takes."""

    @property
    def bytes(self) -> int: ...


Read = TypeVar("Read", bound=Sized)


class Cases(Generic[Read]):
    """The cases of a part, by position.

    Args:
        case_ids: in the order of the positions.
        read: position -> what is read of this case, the same every time.
        cache_mb: largest sum of what is kept, in 10^6 bytes; the case in use is kept in any case.
    """

    def __init__(self, case_ids: Sequence[str], read: Callable[[int], Read], cache_mb: float):
        self.case_ids = list(case_ids)
        self.read = read
        self.limit = cache_mb * 1e6
        self.cached: OrderedDict[int, Read] = OrderedDict()
        self.held = 0

    def __len__(self) -> int:
        return len(self.case_ids)

    def __getitem__(self, index: int) -> Read:
        if index not in self.cached:
            self.cached[index] = self.read(index)
            self.held += self.cached[index].bytes
        self.cached.move_to_end(index)
        while self.held > self.limit and len(self.cached) > 1:
            self.held -= self.cached.popitem(last=False)[1].bytes
        return self.cached[index]

    def __iter__(self) -> Iterator[Read]:
        return (self[index] for index in range(len(self)))
