"""The supervisor's page: metrics of all roles summed, health."""

from typing import Any


class MetricsPage:
    def __init__(self, listen: Any) -> None:
        self.listen = listen

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def told(self, name: str, snapshot: Any) -> None: ...

    def died(self, name: str) -> None: ...
