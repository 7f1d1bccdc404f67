"""``python -m robusttest.cli``."""

import sys

from robusttest.cli import main

sys.exit(main())
