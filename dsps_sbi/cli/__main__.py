"""``python -m dsps_sbi.cli``."""

import sys

from .app import main

sys.exit(main())
