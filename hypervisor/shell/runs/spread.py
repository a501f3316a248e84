"""Tasks on an executor, and what comes of them as it comes.

**The executor** may be any of `concurrent.futures`, or one with its interface (Dask's `client.get_executor()`): it is given a
function of a module and plain data, and gives back plain data too. Its workers must see the same file system at the same path.
`shutdown` is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, as_completed
from typing import TypeVar

Key = TypeVar("Key")
Order = TypeVar("Order")
Answer = TypeVar("Answer")


def spread(
    executor: Executor,
    function: Callable[[Order], Answer],
    tasks: Mapping[Key, Order],
    failed: Callable[[Exception], Answer] | None = None,
) -> Iterator[tuple[Key, Answer]]:
    """`function` of each task, in the order in which they end. Who stops asking has the rest withdrawn. `failed`: what stands for
    a task whose function raised, or whose worker is gone.

    Raises:
        Exception: what `function` raises, without `failed`.
    """
    pending: dict[Future[Answer], Key] = {}
    try:
        for key, task in tasks.items():
            pending[executor.submit(function, task)] = key
        for future in as_completed(pending):
            try:
                answer = future.result()
            except (Exception, CancelledError) as error:
                if failed is None:
                    raise
                answer = failed(error)
            yield pending[future], answer
    finally:
        for future in pending:
            future.cancel()
