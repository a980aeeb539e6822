"""The report as a real browser shows it: Debian's Chromium, with axe-core as a judge of who can read it.

``.ci/browser`` makes the environment that this needs and runs it.
"""
