"""You are the scheduler: workers as sequences of real SQL statements on real connections, advanced one statement at a time."""
