"""Everybody's results, read: what evaluation tools leave, and tables of any shape, as `Record`s.

::

    from robusttest.store.readers import read
    records, notes = read(["logs/a.eval", "logs/b.eval"])
    records, notes = read(["wide.csv"], wide=["original", "typo"], reference="original")

A format is told by the content of the file, never by its name alone; ``format=`` says it where the content can't.
Several files of one model and task are several variants where their settings differ, and repeats where they do not.
"""

from __future__ import annotations

from robusttest.store.readers.combine import read
from robusttest.store.readers.file import FORMATS, FileFacts, ResultFile
from robusttest.store.readers.sniff import open_file

__all__ = ["FORMATS", "FileFacts", "ResultFile", "open_file", "read"]
