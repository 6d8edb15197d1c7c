"""Everything that was done to tracks, and the way back."""

from __future__ import annotations

from clmot.apps.serve.edits import Edit, Redo, Undo
from clmot.apps.serve.state import State
from clmot.errors import require


class History:
    """Tracks with all that was done to them.

    Args:
        state: before the first edit.
    """

    def __init__(self, state: State) -> None:
        self._states, self._told, self._at = [state], [""], 0

    @property
    def state(self) -> State:
        """The tracks as they are now."""
        return self._states[self._at]

    @property
    def told(self) -> list[str]:
        """What was done to them, in sentences."""
        return self._told[1 : self._at + 1]

    @property
    def undone(self) -> list[str]:
        """What can be done again, the next one first."""
        return self._told[self._at + 1 :]

    def copy(self) -> History:
        """Another history that has come so far, and goes its own way from here."""
        other = History(self.state)
        other._states, other._told, other._at = self._states[:], self._told[:], self._at
        return other

    def do(self, edit: Edit) -> str:
        """Make an edit; says what was done.

        Raises:
            UserError: it cannot be made; nothing is changed then.
        """
        if isinstance(edit, Undo):
            require(self._at > 0, "there is nothing to undo")
            self._at -= 1
            return f"Undone: {self._told[self._at + 1]}"
        if isinstance(edit, Redo):
            require(self._at + 1 < len(self._states), "there is nothing to redo")
            self._at += 1
            return f"Again: {self._told[self._at]}"
        state, told = edit.apply(self.state)
        self._states[self._at + 1 :], self._told[self._at + 1 :] = [state], [told]
        self._at += 1
        return told
