"""What stands against deploying a topology, gathered so that one run names all of it. Pure."""

from collections.abc import Collection
from difflib import get_close_matches

from felixpy.lab.located import At, InvalidTopology


class Problems:
    """Refusals (with file, line, node) and the harmless fields that are only mentioned."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.refusals: list[tuple[int, str]] = []
        self.ignored: dict[str, list[str]] = {}

    def add(self, line: int, node: str, reason: str) -> None:
        """One refusal."""
        of = f"node {node}: " if node else ""
        self.refusals.append((line, f"{self.file}:{line}: {of}{reason}"))

    def harmless(self, what: str, whose: str) -> None:
        """A field that is ignored."""
        owners = self.ignored.setdefault(what, [])
        if whose not in owners:
            owners.append(whose)

    def unknown(self, mapping: At, known: Collection[str], where: str, node: str = "") -> None:
        """Refuse every key that is not known, naming the nearest one that is."""
        if not isinstance(mapping.value, dict):
            self.add(mapping.line, node, f"{where or 'the file'}: a mapping is needed here")
            return
        for key, value in mapping.value.items():
            if key not in known and not key.startswith("x-"):  # x-: anchors kept aside, as in compose files
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self.add(value.line, node, f"{where + '.' if where else ''}{key}: no such field{hint}")

    def raise_any(self) -> None:
        """InvalidTopology with all refusals, by line."""
        if self.refusals:
            raise InvalidTopology("\n".join(text for _, text in sorted(self.refusals)))

    def notes(self) -> tuple[str, ...]:
        """One line on everything that is ignored."""
        if not self.ignored:
            return ()
        said = "; ".join(f"{what} ({', '.join(owners)})" for what, owners in sorted(self.ignored.items()))
        return (f"not needed without containers, ignored: {said}",)
