"""What a run leaves behind it, whoever runs it: pytest's plugin or `robusttest.evaluate`."""
