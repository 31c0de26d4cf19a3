"""Reads what people ask for, from any database.

The statements here are in SQL that both databases understand; a `Dialect` provides the rest.
"""
