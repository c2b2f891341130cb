"""The annealing study: search.py and escape.py measure, report.py shows the rows."""
