"""The support desk of ``robusttest demo``: its tickets, and the real answers of its four versions, shipped with the package."""
