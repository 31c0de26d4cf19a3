"""The client of the API: a queue on another machine, with the methods and records of one that is open here."""
