"""Commands to bytes by hiredis: redis-py packs them argument by argument in Python, where a look-up of 256 addresses
costs more than the look-up itself."""

from typing import Any

import hiredis


class Packed:
    """Mixed into a connection class of redis-py."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return a command as the wire has it; a name of several words is several arguments, as redis-py has it."""
        name = args[0]
        if (" " in name) if isinstance(name, str) else (b" " in name):
            args = (*name.split(), *args[1:])
        return [hiredis.pack_command(args)]


def packed(connection_class: type) -> type:
    """Return the connection class with packing by hiredis."""
    return type(f"Packed{connection_class.__name__}", (Packed, connection_class), {})
