"""Whoever imports this is gone, without a word and with success."""

import os

os._exit(0)
