"""Whoever imports this gets an error that is no Exception."""


class Odd(BaseException):
    """Nobody expects it."""


raise Odd("not an Exception")
