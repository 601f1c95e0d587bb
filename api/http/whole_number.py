"""A whole number in a path."""

from werkzeug.routing import IntegerConverter


class WholeNumberInPath(IntegerConverter):
    """Plain digits; werkzeug takes those of every script."""

    regex = "[0-9]+"
