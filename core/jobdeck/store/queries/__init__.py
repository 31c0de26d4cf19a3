"""What people are told, whichever database it is read from.

The statements here are in SQL that both databases understand; what they do not have in common, a `Dialect` says.
"""
