"""Shared test set-up: pytester for the plugin's tests, and no robusttest files outside temporary folders."""

pytest_plugins = ["pytester"]
