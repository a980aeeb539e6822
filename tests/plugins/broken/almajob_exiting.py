"""A script that somebody made a plugin: whoever imports it ends."""

import sys

print("what is told while it is imported belongs to no result")
sys.exit("usage: exiting FILE")
