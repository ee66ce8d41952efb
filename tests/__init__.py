"""Tests start the portal and the platform many times: both are compiled once, also where Python is told not to."""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
