"""Lines of a file that another program is still writing, read while they come."""

from pathlib import Path


class GrowingLines:
    """`new` gives what was written since the last time, whole lines only; nothing while there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def new(self) -> list[bytes]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return whole.splitlines()
