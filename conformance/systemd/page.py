"""What `docs/deployment/hsm-bridge.md` tells an administrator to write and to run, taken from the page itself so that it cannot go wrong unseen."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "deployment"
BLOCK = re.compile(r"^( *)```\w*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"^# (/\S+)\n", re.MULTILINE)


class Page:
    def __init__(self) -> None:
        text = (FOLDER / "hsm-bridge.md").read_text()
        self._blocks = [textwrap.dedent(found.group(2)) for found in BLOCK.finditer(text)]

    def file(self, path: str) -> str:
        """The content of a file, which the page begins with a comment that is its path."""
        for block in self._blocks:
            parts = NAMED.split(block)
            for name, content in zip(parts[1::2], parts[2::2]):
                if name == path:
                    return content
        raise AssertionError(f"the page does not say what is in {path}")

    def commands(self, words: str) -> str:
        """A block of commands, by what it does."""
        for block in self._blocks:
            if words in block:
                return block
        raise AssertionError(f"the page has no commands with '{words}'")
