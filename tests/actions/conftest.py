"""Makes `act.py` importable, which drives the program of that name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
