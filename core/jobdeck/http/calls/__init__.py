"""The calls of the API: the methods of a queue as jobdeck's own commands and cockpit use them on another machine.

Resources are for programs and stay as they are; calls change with the records of the engine, and with their `PROTOCOL`.
"""
