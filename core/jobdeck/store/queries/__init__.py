"""Reads what people ask for, from any database.

The statements here are in SQL that both databases understand; what they do not have in common, a `Dialect` says.
"""
