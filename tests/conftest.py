"""Here, so that the tests of every folder import what stands beside it: `forks`."""
